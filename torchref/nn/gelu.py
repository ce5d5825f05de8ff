"""GELU: x times the probability that a normal variable lies below x."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf

from torchref.nn.errors import check_floating
from torchref.nn.module import Array, Backward, Module, bind


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
    if approximate == "tanh":
        return gelu_tanh(x)
    if approximate != "none":
        raise RuntimeError(f"gelu(): approximate must be either none or tanh, but got approximate={approximate!r}")
    Phi = 0.5 * (1 + erf(x * math.sqrt(1 / 2)))

    def backward(dy: Array) -> Array:
        phi = np.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
        return dy * (Phi + x * phi)

    return x * Phi, backward


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
