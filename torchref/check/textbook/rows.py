"""Functions of whole rows, which lie along the axis `dim`: softmax and its kin, and those that divide by a norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array


def softmax(x: Array, dim: int) -> Any:
    e = np.exp(x - x.max(dim, keepdims=True))
    y = e / e.sum(dim, keepdims=True)

    def backward(dy: Array) -> tuple[Array, ...]:
        dot = (dy * y).sum(dim, keepdims=True)
        dx = y * (dy - dot)
        return (dx,)

    return y, backward


def softmin(x: Array, dim: int) -> Any:
    negative = -x
    e = np.exp(negative - negative.max(dim, keepdims=True))
    y = e / e.sum(dim, keepdims=True)

    def backward(dy: Array) -> tuple[Array, ...]:
        dot = (dy * y).sum(dim, keepdims=True)
        dx = -(y * (dy - dot))
        return (dx,)

    return y, backward


def log_softmax(x: Array, dim: int) -> Any:
    shifted = x - x.max(dim, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(dim, keepdims=True))

    def backward(dy: Array) -> tuple[Array, ...]:
        total = dy.sum(dim, keepdims=True)
        dx = dy - np.exp(y) * total
        return (dx,)

    return y, backward


def normalize(x: Array, p: float, dim: int, eps: float) -> Any:
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


def cosine_similarity(x1: Array, x2: Array, dim: int, eps: float) -> Any:
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
