"""Activations and softmax: errors as torch raises them, accuracy, and what only their functions can do."""

import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.special import ndtr

import torchref
import torchref.nn.functional as F
from torchref.nn.random import Tape
from torchref.twin.draws import record_draws

X = np.random.default_rng(1).standard_normal((4, 3))
T = torch.from_numpy(X)

# ours, torch's, the exception that both raise, and what the message must name
ERRORS = [
    (lambda: F.glu(X), lambda: torch.nn.functional.glu(T), RuntimeError, r"glu.*dim=-1.*\(4, 3\).*3"),
    (lambda: F.glu(X, dim=5), lambda: torch.nn.functional.glu(T, 5), IndexError, "glu.*5"),
    (lambda: F.glu(np.ones(())), lambda: torch.nn.functional.glu(T[0, 0], 0), RuntimeError, "glu"),
    (
        lambda: F.gelu(X, approximate="erf"),
        lambda: torch.nn.functional.gelu(T, approximate="erf"),
        RuntimeError,
        "gelu.*approximate='erf'",
    ),
    (
        lambda: F.softshrink(X, lambd=-1.0),
        lambda: torch.nn.functional.softshrink(T, -1.0),
        RuntimeError,
        "softshrink.*lambd=-1.0",
    ),
    (lambda: F.celu(X, alpha=0.0), lambda: torch.nn.functional.celu(T, 0.0), RuntimeError, "celu.*alpha=0.0"),
    (
        lambda: F.rrelu(X, lower=0.5, upper=0.1),
        lambda: torch.nn.functional.rrelu(T, 0.5, 0.1),
        RuntimeError,
        "rrelu.*lower=0.5.*upper=0.1",
    ),
    (
        lambda: F.rrelu(X, lower=0.5, upper=np.inf),
        lambda: torch.nn.functional.rrelu(T, 0.5, np.inf),
        RuntimeError,
        "rrelu.*upper=inf",
    ),
    (
        lambda: F.hardtanh(X, min_val=1.0, max_val=-1.0),
        lambda: torch.nn.functional.hardtanh(T, 1.0, -1.0),
        ValueError,
        "hardtanh.*min_val=1.0.*max_val=-1.0",
    ),
    (
        lambda: torchref.nn.Hardtanh(1.0, 1.0),
        lambda: torch.nn.Hardtanh(1.0, 1.0),
        AssertionError,
        "Hardtanh.*max_val=1.0.*min_val=1.0",
    ),
    (
        lambda: F.prelu(X, np.ones(2)),
        lambda: torch.nn.functional.prelu(T, torch.ones(2).double()),
        RuntimeError,
        r"prelu.*weight.*2.*\(4, 3\)",
    ),
    (
        lambda: F.prelu(X, np.ones((1, 1))),
        lambda: torch.nn.functional.prelu(T, torch.ones(1, 1).double()),
        RuntimeError,
        r"prelu.*weight.*\(1, 1\)",
    ),
    (
        lambda: F.prelu(X, np.ones(3, np.float32)),
        lambda: torch.nn.functional.prelu(T, torch.ones(3)),
        RuntimeError,
        "prelu.*weight.*float32",
    ),
    (lambda: F.softmax(X, dim=2), lambda: torch.nn.functional.softmax(T, 2), IndexError, "softmax.*2"),
    (lambda: F.log_softmax(X, dim=-3), lambda: torch.nn.functional.log_softmax(T, -3), IndexError, "log_softmax.*-3"),
    (lambda: F.softmin(X, dim=2), lambda: torch.nn.functional.softmin(T, 2), IndexError, "softmin.*2"),
    (lambda: torchref.nn.Softmax2d()(X), lambda: torch.nn.Softmax2d()(T), ValueError, "Softmax2d.*2D"),
    (lambda: F.gelu(X.astype(int)), lambda: torch.nn.functional.gelu(T.int()), RuntimeError, "gelu.*input.*int64"),
    (lambda: F.silu([1.0]), lambda: torch.nn.functional.silu([1.0]), TypeError, "argument 'input'.*list"),
]


@pytest.mark.parametrize(("ours", "theirs", "error", "message"), ERRORS)
def test_errors(ours, theirs, error, message):
    """Catches a wrong argument that is computed with, or refused with another exception than torch's."""
    with pytest.raises(error):
        theirs()
    with pytest.raises(error, match=message):
        ours()


@pytest.mark.parametrize("old", [{"min_value": -0.5}, {"max_value": 0.5}])
def test_hardtanh_old_names(old):
    """Catches an old argument name that is ignored, or accepted without its warning."""
    with pytest.warns(FutureWarning, match=next(iter(old))):
        ours = torchref.nn.Hardtanh(**old)
    with pytest.warns(FutureWarning):
        theirs = torch.nn.Hardtanh(**old)
    assert repr(ours) == repr(theirs)
    np.testing.assert_array_equal(ours.predict(X), theirs(T))


def test_gelu_float32_is_fully_accurate():
    """Catches a rational approximation that is worse than rounding: also where Phi is tiny, unlike 1 + erf."""
    x = np.linspace(-14, 14, 100_003, dtype=np.float32)
    y, backward = F.gelu(x)
    dx = backward(np.ones_like(x))
    exact = x.astype(np.float64)
    phi = np.exp(-(exact**2) / 2) / np.sqrt(2 * np.pi)
    u = 2.0**-24
    # exp(-x^2 / 2) turns the rounding of its argument into x^2 / 2 u of relative error; a few u for all the rest
    tolerance = u * (8 + exact**2) * np.abs(exact) * ndtr(exact) + 1e-40
    assert np.all(np.abs(y - exact * ndtr(exact)) <= tolerance)
    tolerance = u * (8 + exact**2) * (ndtr(exact) + np.abs(exact) * phi) + 1e-40
    assert np.all(np.abs(dx - (ndtr(exact) + exact * phi)) <= tolerance)
    assert y.dtype == dx.dtype == np.float32


def test_gelu_float32_of_huge_numbers():
    """Catches an overflow in the approximation's polynomials."""
    x = np.array([-3e38, -1e10, -15.0, 15.0, 1e10, 3e38], np.float32)
    y, backward = F.gelu(x)
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    np.testing.assert_array_equal(backward(np.ones_like(x)), [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax", "Softmin"])
@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
def test_implicit_dim(name, ndim):
    """Catches another choice than torch's where no dim is given, or a choice without a warning."""
    x = np.random.default_rng(2).standard_normal((2, 3, 5, 7)[:ndim])
    with pytest.warns(UserWarning, match="dim"):
        y, _ = getattr(torchref.nn, name)()(x)
    with pytest.warns(UserWarning, match="dim"):
        expected = getattr(torch.nn, name)()(torch.from_numpy(x))
    np.testing.assert_allclose(y, expected, rtol=1e-14)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("dim", [0, -1])
def test_gumbel_softmax(hard, dim):
    """Catches a wrong temperature, noise of the wrong sign, and a hard sample whose gradient is not the soft one's."""
    tx = T.clone().requires_grad_()
    with record_draws() as tape:
        expected = torch.nn.functional.gumbel_softmax(tx, tau=0.7, hard=hard, dim=dim)
    dy = np.random.default_rng(3).standard_normal(X.shape)
    expected.backward(torch.from_numpy(dy))
    y, backward = F.gumbel_softmax(X, tau=0.7, hard=hard, dim=dim, rng=Tape(tape.draws))
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(backward(dy), tx.grad, rtol=1e-12, atol=1e-15)


def test_gumbel_softmax_samples_the_softmax():
    """Catches a draw of our own (no tape) that is no Gumbel noise: the winners' frequencies must be the softmax."""
    logits = np.broadcast_to(np.log([0.2, 0.3, 0.5]), (20_000, 3))
    y, _ = F.gumbel_softmax(logits, hard=True, rng=np.random.default_rng(4))
    np.testing.assert_allclose(y.mean(axis=0), [0.2, 0.3, 0.5], atol=0.015)


def test_rrelu_draws_its_own():
    """Catches slopes outside [lower, upper), or one slope for all."""
    layer = torchref.nn.RReLU(0.2, 0.6)
    layer.rng = np.random.default_rng(5)
    y, backward = layer(-np.ones(1000))
    assert -0.6 <= y.min() < -0.55
    assert -0.25 < y.max() <= -0.2
    np.testing.assert_array_equal(backward(np.ones(1000)), -y)


def test_torch_rounds_two_constants_to_float32():
    """Catches a torch release that no longer does: hardsigmoid's slope here, celu's docstring would then change."""
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.hardsigmoid(x).sum().backward()
    assert x.grad[0].item() == float(np.float32(1 / 6)) != 1 / 6
    x = torch.tensor([-1.0], dtype=torch.float64, requires_grad=True)
    torch.nn.functional.celu(x, 0.7).backward()
    _, backward = F.celu(np.array([-1.0]), alpha=0.7)
    dx = backward(np.ones(1))
    np.testing.assert_allclose(dx, np.exp(-1 / 0.7), rtol=1e-15)
    np.testing.assert_allclose(dx, x.grad, rtol=1e-7)
    assert abs(dx[0] - x.grad.item()) > 1e-9


ELEMENTWISE = [
    "relu",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "silu",
    "mish",
    "softplus",
    "logsigmoid",
    "softsign",
    "tanhshrink",
    "gelu",
    "elu",
    "celu",
    "selu",
    "hardtanh",
    "relu6",
    "hardsigmoid",
    "hardswish",
    "hardshrink",
    "softshrink",
]


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(
    shape=st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple),
    scale=st.sampled_from([1e-3, 1.0, 30.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_any_shape_and_size(name, shape, scale, seed):
    """Catches a broadcast that fits some shapes only (a row of zeros, say), and a warning or nan at large entries."""
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal(shape) * scale, rng.standard_normal(shape)
    tx = torch.from_numpy(x.copy()).requires_grad_()
    expected = getattr(torch.nn.functional, name)(tx)
    expected.backward(torch.from_numpy(dy))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, backward = getattr(F, name)(x)
        dx = backward(dy)
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(dx, tx.grad, rtol=1e-12, atol=1e-15)


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    dim=st.integers(-4, 3),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_softmax_sums(shape, dim, scale, seed):
    """Catches a softmax over the wrong axis: its sums are 1 and its gradient's sums are 0 along dim only."""
    if not -len(shape) <= dim < len(shape):
        return
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal(shape) * scale, rng.standard_normal(shape)
    y, backward = F.softmax(x, dim=dim)
    np.testing.assert_allclose(y.sum(axis=dim), 1, rtol=1e-14)
    np.testing.assert_allclose(backward(dy).sum(axis=dim), 0, atol=1e-15)
    log_y, log_backward = F.log_softmax(x, dim=dim)
    np.testing.assert_allclose(np.exp(log_y), y, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(log_backward(dy).sum(axis=dim), 0, atol=1e-14)
