"""Weight and spectral normalisation against torch: same keys, same weights, same gradients of what is trained."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrizations as theirs_parametrizations
from torch.nn.utils import parametrize as theirs_parametrize

import torchref
from tests.errors import assert_same_error
from tests.nn.utils.twins import CASES, IMAGES, X, assert_same_step, twins_of
from torchref.nn.utils import parametrizations, parametrize


def twins(kind, *args, layer=("Linear", 5, 3), training=True, **kwargs):
    return twins_of(parametrizations, theirs_parametrizations, kind, args, kwargs, layer, training)


@pytest.mark.parametrize(("kind", "args", "kwargs", "training"), [*CASES, ("spectral_norm", (), {"dim": -1}, True)])
def test_equals_torch(kind, args, kwargs, training):
    """Catches a wrong gradient of g, v or the original, other keys or modules, a power iteration in evaluation."""
    ours, theirs = twins(kind, *args, training=training, **kwargs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]
    for _ in range(2):
        assert_same_step(ours, theirs, X)


@pytest.mark.parametrize("layer", [("Conv2d", 2, 3, 2), ("ConvTranspose2d", 2, 3, 2)])
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_convolutions(kind, layer):
    """Catches a weight flattened along the wrong dimension: outputs come second in a transposed convolution."""
    ours, theirs = twins(kind, layer=layer)
    assert_same_step(ours, theirs, IMAGES)


def test_stacked():
    """Catches a chain in the wrong order: two parametrizations of one weight."""
    ours, theirs = twins("weight_norm")
    theirs_parametrizations.spectral_norm(theirs)
    parametrizations.spectral_norm(ours)
    ours.load_state_dict({key: value.numpy().copy() for key, value in theirs.state_dict().items()})
    assert_same_step(ours, theirs, X)


def test_weight_norm_keeps_the_weight_and_moves_across_v():
    """Catches an original that gives another weight, and a dv along v, which would change nothing but |v|."""
    layer = torchref.nn.Linear(5, 3).double()
    weight = layer.weight.data.copy()
    parametrizations.weight_norm(layer)
    np.testing.assert_allclose(layer.weight.data, weight, rtol=1e-15)
    _, backward = layer(X)
    backward(np.ones((7, 3)))
    v = layer.parametrizations.weight.original1
    np.testing.assert_allclose((v.data * v.grad).sum(axis=1), 0, atol=1e-14)


def test_spectral_norm_converges():
    """Catches a power iteration that does not find the largest singular value."""
    layer = parametrizations.spectral_norm(torchref.nn.Linear(5, 3).double(), n_power_iterations=200)
    np.testing.assert_allclose(np.linalg.norm(layer.weight.data, 2), 1, rtol=1e-12)


def test_two_forwards_in_either_order():
    """Catches a backward that uses the newest singular vectors instead of its own forward's."""
    ours, _ = twins("spectral_norm")
    original = ours.parametrizations.weight.original
    dy = np.random.default_rng(4).standard_normal((7, 3))
    _, backward_1 = ours(X)
    backward_1(dy)
    alone = original.grad
    _, backward_2 = ours(X)
    original.grad = None
    backward_1(dy)
    np.testing.assert_array_equal(original.grad, alone)
    backward_2(dy)
    assert not np.array_equal(original.grad, 2 * alone)


def test_float32():
    """Catches a promotion to float64 in the computed weight or the gradients."""
    for kind in ("weight_norm", "spectral_norm"):
        for name in ("weight", "bias"):
            layer = getattr(parametrizations, kind)(torchref.nn.Linear(5, 3), name)
            y, backward = layer(X.astype(np.float32))
            backward(y)
            assert y.dtype == np.float32
            assert all(parameter.grad.dtype == np.float32 for parameter in layer.parameters())


def test_remove():
    """Catches a weight that jumps, a class or a child that stays, an original that is lost to its optimizer."""
    layer = torchref.nn.Linear(5, 3)
    kept = layer.weight
    parametrizations.spectral_norm(layer)
    assert layer.parametrizations.weight.original is kept
    weight = layer.eval().weight.data.copy()
    parametrize.remove_parametrizations(layer, "weight")
    assert layer.weight is kept
    np.testing.assert_array_equal(layer.weight.data, weight)
    assert type(layer) is torchref.nn.Linear
    assert list(layer.state_dict()) == ["bias", "weight"]

    parametrizations.spectral_norm(layer)
    original = layer.parametrizations.weight.original.data.copy()
    parametrizations.weight_norm(layer, "bias")
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    np.testing.assert_array_equal(layer.weight.data, original)
    assert parametrize.is_parametrized(layer, "bias")
    assert not parametrize.is_parametrized(layer, "weight")
    parametrize.remove_parametrizations(layer, "bias")
    assert not parametrize.is_parametrized(layer)


def test_setting_the_weight():
    """Catches an assignment that is lost, or that leaves the originals giving another weight."""
    layer = parametrizations.weight_norm(torchref.nn.Linear(5, 3))
    wanted = np.random.default_rng(1).standard_normal((3, 5)).astype(np.float32)
    layer.weight = wanted
    np.testing.assert_allclose(layer.weight.data, wanted, rtol=1e-6)


def test_copies_are_independent():
    """Catches a deep copy that goes on computing its weight from the first one's originals."""
    layer = parametrizations.weight_norm(torchref.nn.Linear(5, 3))
    other = copy.deepcopy(layer)
    other.parametrizations.weight.original0.data = 2 * other.parametrizations.weight.original0.data
    np.testing.assert_allclose(other.weight.data, 2 * layer.weight.data, rtol=1e-6)


def test_errors():
    """Catches another exception type than torch's, or a message without the name."""

    def both(kind, *args, **kwargs):
        return (
            lambda: getattr(parametrizations, kind)(torchref.nn.Linear(5, 3), *args, **kwargs),
            lambda: getattr(theirs_parametrizations, kind)(torch.nn.Linear(5, 3), *args, **kwargs),
        )

    assert_same_error(*both("weight_norm", "wait"), "'wait'", "Linear")
    assert_same_error(*both("spectral_norm", "wait"), "'wait'", "Linear")
    assert_same_error(*both("weight_norm", dim=2), "dim=2")
    assert_same_error(*both("spectral_norm", dim=2), "dim=2")
    assert_same_error(*both("spectral_norm", n_power_iterations=0), "n_power_iterations=0")
    assert_same_error(
        lambda: parametrize.remove_parametrizations(torchref.nn.Linear(5, 3), "weight"),
        lambda: theirs_parametrize.remove_parametrizations(torch.nn.Linear(5, 3), "weight"),
        "weight",
    )
    assert_same_error(
        lambda: parametrize.remove_parametrizations(
            parametrizations.weight_norm(torchref.nn.Linear(5, 3)), "weight", False
        ),
        lambda: theirs_parametrize.remove_parametrizations(
            theirs_parametrizations.weight_norm(torch.nn.Linear(5, 3)), "weight", False
        ),
        "weight",
    )
