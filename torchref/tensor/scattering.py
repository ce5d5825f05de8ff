"""Writing by index: scatter, scatter_add, scatter_reduce, index_add, index_copy, index_fill, index_put, masked_scatter.

What was written over has no gradient any more; what was written gets the gradient of its place, by reading there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_arrays, check_numbers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.tensor.calling import check_broadcast, check_value, is_number, plainly
from torchref.tensor.indexing import (
    Index,
    added_at,
    check_index,
    check_integer_array,
    check_mask,
    check_places,
    check_window,
    lifted,
    parted,
    places_of,
)

__all__ = [
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "masked_scatter",
    "scatter",
    "scatter_add",
    "scatter_reduce",
]


def check_same_dtype(function: str, **arrays: Any) -> None:
    """TypeError for what is no array, RuntimeError for dtypes that differ: nothing is promoted where it is written."""
    check_arrays(function, **arrays)
    dtypes = {array.dtype for array in arrays.values()}
    if len(dtypes) > 1:
        raise RuntimeError(f"{function}(): expected one dtype, but got {', '.join(map(str, dtypes))}")


def without(x: Array, place: Index) -> Array:
    """x, with zeros at the places."""
    out = np.array(x, order="C", subok=True)
    out[place] = 0
    return out


@plainly
def scatter(x: Array, dim: int, index: Array, src: Array | float) -> tuple[Array, Backward]:
    """y = x, but y_(index_kj, j) = src_kj for dim = 0: `gather` the other way round. src may be a number.

    Where an index comes twice, the last one is written here; torch leaves open which.

    Backward. What was written over has no gradient, and each src_kj gets that of its place:
        dx_ij = dy_ij where nothing was written, else 0;  dsrc_kj = dy_(index_kj, j)
    which is the gradient of what was written where no index comes twice.

    Errors: RuntimeError for an index that does not fit or is out of range. Equals `torch.scatter`.
    """
    check_arrays("scatter", input=x)
    if not is_number(src):
        check_same_dtype("scatter", input=x, src=src)
    axis = normalize_dim("scatter", dim, x.ndim)
    check_places("scatter", x, axis, index, src if isinstance(src, np.ndarray) else None)
    place = places_of(lifted(index), axis) if index.size else ()
    y = np.array(lifted(x), order="C", subok=True)
    if index.size:
        y[place] = part_of(src, index)

    def backward(dy: Array) -> Any:
        rows = lifted(dy)
        dx = (without(rows, place) if index.size else rows).reshape(x.shape)
        return (dx, None, read_back(rows, place, index, src)) if isinstance(src, np.ndarray) else (dx, None)

    return y.reshape(x.shape), backward


def part_of(src: Any, index: Array) -> Any:
    """The part of src that an index reaches, which may be shorter; a number is itself."""
    return lifted(src)[tuple(slice(n) for n in lifted(index).shape)] if isinstance(src, np.ndarray) else src


def read_back(dy: Array, place: Index, index: Array, src: Array) -> Array:
    """The gradient of src: dy at the places to which it was written, 0 for the part that the index did not reach."""
    dsrc = np.zeros_like(lifted(src))
    if index.size:
        part_of(dsrc, index)[...] = dy[place]
    return dsrc.reshape(src.shape)


@plainly
def scatter_add(x: Array, dim: int, index: Array, src: Array) -> tuple[Array, Backward]:
    """y = x, and each src_kj is added to y_(index_kj, j) (for dim = 0), as often as an index comes.

    Backward. dy/dx = 1, and each term of a sum has its gradient:  dx = dy,  dsrc_kj = dy_(index_kj, j), a `gather`.

    Errors: as `scatter`. Equals `torch.scatter_add`.
    """
    check_same_dtype("scatter_add", input=x, src=src)
    axis = normalize_dim("scatter_add", dim, x.ndim)
    check_places("scatter_add", x, axis, index, src)
    place = places_of(lifted(index), axis) if index.size else ()
    y = np.array(lifted(x), order="C", subok=True)
    if index.size:
        np.add.at(y, place, part_of(src, index))

    def backward(dy: Array) -> tuple[Array, None, Array]:
        return dy, None, read_back(lifted(dy), place, index, src)

    return y.reshape(x.shape), backward


REDUCES = ("sum", "prod", "mean", "amax", "amin")


NEUTRAL = {"sum": 0, "prod": 1, "mean": 0, "amax": -np.inf, "amin": np.inf}


STEP: dict[str, Any] = {
    "sum": np.add,
    "prod": np.multiply,
    "mean": np.add,
    "amax": np.maximum,
    "amin": np.minimum,
}


@plainly
def scatter_reduce(
    x: Array, dim: int, index: Array, src: Array, reduce: str, *, include_self: bool = True
) -> tuple[Array, Backward]:
    """y_ij = the sum, product, mean, largest or smallest of all src_kj with index_kj = i (dim = 0), and of x_ij.

    Without `include_self` x_ij counts only where no index leads. y_ij = x_ij there in any case.

    Backward, of each reduction as tensor.reduction derives it, n_ij being the number of terms and k read at its place:
        sum          dx = dy,           dsrc_k = dy
        mean         dx = dy / n,       dsrc_k = dy / n
        prod         dx = dy times the product of the others, and so for src
        amax, amin   dx = dy [x = y] / m,  dsrc_k = dy [src_k = y] / m,  m of all being equal to y
    and dx = 0 where x does not count. (torch counts x among the m even there, if it happens to equal y; so does this.)

    Errors: as `scatter`; RuntimeError for another reduction. Equals `torch.scatter_reduce`.
    """
    if not isinstance(reduce, str):
        raise TypeError(f"scatter_reduce(): argument 'reduce' must be a str, not {reduce!r}")
    if reduce not in REDUCES:
        raise RuntimeError(f"scatter_reduce(): reduce must be one of {', '.join(REDUCES)}, but got {reduce!r}")
    check_same_dtype("scatter_reduce", input=x, src=src)
    axis = normalize_dim("scatter_reduce", dim, x.ndim)
    check_places("scatter_reduce", x, axis, index, src)
    rows, part = lifted(x), part_of(src, index)
    place = places_of(lifted(index), axis) if index.size else (np.zeros(0, np.int64),) * rows.ndim
    part = part if index.size else part.reshape(-1)[:0]
    hits = np.zeros(rows.shape, np.int64)
    np.add.at(hits, place, 1)
    counts = hits + (include_self | (hits == 0))  # n, of terms
    start = rows if include_self else np.where(hits > 0, np.asarray(neutral(reduce, x), x.dtype), rows)
    y = reduced(reduce, start, place, part)
    if reduce == "mean":
        y = y / counts.astype(x.dtype) if x.dtype.kind in "fc" else y // counts

    def backward(dy: Array) -> tuple[Array, None, Array]:
        drows = lifted(dy)
        n = counts.astype(x.dtype)
        if reduce == "prod":
            drows_x, dpart = product_shares(drows, start, place, part)
        elif reduce in ("amax", "amin"):
            reached = part == y[place]
            m = (rows == y).astype(x.dtype) + added_at(rows, place, reached.astype(x.dtype))
            drows_x, dpart = (rows == y) * (drows / m), reached * (drows / m)[place]
        else:
            shared = drows / n if reduce == "mean" else drows
            drows_x, dpart = shared, shared[place]
        if not include_self:
            drows_x = np.where(hits > 0, 0, drows_x)
        dsrc = np.zeros_like(lifted(src))
        if index.size:
            part_of(dsrc, index)[...] = dpart
        return drows_x.reshape(x.shape), None, dsrc.reshape(src.shape)

    return y.reshape(x.shape), backward


def neutral(reduce: str, x: Array) -> Any:
    """What changes nothing in a reduction, in x's dtype."""
    if reduce in ("amax", "amin") and x.dtype.kind in "iu":
        return np.iinfo(x.dtype).min if reduce == "amax" else np.iinfo(x.dtype).max
    return NEUTRAL[reduce]


def reduced(reduce: str, start: Array, place: Index, part: Array) -> Array:
    """`start` with each entry of the part put into it at its place."""
    y = np.array(start, order="C", subok=True)
    STEP[reduce].at(y, place, part)
    return y


def product_shares(dy: Array, start: Array, place: Index, part: Array) -> tuple[Array, Array]:
    """The gradients of a product's terms: dy times the product of the others, of which none may be divided by 0.

    For a term that is not 0 the others' product is y / term. For one that is 0 it is the product of all that are not
    0, if it is the only one, and else 0.
    """
    zeros = (start == 0).astype(np.int64)
    np.add.at(zeros, place, (part == 0).astype(np.int64))  # among all terms
    nonzero = reduced("prod", np.where(start == 0, 1, start), place, np.where(part == 0, 1, part))

    def share(term: Array, dterm: Array, others_zero: Array, product: Array) -> Array:
        return dterm * np.where(others_zero == 0, product / np.where(term == 0, 1, term), 0)

    dx = share(start, dy, zeros - (start == 0), nonzero)
    dpart = share(part, dy[place], zeros[place] - (part == 0), nonzero[place])
    return dx, dpart


def check_slices(function: str, x: Array, dim: int, index: Any, source: Array | None) -> int:
    """The axis of index_add and its kin, after torch's checks: a vector of indices, and a slice of source for each."""
    axis = normalize_dim(function, dim, x.ndim)
    if function == "index_fill" and isinstance(index, np.ndarray) and index.dtype.kind == "f":
        raise IndexError(f"{function}(): 'index' must hold int64, but holds {index.dtype}")
    check_integer_array(function, "index", index)
    if index.ndim > 1:
        raise IndexError(f"{function}(): index must be a vector, but has shape {index.shape}")
    if function == "index_copy" and source is not None and source.ndim != x.ndim:
        raise IndexError(f"{function}(): source {source.shape} must have the dimensions of input {x.shape}")
    if source is not None:
        wanted = (*x.shape[:axis], index.size, *x.shape[axis + 1 :]) if x.ndim else source.shape
        if source.shape != wanted:
            raise RuntimeError(f"{function}(): source must have shape {wanted}, but has {source.shape}")
    check_index(function, index, lifted(x).shape[axis], negative=function == "index_fill")
    return axis


@plainly
def index_add(x: Array, dim: int, index: Array, source: Array, *, alpha: float = 1) -> tuple[Array, Backward]:
    """y = x, and alpha times the slice source_n is added to the slice index_n along `dim`, as often as it comes.

    Backward. dy/dx = 1, and each term of a sum has its gradient:  dx = dy,  dsource_n = alpha dy_(index_n).

    Errors: RuntimeError for sizes that do not fit, IndexError for an index out of range. Equals `torch.index_add`.
    """
    check_same_dtype("index_add", input=x, source=source)
    check_numbers("index_add", alpha=alpha)
    axis = check_slices("index_add", x, dim, index, source)
    place = (slice(None),) * axis + (index.reshape(-1),)
    y = np.array(lifted(x), order="C", subok=True)
    terms = lifted(source) if alpha == 1 else lifted(source) * np.asarray(alpha, x.dtype)
    np.add.at(np.moveaxis(y, axis, 0), index.reshape(-1), np.moveaxis(terms, axis, 0))

    def backward(dy: Array) -> tuple[Array, None, Array]:
        dsource = alpha * lifted(dy)[place]
        return dy, None, dsource.reshape(source.shape)

    return y.reshape(x.shape), backward


@plainly
def index_copy(x: Array, dim: int, index: Array, source: Array) -> tuple[Array, Backward]:
    """y = x, but the slice index_n along `dim` is source_n. Of an index that comes twice the last one counts.

    Backward. What was written over has no gradient:
        dx = dy with 0 in those slices;  dsource_n = dy_(index_n)

    Errors: as `index_add`. Equals `torch.index_copy`.
    """
    check_same_dtype("index_copy", input=x, source=source)
    axis = check_slices("index_copy", x, dim, index, source)
    place = (slice(None),) * axis + (index.reshape(-1),)
    y = np.array(lifted(x), order="C", subok=True)
    y[place] = lifted(source)

    def backward(dy: Array) -> tuple[Array, None, Array]:
        rows = lifted(dy)
        dx, dsource = without(rows, place), rows[place]
        return dx.reshape(x.shape), None, dsource.reshape(source.shape)

    return y.reshape(x.shape), backward


@plainly
def index_fill(x: Array, dim: int, index: Array, value: float | Array) -> tuple[Array, Backward]:
    """y = x, but the slices at `index` along `dim` hold the value, a number or a 0-d array.

    Backward:  dx = dy with 0 in those slices;  dvalue = the sum of dy in them.

    Errors: as `index_add`; RuntimeError for a value with dimensions. Equals `torch.index_fill`.
    """
    check_arrays("index_fill", input=x)
    check_value("index_fill", value)
    axis = check_slices("index_fill", x, dim, index, None)
    place = (slice(None),) * axis + (index.reshape(-1),)
    y = np.array(lifted(x), order="C", subok=True)
    y[place] = value

    def backward(dy: Array) -> Any:
        dx = without(lifted(dy), place).reshape(x.shape)
        return (dx, None, (lifted(dy) - lifted(dx)).sum()) if isinstance(value, np.ndarray) else (dx, None)

    return y.reshape(x.shape), backward


@plainly
def index_put(
    x: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False
) -> tuple[Array, Backward]:
    """y = x, but y[indices] = values, or, with `accumulate`, y[indices] + values, as often as an index comes.

    `indices` holds an array of integers or a mask for each of the first dimensions, None for a whole one; values
    broadcast to x[indices].

    Backward, as for `scatter` and `scatter_add`:
        dx = dy, without `accumulate` with 0 where values were written;  dvalues = dy[indices], summed to their shape
    `backward(dy)` returns dx, None, dvalues.

    Errors: IndexError for indices that do not fit, RuntimeError for values that do not. Equals `torch.index_put`.
    """
    check_same_dtype("index_put", input=x, values=values)
    if not isinstance(indices, tuple | list):
        raise TypeError(f"index_put(): argument 'indices' must be a tuple of arrays, not {type(indices).__name__}")
    if not indices:
        raise RuntimeError("index_put(): argument 'indices' must not be empty")
    for i, part in enumerate(indices):
        if part is not None and not isinstance(part, np.ndarray):
            raise TypeError(f"index_put(): indices[{i}] must be numpy.ndarray or None, not {type(part).__name__}")
    where = tuple(slice(None) if i is None else i for i in indices)
    basic, place = parted(x, where)
    check_window(x[basic], place)
    shape = x[place].shape
    try:
        wide = np.broadcast_to(values, shape)
    except ValueError:
        raise RuntimeError(f"index_put(): values {values.shape} do not broadcast to the indices' {shape}") from None
    y = np.array(x, order="C", subok=True)
    if accumulate:
        np.add.at(y, place, wide)
    else:
        y[place] = wide

    def backward(dy: Array) -> tuple[Array, None, Array]:
        dx = dy if accumulate else without(dy, place)
        return dx, None, sum_to_shape(dy[place], values.shape)

    return y, backward


@plainly
def masked_scatter(x: Array, mask: Array, source: Array) -> tuple[Array, Backward]:
    """y = x, but where the mask is true the entries of source, one after the other. x and mask broadcast.

    Backward:  dx = dy where the mask is false, else 0;  dsource = dy's entries where it is true, and 0 for those of
    source that were not used.

    Errors: RuntimeError for too few entries of source, and as `masked_select`. Equals `torch.masked_scatter`.
    """
    check_same_dtype("masked_scatter", input=x, source=source)
    check_mask("masked_scatter", mask)
    shape = check_broadcast("masked_scatter", input=x, mask=mask)
    kept = np.broadcast_to(mask, shape)
    n = int(kept.sum())
    if source.size < n:
        raise RuntimeError(f"masked_scatter(): the mask is true {n} times, but source {source.shape} has fewer entries")
    y = np.array(np.broadcast_to(x, shape), order="C", subok=True)
    y[kept] = source.reshape(-1)[:n]

    def backward(dy: Array) -> tuple[Array, None, Array]:
        dsource = np.zeros_like(source, shape=source.size, order="C")
        dsource[:n] = dy[kept]
        dx = sum_to_shape(np.where(kept, 0, dy), x.shape)
        return dx, None, dsource.reshape(source.shape)

    return y, backward
