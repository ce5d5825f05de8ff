"""Norms of vectors: (sum |x|^p)^(1/p) for every p, 0 and infinity among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.errors import check_numbers
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import is_integer
from torchref.tensor.calling import elementwise, in_dtype
from torchref.tensor.reduction import INF, Dim, axes_of, check_not_empty, restored
from torchref.tensor.selection import signs

__all__ = ["norm", "vector_norm"]


@elementwise
def vector_norm(
    x: Array, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: DTypeLike | None = None
) -> tuple[Array, Backward]:
    """y = (sum_i |x_i|^p)^(1/p) along `dim`, p being `ord`.

    For p = inf it is the largest |x_i|, for p = -inf the smallest, for p = 0 how many of the x_i are not 0.

    Backward. With s_i the sign of x_i,
        dy/dx_i = (1/p) (sum_j |x_j|^p)^(1/p - 1) p |x_i|^(p - 1) s_i = s_i (|x_i| / y)^(p - 1)
    so dx = dy s for p = 1, dx = dy x / y for p = 2. For p = +-inf the entries that reach y share evenly:
        dx_i = dy s_i [|x_i| = y] / sum_j [|x_j| = y]
    At the kinks torch chooses 0: where y = 0, where x_i = 0, and for p = 0.

    Errors: as `sum`; RuntimeError for integers. Equals `torch.linalg.vector_norm`.
    """
    check_numbers("vector_norm", ord=ord)
    return p_norm("vector_norm", in_dtype(x, dtype or x.dtype), float(ord), dim, keepdim)


@elementwise
def norm(
    x: Array, p: float | str | None = "fro", dim: Dim = None, keepdim: bool = False, dtype: DTypeLike | None = None
) -> tuple[Array, Backward]:
    """y = (sum_i |x_i|^p)^(1/p) along `dim`: `vector_norm` under torch's older name. "fro" and None are p = 2.

    Backward: as `vector_norm`.

    Errors: as `vector_norm`; NotImplementedError for p="nuc", a sum of singular values. Equals `torch.norm`.
    """
    if p == "nuc":
        raise NotImplementedError("norm(): p='nuc' needs singular values, which this library does not compute")
    if p not in ("fro", None):
        check_numbers("norm", p=p)
    return p_norm("norm", in_dtype(x, dtype or x.dtype), 2.0 if p in ("fro", None) else float(p), dim, keepdim)


def p_norm(function: str, x: Array, p: float, dim: Dim, keepdim: bool) -> tuple[Array, Backward]:
    """`vector_norm`."""
    if is_integer(x):
        raise RuntimeError(f"{function}(): input must be floating point, but holds {x.dtype}")
    axes = axes_of(function, dim, x.ndim)
    if p < 0 or p == INF:
        check_not_empty(function, x, axes, RuntimeError)
    size = np.abs(x) if x.dtype.kind != "c" else np.sqrt(x * x)  # complex steps know no absolute value
    y = size_of(size, p, axes, keepdim)
    share_of_bound = shares(size, restored(y, axes, keepdim), axes) if abs(p) == INF else None

    def backward(dy: Array) -> Array:
        norm, dnorm = restored(y, axes, keepdim), restored(dy, axes, keepdim)
        if p == 0:
            return np.zeros_like(x)
        if abs(p) == INF:
            return signs(x) * dnorm * share_of_bound
        if p == 1:
            return signs(x) * dnorm
        if p == 2:
            return x * np.where(norm == 0, 0, dnorm / norm)
        share = np.where(x == 0, 0, signs(x) * size ** (p - 1))
        return share * np.where(norm == 0, 0, dnorm * norm ** (1 - p))

    return y, backward


def shares(size: Array, norm: Array, axes: tuple[int, ...]) -> Array:
    """1 / m for the m entries that are the largest or the smallest, nan among them; 0 for the others."""
    chosen = (size == norm) | (np.isnan(size) & np.isnan(norm))
    return chosen / chosen.sum(axis=axes, keepdims=True).astype(size.dtype)


def size_of(size: Array, p: float, axes: tuple[int, ...], keepdim: bool) -> Array:
    """The norm of entries whose absolute values are `size`."""
    if p == INF:
        return size.max(axis=axes, keepdims=keepdim)
    if p == -INF:
        return size.min(axis=axes, keepdims=keepdim)
    if p == 0:
        return (size != 0).sum(axis=axes, keepdims=keepdim).astype(size.dtype)
    if p == 1:
        return size.sum(axis=axes, keepdims=keepdim)
    if p == 2:
        return np.sqrt((size * size).sum(axis=axes, keepdims=keepdim))
    return (size**p).sum(axis=axes, keepdims=keepdim) ** (1 / p)
