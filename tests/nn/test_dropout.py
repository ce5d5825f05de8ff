"""Dropout: equal bits, and draws exactly where torch draws."""

import math

import numpy as np
import pytest
import torch

import torchref
from torchref.nn.random import Tape, set_rng
from torchref.twin.draws import record_draws


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_equal_torch(p, dtype):
    """Catches x * mask / (1 - p) instead of x * (mask / (1 - p)): the same but for the last bit."""
    x = np.random.default_rng(0).standard_normal((101, 7)).astype(dtype)
    theirs, ours = torch.nn.Dropout(p), torchref.nn.Dropout(p)
    tx = torch.from_numpy(x.copy()).requires_grad_()
    with record_draws() as tape:
        expected = theirs(tx)
    expected.backward(torch.from_numpy(x))
    set_rng(ours, Tape(tape.draws))
    y, backward = ours(x)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_array_equal(backward(x), tx.grad.numpy())


@pytest.mark.parametrize(
    "name", ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]
)
@pytest.mark.parametrize(("p", "training", "batch"), [(0.0, True, 2), (1.0, True, 2), (0.3, False, 2), (0.3, True, 0)])
def test_nothing_drawn(name, p, training, batch):
    """Catches a draw where torch makes none: every later draw of a replayed network would be another one's."""
    x = np.ones((batch, 3, 5, 2, 1)[: {"Dropout1d": 3, "Dropout2d": 4}.get(name, 5)])
    with record_draws() as tape:
        expected = getattr(torch.nn, name)(p).train(training)(torch.from_numpy(x))
    assert tape.draws == []
    ours = getattr(torchref.nn, name)(p).train(training)
    ours.rng = Tape([])
    y, backward = ours(x)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(x), np.zeros_like(x) if p == 1 and training else x)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("Dropout2d", (2, 3, 5)), ("Dropout2d", (7, 3)), ("Dropout3d", (2, 3, 5)), ("Dropout3d", (7, 3))],
)
def test_other_dimensions(name, shape):
    """Catches another reading of an input with too few dimensions than torch's, or one without a warning."""
    x = np.random.default_rng(0).standard_normal(shape)
    with record_draws() as tape, pytest.warns(UserWarning, match=name.lower()):
        expected = getattr(torch.nn, name)(0.3)(torch.from_numpy(x))
    ours = getattr(torchref.nn, name)(0.3)
    ours.rng = Tape(tape.draws)
    with pytest.warns(UserWarning, match=f"{name.lower()}.*{len(shape)}-D"):
        y, _ = ours(x)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_probability(p):
    """Catches a probability outside [0, 1] (torch lets nan pass its module's check)."""
    for call in (lambda: torchref.nn.Dropout(p), lambda: torchref.nn.functional.dropout(np.ones(3), p=p)):
        with pytest.raises(ValueError, match=f"p={p}"):
            call()
    if not math.isnan(p):
        with pytest.raises(ValueError):
            torch.nn.Dropout(p)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("Dropout1d", (3,)), ("Dropout1d", (2, 3, 5, 7)), ("FeatureAlphaDropout", (3,))],
)
def test_dimension_errors(name, shape):
    """Catches an input without channels that is dropped anyhow."""
    with pytest.raises(RuntimeError):
        getattr(torch.nn, name)(0.3)(torch.ones(shape))
    with pytest.raises(RuntimeError, match=r"dimension|2D or 3D"):
        getattr(torchref.nn, name)(0.3)(np.ones(shape))


def test_own_draws():
    """Catches a mask with the wrong probability, or alpha dropout that does not keep mean 0 and variance 1."""
    x = np.random.default_rng(1).standard_normal(200_000)
    layer = torchref.nn.Dropout(0.3)
    layer.rng = np.random.default_rng(2)
    y, _ = layer(np.ones_like(x))
    np.testing.assert_allclose(np.mean(y == 0), 0.3, atol=0.005)
    np.testing.assert_allclose(y[y != 0], 1 / 0.7, rtol=1e-15)
    alpha = torchref.nn.AlphaDropout(0.3)
    alpha.rng = np.random.default_rng(3)
    z, _ = alpha(x)
    np.testing.assert_allclose([z.mean(), z.std()], [0, 1], atol=0.01)
