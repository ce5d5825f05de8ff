"""Matrix products, look-ups, and the gates that multiply."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import WithBackward, sigmoid
from torchref.nn.module import Array


def linear(x: Array, weight: Array, bias: Array) -> WithBackward:
    """y = x W^T + b, for x (..., in) and W (out, in).

    y_no = sum_i x_ni W_oi + b_o, so dx = dy W, dW = dy^T x and db = sum_n dy, over all leading axes.
    """
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


def bilinear(x1: Array, x2: Array, weight: Array, bias: Array) -> WithBackward:
    """y_nk = sum_ij x1_ni W_kij x2_nj + b_k, for W (out, in1, in2); linear in each of its arrays."""
    y = np.einsum("ni,kij,nj->nk", x1, weight, x2) + bias

    def backward(dy: Array) -> tuple[Array, ...]:
        dx1 = np.einsum("nk,kij,nj->ni", dy, weight, x2)
        dx2 = np.einsum("nk,kij,ni->nj", dy, weight, x1)
        dweight = np.einsum("nk,ni,nj->kij", dy, x1, x2)
        dbias = dy.sum(0)
        return dx1, dx2, dweight, dbias

    return y, backward


def embedding(x: Array, weight: Array, padding_idx: int | None) -> WithBackward:
    """y = weight[x]: each row of dy is added to the row of dweight that x names; the row padding_idx gets none."""
    y = weight[x]

    def backward(dy: Array) -> tuple[Array, ...]:
        dweight = np.zeros_like(weight)
        np.add.at(dweight, x, dy)
        if padding_idx is not None:
            dweight[padding_idx] = 0
        return (dweight,)

    return y, backward


def embedding_bag(x: Array, weight: Array, mode: str) -> WithBackward:
    """y = sum, mean or maximum of the rows weight[x] of each bag, x (bags, length); dweight adds up their shares."""
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


def prelu(x: Array, weight: Array) -> WithBackward:
    """y = x where x > 0, else a x, with one slope a or one for each channel; da = sum of dy x where x <= 0."""
    slope = weight.reshape((1, -1, *(1,) * (x.ndim - 2)) if x.ndim > 1 else -1)
    y = np.where(x > 0, x, slope * x)

    def backward(dy: Array) -> tuple[Array, ...]:
        axes = tuple(i for i in range(x.ndim) if slope.shape[i] == 1)
        dx = dy * np.where(x > 0, 1, slope)
        dweight = (dy * x * (x <= 0)).sum(axes).reshape(weight.shape)
        return dx, dweight

    return y, backward


def glu(x: Array, dim: int) -> WithBackward:
    """y = a s, with the halves a, b of x and s = sigmoid(b); da = dy s, db = dy a s (1 - s)."""
    a, b = np.split(x, 2, axis=dim)
    s = sigmoid(b)
    y = a * s

    def backward(dy: Array) -> tuple[Array, ...]:
        da = dy * s
        db = dy * a * s * (1 - s)
        dx = np.concatenate([da, db], axis=dim)
        return (dx,)

    return y, backward
