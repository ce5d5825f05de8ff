"""What is special to RNN, LSTM, GRU and their cells: packed sequences, parts of the output, errors, first layers."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import torchref
from torchref.nn.random import Tape
from torchref.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torchref.twin.draws import record_draws

MODULES = ["RNN", "LSTM", "GRU"]


def twins(module, *args, **kwargs):
    """Both modules in float64 with the same weights."""
    theirs = getattr(torch.nn, module)(*args, **kwargs).double()
    ours = getattr(torchref.nn, module)(*args, **kwargs).double()
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def leaf(array):
    return torch.from_numpy(array.copy()).requires_grad_()


def assert_equal(actual, expected, what):
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-11, atol=1e-13, err_msg=what)


@given(
    module=st.sampled_from(MODULES),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    num_layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    given_state=st.booleans(),
    proj_size=st.sampled_from([0, 2]),
    dropout=st.sampled_from([0.0, 0.3]),
    whole=st.booleans(),
)
def test_packed_sequences_equal_torch(
    module, lengths, num_layers, bidirectional, bias, given_state, proj_size, dropout, whole
):
    """Catches a state taken at the padding instead of at a sequence's end, a permutation the wrong way round, a draw of
    another shape, a direction that starts at the longest sequence's end."""
    torch.manual_seed(1)
    rng = np.random.default_rng(len(lengths) + num_layers)
    proj_size = proj_size if module == "LSTM" else 0
    kwargs = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
    kwargs |= {"dropout": dropout} if num_layers > 1 else {}
    kwargs |= {"proj_size": proj_size} if proj_size else {}
    ours, theirs = twins(module, 3, 4, **kwargs)
    directions = num_layers * (1 + bidirectional)
    x = rng.standard_normal((max(lengths), len(lengths), 3))
    packed, pack_backward = pack_padded_sequence(x, lengths, enforce_sorted=False)
    x_torch = leaf(x)
    packed_torch = torch.nn.utils.rnn.pack_padded_sequence(x_torch, lengths, enforce_sorted=False)

    states = [rng.standard_normal((directions, len(lengths), proj_size or 4))]
    if module == "LSTM":
        states.append(rng.standard_normal((directions, len(lengths), 4)))
    leaves = [leaf(state) for state in states]
    hx, hx_torch = (tuple(states), tuple(leaves)) if module == "LSTM" else (states[0], leaves[0])
    with record_draws() as tape:
        y_torch, last_torch = theirs(packed_torch, hx_torch if given_state else None)
    ours.rng = Tape(tape.draws)
    (y, last), backward = ours(packed, hx if given_state else None)

    assert isinstance(y, PackedSequence)
    assert_equal(y.data, y_torch.data, "y")
    assert np.array_equal(y.batch_sizes, y_torch.batch_sizes)
    assert np.array_equal(y.unsorted_indices, y_torch.unsorted_indices)
    lasts, lasts_torch = (last, last_torch) if module == "LSTM" else ((last,), (last_torch,))
    for ours_last, theirs_last in zip(lasts, lasts_torch, strict=True):
        assert_equal(ours_last, theirs_last, "last state")

    dy = rng.standard_normal(y.data.shape)
    dlasts = [rng.standard_normal(s.shape) for s in lasts]
    torch.autograd.backward([y_torch.data, *lasts_torch], [torch.from_numpy(d) for d in (dy, *dlasts)])
    dlast = tuple(dlasts) if module == "LSTM" else dlasts[0]
    gradients = backward((y._replace(data=dy) if whole else dy, dlast))
    ddata, *dstates = gradients if given_state else (gradients,)
    assert_equal(pack_backward(ddata), x_torch.grad, "dx")
    for dstate, state_leaf in zip(dstates, leaves if given_state else [], strict=True):
        assert_equal(dstate, state_leaf.grad, "gradient of a first state")
    for name, parameter in theirs.named_parameters():
        assert_equal(dict(ours.named_parameters())[name].grad, parameter.grad, name)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("given", ["y", "last", "none"])
def test_a_part_of_the_output_may_have_no_gradient(module, given):
    """Catches a None that is not taken as zero, and a gradient that reaches the input along one way only."""
    ours, theirs = twins(module, 3, 4, 2, bidirectional=True)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((5, 2, 3))
    x_torch = leaf(x)
    (y, _last), backward = ours(x)
    y_torch, last_torch = theirs(x_torch)
    if given == "y":
        dy = rng.standard_normal(y.shape)
        y_torch.backward(torch.from_numpy(dy))
        assert_equal(backward((dy, None)), x_torch.grad, "dx")
    elif given == "last":
        last_torch = last_torch[1] if module == "LSTM" else last_torch
        dlast = rng.standard_normal(last_torch.shape)
        last_torch.backward(torch.from_numpy(dlast))
        assert_equal(backward((None, (None, dlast) if module == "LSTM" else dlast)), x_torch.grad, "dx")
    else:
        assert not np.any(backward((None, None)))


@pytest.mark.parametrize("given", [0, 1])
def test_a_part_of_a_cells_output_may_have_no_gradient(given):
    """Catches a cell that needs both dh' and dc'."""
    ours, theirs = twins("LSTMCell", 3, 4)
    x = np.random.default_rng(4).standard_normal((2, 3))
    x_torch = leaf(x)
    dh = np.random.default_rng(5).standard_normal((2, 4))
    theirs(x_torch)[given].backward(torch.from_numpy(dh))
    _, backward = ours(x)
    assert_equal(backward((dh, None) if given == 0 else (None, dh)), x_torch.grad, "dx")


@pytest.mark.parametrize("module", MODULES)
def test_a_cell_is_one_step_of_its_layer(module):
    """Catches a second definition of the gates: a layer of one step is its cell."""
    layer = getattr(torchref.nn, module)(3, 4)
    cell = getattr(torchref.nn, f"{module}Cell")(3, 4)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x = np.random.default_rng(6).standard_normal((2, 3)).astype(np.float32)
    (y, _), _ = layer(x[None])
    h, _ = cell(x)
    np.testing.assert_allclose(y[0], h[0] if module == "LSTM" else h, rtol=1e-6)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_skipping_the_inputs_gradient_changes_no_other(module, bidirectional):
    """Catches a gradient of a weight or a deeper layer that is lost with the gradient of the data."""
    ours, _ = twins(module, 3, 4, 2, bidirectional=bidirectional)
    x = np.random.default_rng(7).standard_normal((5, 2, 3))
    (y, _), backward = ours(x)
    assert backward((y, None)).shape == x.shape
    gradients = {name: parameter.grad for name, parameter in ours.named_parameters()}
    ours.zero_grad()
    (y, _), backward = ours.skip_input_grad()(x)
    assert backward((y, None)) is None
    for name, parameter in ours.named_parameters():
        assert np.array_equal(parameter.grad, gradients[name]), name


def test_the_biases_gradients_are_two_arrays():
    """Catches one array held by two parameters: scaled in place for the one, it would change for the other."""
    ours, _ = twins("LSTM", 3, 4)
    (y, _), backward = ours(np.ones((5, 2, 3)))
    backward((y, None))
    assert not np.shares_memory(ours.bias_ih_l0.grad, ours.bias_hh_l0.grad)


def test_names_as_torchs_users_call_them():
    """Catches a missing attribute: weights by layer and direction, all_weights, flatten_parameters."""
    ours, theirs = twins("LSTM", 3, 4, 2, bidirectional=True, proj_size=2)
    ours.flatten_parameters()
    assert ours.weight_ih_l1_reverse.shape == tuple(theirs.weight_ih_l1_reverse.shape)
    assert [[w.shape for w in group] for group in ours.all_weights] == [
        [tuple(w.shape) for w in group] for group in theirs.all_weights
    ]
    for name in ("mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "proj_size"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize(
    ("module", "args", "kwargs", "named"),
    [
        ("LSTM", (3, 5), {"dropout": 1.5}, "dropout.*1.5"),
        ("LSTM", (3, 5), {"dropout": True}, "dropout.*True"),
        ("GRU", (3, 5), {"bias": 1}, "bias.*1"),
        ("GRU", (3, 5), {"batch_first": 0}, "batch_first.*0"),
        ("RNN", (3.0, 5), {}, "input_size.*3.0"),
        ("RNN", (0, 5), {}, "input_size.*0"),
        ("RNN", (3, 0), {}, "hidden_size.*0"),
        ("RNN", (3, 5, 0), {}, "num_layers.*0"),
        ("RNN", (3, 5), {"nonlinearity": "sine"}, "nonlinearity.*sine"),
        ("LSTM", (3, 5), {"proj_size": 5}, "proj_size.*5"),
        ("LSTM", (3, 5), {"proj_size": -1}, "proj_size.*-1"),
        ("RNNBase", ("RNN_SINE", 3, 5), {}, "RNN_SINE"),
    ],
)
def test_errors_of_the_constructor(module, args, kwargs, named):
    """Catches an argument that torch refuses and we take, and another exception type."""
    with pytest.raises(Exception) as theirs:
        getattr(torch.nn, module)(*args, **kwargs)
    with pytest.raises(type(theirs.value), match=named):
        getattr(torchref.nn, module)(*args, **kwargs)


def test_dropout_with_one_layer_warns():
    """Catches silence where torch says that the dropout does nothing."""
    with pytest.warns(UserWarning, match="num_layers"):
        torch.nn.GRU(3, 5, dropout=0.5)
    with pytest.warns(UserWarning, match=r"dropout=0\.5 and num_layers=1"):
        torchref.nn.GRU(3, 5, dropout=0.5)


def z(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("module", "inputs", "named"),
    [
        ("LSTM", (z(3),), r"input.*1D.*\(3,\)"),
        ("GRU", (z(2, 2, 2, 3),), r"input.*4D.*\(2, 2, 2, 3\)"),
        ("LSTM", (z(0, 2, 3),), r"sequence length.*\(0, 2, 3\)"),
        ("RNN", (z(4, 2, 7),), r"input has 7"),
        ("LSTM", (z(4, 2, 3), (z(1, 2, 5), z(1, 2, 4))), r"hx\[1\].*\(1, 2, 5\).*\(1, 2, 4\)"),
        ("LSTM", (z(4, 2, 3), (z(1, 5), z(1, 5))), r"hx.*3-D.*\(1, 5\)"),
        ("RNN", (z(4, 2, 3), z(2, 2, 5)), r"hx.*\(1, 2, 5\).*\(2, 2, 5\)"),
        ("GRU", (z(4, 3), z(1, 1, 5)), r"hx.*2-D.*\(1, 1, 5\)"),
        ("GRU", (z(4, 2, 3).astype(np.float64),), "input.*float64.*float32"),
        ("RNNCell", (z(2, 2, 3),), r"input.*3D"),
        ("RNNCell", (z(2, 3), z(1, 2, 5)), r"hidden.*3D"),
        ("LSTMCell", (z(2, 3), (z(2, 5), z(1, 2, 5))), r"hx\[1\].*3D"),
        ("LSTMCell", (z(2, 4),), "input.*4.*3"),
        ("LSTMCell", (z(2, 3), (z(3, 5), z(2, 5))), r"hx\[0\].*\(3, 5\)"),
        ("LSTMCell", (z(2, 3), (z(2, 5), z(2, 4))), r"hx\[1\].*\(2, 4\)"),
        ("GRUCell", (z(2, 3), z(5)), r"hx.*\(5,\)"),
        ("GRUCell", (z(2, 3).astype(np.float64),), "input.*float64"),
    ],
)
def test_errors_of_the_forward(module, inputs, named):
    """Catches a shape or dtype that torch refuses and we take, and another exception type."""

    def tensors(tree):
        return tuple(map(tensors, tree)) if isinstance(tree, tuple) else torch.from_numpy(tree)

    with pytest.raises(Exception) as theirs:
        getattr(torch.nn, module)(3, 5)(*tensors(inputs))
    with pytest.raises(type(theirs.value), match=re.compile(named)):
        getattr(torchref.nn, module)(3, 5)(*inputs)


def test_more_errors_of_the_forward():
    """Catches a wrong input: no array, another nonlinearity, weights that do not fit."""
    with pytest.raises(TypeError, match=r"input.*list"):
        torchref.nn.LSTM(3, 5)([1.0])
    with pytest.raises(RuntimeError, match="sine"):
        torchref.nn.RNNCell(3, 5, nonlinearity="sine")(z(2, 3))
    with pytest.raises(RuntimeError, match="5 weights"):
        torchref.nn.recurrent.gru(z(4, 2, 3), None, *[z(3, 3)] * 5, num_layers=2)
    with pytest.raises(RuntimeError, match="weight_ih"):
        torchref.nn.recurrent_cell.gru_cell(z(2, 3), None, z(5, 3), z(6, 2))
    with pytest.raises(RuntimeError, match="2 dimensions"):
        torchref.nn.LSTM(3, 5)(PackedSequence(z(4), np.array([2, 2])))
