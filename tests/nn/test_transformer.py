"""What is special to the transformer: masks that speak of causality, clones, errors, initial weights."""

import numpy as np
import pytest
import torch

import torchref

# torch says why it takes the plain way through its encoder, which is the only one that we have.
pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")


def twins(module, *args, **kwargs):
    """Both modules in float64 with the same weights, away from where norms and biases start."""
    torch.manual_seed(1)
    theirs = getattr(torch.nn, module)(*args, **kwargs).double()
    for parameter in theirs.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    ours = getattr(torchref.nn, module)(*args, **kwargs).double()
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("dtype", [None, np.float64])
def test_square_subsequent_mask(dtype):
    """Catches a mask of the wrong triangle, or one that hides a position from itself."""
    ours = torchref.nn.Transformer.generate_square_subsequent_mask(5, dtype=dtype)
    theirs = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=None if dtype is None else torch.float64)
    np.testing.assert_array_equal(ours, theirs.numpy())
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")


@pytest.mark.parametrize("kind", ["causal", "bool", "other", "flag", "not causal"])
def test_whether_a_mask_is_causal(kind):
    """Catches a flag that is believed where torch looks at the mask, and a mask that is ignored without a flag."""
    layer = (6, 2, 11, 0.0, "gelu")
    ours, theirs = twins("TransformerEncoderLayer", *layer)
    ours, theirs = torchref.nn.TransformerEncoder(ours, 2), torch.nn.TransformerEncoder(theirs, 2)
    causal = torchref.nn.Transformer.generate_square_subsequent_mask(5, dtype=np.float64)
    mask = {"bool": causal != 0, "other": np.eye(5)}.get(kind, causal)
    if kind == "other":
        mask[0, 3] = -np.inf
    is_causal = {"flag": True, "not causal": False}.get(kind)
    x = np.random.default_rng(2).standard_normal((5, 3, 6))
    y, _ = ours(x, mask, is_causal=is_causal)
    expected = theirs(torch.from_numpy(x), torch.from_numpy(mask), is_causal=is_causal)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-11)


def test_the_layers_are_copies():
    """Catches one layer used twice: its gradients would be sums over both places."""
    layer = torchref.nn.TransformerEncoderLayer(6, 2, 11)
    encoder = torchref.nn.TransformerEncoder(layer, 2)
    first, second = encoder.layers
    assert first is not layer
    assert first is not second
    assert np.array_equal(first.linear1.weight.data, layer.linear1.weight.data)
    assert not np.shares_memory(first.linear1.weight.data, second.linear1.weight.data)


def test_initial_weights():
    """Catches matrices that Transformer does not draw again, and vectors that it does."""
    torchref.manual_seed(3)
    ours = torchref.nn.Transformer(16, 2, 1, 1, 32)
    torch.manual_seed(3)
    theirs = torch.nn.Transformer(16, 2, 1, 1, 32)
    for name, parameter in theirs.named_parameters():
        array = dict(ours.named_parameters())[name].data
        expected = parameter.detach().numpy()
        if expected.ndim > 1:
            assert 0.8 < array.std() / expected.std() < 1.25, name
        else:
            assert bool(array.std()) == bool(expected.std()), name


def test_gradients_of_three_dropouts_and_both_attentions():
    """Catches draws that are made in another order than torch's: the tape would not fit. The universal cases draw, too;
    this one shows that training twice draws twice."""
    torchref.manual_seed(4)
    layer = torchref.nn.TransformerDecoderLayer(6, 2, 11, 0.5)
    x, memory = np.ones((5, 3, 6), np.float32), np.ones((7, 3, 6), np.float32)
    first, _ = layer(x, memory)
    second, _ = layer(x, memory)
    assert not np.array_equal(first, second)
    assert np.array_equal(layer.eval()(x, memory)[0], layer(x, memory)[0])


def z(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("inputs", "batch_first", "named"),
    [
        ((z(7, 3, 6), z(5, 2, 6)), False, r"\(7, 3, 6\).*\(5, 2, 6\)"),
        ((z(3, 7, 6), z(2, 5, 6)), True, r"\(3, 7, 6\).*\(2, 5, 6\)"),
        ((z(7, 3, 4), z(5, 3, 6)), False, "d_model = 6"),
        ((z(7, 3, 6), z(5, 3, 4)), False, "d_model = 6"),
    ],
)
def test_errors(inputs, batch_first, named):
    """Catches shapes that torch refuses and we take, and another exception type."""
    args = (6, 2, 1, 1, 11)
    with pytest.raises(Exception) as theirs:
        torch.nn.Transformer(*args, batch_first=batch_first)(*map(torch.from_numpy, inputs))
    with pytest.raises(type(theirs.value), match=named):
        torchref.nn.Transformer(*args, batch_first=batch_first)(*inputs)


def test_errors_of_the_constructor():
    """Catches an activation that is not known, and another exception type."""
    for nn in (torch.nn, torchref.nn):
        with pytest.raises(RuntimeError, match=r"relu/gelu, not '?tanh"):
            nn.TransformerEncoderLayer(6, 2, activation="tanh")
        with pytest.raises(RuntimeError, match=r"relu/gelu, not '?tanh"):
            nn.TransformerDecoderLayer(6, 2, activation="tanh")
        with pytest.raises(AssertionError):
            nn.TransformerEncoderLayer(7, 2)


def test_activation_attributes():
    """Catches the attribute by which torch's users tell the activations apart."""
    for nn in (torch.nn, torchref.nn):
        for kind, activation in enumerate((nn.Tanh(), "relu", "gelu")):
            assert nn.TransformerEncoderLayer(6, 2, activation=activation).activation_relu_or_gelu == kind
        assert nn.TransformerEncoderLayer(6, 2, activation=nn.GELU()).activation_relu_or_gelu == 2
