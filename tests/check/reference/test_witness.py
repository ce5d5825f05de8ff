"""The witnesses: how exact they are, and that each is taken only where it is right."""

import numpy as np
import pytest

from torchref.check.reference.witness import jacobian

X = np.random.default_rng(0).normal(size=(3, 4))


@pytest.mark.parametrize(
    ("function", "derivative", "how", "exact"),
    [
        (np.exp, np.exp, "complex step", 1e-15),
        (lambda x: x**3, lambda x: 3 * x**2, "complex step", 1e-15),
        (lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0), "complex step", 1e-15),
        (np.abs, np.sign, "Richardson differences", 1e-11),
        (lambda x: (x * np.conj(x)).real, lambda x: 2 * x, "Richardson differences", 1e-11),
        (lambda x: np.sin(x.astype(float)), np.cos, "Richardson differences", 1e-11),
    ],
    ids=["exp", "cube", "relu", "abs", "conjugate", "cast"],
)
def test_each_witness(function, derivative, how, exact):
    """Catches a complex step that is believed where the imaginary part is dropped, and noise that is too small."""
    found = jacobian(lambda v: np.ravel(function(v["x"])), {"x": X}, "x")
    right = np.diag(np.ravel(derivative(X)))
    assert found.how == how
    assert np.abs(found.slopes - right).max() < exact
    assert (np.abs(found.slopes - right) <= 8 * found.noise + 1e-300).all()


def test_a_kink_nearby():
    """Catches differences across a kink: one entry lies 1e-4 beside it."""
    x = np.array([1e-4, -1e-4, 0.7])
    found = jacobian(lambda v: np.abs(v["x"]), {"x": x}, "x")
    assert np.abs(found.slopes - np.diag(np.sign(x))).max() < 1e-9
