"""Linear, Bilinear, Identity: their errors, and what `skip_input_grad` leaves out."""

import numpy as np
import pytest
import torch

import torchref
from tests.errors import assert_same_error

x, X = np.ones((7, 5)), torch.ones(7, 5, dtype=torch.float64)
F, TF = torchref.nn.functional, torch.nn.functional


def tensors(*arrays):
    return [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arrays]


@pytest.mark.parametrize(
    ("arrays", "fragments"),
    [
        ((x, np.ones((3, 4))), ("(7, 5)", "(4, 3)")),
        ((x, np.ones((3, 5), np.float32)), ("float64", "float32")),
        ((x, np.ones((3, 5)), np.ones(4)), ("bias", "(4,)")),
        ((x.tolist(), np.ones((3, 5))), ("input", "list")),
        ((x.astype(np.int64), np.ones((3, 5))), ("input", "int64")),
    ],
)
def test_linear_refuses_what_torch_refuses(arrays, fragments):
    """Catches a product of what does not fit, found only by NumPy's own message or not at all."""
    assert_same_error(lambda: F.linear(*arrays), lambda: TF.linear(*tensors(*arrays)), *fragments)


@pytest.mark.parametrize(
    ("arrays", "fragments"),
    [
        ((x, np.ones((6, 3)), np.ones((2, 5, 3))), ("(7, 5)", "(6, 3)")),
        ((x, np.ones((7, 3)), np.ones((2, 3, 5))), ("(2, 3, 5)",)),
        ((x, np.ones((7, 3)), np.ones((2, 5, 3)), np.ones(3)), ("bias", "(3,)")),
    ],
)
def test_bilinear_refuses_what_torch_refuses(arrays, fragments):
    assert_same_error(lambda: F.bilinear(*arrays), lambda: TF.bilinear(*tensors(*arrays)), *fragments)


def test_bilinear_needs_an_input():
    assert_same_error(lambda: torchref.nn.Bilinear(0, 3, 2), lambda: torch.nn.Bilinear(0, 3, 2), "in1_features", "0")


def test_a_device_is_refused():
    with pytest.raises(ValueError, match=r"device must be None .* device='cpu'"):
        torchref.nn.Linear(5, 3, device="cpu")


def test_without_input_gradient_the_parameters_gradients_are_the_same():
    """Catches a shortcut that changes what it does not leave out."""
    model = torchref.nn.Sequential(torchref.nn.Tanh(), torchref.nn.Linear(5, 3), torchref.nn.Linear(3, 2)).double()
    dy = np.random.default_rng(0).standard_normal((7, 2))
    _, backward = model(x)
    assert backward(dy).shape == x.shape
    expected = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    model.skip_input_grad()
    _, backward = model(x)
    assert backward(dy) is None
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.grad, expected[name])
    model.skip_input_grad(False)
    assert model(x)[1](dy).shape == x.shape


def test_initial_weights_are_spread_as_torchs():
    """Catches a bound that is off: 20,000 even draws reach it closely and never pass it."""
    torchref.manual_seed(3)
    layer = torchref.nn.Linear(100, 200)
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    for parameter in layer.parameters():
        assert 0.097 < np.abs(parameter.data).max() <= 0.1
        assert abs(parameter.data.mean()) < 0.01
