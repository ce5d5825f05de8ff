"""GELU: x times the probability that a normal variable lies below x."""

from __future__ import annotations

import math

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.error_function import erf
from torchref.nn.errors import check_floating
from torchref.nn.module import Array, Backward, Module, bind


@takes_any_array
def gelu(x: Array, *, approximate: str = "none") -> tuple[Array, Backward]:
    """y = x Phi(x), where Phi(x) = (1 + erf(x / sqrt(2))) / 2 is the distribution function of the standard normal.

    With approximate="tanh": y = x (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).

    Backward, by the product rule. Phi' = phi, phi(x) = exp(-x^2 / 2) / sqrt(2 pi), the normal density:
        y' = Phi(x) + x phi(x)
    and with tanh, t = tanh(u), t' = (1 - t^2) u', u' = sqrt(2 / pi) (1 + 3 * 0.044715 x^2):
        y' = (1 + t) / 2 + x (1 - t^2) u' / 2

    Errors: RuntimeError unless `approximate` is "none" or "tanh".
    Equals `torch.nn.functional.gelu`. Hendrycks & Gimpel 2016.
    """
    check_floating("gelu", input=x)
    if not isinstance(approximate, str):
        raise TypeError(f"gelu(): approximate must be a str, but got approximate={approximate!r}")
    if approximate == "tanh":
        return gelu_tanh(x)
    if approximate != "none":
        raise RuntimeError(f"gelu(): approximate must be either none or tanh, but got approximate={approximate!r}")
    Phi, phi = normal_distribution(x)

    def backward(dy: Array) -> Array:
        return dy * (Phi + x * phi)

    return x * Phi, backward


def normal_distribution(x: Array) -> tuple[Array, Array]:
    """Phi(x) and phi(x): the distribution function and the density of the standard normal."""
    if x.dtype == np.float32 and x.ndim > 0:
        return normal_distribution_float32(x)
    return 0.5 * (1 + erf(x * math.sqrt(1 / 2))), np.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))


# Mills' ratio Phi(-t) / phi(t) for 0 <= t <= 15 as numerator(t) / denominator(t), coefficients from t^0 upwards: a
# least squares fit, reweighted until its largest relative error was least: 2e-8, a third of float32's rounding. All
# coefficients are positive, so nothing cancels.
MILLS_NUMERATOR = (1.25331414, 1.09602344, 0.457362413, 0.101198441, 0.010220967)
MILLS_DENOMINATOR = (1.0, 1.67238514, 1.19928817, 0.467427441, 0.101205251, 0.0102208383)


def normal_distribution_float32(x: Array) -> tuple[Array, Array]:
    """`normal_distribution` for float32, with float32's full accuracy in Phi's lower tail, too.

    scipy's erf takes 14 ns an entry, more than all of torch's forward and backward; this takes 3: products and sums in
    place, and one exp for both results.
    """
    t = np.abs(x)
    np.minimum(t, np.full_like(x, 15, shape=x.shape[-1:], order="C"), out=t)  # from 15 on, phi is 0 in float32
    phi = t * t
    phi *= -0.5
    np.exp(phi, out=phi)
    phi *= 1 / math.sqrt(2 * math.pi)
    tail = polynomial(MILLS_NUMERATOR, t)
    tail /= polynomial(MILLS_DENOMINATOR, t)
    tail *= phi  # Phi(-|x|)
    return np.abs((x > 0) - tail), phi  # Phi(x) = 1 - tail where x > 0, else tail


def polynomial(coefficients: tuple[float, ...], t: Array) -> Array:
    """sum_k coefficients[k] t^k by Horner's rule, in one array."""
    y = coefficients[-1] * t
    for coefficient in coefficients[-2:0:-1]:
        y += coefficient
        y *= t
    y += coefficients[0]
    return y


def gelu_tanh(x: Array) -> tuple[Array, Backward]:
    """`gelu` with approximate="tanh"."""
    a, b = math.sqrt(2 / math.pi), 0.044715
    x2 = x * x
    t = np.tanh(a * x * (1 + b * x2))

    def backward(dy: Array) -> Array:
        du = a * (1 + 3 * b * x2)  # u'
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du)

    return 0.5 * x * (1 + t), backward


class GELU(Module):
    """`gelu` as a module. Equals `torch.nn.GELU`."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(gelu, input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"
