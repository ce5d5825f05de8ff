"""Angles and hyperbolas, entry by entry. Integers give float32, as in torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.nn.module import Array, Backward
from torchref.nn.promotion import real
from torchref.tensor.calling import broadcasting, check_arrays_alone, elementwise, operands, real_operands

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
    "sin",
    "sinc",
    "sinh",
    "tan",
]


@elementwise
def sin(x: Array) -> tuple[Array, Backward]:
    """y = sin x. Backward: y' = cos x, dx = dy cos x. Equals `torch.sin`."""
    a = real("sin", x)

    def backward(dy: Array) -> Array:
        return dy * np.cos(a)

    return np.sin(a), backward


@elementwise
def cos(x: Array) -> tuple[Array, Backward]:
    """y = cos x. Backward: y' = -sin x, dx = -dy sin x. Equals `torch.cos`."""
    a = real("cos", x)

    def backward(dy: Array) -> Array:
        return -dy * np.sin(a)

    return np.cos(a), backward


@elementwise
def tan(x: Array) -> tuple[Array, Backward]:
    """y = sin x / cos x. Backward: y' = 1 / cos^2 x = 1 + y^2, dx = dy (1 + y^2). Equals `torch.tan`."""
    y = np.tan(real("tan", x))

    def backward(dy: Array) -> Array:
        return dy * (1 + y * y)

    return y, backward


@elementwise
def asin(x: Array) -> tuple[Array, Backward]:
    """y = the angle whose sine is x. Backward, of sin y = x: y' cos y = 1, dx = dy / sqrt(1 - x^2).

    Equals `torch.asin`.
    """
    a = real("asin", x)

    def backward(dy: Array) -> Array:
        return dy / np.sqrt(1 - a * a)

    return np.arcsin(a), backward


@elementwise
def acos(x: Array) -> tuple[Array, Backward]:
    """y = the angle whose cosine is x. Backward, of cos y = x: -y' sin y = 1, dx = -dy / sqrt(1 - x^2).

    Equals `torch.acos`.
    """
    a = real("acos", x)

    def backward(dy: Array) -> Array:
        return -dy / np.sqrt(1 - a * a)

    return np.arccos(a), backward


@elementwise
def atan(x: Array) -> tuple[Array, Backward]:
    """y = the angle whose tangent is x. Backward, of tan y = x: y' (1 + x^2) = 1, dx = dy / (1 + x^2).

    Equals `torch.atan`.
    """
    a = real("atan", x)

    def backward(dy: Array) -> Array:
        return dy / (1 + a * a)

    return np.arctan(a), backward


@broadcasting
def atan2(x: Array, other: Array) -> tuple[Array, Backward]:
    """y = the angle of the point (other, x), from -pi to pi.

    Backward. y = atan(x / other) + a constant, so with r^2 = x^2 + other^2
        dy/dx = 1 / other / (1 + (x / other)^2) = other / r^2,  dy/dother = -x / r^2
    and 0 at the kink r = 0.

    Equals `torch.atan2`.
    """
    check_arrays_alone("atan2", input=x, other=other)
    a, b = real_operands("atan2", input=x, other=other)

    def backward(dy: Array) -> tuple[Array, Array]:
        share = np.where((a == 0) & (b == 0), 0, dy / (a * a + b * b))
        return share * b, -share * a

    return (np.arctan2(a, b) if a.dtype.kind != "c" else np.arctan(a / b)), backward


@elementwise
def sinh(x: Array) -> tuple[Array, Backward]:
    """y = (e^x - e^-x) / 2. Backward: y' = cosh x, dx = dy cosh x. Equals `torch.sinh`."""
    a = real("sinh", x)

    def backward(dy: Array) -> Array:
        return dy * np.cosh(a)

    return np.sinh(a), backward


@elementwise
def cosh(x: Array) -> tuple[Array, Backward]:
    """y = (e^x + e^-x) / 2. Backward: y' = sinh x, dx = dy sinh x. Equals `torch.cosh`."""
    a = real("cosh", x)

    def backward(dy: Array) -> Array:
        return dy * np.sinh(a)

    return np.cosh(a), backward


@elementwise
def asinh(x: Array) -> tuple[Array, Backward]:
    """y = log(x + sqrt(x^2 + 1)), sinh's inverse. Backward, of sinh y = x: dx = dy / sqrt(x^2 + 1).

    Equals `torch.asinh`.
    """
    a = real("asinh", x)

    def backward(dy: Array) -> Array:
        return dy / np.sqrt(a * a + 1)

    return np.arcsinh(a), backward


@elementwise
def acosh(x: Array) -> tuple[Array, Backward]:
    """y = log(x + sqrt(x^2 - 1)), cosh's inverse. Backward, of cosh y = x: dx = dy / sqrt(x^2 - 1).

    Equals `torch.acosh`.
    """
    a = real("acosh", x)

    def backward(dy: Array) -> Array:
        return dy / np.sqrt(a * a - 1)

    return np.arccosh(a), backward


@elementwise
def atanh(x: Array) -> tuple[Array, Backward]:
    """y = log((1 + x) / (1 - x)) / 2, tanh's inverse. Backward, of tanh y = x: dx = dy / (1 - x^2).

    Equals `torch.atanh`.
    """
    a = real("atanh", x)

    def backward(dy: Array) -> Array:
        return dy / (1 - a * a)

    return np.arctanh(a), backward


@broadcasting
def hypot(x: Array, other: Array) -> tuple[Array, Backward]:
    """y = sqrt(x^2 + other^2), without overflow on the way.

    Backward:  dx = dy x / y,  dother = dy other / y; nan where y = 0, as in torch.

    Equals `torch.hypot`.
    """
    check_arrays_alone("hypot", input=x, other=other)
    a, b = operands("hypot", input=x, other=other)
    y = np.hypot(a, b) if a.dtype.kind != "c" else np.sqrt(a * a + b * b)

    def backward(dy: Array) -> tuple[Array, Array]:
        return dy * (a / y), dy * (b / y)

    return y, backward


@elementwise
def sinc(x: Array) -> tuple[Array, Backward]:
    """y = sin(pi x) / (pi x), and 1 at x = 0.

    Backward, the quotient rule:  y' = (pi x cos(pi x) - sin(pi x)) / (pi x^2), and 0 at x = 0.

    Equals `torch.sinc`.
    """
    a = real("sinc", x)
    angle: Any = math.pi * a

    def backward(dy: Array) -> Array:
        return dy * np.where(a == 0, 0, (angle * np.cos(angle) - np.sin(angle)) / (angle * a))

    return np.where(a == 0, np.ones_like(a), np.sin(angle) / angle), backward


@elementwise
def deg2rad(x: Array) -> tuple[Array, Backward]:
    """y = x pi / 180, an angle in radians. Backward: dx = dy pi / 180. Equals `torch.deg2rad`."""

    def backward(dy: Array) -> Array:
        return dy * (math.pi / 180)

    return real("deg2rad", x) * (math.pi / 180), backward


@elementwise
def rad2deg(x: Array) -> tuple[Array, Backward]:
    """y = x 180 / pi, an angle in degrees. Backward: dx = dy 180 / pi. Equals `torch.rad2deg`."""

    def backward(dy: Array) -> Array:
        return dy * (180 / math.pi)

    return real("rad2deg", x) * (180 / math.pi), backward
