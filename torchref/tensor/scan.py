"""Scans: cumsum, cumprod, logcumsumexp, cummax, cummin, diff: each entry of y sees those of x up to its own place.

So an entry of x is in all entries of y from its own place on, and a scan's backward is a scan from the other end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.errors import check_arrays, check_floating, check_integers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import is_integer
from torchref.nn.window import resize
from torchref.tensor.calling import elementwise, in_dtype, plainly, values_of
from torchref.tensor.joining import cat

__all__ = ["cummax", "cummin", "cumprod", "cumsum", "diff", "logcumsumexp"]


def from_the_end(array: Array, axis: int) -> Array:
    """s_i = sum_(j >= i) array_j along the axis."""
    return np.flip(np.add.accumulate(np.flip(array, axis), axis=axis, dtype=array.dtype), axis)


@elementwise
def cumsum(x: Array, dim: int, *, dtype: DTypeLike | None = None) -> tuple[Array, Backward]:
    """y_i = sum_(j <= i) x_j along `dim`. Integers and booleans are added up as int64.

    Backward. x_j is in every y_i from i = j on:  dx_j = sum_(i >= j) dy_i, the cumulative sum from the end.

    Errors: IndexError for a dimension out of range. Equals `torch.cumsum`.
    """
    axis = normalize_dim("cumsum", dim, x.ndim)
    a = in_dtype(x, dtype or (np.int64 if is_integer(x) else x.dtype))

    def backward(dy: Array) -> Array:
        return from_the_end(dy, axis) if x.ndim else dy

    return (np.add.accumulate(a, axis=axis, dtype=a.dtype) if x.ndim else a), backward


@elementwise
def cumprod(x: Array, dim: int, *, dtype: DTypeLike | None = None) -> tuple[Array, Backward]:
    """y_i = prod_(j <= i) x_j along `dim`. Integers and booleans are multiplied as int64.

    Backward. dy_i/dx_j is the product of the others up to i, that of those before j times that of those behind:
        dx_j = sum_(i >= j) dy_i prod_(k <= i, k != j) x_k = (prod_(k < j) x_k) s_j
        s_j = dy_j + x_(j + 1) s_(j + 1)                      (a recurrence from the end)
    Nothing is divided by x_j, which may be 0.

    Errors: as `cumsum`. Equals `torch.cumprod`.
    """
    axis = normalize_dim("cumprod", dim, x.ndim)
    a = in_dtype(x, dtype or (np.int64 if is_integer(x) else x.dtype))
    rows = np.moveaxis(np.atleast_1d(a), axis, 0)  # (n, ...)
    y = np.multiply.accumulate(rows, axis=0, dtype=a.dtype)

    def backward(dy: Array) -> Array:
        s = np.array(np.moveaxis(np.atleast_1d(dy), axis, 0), order="C", subok=True)
        for j in range(len(s) - 2, -1, -1):
            s[j] = s[j] + rows[j + 1] * s[j + 1]
        before = np.concatenate([np.ones_like(y[:1]), y[:-1]])[: len(y)]  # prod_(k < j) x_k
        return np.moveaxis(before * s, 0, axis).reshape(x.shape)

    return np.moveaxis(y, 0, axis).reshape(x.shape), backward


@elementwise
def logcumsumexp(x: Array, dim: int) -> tuple[Array, Backward]:
    """y_i = log sum_(j <= i) exp(x_j) along `dim`, added up so that no exponential overflows.

    Backward. dy_i/dx_j = exp(x_j - y_i) for i >= j:  dx_j = sum_(i >= j) dy_i exp(x_j - y_i).
    Where y_i is -inf, that is nan, in torch, too.

    Errors: as `cumsum`; NotImplementedError for integers. Equals `torch.logcumsumexp`.
    """
    check_floating("logcumsumexp", input=x)
    axis = normalize_dim("logcumsumexp", dim, x.ndim)
    rows = np.moveaxis(np.atleast_1d(x), axis, 0)  # (n, ...)
    y = np.array(rows, order="C", subok=True)
    for i in range(1, len(y)):
        y[i] = np.logaddexp(y[i - 1], rows[i])

    def backward(dy: Array) -> Array:
        dy_rows = np.moveaxis(np.atleast_1d(dy), axis, 0)
        dx = np.zeros_like(y)
        for i in range(len(y)):
            dx[: i + 1] += dy_rows[i] * np.exp(rows[: i + 1] - y[i])
        return np.moveaxis(dx, 0, axis).reshape(x.shape)

    return np.moveaxis(y, 0, axis).reshape(x.shape), backward


@elementwise
def cummax(x: Array, dim: int) -> tuple[tuple[Array, Array], Backward]:
    """(values, indices): values_i = max_(j <= i) x_j along `dim`, and the last place j <= i that has it.

    A nan is the largest from its place on.

    Backward. values_i = x_(indices_i):  dx_j = sum_i [indices_i = j] dvalues_i.
    `backward` takes (dvalues, None), or dvalues.

    Errors: IndexError for a dimension out of range. Equals `torch.cummax`.
    """
    return running(x, normalize_dim("cummax", dim, x.ndim), np.greater_equal)


@elementwise
def cummin(x: Array, dim: int) -> tuple[tuple[Array, Array], Backward]:
    """(values, indices): values_i = min_(j <= i) x_j along `dim`; else as `cummax`. Equals `torch.cummin`."""
    return running(x, normalize_dim("cummin", dim, x.ndim), np.less_equal)


def running(x: Array, axis: int, reaches: Callable[..., Any]) -> tuple[tuple[Array, Array], Backward]:
    """`cummax` or `cummin`: the present entry becomes the value where it reaches the one so far, or is nan."""
    rows = np.moveaxis(np.atleast_1d(x), axis, 0)  # (n, ...)
    values = np.array(rows, order="C", subok=True)
    index = np.zeros(rows.shape, np.int64)
    for i in range(1, len(rows)):
        taken = reaches(rows[i], values[i - 1]) | (rows[i] != rows[i])
        values[i] = np.where(taken, rows[i], values[i - 1])
        index[i] = np.where(taken, i, index[i - 1])

    def backward(doutput: tuple[Array, None] | Array) -> Array:
        dvalues = values_of(doutput)
        dy_rows = np.moveaxis(np.atleast_1d(dvalues), axis, 0)
        dx = np.zeros_like(values)
        place = np.indices(index.shape, sparse=True)
        np.add.at(dx, (index, *place[1:]), dy_rows)
        return np.moveaxis(dx, 0, axis).reshape(x.shape)

    return (np.moveaxis(values, 0, axis).reshape(x.shape), np.moveaxis(index, 0, axis).reshape(x.shape)), backward


@plainly
def diff(
    x: Array, n: int = 1, dim: int = -1, prepend: Array | None = None, append: Array | None = None
) -> tuple[Array, Backward]:
    """y_i = x_(i + 1) - x_i along `dim`, n times; prepend and append are put before and behind x first.

    Backward. x_i is in y_(i - 1) with + and in y_i with -:  dx_i = dy_(i - 1) - dy_i, each 0 where there is none.

    Errors: RuntimeError for a negative n, or a 0-d x. Equals `torch.diff`.
    """
    check_arrays("diff", input=x)
    check_integers("diff", n=n)
    if x.ndim == 0 or n < 0:
        raise RuntimeError(f"diff(): needs a dimension and n >= 0, but got shape {x.shape} and n={n}")
    axis = normalize_dim("diff", dim, x.ndim)
    parts = [part for part in (prepend, x, append) if part is not None]
    if any(part.ndim != x.ndim for part in parts):
        raise RuntimeError(f"diff(): prepend and append must have as many dimensions as input, {x.ndim}")
    joined, cat_backward = cat(parts, axis)
    y = joined
    steps = n if n < joined.shape[axis] else joined.shape[axis]  # of which the last ones find nothing
    step = np.not_equal if joined.dtype == bool else np.subtract
    for _ in range(steps):
        y = step(y.take(np.arange(1, y.shape[axis]), axis), y.take(np.arange(y.shape[axis] - 1), axis))

    def backward(dy: Array) -> Any:
        for _ in range(steps):
            padded = resize(np.moveaxis(dy, axis, -1), [1], [1])  # a 0 in front and one behind
            dy = np.moveaxis(padded[..., :-1] - padded[..., 1:], -1, axis)
        gradients = cat_backward(dy)
        if prepend is not None:  # x comes first in the call
            gradients = [gradients[1], gradients[0], *gradients[2:]]
        return tuple(gradients)

    return y, backward
