"""Functions of each entry: what changes is the slope that the upstream gradient is multiplied by."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import erf

from torchref.check.textbook.common import sigmoid
from torchref.nn.module import Array


def relu(x: Array) -> Any:
    y = np.maximum(x, 0)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (x > 0)
        return (dx,)

    return y, backward


def leaky_relu(x: Array, negative_slope: float) -> Any:
    y = np.where(x > 0, x, negative_slope * x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(x > 0, 1, negative_slope)
        return (dx,)

    return y, backward


def rrelu(x: Array, lower: float, upper: float) -> Any:
    """In evaluation, where the slope is the middle of its interval."""
    slope = (lower + upper) / 2
    y = np.where(x > 0, x, slope * x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(x > 0, 1, slope)
        return (dx,)

    return y, backward


def elu(x: Array, alpha: float) -> Any:
    y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))
        return (dx,)

    return y, backward


def selu(x: Array) -> Any:
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    y = scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * scale * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))
        return (dx,)

    return y, backward


def celu(x: Array, alpha: float) -> Any:
    y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(x > 0, 1, np.exp(np.minimum(x, 0) / alpha))
        return (dx,)

    return y, backward


def cdf(x: Array) -> Array:
    """The normal distribution function, (1 + erf(x / sqrt(2))) / 2."""
    return (1 + erf(x / np.sqrt(2))) / 2


def pdf(x: Array) -> Array:
    """The normal density, exp(-x**2 / 2) / sqrt(2 * pi)."""
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def gelu(x: Array, approximate: str) -> Any:
    if approximate == "tanh":
        c = np.sqrt(2 / np.pi)
        y = x / 2 * (1 + np.tanh(c * (x + 0.044715 * x**3)))
    else:
        y = x * cdf(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        if approximate == "tanh":
            t = np.tanh(c * (x + 0.044715 * x**3))
            dinner = c * (1 + 3 * 0.044715 * x**2)
            slope = (1 + t) / 2 + x / 2 * (1 - t**2) * dinner
        else:
            slope = cdf(x) + x * pdf(x)
        dx = dy * slope
        return (dx,)

    return y, backward


def silu(x: Array) -> Any:
    y = x * sigmoid(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        s = sigmoid(x)
        dx = dy * (s + x * s * (1 - s))
        return (dx,)

    return y, backward


def mish(x: Array) -> Any:
    y = x * np.tanh(np.logaddexp(0, x))

    def backward(dy: Array) -> tuple[Array, ...]:
        t = np.tanh(np.logaddexp(0, x))
        dx = dy * (t + x * (1 - t**2) * sigmoid(x))
        return (dx,)

    return y, backward


def softplus(x: Array, beta: float, threshold: float) -> Any:
    y = np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(beta * x > threshold, 1, sigmoid(beta * x))
        return (dx,)

    return y, backward


def logistic(x: Array) -> Any:
    y = sigmoid(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * y * (1 - y)
        return (dx,)

    return y, backward


def tanh(x: Array) -> Any:
    y = np.tanh(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (1 - y**2)
        return (dx,)

    return y, backward


def hardtanh(x: Array, min_val: float, max_val: float) -> Any:
    y = np.clip(x, min_val, max_val)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * ((x > min_val) & (x < max_val))
        return (dx,)

    return y, backward


def relu6(x: Array) -> Any:
    y = np.clip(x, 0, 6)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * ((x > 0) & (x < 6))
        return (dx,)

    return y, backward


def hardsigmoid(x: Array) -> Any:
    y = np.clip(x + 3, 0, 6) / 6

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * ((x > -3) & (x < 3)) / 6
        return (dx,)

    return y, backward


def hardswish(x: Array) -> Any:
    y = x * np.clip(x + 3, 0, 6) / 6

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 1 / 2))
        return (dx,)

    return y, backward


def logsigmoid(x: Array) -> Any:
    y = -np.logaddexp(0, -x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * sigmoid(-x)
        return (dx,)

    return y, backward


def softsign(x: Array) -> Any:
    y = x / (1 + np.abs(x))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy / (1 + np.abs(x)) ** 2
        return (dx,)

    return y, backward


def hardshrink(x: Array, lambd: float) -> Any:
    y = np.where(np.abs(x) > lambd, x, 0)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (np.abs(x) > lambd)
        return (dx,)

    return y, backward


def softshrink(x: Array, lambd: float) -> Any:
    y = np.sign(x) * np.maximum(np.abs(x) - lambd, 0)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (np.abs(x) > lambd)
        return (dx,)

    return y, backward


def tanhshrink(x: Array) -> Any:
    y = x - np.tanh(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.tanh(x) ** 2
        return (dx,)

    return y, backward


def threshold(x: Array, threshold: float, value: float) -> Any:
    y = np.where(x > threshold, x, value)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (x > threshold)
        return (dx,)

    return y, backward


def exp(x: Array) -> Any:
    y = np.exp(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * y
        return (dx,)

    return y, backward
