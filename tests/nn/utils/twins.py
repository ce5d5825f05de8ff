"""A layer whose weight is computed, in both engines: how it is built, and one step of it compared."""

import numpy as np
import torch

import torchref

X = np.random.default_rng(2).standard_normal((7, 5))
IMAGES = np.random.default_rng(2).standard_normal((5, 2, 4, 3))
CASES = [
    ("weight_norm", (), {}, True),
    ("weight_norm", (), {"dim": 1}, True),
    ("weight_norm", (), {"dim": None}, False),
    ("weight_norm", ("bias",), {}, True),
    ("spectral_norm", (), {}, True),
    ("spectral_norm", (), {}, False),
    ("spectral_norm", (), {"n_power_iterations": 3, "dim": 1}, True),
    ("spectral_norm", ("bias",), {}, True),
]


def twins_of(ours, theirs, kind, args, kwargs, layer, training):
    """A layer of each engine under the normalisation `kind` of `ours` and `theirs`, with one state, in float64."""
    torch.manual_seed(3)
    name, *sizes = layer
    other = getattr(theirs, kind)(getattr(torch.nn, name)(*sizes).double(), *args, **kwargs).train(training)
    own = getattr(ours, kind)(getattr(torchref.nn, name)(*sizes).double(), *args, **kwargs).train(training)
    own.load_state_dict({key: value.numpy().copy() for key, value in other.state_dict().items()})
    return own, other


def assert_same_step(ours, theirs, x, seed=4):
    """Output, gradient of the input, gradients of all parameters and buffers are equal."""
    tensor = torch.tensor(x, requires_grad=True)
    expected = theirs(tensor)
    dy = np.random.default_rng(seed).standard_normal(tuple(expected.shape))
    expected.backward(torch.from_numpy(dy))
    y, backward = ours(x)
    dx = backward(dy)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=1e-12, atol=1e-12)
    gradients = {key: parameter.grad.numpy() for key, parameter in theirs.named_parameters()}
    assert [key for key, _ in ours.named_parameters()] == list(gradients)
    for key, parameter in ours.named_parameters():
        np.testing.assert_allclose(parameter.grad, gradients[key], rtol=1e-11, atol=1e-12, err_msg=key)
    for key, buffer in theirs.named_buffers():
        np.testing.assert_allclose(dict(ours.named_buffers())[key], buffer.numpy(), rtol=1e-11, atol=1e-12)
