"""GELU: x times the probability that a normal variable lies below x."""

from __future__ import annotations

import math

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.blocks import row_blocks
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
        Phi, phi = normal_distribution_float32(x)
        return Phi.reshape(x.shape), phi.reshape(x.shape)
    return 0.5 * (1 + erf(x * math.sqrt(1 / 2))), np.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))


# Mills' ratio Phi(-t) / phi(t) for 0 <= t <= 15 is the first row's polynomial over the second's, coefficients from t^0
# upwards: a least squares fit, reweighted until its largest relative error was least: 2e-8, a third of float32's
# rounding. No coefficient is negative, so nothing cancels.
MILLS_RATIO = (
    (1.25331414, 1.09602344, 0.457362413, 0.101198441, 0.010220967, 0.0),
    (1.0, 1.67238514, 1.19928817, 0.467427441, 0.101205251, 0.0102208383),
)


def normal_distribution_float32(x: Array) -> tuple[Array, Array]:
    """`normal_distribution` for float32, with float32's full accuracy in Phi's lower tail, too.

    scipy's erf takes 14 ns an entry, more than all of torch's forward and backward; this takes 2. One exp serves both
    results, both polynomials are one product of matrices, and the powers for it lie in the cache, block by block.
    """
    x = x.reshape(-1)
    Phi, phi = np.empty_like(x), np.empty_like(x)
    mills_ratio = np.array(MILLS_RATIO, x.dtype)
    for block in row_blocks(x):
        powers = np.empty_like(x, shape=(6, x[block].size), order="C")  # t^0 ... t^5, t = |x|
        powers[0] = 1
        t = np.abs(x[block], out=powers[1])
        np.clip(t, 0, 15, out=t)  # from 15 on, phi is 0 in float32
        t2, t3, t4, t5 = powers[2:]
        np.multiply(t, t, out=t2)
        np.multiply(t2, t, out=t3)
        np.multiply(t2, t2, out=t4)
        np.multiply(t4, t, out=t5)
        tail, denominator = mills_ratio @ powers
        density = np.exp(np.multiply(t2, -0.5, out=t2), out=t2)
        np.multiply(density, 1 / math.sqrt(2 * math.pi), out=phi[block])
        tail /= denominator
        tail *= phi[block]  # Phi(-|x|)
        np.subtract(x[block] > 0, tail, out=tail)
        np.abs(tail, out=Phi[block])  # Phi(x) = 1 - tail where x > 0, else tail
    return Phi, phi


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
