"""Lazy modules against torch: before, at and after the first forward, and through states."""

import copy

import numpy as np
import pytest
import torch

import torchref
from tests.checks import signature
from tests.errors import assert_same_error

SHAPES = {1: (5, 3, 7), 2: (5, 3, 7, 4), 3: (2, 3, 5, 4, 6)}
CASES = [
    ("LazyLinear", (3,), {}, (7, 5)),
    ("LazyLinear", (3,), {"bias": False}, (2, 7, 5)),
    ("LazyBatchNorm1d", (), {}, (7, 5)),
    ("LazyInstanceNorm1d", (), {"affine": True}, (5, 3, 7)),
]
for d, shape in SHAPES.items():
    CASES += [
        (f"LazyConv{d}d", (4, 2), {"padding": 1, "stride": 2}, shape),
        (f"LazyConv{d}d", (6, 2), {"groups": 3, "bias": False}, shape),
        (f"LazyConvTranspose{d}d", (4, 2), {"stride": 3, "output_padding": 1}, shape),
        (f"LazyConvTranspose{d}d", (6, 2), {"groups": 3}, shape),
        (f"LazyBatchNorm{d}d", (), {"momentum": 0.3, "bias": False}, shape),
        (f"LazyBatchNorm{d}d", (1e-3, None, False), {}, shape),
        (f"LazyInstanceNorm{d}d", (), {}, shape),
    ]


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), CASES)
def test_first_forward(name, args, kwargs, shape):
    """Catches another signature, repr, class, shape or order of state_dict, before or after the first forward."""
    ours, theirs = getattr(torchref.nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)
    assert signature(type(ours)) == signature(type(theirs))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert ours.has_uninitialized_params() == theirs.has_uninitialized_params()
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    held = dict(ours.named_parameters())
    ours(x)
    theirs(torch.from_numpy(x))
    assert repr(ours) == repr(theirs)
    assert type(ours).__name__ == type(theirs).__name__ == name.removeprefix("Lazy")
    assert type(ours) is getattr(torchref.nn, name.removeprefix("Lazy"))
    state = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == state
    assert all(type(p) is torchref.nn.Parameter and held[key] is p for key, p in ours.named_parameters())

    ours.load_state_dict({key: value.numpy().copy() for key, value in theirs.state_dict().items()})
    y, backward = ours(x)
    expected = theirs(torch.from_numpy(x))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert backward(y).shape == x.shape


def test_equals_a_plain_module_with_the_same_seed():
    """Catches draws before the shapes are known, or initial weights of another distribution."""
    torchref.manual_seed(3)
    lazy = torchref.nn.Sequential(torchref.nn.LazyConv1d(4, 2), torchref.nn.LazyLinear(3))
    lazy(np.ones((7, 5, 6), np.float32))
    torchref.manual_seed(3)
    plain = torchref.nn.Sequential(torchref.nn.Conv1d(5, 4, 2), torchref.nn.Linear(5, 3))
    for name, value in plain.state_dict().items():
        np.testing.assert_array_equal(lazy.state_dict()[name], value)


def test_unbatched_inputs():
    """Catches a batch size or a length taken for the number of channels."""
    for name, args, shape in (("LazyConv2d", (4, 2), (3, 5, 6)), ("LazyInstanceNorm1d", (), (3, 5))):
        module = getattr(torchref.nn, name)(*args)
        module(np.ones(shape, np.float32))
        assert getattr(module, "in_channels", None) == 3 or module.num_features == 3


@pytest.mark.parametrize(("lazy", "plain"), [("LazyLinear", ("Linear", 5, 3)), ("LazyBatchNorm1d", ("BatchNorm1d", 5))])
def test_states(lazy, plain):
    """Catches a loaded state that the first forward draws anew, or that a lazy module cannot take or give."""
    name, *sizes = plain
    source = getattr(torchref.nn, name)(*sizes)
    for parameter in source.parameters():
        parameter.data = parameter.data + 2
    module = getattr(torchref.nn, lazy)(*sizes[1:])
    module.load_state_dict(source.state_dict())
    x = np.random.default_rng(1).standard_normal((7, 5)).astype(np.float32)
    np.testing.assert_array_equal(module.predict(x), source.predict(x))
    assert repr(module) == repr(source)

    waiting, other = (getattr(torchref.nn, lazy)(*sizes[1:]) for _ in range(2))
    other.load_state_dict(waiting.state_dict())
    assert other.has_uninitialized_params()
    other(x)
    assert {key: value.shape for key, value in other.state_dict().items()} == {
        key: value.shape for key, value in source.state_dict().items()
    }
    with pytest.raises(RuntimeError, match="weight"):
        source.load_state_dict(waiting.state_dict())


def test_dtypes():
    """Catches a dtype that is lost while the shape is unknown."""
    for module in (torchref.nn.LazyBatchNorm1d(dtype=np.float64), torchref.nn.LazyBatchNorm1d().double()):
        y, _ = module(np.random.default_rng(1).standard_normal((7, 5)))
        assert y.dtype == np.float64
        assert all(p.dtype == np.float64 for p in module.parameters())
        assert module.running_mean.dtype == np.float64
        assert module.num_batches_tracked.dtype == np.int64


def test_an_optimizer_made_before_the_first_forward():
    """Catches parameters that are replaced: the optimizer would move the old ones."""
    module = torchref.nn.LazyLinear(3)
    held = list(module.parameters())
    copied = copy.deepcopy(module)
    y, backward = module(np.ones((7, 5), np.float32))
    backward(y)
    assert all(parameter.grad is not None for parameter in held)
    assert copied.has_uninitialized_params()
    y, _ = copied(np.ones((7, 4), np.float32))
    assert copied.in_features == 4


ERRORS = [
    ("LazyConv2d", (3, 2), {}, (5, 3), ["LazyConv2d", "(5, 3)"]),
    ("LazyConvTranspose1d", (3, 2), {}, (5,), ["LazyConvTranspose1d", "(5,)"]),
    ("LazyConv1d", (4, 2), {"groups": 2}, (1, 5, 3), ["groups=2", "5"]),
    ("LazyBatchNorm1d", (), {}, (2, 5, 3, 2), ["4D"]),
    ("LazyInstanceNorm2d", (), {}, (2, 5), ["2D"]),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "shape", "fragments"), ERRORS)
def test_errors(name, args, kwargs, shape, fragments):
    """Catches another exception type than torch's for a first input that does not fit."""
    x = np.ones(shape, np.float32)
    assert_same_error(
        lambda: getattr(torchref.nn, name)(*args, **kwargs)(x),
        lambda: getattr(torch.nn, name)(*args, **kwargs)(torch.from_numpy(x)),
        *fragments,
    )


def test_shapes_are_not_known_yet():
    """Catches an uninitialized parameter that pretends to have a shape."""
    assert_same_error(
        lambda: torchref.nn.LazyLinear(3).weight.shape, lambda: torch.nn.LazyLinear(3).weight.shape, "uninitialized"
    )
    assert repr(torchref.nn.LazyLinear(3).weight) == repr(torch.nn.LazyLinear(3).weight)
