"""What is special to attention: the function with all its arguments, rows without keys, errors, initial weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import torchref
from tests.errors import assert_same_error
from torchref.nn.functional import scaled_dot_product_attention
from torchref.nn.random import Tape
from torchref.twin.draws import record_draws


def leaf(array):
    tensor = torch.from_numpy(np.array(array))
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor


def compare(query, key, value, attn_mask=None, **options):
    """Output and all gradients against torch, in float64, with torch's draw."""
    arrays = [a for a in (query, key, value, attn_mask) if a is not None]
    leaves = [leaf(a) for a in arrays]
    with record_draws() as tape:
        expected = torch.nn.functional.scaled_dot_product_attention(*leaves, **options)
    y, backward = scaled_dot_product_attention(*arrays, **options, rng=Tape(tape.draws))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-11, atol=1e-13)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected.backward(torch.from_numpy(dy))
    gradients = backward(dy)
    assert len(gradients) == 4
    for name, gradient, tensor in zip(("query", "key", "value", "mask"), gradients, leaves, strict=False):
        if tensor.grad is None:
            assert gradient is None, name
        else:
            assert gradient.shape == tuple(tensor.shape), name
            np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


@given(
    leading=st.sampled_from([(), (2,), (3, 2)]),
    targets=st.integers(1, 5),
    sources=st.integers(1, 5),
    mask=st.sampled_from(["none", "bool", "float", "row", "causal"]),
    scale=st.sampled_from([None, 0.3, -2.0]),
    dropout_p=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_equals_torch(leading, targets, sources, mask, scale, dropout_p):
    """Catches a mask of the wrong meaning, a gradient of a mask that is not summed, a scale left out, another draw."""
    rng = np.random.default_rng(targets * 7 + sources)
    query, key = rng.standard_normal((*leading, targets, 3)), rng.standard_normal((*leading, sources, 3))
    value = rng.standard_normal((*leading, sources, 2))
    masks = {
        "bool": rng.random((targets, sources)) < 0.5,
        "float": rng.standard_normal((*leading, targets, sources)),
        "row": rng.standard_normal((1, sources)),
    }
    torch.manual_seed(2)
    options = {"scale": scale, "dropout_p": dropout_p, "is_causal": mask == "causal"}
    compare(query, key, value, masks.get(mask), **options)


@pytest.mark.parametrize("floating", [False, True])
def test_a_query_that_sees_no_key(floating):
    """Catches nan: torch gives 0 and no gradient there, in the function (the module with its weights gives nan)."""
    seen = np.array([[False, False], [True, False], [True, True]])
    mask = np.where(seen, 0.0, -np.inf) if floating else seen
    rng = np.random.default_rng(3)
    compare(rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 2, 4)), rng.standard_normal((2, 2, 5)), mask)


def test_a_query_that_sees_no_key_in_the_module():
    """Catches a 0 where torch's module says nan, because it returns the weights."""
    module = torchref.nn.MultiheadAttention(6, 2)
    theirs = torch.nn.MultiheadAttention(6, 2)
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in module.state_dict().items()})
    x = np.random.default_rng(4).standard_normal((3, 2, 6)).astype(np.float32)
    mask = np.zeros((3, 3), bool)
    mask[1] = True
    for need_weights in (True, False):
        (y, _), _ = module(x, x, x, attn_mask=mask, need_weights=need_weights)
        expected, _ = theirs(*[torch.from_numpy(x)] * 3, attn_mask=torch.from_numpy(mask), need_weights=need_weights)
        np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_shared_heads():
    """Catches the gradient of one copy instead of the sum over all heads that share a key."""
    rng = np.random.default_rng(5)
    query, key = rng.standard_normal((2, 6, 5, 3)), rng.standard_normal((2, 2, 4, 3))
    compare(query, key, rng.standard_normal((2, 2, 4, 7)), enable_gqa=True)
    compare(query, key, rng.standard_normal((2, 2, 4, 7)), enable_gqa=True, is_causal=True)


def test_broadcast_batches():
    """Catches a key that serves a whole batch and gets the gradient of one row."""
    rng = np.random.default_rng(6)
    query, key = rng.standard_normal((3, 2, 5, 4)), rng.standard_normal((1, 2, 7, 4))
    compare(query, key, rng.standard_normal((3, 2, 7, 6)), rng.standard_normal((2, 5, 1)))


def test_large_scores():
    """Catches a softmax without its shift: exp overflows at +-1000."""
    rng = np.random.default_rng(7)
    compare(1000 * rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 5, 4)), rng.standard_normal((2, 5, 6)))


def z(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("arrays", "options", "named"),
    [
        ((z(4), z(4), z(4)), {}, r"\(4,\)"),
        ((z(2, 3, 4), z(2, 5, 3), z(2, 5, 6)), {}, r"key \(2, 5, 3\)"),
        ((z(2, 3, 4), z(2, 5, 4), z(2, 4, 6)), {}, r"value \(2, 4, 6\)"),
        ((z(2, 3, 4), z(2, 5, 4), z(2, 5, 6), z(3, 5)), {"is_causal": True}, r"attn_mask.*is_causal"),
        ((z(2, 3, 4), z(2, 5, 4), z(2, 5, 6), z(3, 4)), {}, r"attn_mask \(3, 4\)"),
        ((z(2, 3, 4), z(2, 5, 4), z(2, 5, 6), z(3, 5, dtype=np.int32)), {}, "attn_mask.*int32"),
        ((z(2, 3, 4), z(2, 5, 4), z(2, 5, 6), z(3, 5, dtype=np.float64)), {}, "attn_mask.*float64"),
        ((z(2, 3, 4), z(2, 5, 4), z(2, 5, 6, dtype=np.float64)), {}, "value.*float64"),
        ((z(2, 4, 3, 4), z(2, 3, 5, 4), z(2, 3, 5, 6)), {"enable_gqa": True}, r"heads.*\(2, 3, 5, 4\)"),
        ((z(2, 3, 4), z(2, 5, 4), z(2, 5, 6)), {"dropout_p": 1.5}, "1.5"),
    ],
)
def test_errors_of_the_function(arrays, options, named):
    """Catches arguments that torch refuses and we take, and another exception type."""
    with pytest.raises(Exception) as theirs:
        torch.nn.functional.scaled_dot_product_attention(*map(torch.from_numpy, arrays), **options)
    with pytest.raises(type(theirs.value), match=named):
        scaled_dot_product_attention(*arrays, **options)


X = z(3, 2, 6)


@pytest.mark.parametrize(
    ("args", "kwargs", "inputs", "options", "named"),
    [
        ((5, 2), {}, (), {}, "embed_dim=5.*num_heads=2"),
        ((0, 2), {}, (), {}, "embed_dim=0"),
        ((6, 0), {}, (), {}, "num_heads=0"),
        ((6, 2), {}, (z(6), z(6), z(6)), {}, r"query.*\(6,\)"),
        ((6, 2), {}, (X, z(3, 6), X), {}, r"key.*\(3, 6\)"),
        ((6, 2), {}, (X, X, X), {"is_causal": True}, "is_causal"),
        ((6, 2), {}, (X, X, X), {"attn_mask": z(3, 4)}, r"attn_mask.*\(3, 4\)"),
        ((6, 2), {}, (X, X, X), {"attn_mask": z(3, 3, 3)}, r"attn_mask.*\(3, 3, 3\)"),
        ((6, 2), {}, (X, X, X), {"attn_mask": z(1, 1, 3, 3)}, r"attn_mask.*\(1, 1, 3, 3\)"),
        ((6, 2), {}, (X, X, X), {"attn_mask": z(3, 3, dtype=np.int32)}, "attn_mask.*int32"),
        ((6, 2), {}, (X, X, X), {"attn_mask": z(3, 3, dtype=np.float64)}, "attn_mask.*float64"),
        ((6, 2), {}, (X, X, X), {"key_padding_mask": z(3, 2, dtype=bool)}, r"key_padding_mask.*\(3, 2\)"),
        ((6, 2), {}, (X, X, X), {"key_padding_mask": z(6)}, r"key_padding_mask.*\(6,\)"),
        ((6, 2), {}, (X, X, X), {"key_padding_mask": z(2, 3, dtype=np.int32)}, "key_padding_mask.*int32"),
        ((6, 2), {}, (z(3, 6), z(3, 6), z(3, 6)), {"attn_mask": z(3, 3, 3)}, r"attn_mask.*\(3, 3, 3\)"),
        ((6, 2), {}, (X, z(4, 2, 6), z(5, 2, 6)), {}, r"key.*value"),
        ((6, 2), {}, (z(3, 2, 5), X, X), {}, "query.*5"),
        ((6, 2), {}, (X, z(3, 2, 5), z(3, 2, 5)), {}, "key.*5"),
        ((6, 2), {}, (X, z(4, 3, 6), z(4, 3, 6)), {}, "batch of 2.*3"),
        ((6, 2), {}, (X, X.astype(np.float64), X), {}, "float64"),
        ((6, 2), {"kdim": 3}, (X, z(4, 2, 3), z(5, 2, 6)), {}, "key.*value"),
        ((6, 2), {"kdim": 3}, (X, z(4, 2, 4), z(4, 2, 6)), {}, "key.*4"),
        ((6, 2), {"dropout": 2.0}, (X, X, X), {}, "2.0"),
    ],
)
def test_errors_of_the_module(args, kwargs, inputs, options, named):
    """Catches arguments that torch refuses and we take, and another exception type."""
    with pytest.raises(Exception) as theirs:
        torch.nn.MultiheadAttention(*args, **kwargs)(
            *map(torch.from_numpy, inputs), **{k: v if v is True else torch.from_numpy(v) for k, v in options.items()}
        )
    with pytest.raises(type(theirs.value), match=named):
        torchref.nn.MultiheadAttention(*args, **kwargs)(*inputs, **options)


def test_the_same_array_three_times_gives_three_gradients():
    """Catches gradients that are summed behind the caller's back: the caller adds what belongs together."""
    module = torchref.nn.MultiheadAttention(6, 2)
    x = np.random.default_rng(8).standard_normal((3, 2, 6)).astype(np.float32)
    (y, _), backward = module(x, x, x)
    gradients = backward((y, None))
    assert [g.shape for g in gradients] == [x.shape] * 3
    assert not np.array_equal(gradients[0], gradients[1])


def test_the_weights_alone_may_have_a_gradient():
    """Catches a backward that needs the gradient of the output."""
    theirs = torch.nn.MultiheadAttention(6, 2).double()
    ours = torchref.nn.MultiheadAttention(6, 2, dtype=np.float64)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x = np.random.default_rng(9).standard_normal((3, 2, 6))
    leaves = [leaf(x) for _ in range(3)]
    _, weights = theirs(*leaves)
    dweights = np.random.default_rng(10).standard_normal(weights.shape)
    weights.backward(torch.from_numpy(dweights))
    _, backward = ours(x, x, x)
    for gradient, tensor in zip(backward((None, dweights)), leaves, strict=True):
        expected = np.zeros_like(x) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-14)


def test_initial_weights():
    """Catches biases that are not zero and weights of another spread than torch's."""
    torchref.manual_seed(11)
    module = torchref.nn.MultiheadAttention(64, 2, add_bias_kv=True)
    assert not module.in_proj_bias.data.any()
    assert not module.out_proj.bias.data.any()
    torch.manual_seed(11)
    theirs = torch.nn.MultiheadAttention(64, 2, add_bias_kv=True)
    for name in ("in_proj_weight", "bias_k", "bias_v"):
        ratio = getattr(module, name).data.std() / getattr(theirs, name).detach().numpy().std()
        assert 0.7 < ratio < 1.4, name


FORWARD = {  # the arguments of multi_head_attention_forward: 6 features in 2 heads
    "query": np.zeros((5, 3, 6)),
    "key": np.zeros((7, 3, 6)),
    "value": np.zeros((7, 3, 6)),
    "embed_dim_to_check": 6,
    "num_heads": 2,
    "in_proj_weight": np.zeros((18, 6)),
    "in_proj_bias": None,
    "bias_k": None,
    "bias_v": None,
    "add_zero_attn": False,
    "dropout_p": 0.0,
    "out_proj_weight": np.zeros((6, 6)),
    "out_proj_bias": None,
}


def both_forwards(**changed):
    arguments = {**FORWARD, **changed}
    given = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    return (
        lambda: torchref.nn.functional.multi_head_attention_forward(**arguments),
        lambda: torch.nn.functional.multi_head_attention_forward(**given),
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"embed_dim_to_check": 5},
        {"num_heads": 4},
        {"in_proj_weight": None},
        {"use_separate_proj_weight": True},
        {"use_separate_proj_weight": True, "q_proj_weight": np.zeros((6, 6)), "k_proj_weight": np.zeros((6, 6))},
        {"bias_k": np.zeros((1, 1, 6))},
        {"bias_v": np.zeros((1, 1, 6))},
        {"bias_k": np.zeros((1, 1, 6)), "bias_v": np.zeros((1, 1, 6)), "static_k": np.zeros((6, 7, 3))},
        {"static_k": np.zeros((3, 7, 3))},
        {"static_v": np.zeros((6, 7, 6))},
        {"is_causal": True},
        {"num_heads": -1},
        {"in_proj_bias": np.zeros(())},
        {"out_proj_weight": np.zeros(())},
        {"out_proj_weight": None},
        {"bias_k": np.zeros((1, 1, 6)), "bias_v": np.zeros((1, 1, 7))},
        {"bias_k": np.zeros((1, 1, 6)), "bias_v": np.zeros((1, 1, 1, 6))},
    ],
    ids=lambda changed: ",".join(changed),
)
def test_errors_of_contradicting_arguments(changed):
    """Catches another exception than torch's where the arguments of torch's own function contradict each other."""
    assert_same_error(*both_forwards(**changed), "multi_head_attention")


def test_masks_of_two_types_are_deprecated():
    """Catches silence where torch warns that one mask is boolean and the other is not."""
    masks = {"key_padding_mask": np.zeros((3, 7), bool), "attn_mask": np.zeros((5, 7))}
    for function in both_forwards(**masks):
        with pytest.warns(UserWarning, match="deprecated"):
            function()
