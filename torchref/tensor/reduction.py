"""Reductions: sum, mean, var, std, amax, max, prod, logsumexp, median: many entries along `dim` become one.

All share one pattern, derived in manual/derivations/reductions.md: a sum's backward is a repetition. dy comes without
the reduced dimensions; `restored` puts them back with size 1, and broadcasting repeats it along them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.errors import check_arrays, check_floating, check_integers, check_numbers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import check_numeric, is_integer, real
from torchref.tensor.calling import elementwise, in_dtype, values_of
from torchref.tensor.selection import maximum, minimum

__all__ = [
    "INF",
    "Dim",
    "amax",
    "amin",
    "aminmax",
    "axes_of",
    "check_not_empty",
    "logsumexp",
    "max",
    "mean",
    "median",
    "min",
    "nanmean",
    "nanmedian",
    "nansum",
    "prod",
    "restored",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
]


Dim = int | Sequence[int] | None
INF = math.inf


# --- along which dimensions -------------------------------------------------------------------------------------------


def axes_of(function: str, dim: Dim, ndim: int) -> tuple[int, ...]:
    """The axes that `dim` names, counted from the front; all for None and for no dimension.

    IndexError for one that is out of range, RuntimeError for one that is named twice.
    """
    if dim is None or (isinstance(dim, Sequence) and len(dim) == 0):
        return tuple(range(ndim))
    named = tuple(dim) if isinstance(dim, Sequence) else (dim,)
    axes = tuple(normalize_dim(function, d, ndim) for d in named)
    if len(set(axes)) < len(axes):
        raise RuntimeError(f"{function}(): a dimension appears multiple times in dim={dim!r}")
    return axes if ndim > 0 else ()


def restored(array: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    """A reduction's result (or its gradient) with size 1 along the reduced axes, to broadcast against x."""
    return array if keepdim else np.expand_dims(array, axes)


def lengths(x: Array, axes: tuple[int, ...]) -> int:
    """How many entries become one."""
    return math.prod(x.shape[axis] for axis in axes)


def check_not_empty(function: str, x: Array, axes: tuple[int, ...], error: type[Exception] = IndexError) -> None:
    """A largest entry, a median, ... of none does not exist."""
    if any(x.shape[axis] == 0 for axis in axes):
        raise error(f"{function}(): no dimension that is reduced may be empty, but input has shape {x.shape}")


# --- sums and means ---------------------------------------------------------------------------------------------------


@elementwise
def sum(x: Array, dim: Dim = None, keepdim: bool = False, *, dtype: DTypeLike | None = None) -> tuple[Array, Backward]:
    """y = sum_i x_i along `dim` (one, several, or None: all). Integers and booleans are added up as int64.

    Shapes: x (..., n, ...), y without the reduced dimensions, or with size 1 in their place (`keepdim`).

    Backward. dy/dx_i = 1:  dx_i = dy, repeated along `dim`.

    Errors: IndexError for a dimension out of range, RuntimeError for one that is named twice. Equals `torch.sum`.
    """
    axes = axes_of("sum", dim, x.ndim)
    a = in_dtype(x, dtype or (np.int64 if is_integer(x) else x.dtype))

    def backward(dy: Array) -> Array:
        return np.broadcast_to(restored(dy, axes, keepdim), x.shape)

    return a.sum(axis=axes, keepdims=keepdim, dtype=a.dtype), backward


@elementwise
def nansum(
    x: Array, dim: Dim = None, keepdim: bool = False, *, dtype: DTypeLike | None = None
) -> tuple[Array, Backward]:
    """y = sum_i x_i over those x_i that are not nan.

    Backward.  dx_i = dy where x_i is not nan, else 0.

    Errors: as `sum`. Equals `torch.nansum`.
    """
    there = ~np.isnan(x)
    y, sum_backward = sum(np.where(there, x, 0), dim, keepdim, dtype=dtype)

    def backward(dy: Array) -> Array:
        return sum_backward(dy) * there

    return y, backward


@elementwise
def mean(x: Array, dim: Dim = None, keepdim: bool = False, *, dtype: DTypeLike | None = None) -> tuple[Array, Backward]:
    """y = sum_i x_i / n along `dim`, n the number of entries that become one; nan for none.

    Backward. dy/dx_i = 1 / n:  dx_i = dy / n, repeated along `dim`.

    Errors: as `sum`; RuntimeError for integers, whose mean is no integer. Equals `torch.mean`.
    """
    a = in_dtype(x, dtype or x.dtype)
    if is_integer(a):
        raise RuntimeError(f"mean(): input must be floating point, but holds {x.dtype}; give dtype")
    axes = axes_of("mean", dim, x.ndim)
    n = lengths(x, axes)

    def backward(dy: Array) -> Array:
        return np.broadcast_to(restored(dy / n, axes, keepdim), x.shape)

    return a.sum(axis=axes, keepdims=keepdim) / np.asarray(n, a.dtype), backward


@elementwise
def nanmean(
    x: Array, dim: Dim = None, keepdim: bool = False, *, dtype: DTypeLike | None = None
) -> tuple[Array, Backward]:
    """y = sum_i x_i / n over the n entries x_i that are not nan; nan where all are.

    Backward.  dx_i = dy / n where x_i is not nan, else 0.

    Errors: as `mean`. Equals `torch.nanmean`.
    """
    check_floating("nanmean", input=x)
    axes = axes_of("nanmean", dim, x.ndim)
    there = ~np.isnan(x)
    n = there.sum(axis=axes, keepdims=keepdim).astype(x.dtype)
    a = in_dtype(np.where(there, x, 0), dtype or x.dtype)

    def backward(dy: Array) -> Array:
        return restored(dy / n, axes, keepdim) * there

    return a.sum(axis=axes, keepdims=keepdim) / n, backward


# --- variances --------------------------------------------------------------------------------------------------------


def spread_about_mean(
    function: str, x: Array, dim: Dim, correction: float, keepdim: bool
) -> tuple[Array, Array, Backward, tuple[int, ...]]:
    """The variance of x along `dim`, the mean, the variance's backward (see `var`) and the axes."""
    check_floating(function, input=x)
    check_numbers(function, correction=correction)
    axes = axes_of(function, dim, x.ndim)
    n = lengths(x, axes)
    mu = x.sum(axis=axes, keepdims=True) / np.asarray(n, x.dtype)  # (..., 1, ...)
    centered = x - mu
    if n <= correction:
        warnings.warn(f"{function}(): no degrees of freedom: {n} entries with correction={correction}", stacklevel=5)
    v = (centered * centered).sum(axis=axes, keepdims=keepdim)
    v = v / np.asarray(n - correction if n > correction else 0, x.dtype)

    def backward(dv: Array) -> Array:
        return restored(dv, axes, keepdim) * (centered * (2 / np.asarray(n - correction, x.dtype)))

    return v, mu if keepdim else np.squeeze(mu, axes), backward, axes


@elementwise
def var(x: Array, dim: Dim = None, *, correction: float = 1, keepdim: bool = False) -> tuple[Array, Backward]:
    """y = sum_i (x_i - mu)^2 / (n - correction) along `dim`, mu the mean of the n entries; nan for n = correction.

    Backward. x_i is in its own term and in mu = sum_j x_j / n:
        dy/dx_i = 2 / (n - correction) ((x_i - mu) - sum_j (x_j - mu) / n) = 2 (x_i - mu) / (n - correction)
    The path through mu adds nothing, because deviations from the mean add up to 0:
        dx = dy 2 (x - mu) / (n - correction)

    Errors: as `sum`; NotImplementedError for integers. Equals `torch.var`.
    """
    v, _, backward_of_var, _ = spread_about_mean("var", x, dim, correction, keepdim)

    def backward(dy: Array) -> Array:
        return backward_of_var(dy)

    return v, backward


@elementwise
def std(x: Array, dim: Dim = None, *, correction: float = 1, keepdim: bool = False) -> tuple[Array, Backward]:
    """y = sqrt(var(x)).

    Backward, the chain rule. dy/dvar = 1 / (2 y), and 0 where y = 0 (equal entries: a kink; torch's choice):
        dx = dy (x - mu) / ((n - correction) y)

    Errors: as `var`. Equals `torch.std`.
    """
    v, _, var_backward, _ = spread_about_mean("std", x, dim, correction, keepdim)
    y = np.sqrt(v)

    def backward(dy: Array) -> Array:
        return var_backward(np.where(y == 0, 0, dy / (2 * y)))

    return y, backward


@elementwise
def var_mean(
    x: Array, dim: Dim = None, *, correction: float = 1, keepdim: bool = False
) -> tuple[tuple[Array, Array], Backward]:
    """(`var`, `mean`) of x along `dim`.

    Backward, of a fork: the gradients of both add.  `backward((dvar, dmean))`, None for what has no gradient:
        dx = dvar 2 (x - mu) / (n - correction) + dmean / n

    Errors: as `var`. Equals `torch.var_mean`.
    """
    v, mu, var_backward, axes = spread_about_mean("var_mean", x, dim, correction, keepdim)
    n = lengths(x, axes)

    def backward(doutput: tuple[Array | None, Array | None]) -> Array:
        dv, dmu = doutput
        dx = np.zeros_like(x) if dv is None else var_backward(dv)
        return dx if dmu is None else dx + restored(dmu / n, axes, keepdim)

    return (v, mu), backward


@elementwise
def std_mean(
    x: Array, dim: Dim = None, *, correction: float = 1, keepdim: bool = False
) -> tuple[tuple[Array, Array], Backward]:
    """(`std`, `mean`) of x along `dim`. Backward: as `std` and `var_mean`. Equals `torch.std_mean`."""
    v, mu, var_backward, axes = spread_about_mean("std_mean", x, dim, correction, keepdim)
    n, y = lengths(x, axes), np.sqrt(v)

    def backward(doutput: tuple[Array | None, Array | None]) -> Array:
        dstd, dmu = doutput
        dx = np.zeros_like(x) if dstd is None else var_backward(np.where(y == 0, 0, dstd / (2 * y)))
        return dx if dmu is None else dx + restored(dmu / n, axes, keepdim)

    return (y, mu), backward


# --- the largest and the smallest -------------------------------------------------------------------------------------


@elementwise
def amax(x: Array, dim: Dim = None, keepdim: bool = False) -> tuple[Array, Backward]:
    """y = max_i x_i along `dim` (one, several, or None: all); nan where one is.

    Backward. A change of the largest entry changes y alone; m equal ones share evenly:
        dx_i = dy [x_i = y] / m,  m = sum_j [x_j = y]

    Errors: as `sum`; IndexError for the maximum of nothing. Equals `torch.amax`.
    """
    axes = axes_of("amax", dim, x.ndim)
    check_not_empty("amax", x, axes)
    y = x.max(axis=axes, keepdims=keepdim)

    def backward(dy: Array) -> Array:
        return share_evenly(dy, x, y, axes, keepdim)

    return y, backward


@elementwise
def amin(x: Array, dim: Dim = None, keepdim: bool = False) -> tuple[Array, Backward]:
    """y = min_i x_i along `dim`; nan where one is. Backward: as `amax`. Errors: as `amax`. Equals `torch.amin`."""
    axes = axes_of("amin", dim, x.ndim)
    check_not_empty("amin", x, axes)
    y = x.min(axis=axes, keepdims=keepdim)

    def backward(dy: Array) -> Array:
        return share_evenly(dy, x, y, axes, keepdim)

    return y, backward


def share_evenly(dy: Array, x: Array, y: Array, axes: tuple[int, ...], keepdim: bool) -> Array:
    """dy for those entries along the axes that equal y, each the same part. (nan equals nothing: 0 / 0 is nan.)"""
    chosen = x == restored(y, axes, keepdim)
    return restored(dy, axes, keepdim) * chosen / chosen.sum(axis=axes, keepdims=True).astype(x.dtype)


@elementwise
def aminmax(x: Array, *, dim: int | None = None, keepdim: bool = False) -> tuple[tuple[Array, Array], Backward]:
    """(`amin`, `amax`) of x along one dimension, or of all.

    Backward: the gradients of both add. `backward((dmin, dmax))`, None for what has no gradient.

    Errors: as `amax`; RuntimeError for all of nothing. Equals `torch.aminmax`.
    """
    if dim is not None:
        check_integers("aminmax", dim=dim)
    axes = axes_of("aminmax", dim, x.ndim)
    check_not_empty("aminmax", x, axes, RuntimeError if dim is None else IndexError)
    low, high = x.min(axis=axes, keepdims=keepdim), x.max(axis=axes, keepdims=keepdim)

    def backward(doutput: tuple[Array | None, Array | None]) -> Array:
        dx = np.zeros_like(x)
        for y, dy in zip((low, high), doutput, strict=True):
            if dy is not None:
                dx = dx + share_evenly(dy, x, y, axes, keepdim)
        return dx

    return (low, high), backward


def max(x: Array, dim: int | Array | None = None, keepdim: bool = False) -> tuple[Any, Backward]:
    """The largest entry: y of all; with `dim` (values, indices) along it; with an array instead, `maximum`.

    values_k = max_i x_ki, indices the first i that has it (of nan: the first nan), int64.

    Backward. With `dim` the whole gradient goes to the entry at the index, whatever equals it; of all entries equal
    ones share evenly:
        dx_ki = dvalues_k [i = indices_k],        or  dx_i = dy [x_i = y] / sum_j [x_j = y]
    `backward` takes (dvalues, None), or dvalues.

    Errors: as `amax`, RuntimeError for all of nothing. Equals `torch.max`.
    """
    return extreme("max", maximum, x, dim, keepdim)


def min(x: Array, dim: int | Array | None = None, keepdim: bool = False) -> tuple[Any, Backward]:
    """The smallest entry; else as `max`. Equals `torch.min`."""
    return extreme("min", minimum, x, dim, keepdim)


def extreme(function: str, of_two: Any, x: Array, dim: int | Array | None, keepdim: bool) -> tuple[Any, Backward]:
    """`max` or `min` in its three forms."""
    check_arrays(function, input=x)
    if isinstance(dim, np.ndarray):
        return of_two(x, dim)
    if dim is None:
        check_not_empty(function, x, tuple(range(x.ndim)), RuntimeError)
        return evenly(x, x.max() if function == "max" else x.min())
    axis = normalize_dim(function, dim, x.ndim)
    check_not_empty(function, x, (axis,) if x.ndim else ())
    index = (np.argmax if function == "max" else np.argmin)(np.atleast_1d(x), axis=axis, keepdims=True)
    return picked(x, index, axis, keepdim)


@elementwise
def evenly(x: Array, y: Array) -> tuple[Array, Backward]:
    """y, one of the entries of x, and its backward: all entries that equal it share its gradient evenly."""

    chosen = np.isnan(x) if np.isnan(y) else x == y

    def backward(dy: Array) -> Array:
        return chosen * (dy / chosen.sum().astype(x.dtype))

    return y, backward


@elementwise
def picked(x: Array, index: Array, axis: int, keepdim: bool) -> tuple[tuple[Array, Array], Backward]:
    """(values, indices): the entry of x at each index along the axis; index has size 1 along it.

    Backward:  dx_ki = dvalues_k [i = index_k].
    """
    index = index.reshape(x.shape) if x.ndim == 0 else index
    values = np.take_along_axis(x, index, axis) if x.ndim else x
    drop = () if keepdim or x.ndim == 0 else axis

    def backward(doutput: tuple[Array, None] | Array) -> Array:
        dvalues = values_of(doutput)
        if x.ndim == 0:
            return dvalues
        dx = np.zeros_like(x)
        np.put_along_axis(dx, index, dvalues.reshape(index.shape), axis)
        return dx

    return (np.squeeze(values, drop), np.squeeze(index, drop).astype(np.int64, copy=False)), backward


@elementwise
def median(x: Array, dim: int | None = None, keepdim: bool = False) -> tuple[Any, Backward]:
    """The entry in the middle, of an even number the lower one: y of all; with `dim` (values, indices) along it.

    Backward: as `max`: with `dim` to the entry at the index, of all entries evenly to equal ones.

    nan where one is. Errors: as `max`, but that the median of nothing is nan. Equals `torch.median` (whose index, of
    several equal entries, may be another).
    """
    return middle("median", x, dim, keepdim, np.isnan(x))


@elementwise
def nanmedian(x: Array, dim: int | None = None, keepdim: bool = False) -> tuple[Any, Backward]:
    """The `median` of those entries that are not nan; nan where all are. Equals `torch.nanmedian`."""
    return middle("nanmedian", x, dim, keepdim, np.zeros(x.shape, bool))


def middle(function: str, x: Array, dim: int | None, keepdim: bool, first: Array) -> tuple[Any, Backward]:
    """`median`: entries marked `first` are chosen before all others; of those that are left nan come last."""
    check_numeric(function, x)
    if dim is None:
        if x.size == 0:
            return evenly(x, np.full_like(x, np.nan, shape=(), order="C"))
        flat, axis = x.reshape(-1), 0
        first = first.reshape(-1)
    else:
        flat, axis = np.atleast_1d(x), normalize_dim(function, dim, x.ndim)
        first = first.reshape(flat.shape)
        check_not_empty(function, x, (axis,) if x.ndim else ())
    order = np.argsort(flat, axis=axis, kind="stable")  # nan last
    count = (~np.isnan(flat)).sum(axis=axis, keepdims=True)
    place = np.take_along_axis(order, np.maximum((count - 1) // 2, 0), axis)
    index = np.where(first.any(axis=axis, keepdims=True), first.argmax(axis=axis, keepdims=True), place)
    if dim is None:
        return evenly(x, flat[index[0]])
    return picked(x, index, axis, keepdim)


# --- products and logarithms ------------------------------------------------------------------------------------------


@elementwise
def prod(
    x: Array, dim: int | None = None, keepdim: bool = False, *, dtype: DTypeLike | None = None
) -> tuple[Array, Backward]:
    """y = prod_i x_i along `dim`, or of all. Integers and booleans are multiplied as int64.

    Backward. dy/dx_i is the product of the others. y / x_i would be that, but is 0 / 0 where an entry is 0; so the
    products of those before and of those behind are taken:
        dx_i = dy (prod_(j < i) x_j) (prod_(j > i) x_j)
    One 0 has a gradient, then, and it alone; of two none has.

    Errors: as `sum`. Equals `torch.prod`.
    """
    a = in_dtype(x, dtype or (np.int64 if is_integer(x) else x.dtype))
    if dim is not None:
        check_integers("prod", dim=dim)
    axes = axes_of("prod", dim, x.ndim)

    def backward(dy: Array) -> Array:
        rows = np.moveaxis(a, axes, range(len(axes)))  # (n, ...) or, of all, x itself
        rows = rows.reshape(rows.shape if dim is not None and x.ndim else (-1,))
        ones = np.ones_like(rows[:1])
        before = np.multiply.accumulate(np.concatenate([ones, rows[:-1]]))
        behind = np.multiply.accumulate(np.concatenate([ones, rows[:0:-1]]))[::-1]
        others = (before * behind)[: len(rows)]
        others = np.moveaxis(others, 0, axes[0]) if dim is not None and x.ndim else others.reshape(x.shape)
        return restored(dy, axes, keepdim) * others

    return a.prod(axis=axes, keepdims=keepdim, dtype=a.dtype), backward


@elementwise
def logsumexp(x: Array, dim: Dim, keepdim: bool = False) -> tuple[Array, Backward]:
    """y = log sum_i exp(x_i) along `dim` (one or several), the largest x_i taken out first. Integers give float32.

    Backward. dy/dx_i = exp(x_i) / sum_j exp(x_j) = exp(x_i - y), the softmax:  dx_i = dy exp(x_i - y).

    Errors: as `sum`. Equals `torch.logsumexp`.
    """
    a = real("logsumexp", x)
    if dim is None:
        raise TypeError("logsumexp(): argument 'dim' must be an int or a tuple of ints, not None")
    axes = axes_of("logsumexp", dim, x.ndim)
    largest = a.max(axis=axes, keepdims=True, initial=-INF)
    shift = np.where(np.isfinite(largest), largest, 0).astype(a.dtype, copy=False)
    y = np.log(np.exp(a - shift).sum(axis=axes, keepdims=True)) + shift

    def backward(dy: Array) -> Array:
        return restored(dy, axes, keepdim) * np.exp(a - y)

    return y if keepdim else np.squeeze(y, axes), backward
