"""The witnesses themselves, against derivatives that are known."""

import numpy as np

from tests.certify.witness import complex_step, richardson
from torchref.nn import functional as F


def test_the_complex_step_is_exact():
    """Catches a step that cancels: the derivative of exp is exp, to rounding."""
    x = np.array([0.3, -2.0, 11.0], complex)
    for i in range(3):
        column = complex_step(lambda: np.exp(x), x, (i,))
        np.testing.assert_allclose(column, np.where(np.arange(3) == i, np.exp(x.real), 0.0), rtol=1e-15)
    np.testing.assert_array_equal(x, [0.3, -2.0, 11.0])


def test_richardson_is_of_sixth_order():
    """Catches a lower order: exact on a polynomial of degree 6, and the array is as it was."""
    x = np.array([1.5, -0.5])
    slope = richardson(lambda: (x**6).sum(), x, (0,), step=0.1)
    np.testing.assert_allclose(slope, 6 * 1.5**5, rtol=1e-12)
    np.testing.assert_array_equal(x, [1.5, -0.5])


def test_rrelu_with_draws_of_its_own():
    """Catches a wrong slope where x > 0: torch's recorded draw is 1 there, which hides it from the universal checks."""
    x = np.array([0.7, 1.9, -0.4, -2.3])

    def forward():
        return F.rrelu(x, training=True, rng=np.random.default_rng(3))

    gradient = forward()[1](np.array([2.0, 3.0, 5.0, 7.0]))
    slopes = [richardson(lambda: forward()[0], x, (i,))[i] for i in range(4)]
    np.testing.assert_allclose(gradient, np.array([2.0, 3.0, 5.0, 7.0]) * slopes, rtol=1e-9)
