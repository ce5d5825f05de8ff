"""Weight and spectral normalisation computed before every forward: torch's keys, values, gradients, errors."""

import copy
import pickle

import numpy as np
import pytest
import torch

import torchref
from tests.errors import assert_same_error
from tests.nn.utils.twins import CASES, IMAGES, X, assert_same_step, twins_of

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")


def twins(kind, *args, layer=("Linear", 5, 3), training=True, **kwargs):
    return twins_of(torchref.nn.utils, torch.nn.utils, kind, args, kwargs, layer, training)


@pytest.mark.parametrize(("kind", "args", "kwargs", "training"), CASES)
def test_equals_torch(kind, args, kwargs, training):
    """Catches a wrong gradient, other keys, a power iteration in evaluation, one in the other order, u or v kept."""
    ours, theirs = twins(kind, *args, training=training, **kwargs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    for _ in range(3):
        assert_same_step(ours, theirs, X)
    name = args[0] if args else "weight"
    np.testing.assert_allclose(getattr(ours, name).data, getattr(theirs, name).detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("layer", [("Conv2d", 2, 3, 2), ("ConvTranspose2d", 2, 3, 2)])
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_convolutions(kind, layer):
    """Catches a weight flattened along the wrong dimension: outputs come second in a transposed convolution."""
    assert_same_step(*twins(kind, layer=layer), IMAGES)


def test_both_in_one_layer():
    """Catches a second normalisation that replaces the first one."""
    ours, theirs = twins("weight_norm")
    torch.nn.utils.spectral_norm(theirs, "bias")
    torchref.nn.utils.spectral_norm(ours, "bias")
    ours.load_state_dict({key: value.numpy().copy() for key, value in theirs.state_dict().items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for _ in range(2):
        assert_same_step(ours, theirs, X)
    torch.nn.utils.remove_weight_norm(theirs)
    torchref.nn.utils.remove_weight_norm(ours)
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    y, _ = ours(X)
    np.testing.assert_allclose(y, theirs(torch.from_numpy(X)).detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_removed(kind):
    """Catches a weight lost with its normalisation, keys left behind, a class that is not the layer's own again."""
    ours, theirs = twins(kind)
    assert_same_step(ours, theirs, X)
    getattr(torch.nn.utils, f"remove_{kind}")(theirs)
    assert getattr(torchref.nn.utils, f"remove_{kind}")(ours) is ours
    assert type(ours) is torchref.nn.Linear
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.zero_grad()
    ours.zero_grad()
    assert_same_step(ours, theirs, X)


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda layer: pickle.loads(pickle.dumps(layer))}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_a_copy_goes_on_as_the_layer_does(kind, copied):
    """Catches a layer that pickle refuses, before its first forward or after it, and a copy without its norm."""
    layer, theirs = twins(kind)
    copied(layer)
    assert_same_step(layer, theirs, X)
    other = copied(layer)
    np.testing.assert_array_equal(other.weight.data, layer.weight.data)
    assert list(other.state_dict()) == list(layer.state_dict())
    assert_same_step(other, theirs, X)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_is_on_its_own(copied):
    """Catches a copy whose weight is computed from the first one's parameters, and one that shares its class."""
    ours, _ = twins("weight_norm")
    before, _ = ours(X)
    other = copied(ours)
    other.weight_g.data = 2 * other.weight_g.data
    y, _ = other(X)
    np.testing.assert_allclose(y - other.bias.data, 2 * (before - ours.bias.data))
    np.testing.assert_array_equal(ours(X)[0], before)
    torchref.nn.utils.remove_weight_norm(other)
    assert type(other) is torchref.nn.Linear
    np.testing.assert_array_equal(ours(X)[0], before)


def test_weight_norm_warns_as_torch():
    """Catches silence, another category, or a warning that does not point to the caller."""
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.nn.utils.weight_norm(torch.nn.Linear(5, 3))
    with pytest.warns(FutureWarning, match="parametrizations.weight_norm") as caught:
        torchref.nn.utils.weight_norm(torchref.nn.Linear(5, 3))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "build",
    [
        lambda nn: nn.utils.weight_norm(nn.Linear(3, 2, bias=False), "bias"),
        lambda nn: nn.utils.weight_norm(nn.Linear(3, 2), "gain"),
        lambda nn: nn.utils.weight_norm(nn.Linear(3, 2), "in_features"),
        lambda nn: nn.utils.weight_norm(nn.BatchNorm1d(3), "running_mean"),
        lambda nn: nn.utils.weight_norm(nn.LazyLinear(3)),
        lambda nn: nn.utils.weight_norm(nn.Linear(3, 2), dim=2),
        lambda nn: nn.utils.weight_norm(nn.Linear(3, 2), dim=1.5),
        lambda nn: nn.utils.weight_norm(nn.utils.weight_norm(nn.Linear(3, 2))),
        lambda nn: nn.utils.weight_norm(nn.utils.spectral_norm(nn.Linear(3, 2))),
        lambda nn: nn.utils.spectral_norm(nn.utils.weight_norm(nn.Linear(3, 2))),
        lambda nn: nn.utils.spectral_norm(nn.utils.spectral_norm(nn.Linear(3, 2))),
        lambda nn: nn.utils.spectral_norm(nn.Linear(3, 2, bias=False), "bias"),
        lambda nn: nn.utils.spectral_norm(nn.Linear(3, 2), "gain"),
        lambda nn: nn.utils.spectral_norm(nn.Linear(3, 2), "in_features"),
        lambda nn: nn.utils.spectral_norm(nn.LazyLinear(3)),
        lambda nn: nn.utils.spectral_norm(nn.Linear(3, 2), dim=2),
        lambda nn: nn.utils.spectral_norm(nn.Linear(3, 2), n_power_iterations=0),
        lambda nn: nn.utils.remove_weight_norm(nn.Linear(3, 2)),
        lambda nn: nn.utils.remove_weight_norm(nn.utils.spectral_norm(nn.Linear(3, 2))),
        lambda nn: nn.utils.remove_spectral_norm(nn.Linear(3, 2)),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_errors(build):
    """Catches another exception than torch's, and a layer half changed."""
    assert_same_error(lambda: build(torchref.nn), lambda: build(torch.nn))
