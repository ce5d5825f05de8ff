"""Exponentials, logarithms and roots, entry by entry. Integers give float32, as in torch."""

from __future__ import annotations

import math

import numpy as np

from torchref.nn.module import Array, Backward
from torchref.nn.promotion import real
from torchref.tensor.calling import broadcasting, check_arrays_alone, elementwise, operands

__all__ = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "rsqrt",
    "sqrt",
    "square",
]


@elementwise
def exp(x: Array) -> tuple[Array, Backward]:
    """y = e^x.

    Backward. y' = e^x = y:  dx = dy y.

    Equals `torch.exp`.
    """
    y = np.exp(real("exp", x))

    def backward(dy: Array) -> Array:
        return dy * y

    return y, backward


@elementwise
def exp2(x: Array) -> tuple[Array, Backward]:
    """y = 2^x = e^(x log 2).

    Backward. y' = 2^x log 2:  dx = dy y log 2.

    Equals `torch.exp2`.
    """
    y = np.exp2(real("exp2", x))

    def backward(dy: Array) -> Array:
        return dy * y * math.log(2)

    return y, backward


@elementwise
def expm1(x: Array) -> tuple[Array, Backward]:
    """y = e^x - 1, exact for small x, where e^x rounds to 1.

    Backward. y' = e^x = y + 1:  dx = dy (y + 1).

    Equals `torch.expm1`.
    """
    y = np.expm1(real("expm1", x))

    def backward(dy: Array) -> Array:
        return dy * (y + 1)

    return y, backward


@elementwise
def log(x: Array) -> tuple[Array, Backward]:
    """y = log x, to base e: -inf at 0, nan below.

    Backward. y' = 1 / x:  dx = dy / x.

    Equals `torch.log`.
    """
    a = real("log", x)

    def backward(dy: Array) -> Array:
        return dy / a

    return np.log(a), backward


@elementwise
def log2(x: Array) -> tuple[Array, Backward]:
    """y = log x / log 2, to base 2.

    Backward. y' = 1 / (x log 2):  dx = dy / (x log 2).

    Equals `torch.log2`.
    """
    a = real("log2", x)

    def backward(dy: Array) -> Array:
        return dy / (a * math.log(2))

    return np.log2(a), backward


@elementwise
def log10(x: Array) -> tuple[Array, Backward]:
    """y = log x / log 10, to base 10.

    Backward. y' = 1 / (x log 10):  dx = dy / (x log 10).

    Equals `torch.log10`.
    """
    a = real("log10", x)

    def backward(dy: Array) -> Array:
        return dy / (a * math.log(10))

    return np.log10(a), backward


@elementwise
def log1p(x: Array) -> tuple[Array, Backward]:
    """y = log(1 + x), exact for small x, where 1 + x rounds to 1.

    Backward. y' = 1 / (1 + x):  dx = dy / (1 + x).

    Equals `torch.log1p`.
    """
    a = real("log1p", x)

    def backward(dy: Array) -> Array:
        return dy / (a + 1)

    return np.log1p(a), backward


@elementwise
def sqrt(x: Array) -> tuple[Array, Backward]:
    """y = x^(1/2): nan below 0.

    Backward. y' = x^(-1/2) / 2 = 1 / (2 y), infinite at 0:  dx = dy / (2 y).

    Equals `torch.sqrt`.
    """
    y = np.sqrt(real("sqrt", x))

    def backward(dy: Array) -> Array:
        return dy / (2 * y)

    return y, backward


@elementwise
def rsqrt(x: Array) -> tuple[Array, Backward]:
    """y = x^(-1/2): infinite at 0.

    Backward. y' = -x^(-3/2) / 2 = -y^3 / 2:  dx = -dy y^3 / 2.

    Equals `torch.rsqrt`.
    """
    y = 1 / np.sqrt(real("rsqrt", x))

    def backward(dy: Array) -> Array:
        return -0.5 * dy * (y * y * y)

    return y, backward


@elementwise
def square(x: Array) -> tuple[Array, Backward]:
    """y = x^2.

    Backward. y' = 2 x:  dx = dy 2 x.

    Equals `torch.square`.
    """

    def backward(dy: Array) -> Array:
        return dy * (2 * x)

    return power_of_two(x), backward


def power_of_two(x: Array) -> Array:
    """x^2; of booleans as integers."""
    return x * x if x.dtype != bool else x.astype(np.int64, order="K")


@broadcasting
def logaddexp(x: Array, other: Array) -> tuple[Array, Backward]:
    """y = log(e^x + e^other), the larger exponent taken out first so that none overflows.

    Backward. dy/dx = e^x / (e^x + e^other) = e^(x - y):  dx = dy e^(x - y),  dother = dy e^(other - y).
    The two shares add up to 1. Two equal infinities share evenly: 1/2 each.

    Errors: as `add`. Equals `torch.logaddexp`.
    """
    check_arrays_alone("logaddexp", input=x, other=other)
    a, b = operands("logaddexp", input=x, other=other)
    y = np.logaddexp(a, b) if a.dtype.kind != "c" else a + np.log1p(np.exp(b - a))

    def backward(dy: Array) -> tuple[Array, Array]:
        return dy / (1 + np.exp(b - a)), dy / (1 + np.exp(a - b))

    return y, backward


@broadcasting
def logaddexp2(x: Array, other: Array) -> tuple[Array, Backward]:
    """y = log2(2^x + 2^other): `logaddexp` to base 2.

    Backward. dy/dx = 2^x / (2^x + 2^other) = 1 / (1 + 2^(other - x)), and so for other.

    Errors: as `add`. Equals `torch.logaddexp2`.
    """
    check_arrays_alone("logaddexp2", input=x, other=other)
    a, b = operands("logaddexp2", input=x, other=other)
    y = np.logaddexp2(a, b) if a.dtype.kind != "c" else a + np.log2(1 + np.exp2(b - a))

    def backward(dy: Array) -> tuple[Array, Array]:
        return dy / (1 + np.exp2(b - a)), dy / (1 + np.exp2(a - b))

    return y, backward
