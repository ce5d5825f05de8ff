"""Diagonals and triangles of matrices: diagonal, diag_embed, diag, trace, tril, triu."""

from __future__ import annotations

import numpy as np

from torchref.nn.errors import check_integers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import is_integer
from torchref.tensor.calling import elementwise

__all__ = ["diag", "diag_embed", "diagonal", "trace", "tril", "triu"]


def two_axes(function: str, dim1: int, dim2: int, ndim: int) -> tuple[int, int]:
    """Two different axes. RuntimeError for one and the same."""
    first, second = normalize_dim(function, dim1, ndim), normalize_dim(function, dim2, ndim)
    if first == second:
        raise RuntimeError(f"{function}(): dim1={dim1} and dim2={dim2} must be different dimensions")
    return first, second


def rows_and_columns(rows: int, columns: int, offset: int) -> tuple[Array, Array]:
    """Where the diagonal of a matrix of this size stands that begins `offset` columns to the right (or rows below)."""
    longest = min(rows + min(offset, 0), columns - max(offset, 0))
    k = np.arange(max(longest, 0))
    return k - min(offset, 0), k + max(offset, 0)


@elementwise
def diagonal(x: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> tuple[Array, Backward]:
    """y = the diagonals of the matrices in dimensions dim1 and dim2, as the last dimension: y_k = x_(k, k + offset).

    Backward:  dx_(k, k + offset) = dy_k, 0 elsewhere.

    Errors: RuntimeError for one and the same dimension. Equals `torch.diagonal`.
    """
    check_integers("diagonal", offset=offset)
    first, second = two_axes("diagonal", dim1, dim2, x.ndim)
    i, j = rows_and_columns(x.shape[first], x.shape[second], offset)

    def backward(dy: Array) -> Array:
        dx = np.zeros_like(x)
        np.moveaxis(dx, (first, second), (0, 1))[i, j] = np.moveaxis(dy, -1, 0)
        return dx

    return np.moveaxis(np.moveaxis(x, (first, second), (0, 1))[i, j], 0, -1), backward


@elementwise
def diag_embed(x: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> tuple[Array, Backward]:
    """y = matrices, in dimensions dim1 and dim2, with x's last dimension on their diagonals: y_(k, k + offset) = x_k.

    Backward:  dx = dy's diagonals.

    Errors: as `diagonal`. Equals `torch.diag_embed`.
    """
    check_integers("diag_embed", offset=offset)
    first, second = two_axes("diag_embed", dim1, dim2, x.ndim + 1)
    n = x.shape[-1] + abs(offset)
    i, j = rows_and_columns(n, n, offset)
    whole = np.zeros_like(x, shape=(n, n, *x.shape[:-1]), order="C")
    whole[i, j] = np.moveaxis(x, -1, 0)

    def backward(dy: Array) -> Array:
        return np.moveaxis(np.moveaxis(dy, (first, second), (0, 1))[i, j], 0, -1)

    return np.moveaxis(whole, (0, 1), (first, second)), backward


@elementwise
def diag(x: Array, diagonal: int = 0) -> tuple[Array, Backward]:
    """y = the diagonal of a matrix, or the matrix with a vector on its diagonal: `diagonal` and `diag_embed`.

    Errors: RuntimeError for other dimensions. Equals `torch.diag`.
    """
    if x.ndim not in (1, 2):
        raise RuntimeError(f"diag(): expected a vector or a matrix, but got shape {x.shape}")
    return (DIAGONAL if x.ndim == 2 else EMBED)(x, diagonal)


DIAGONAL, EMBED = diagonal, diag_embed  # `diag` has an argument of that name


@elementwise
def trace(x: Array) -> tuple[Array, Backward]:
    """y = sum_k x_kk.

    Backward:  dx_kk = dy, 0 elsewhere.

    Errors: RuntimeError for what is no matrix. Equals `torch.trace`.
    """
    if x.ndim != 2:
        raise RuntimeError(f"trace(): expected a matrix, but got shape {x.shape}")
    k = np.arange(min(x.shape))

    def backward(dy: Array) -> Array:
        dx = np.zeros_like(x)
        dx[k, k] = dy
        return dx

    return x[k, k].sum(dtype=np.int64 if is_integer(x) else x.dtype), backward


@elementwise
def tril(x: Array, diagonal: int = 0) -> tuple[Array, Backward]:
    """y = the lower triangle of each matrix: y_ij = x_ij where j <= i + diagonal, else 0.

    Backward. What was cut off is constant:  dx = the lower triangle of dy.

    Errors: RuntimeError for fewer than two dimensions. Equals `torch.tril`.
    """
    kept = triangle("tril", x, diagonal)

    def backward(dy: Array) -> Array:
        return np.where(kept, dy, 0)

    return np.where(kept, x, np.zeros_like(x, shape=(), order="C")), backward


@elementwise
def triu(x: Array, diagonal: int = 0) -> tuple[Array, Backward]:
    """y = the upper triangle of each matrix: y_ij = x_ij where j >= i + diagonal, else 0.

    Backward:  dx = the upper triangle of dy.

    Errors: as `tril`. Equals `torch.triu`.
    """
    check_integers("triu", diagonal=diagonal)
    dropped = triangle("triu", x, diagonal - 1)

    def backward(dy: Array) -> Array:
        return np.where(dropped, 0, dy)

    return np.where(dropped, np.zeros_like(x, shape=(), order="C"), x), backward


def triangle(function: str, x: Array, diagonal: int) -> Array:
    """Where j <= i + diagonal, of x's last two dimensions."""
    check_integers(function, diagonal=diagonal)
    if x.ndim < 2:
        raise RuntimeError(f"{function}(): input must have at least 2 dimensions, but has shape {x.shape}")
    rows, columns = x.shape[-2:]
    return np.arange(columns) <= np.arange(rows)[:, None] + diagonal
