"""What is special about layer, RMS, group, instance and local response normalisation: errors, kinks, identities."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import torchref
from tests.errors import assert_same_error
from torchref.nn import functional


def normal(*shape, dtype=np.float64, seed=5):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


CONSTRUCTED = [
    ("LayerNorm", (5,), {}, (2, 3), ["(5,)", "(2, 3)"]),
    ("LayerNorm", ((5, 3),), {}, (3,), ["(5, 3)", "(3,)"]),
    ("LayerNorm", ((),), {}, (3,), ["normalized_shape", "()"]),
    ("RMSNorm", (5,), {}, (2, 3), ["(5,)", "(2, 3)"]),
    ("RMSNorm", ((5, 3),), {}, (3,), ["2", "(3,)"]),
    ("RMSNorm", ((),), {}, (3,), ["normalized_shape", "()"]),
    ("GroupNorm", (2, 5), {}, (2, 5), ["2", "5"]),
    ("GroupNorm", (0, 5), {}, (2, 5), []),
    ("GroupNorm", (-1, 5), {}, (2, 5), ["num_groups=-1"]),
    ("GroupNorm", (1, 5), {}, (5,), ["(5,)"]),
    ("GroupNorm", (1, 5), {}, (2, 3), ["weight", "(2, 3)", "(5,)"]),
    ("GroupNorm", (5, 5), {}, (1, 5), ["(1, 5)"]),
    ("InstanceNorm1d", (5,), {}, (2, 5, 3, 3), ["InstanceNorm1d", "2D or 3D", "4D"]),
    ("InstanceNorm2d", (5,), {}, (5, 3), ["3D or 4D", "2D"]),
    ("InstanceNorm3d", (5,), {}, (5, 3, 2), ["4D or 5D", "3D"]),
    ("InstanceNorm1d", (5,), {"affine": True}, (2, 3, 7), ["(2, 3, 7)", "5"]),
    ("InstanceNorm1d", (5,), {"affine": True}, (3, 7), ["(3, 7)", "5"]),
    ("InstanceNorm1d", (5,), {}, (2, 5, 1), ["(2, 5, 1)"]),
    ("LocalResponseNorm", (2,), {}, (2, 3), ["(2, 3)"]),
    ("LocalResponseNorm", (0,), {}, (2, 3, 5), ["size=0"]),
    ("LocalResponseNorm", (-1,), {}, (2, 3, 5), ["size=-1"]),
]


@pytest.mark.parametrize(("name", "args", "options", "shape", "fragments"), CONSTRUCTED)
def test_errors(name, args, options, shape, fragments):
    """Catches another exception type than torch's, or a message that hides the offending value."""
    x = normal(*shape, dtype=np.float32)
    assert_same_error(
        lambda: getattr(torchref.nn, name)(*args, **options)(x),
        lambda: getattr(torch.nn, name)(*args, **options)(torch.from_numpy(x)),
        *fragments,
    )


FUNCTIONS = [
    ("layer_norm", (5,), {}, ["normalized_shape", "int"]),
    ("layer_norm", ((5,), np.ones(3)), {}, ["weight", "(3,)"]),
    ("layer_norm", ((5,), None, np.ones(3)), {}, ["bias", "(3,)"]),
    ("layer_norm", ((5,), np.ones(5, np.float32)), {}, ["float32", "float64"]),
    ("rms_norm", ((5,), np.ones(3)), {}, ["weight", "(3,)"]),
    ("group_norm", (2,), {}, ["num_groups=2", "(2, 5, 7)"]),
    ("group_norm", (5, np.ones(3)), {}, ["weight", "(3,)"]),
    ("group_norm", (5, None, np.ones(3)), {}, ["bias", "(3,)"]),
    ("instance_norm", (), {"use_input_stats": False}, ["running_mean"]),
    ("instance_norm", (np.ones(5),), {"use_input_stats": False}, ["running_var"]),
    ("instance_norm", (np.ones(5),), {}, ["running_mean", "running_var"]),
    ("instance_norm", (), {"weight": np.ones(3)}, ["weight", "(3,)"]),
]


@pytest.mark.parametrize(("name", "args", "options", "fragments"), FUNCTIONS)
def test_errors_of_the_functions(name, args, options, fragments):
    """Catches a parameter of another shape or dtype that is broadcast or promoted."""

    def tensor(value):
        return torch.from_numpy(value) if isinstance(value, np.ndarray) else value

    x = normal(2, 5, 7) if name in ("group_norm", "instance_norm") else normal(2, 7, 5)
    assert_same_error(
        lambda: getattr(functional, name)(x, *args, **options),
        lambda: getattr(torch.nn.functional, name)(
            torch.from_numpy(x), *map(tensor, args), **{key: tensor(value) for key, value in options.items()}
        ),
        *fragments,
    )


def test_instance_norm_of_other_channels_warns():
    """Catches a silent acceptance: without parameters torch takes any number of channels, and says so."""
    x = normal(2, 3, 7)
    with pytest.warns(UserWarning, match="num_features"):
        expected = torch.nn.InstanceNorm1d(5)(torch.from_numpy(x))
    with pytest.warns(UserWarning, match="3 channels"):
        y, _ = torchref.nn.InstanceNorm1d(5)(x)
    np.testing.assert_allclose(y, expected.numpy(), rtol=1e-12)


def gradient_by_torch(function, x, dy):
    x = torch.tensor(x, requires_grad=True)
    function(x).backward(torch.from_numpy(dy))
    return x.grad.numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rms_norm_of_zeros(dtype):
    """Catches a fixed eps: with eps=None it is the dtype's own, and the gradient at zero is 1 / sqrt(eps)."""
    x, dy = np.zeros((3, 5), dtype), normal(3, 5, dtype=dtype)
    y, backward = functional.rms_norm(x, (5,))
    dx, dweight = backward(dy)
    assert y.dtype == dx.dtype == dtype
    assert dweight is None
    expected = gradient_by_torch(lambda t: torch.nn.functional.rms_norm(t, (5,)), x, dy)
    np.testing.assert_allclose(dx, expected, rtol=1e-6)
    np.testing.assert_allclose(dx / dy, 1 / np.sqrt(np.finfo(dtype).eps), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "args"), [("layer_norm", ((1,),)), ("group_norm", (5,)), ("instance_norm", ()), ("layer_norm", ((5,),))]
)
def test_constant_rows(name, args):
    """Catches a division by zero: what is constant is mapped to 0 (or the bias), with a finite gradient."""
    shape = (3, 1) if args == ((1,),) else (3, 5, 2) if name == "instance_norm" else (3, 5)
    x, dy = np.full(shape, 2.0), normal(*shape)
    y, backward = getattr(functional, name)(x, *args)
    expected = gradient_by_torch(lambda t: getattr(torch.nn.functional, name)(t, *args), x, dy)
    np.testing.assert_array_equal(y, 0)
    np.testing.assert_allclose(backward(dy)[0], expected, rtol=1e-12, atol=1e-12)


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    dims=st.integers(1, 4),
    weight=st.booleans(),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_layer_norm_of_any_shape(shape, dims, weight, bias, seed):
    """Catches a reshape that mixes rows, for any split into leading and normalised dimensions."""
    rng = np.random.default_rng(seed)
    normalized = tuple(shape[-dims:])
    arrays = [rng.standard_normal(shape)]
    arrays += [rng.standard_normal(normalized) if present else None for present in (weight, bias)]
    dy = rng.standard_normal(shape)
    tensors = [None if array is None else torch.tensor(array, requires_grad=True) for array in arrays]
    theirs = torch.nn.functional.layer_norm(tensors[0], normalized, tensors[1], tensors[2], 1e-2)
    theirs.backward(torch.from_numpy(dy))
    y, backward = functional.layer_norm(arrays[0], normalized, arrays[1], arrays[2], 1e-2)
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-11, atol=1e-11)
    for gradient, tensor in zip(backward(dy), tensors, strict=True):
        assert (gradient is None) == (tensor is None)
        if tensor is not None:
            np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-11, atol=1e-11)


@given(channels=st.integers(1, 7), size=st.integers(1, 9), beta=st.floats(0.1, 2), seed=st.integers(0, 99))
def test_local_response_norm_of_any_window(channels, size, beta, seed):
    """Catches a window off by one: even sizes look one further back, and the backward's window is the mirror image."""
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, 2, channels, 3))
    y, backward = functional.local_response_norm(x, size, 0.7, beta, 1.3)

    def theirs(t):
        return torch.nn.functional.local_response_norm(t, size, 0.7, beta, 1.3)

    np.testing.assert_allclose(y, theirs(torch.from_numpy(x)).numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(backward(dy), gradient_by_torch(theirs, x, dy), rtol=1e-11, atol=1e-12)


def test_the_norms_are_one_another():
    """Catches a group of the wrong channels: one group is layer norm, groups of one channel are instance norm."""
    x, dy = normal(3, 6, 5), normal(3, 6, 5, seed=6)
    pairs = [
        (functional.group_norm(x, 1), functional.layer_norm(x, (6, 5))),
        (functional.group_norm(x, 6), functional.instance_norm(x)),
        (functional.layer_norm(x, (5,)), functional.instance_norm(x)),
    ]
    for (y, backward), (same, same_backward) in pairs:
        np.testing.assert_allclose(y, same, rtol=1e-13)
        np.testing.assert_allclose(backward(dy)[0], same_backward(dy)[0], rtol=1e-12, atol=1e-14)


def test_large_mean_in_float32():
    """Catches a one-pass variance, which loses every digit when the mean is 1,000 times the spread."""
    x = normal(7, 64, dtype=np.float32) + np.float32(1000)
    y, _ = functional.layer_norm(x, (64,))
    np.testing.assert_allclose(y.std(axis=1), 1, rtol=1e-3)


def test_reset():
    """Catches a reset that forgets a parameter."""
    for module in (torchref.nn.LayerNorm((3, 5)), torchref.nn.RMSNorm(5), torchref.nn.GroupNorm(3, 6)):
        for parameter in module.parameters():
            parameter.data = parameter.data + 2
        module.reset_parameters()
        for name, parameter in module.named_parameters():
            np.testing.assert_array_equal(parameter.data, 1.0 if name == "weight" else 0.0)
