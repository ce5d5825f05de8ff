"""Matrix products, look-ups, and the gates that multiply."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.textbook.common import sigmoid
from torchref.nn.module import Array


def linear(x: Array, weight: Array, bias: Array) -> Any:
    y = x @ weight.T + bias

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy @ weight
        if x.ndim == 2:
            dweight = dy.T @ x
            dbias = dy.sum(0)
        else:
            rest = tuple(range(x.ndim - 1))
            dweight = np.tensordot(dy, x, (rest, rest))
            dbias = dy.sum(rest)
        return dx, dweight, dbias

    return y, backward


def bilinear(x1: Array, x2: Array, weight: Array, bias: Array) -> Any:
    y = np.einsum("ni,kij,nj->nk", x1, weight, x2) + bias

    def backward(dy: Array) -> tuple[Array, ...]:
        dx1 = np.einsum("nk,kij,nj->ni", dy, weight, x2)
        dx2 = np.einsum("nk,kij,ni->nj", dy, weight, x1)
        dweight = np.einsum("nk,ni,nj->kij", dy, x1, x2)
        dbias = dy.sum(0)
        return dx1, dx2, dweight, dbias

    return y, backward


def embedding(x: Array, weight: Array, padding_idx: int | None) -> Any:
    y = weight[x]

    def backward(dy: Array) -> tuple[Array, ...]:
        dweight = np.zeros_like(weight)
        np.add.at(dweight, x, dy)
        if padding_idx is not None:
            dweight[padding_idx] = 0
        return (dweight,)

    return y, backward


def embedding_bag(x: Array, weight: Array, mode: str) -> Any:
    rows = weight[x]  # (bags, length, D)
    length = x.shape[1]
    if mode == "max":
        y = rows.max(1)
    elif mode == "mean":
        y = rows.sum(1) / length
    else:
        y = rows.sum(1)

    def backward(dy: Array) -> tuple[Array, ...]:
        every = np.repeat(dy[:, None], length, axis=1)
        if mode == "max":
            first = rows.argmax(1)[:, None] == np.arange(length)[:, None]
            drows = every * first
        elif mode == "mean":
            drows = every / length
        else:
            drows = every
        dweight = np.zeros_like(weight)
        np.add.at(dweight, x, drows)
        return (dweight,)

    return y, backward


def prelu(x: Array, weight: Array) -> Any:
    slope = weight.reshape((1, -1, *(1,) * (x.ndim - 2)) if x.ndim > 1 else -1)
    y = np.where(x > 0, x, slope * x)

    def backward(dy: Array) -> tuple[Array, ...]:
        axes = tuple(i for i in range(x.ndim) if slope.shape[i] == 1)
        dx = dy * np.where(x > 0, 1, slope)
        dweight = (dy * x * (x <= 0)).sum(axes).reshape(weight.shape)
        return dx, dweight

    return y, backward


def glu(x: Array, dim: int) -> Any:
    a, b = np.split(x, 2, axis=dim)
    s = sigmoid(b)
    y = a * s

    def backward(dy: Array) -> tuple[Array, ...]:
        da = dy * s
        db = dy * a * s * (1 - s)
        dx = np.concatenate([da, db], axis=dim)
        return (dx,)

    return y, backward
