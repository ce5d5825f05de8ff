"""Functions of whole rows, which lie along the axis `dim`: softmax and its kin, and those that divide by a norm."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import WithBackward
from torchref.nn.module import Array


def softmax(x: Array, dim: int) -> WithBackward:
    """y_i = exp(x_i) / sum_j exp(x_j) along dim.

    dy_j / dx_i = y_j ([i = j] - y_i), so dx = y (dy - sum(dy y)).
    """
    e = np.exp(x - x.max(dim, keepdims=True))
    y = e / e.sum(dim, keepdims=True)

    def backward(dy: Array) -> tuple[Array, ...]:
        dot = (dy * y).sum(dim, keepdims=True)
        dx = y * (dy - dot)
        return (dx,)

    return y, backward


def softmin(x: Array, dim: int) -> WithBackward:
    """softmax of -x, so its gradient has the other sign."""
    negative = -x
    e = np.exp(negative - negative.max(dim, keepdims=True))
    y = e / e.sum(dim, keepdims=True)

    def backward(dy: Array) -> tuple[Array, ...]:
        dot = (dy * y).sum(dim, keepdims=True)
        dx = -(y * (dy - dot))
        return (dx,)

    return y, backward


def log_softmax(x: Array, dim: int) -> WithBackward:
    """y_i = x_i - log sum_j exp(x_j) along dim.

    dy_j / dx_i = [i = j] - exp(y_i), so dx = dy - exp(y) sum(dy).
    """
    shifted = x - x.max(dim, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(dim, keepdims=True))

    def backward(dy: Array) -> tuple[Array, ...]:
        total = dy.sum(dim, keepdims=True)
        dx = dy - np.exp(y) * total
        return (dx,)

    return y, backward


def normalize(x: Array, p: float, dim: int, eps: float) -> WithBackward:
    """y = x / |x|_p along dim, with at least eps as the divisor.

    d|x|_p / dx = sign(y) |y|^(p - 1), so dx = (dy - sum(dy y) sign(y) |y|^(p - 1)) / |x|_p; below eps the divisor is
    constant.
    """
    length = (np.abs(x) ** p).sum(dim, keepdims=True) ** (1 / p)
    norm = np.maximum(length, eps)
    y = x / norm

    def backward(dy: Array) -> tuple[Array, ...]:
        dot = (dy * y).sum(dim, keepdims=True)
        if p == 2:
            direction = y  # of the norm's gradient
        else:
            direction = np.sign(y) * np.abs(y) ** (p - 1)
        norm_path = np.where(length > eps, dot * direction, 0)
        dx = (dy - norm_path) / norm
        return (dx,)

    return y, backward


def cosine_similarity(x1: Array, x2: Array, dim: int, eps: float) -> WithBackward:
    """y = x1 . x2 / (|x1| |x2|) along dim, with norms of at least eps.

    dy / dx1 = x2 / (|x1| |x2|) - y x1 / |x1|^2, and the same with 1 and 2 exchanged.
    """
    n1 = np.maximum(np.sqrt((x1**2).sum(dim, keepdims=True)), eps)
    n2 = np.maximum(np.sqrt((x2**2).sum(dim, keepdims=True)), eps)
    cos = (x1 * x2).sum(dim, keepdims=True) / (n1 * n2)
    y = cos.squeeze(dim)

    def backward(dy: Array) -> tuple[Array, ...]:
        d = np.expand_dims(dy, dim)
        dx1 = d * (x2 / (n1 * n2) - cos * x1 / n1**2)
        dx2 = d * (x1 / (n1 * n2) - cos * x2 / n2**2)
        return dx1, dx2

    return y, backward
