"""Functions of each entry: what changes is the slope that the upstream gradient is multiplied by."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import WithBackward, sigmoid
from torchref.nn.error_function import erf
from torchref.nn.module import Array


def relu(x: Array) -> WithBackward:
    """y = max(x, 0); dx = dy where x > 0, and 0 elsewhere. At the kink torch takes 0."""
    y = np.maximum(x, 0)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (x > 0)
        return (dx,)

    return y, backward


def leaky_relu(x: Array, negative_slope: float) -> WithBackward:
    """y = x where x > 0, else negative_slope x; dx = dy times the slope of the branch, at 0 negative_slope."""
    y = np.where(x > 0, x, negative_slope * x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(x > 0, 1, negative_slope)
        return (dx,)

    return y, backward


def rrelu(x: Array, lower: float, upper: float) -> WithBackward:
    """In evaluation: y = x where x > 0, else slope x, with slope the middle of its interval, (lower + upper) / 2."""
    slope = (lower + upper) / 2
    y = np.where(x > 0, x, slope * x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(x > 0, 1, slope)
        return (dx,)

    return y, backward


def elu(x: Array, alpha: float) -> WithBackward:
    """y = x where x > 0, else alpha (exp(x) - 1), whose slope is alpha exp(x)."""
    y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))
        return (dx,)

    return y, backward


def selu(x: Array) -> WithBackward:
    """y = scale elu(x, alpha), with constants that keep mean 0 and variance 1; dx = scale times the slope of elu."""
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    y = scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * scale * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))
        return (dx,)

    return y, backward


def celu(x: Array, alpha: float) -> WithBackward:
    """y = x where x > 0, else alpha (exp(x / alpha) - 1), whose slope is exp(x / alpha)."""
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


def gelu(x: Array, approximate: str) -> WithBackward:
    """y = x F(x), with the normal distribution F and its density f = F'; so dx = dy (F(x) + x f(x)).

    approximate="tanh": F = (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), and tanh' = 1 - tanh^2.
    """
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


def silu(x: Array) -> WithBackward:
    """y = x s with s = sigmoid(x); s' = s (1 - s), so dx = dy (s + x s (1 - s))."""
    y = x * sigmoid(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        s = sigmoid(x)
        dx = dy * (s + x * s * (1 - s))
        return (dx,)

    return y, backward


def mish(x: Array) -> WithBackward:
    """y = x t with t = tanh(softplus(x)); softplus' = sigmoid, so dx = dy (t + x (1 - t^2) sigmoid(x))."""
    y = x * np.tanh(np.logaddexp(0, x))

    def backward(dy: Array) -> tuple[Array, ...]:
        t = np.tanh(np.logaddexp(0, x))
        dx = dy * (t + x * (1 - t**2) * sigmoid(x))
        return (dx,)

    return y, backward


def softplus(x: Array, beta: float, threshold: float) -> WithBackward:
    """y = log(1 + exp(beta x)) / beta, and y = x where beta x > threshold; dx = dy sigmoid(beta x), and dy there."""
    y = np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(beta * x > threshold, 1, sigmoid(beta * x))
        return (dx,)

    return y, backward


def logistic(x: Array) -> WithBackward:
    """y = sigmoid(x); y' = exp(-x) / (1 + exp(-x))^2 = y (1 - y)."""
    y = sigmoid(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * y * (1 - y)
        return (dx,)

    return y, backward


def tanh(x: Array) -> WithBackward:
    """y = tanh(x) = sinh / cosh; y' = (cosh^2 - sinh^2) / cosh^2 = 1 - y^2."""
    y = np.tanh(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (1 - y**2)
        return (dx,)

    return y, backward


def hardtanh(x: Array, min_val: float, max_val: float) -> WithBackward:
    """y = x between min_val and max_val, the nearer of the two outside; dx = dy inside. At the edges torch takes 0."""
    y = np.clip(x, min_val, max_val)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * ((x > min_val) & (x < max_val))
        return (dx,)

    return y, backward


def relu6(x: Array) -> WithBackward:
    """y = min(max(x, 0), 6); dx = dy where 0 < x < 6. At the edges torch takes 0."""
    y = np.clip(x, 0, 6)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * ((x > 0) & (x < 6))
        return (dx,)

    return y, backward


def hardsigmoid(x: Array) -> WithBackward:
    """y = min(max(x + 3, 0), 6) / 6; dx = dy / 6 where -3 < x < 3."""
    y = np.clip(x + 3, 0, 6) / 6

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * ((x > -3) & (x < 3)) / 6
        return (dx,)

    return y, backward


def hardswish(x: Array) -> WithBackward:
    """y = x hardsigmoid(x): 0 up to -3, x (x + 3) / 6 between, x from 3 on; the slope between is x / 3 + 1 / 2."""
    y = x * np.clip(x + 3, 0, 6) / 6

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 1 / 2))
        return (dx,)

    return y, backward


def logsigmoid(x: Array) -> WithBackward:
    """y = log sigmoid(x) = -log(1 + exp(-x)); y' = exp(-x) / (1 + exp(-x)) = sigmoid(-x)."""
    y = -np.logaddexp(0, -x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * sigmoid(-x)
        return (dx,)

    return y, backward


def softsign(x: Array) -> WithBackward:
    """y = x / (1 + |x|); y' = (1 + |x| - x sign(x)) / (1 + |x|)^2 = 1 / (1 + |x|)^2."""
    y = x / (1 + np.abs(x))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy / (1 + np.abs(x)) ** 2
        return (dx,)

    return y, backward


def hardshrink(x: Array, lambd: float) -> WithBackward:
    """y = x where |x| > lambd, else 0; dx = dy where |x| > lambd."""
    y = np.where(np.abs(x) > lambd, x, 0)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (np.abs(x) > lambd)
        return (dx,)

    return y, backward


def softshrink(x: Array, lambd: float) -> WithBackward:
    """y = sign(x) max(|x| - lambd, 0); dx = dy where |x| > lambd."""
    y = np.sign(x) * np.maximum(np.abs(x) - lambd, 0)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (np.abs(x) > lambd)
        return (dx,)

    return y, backward


def tanhshrink(x: Array) -> WithBackward:
    """y = x - tanh(x); y' = 1 - (1 - tanh(x)^2) = tanh(x)^2."""
    y = x - np.tanh(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * np.tanh(x) ** 2
        return (dx,)

    return y, backward


def threshold(x: Array, threshold: float, value: float) -> WithBackward:
    """y = x where x > threshold, else value; dx = dy where x > threshold."""
    y = np.where(x > threshold, x, value)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * (x > threshold)
        return (dx,)

    return y, backward


def exp(x: Array) -> WithBackward:
    """y = exp(x) is its own derivative: dx = dy y."""
    y = np.exp(x)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy * y
        return (dx,)

    return y, backward
