"""Reading and writing by index: index, gather, scatter, index_put, index_add, masked_select, and their kin.

All derive from one fact (manual/derivations/indexing.md): reading y_n = x_(i_n) and adding x_(i_n) <- x_(i_n) + s_n are
each other's backward. An entry that is read several times collects the gradients of all reads, so the backward of
reading must add, and not assign. Indices have no gradient.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import numpy as np

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_arrays, check_numbers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import gradients_of, is_integer
from torchref.tensor.calling import check_broadcast, elementwise, is_number, plainly
from torchref.tensor.shape import added_along

Index = tuple[Any, ...]


# --- what is asked of indices -----------------------------------------------------------------------------------------


def check_index(function: str, index: Any, size: int, name: str = "index", negative: bool = False) -> None:
    """An array of int64 (or int32) indices 0 ... size - 1; `negative`: -size ... -1, too.

    TypeError for what is no array, RuntimeError for another dtype, IndexError for one out of range: in torch that is
    an IndexError here, a RuntimeError there (`check_places`).
    """
    check_integer_array(function, name, index)
    wrong = index[(index < (-size if negative else 0)) | (index >= size)]
    if wrong.size:
        raise IndexError(f"{function}(): {name} {int(wrong.flat[0])} is out of range for {size} entries")


def check_integer_array(function: str, name: str, index: Any) -> None:
    """TypeError for what is no array, RuntimeError for one that holds no indices."""
    if not isinstance(index, np.ndarray):
        raise TypeError(f"{function}(): argument '{name}' must be numpy.ndarray, not {type(index).__name__}")
    if index.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{function}(): '{name}' must hold int64, but holds {index.dtype}")


def check_same_dtype(function: str, **arrays: Any) -> None:
    """TypeError for what is no array, RuntimeError for dtypes that differ: nothing is promoted where it is written."""
    check_arrays(function, **arrays)
    dtypes = {array.dtype for array in arrays.values()}
    if len(dtypes) > 1:
        raise RuntimeError(f"{function}(): expected one dtype, but got {', '.join(map(str, dtypes))}")


def check_places(function: str, x: Array, axis: int, index: Any, src: Array | None = None) -> None:
    """`index` of gather and scatter: as many dimensions as x, no longer than x (or src) but along the axis.

    RuntimeError for what does not fit or is out of range.
    """
    check_integer_array(function, "index", index)
    others = [("input", x)] + ([("src", src)] if src is not None else [])
    if index.size == 0:
        return
    for name, array in others:
        long = [
            d
            for d, (n, m) in enumerate(zip(np.atleast_1d(index).shape, np.atleast_1d(array).shape, strict=False))
            if n > m and not (name == "input" and d == axis)
        ]
        if np.atleast_1d(index).ndim != np.atleast_1d(array).ndim or long:
            raise RuntimeError(f"{function}(): index {index.shape} does not fit '{name}' of shape {array.shape}")
    n = np.atleast_1d(x).shape[axis]
    wrong = index[(index < 0) | (index >= n)]
    if wrong.size:
        raise RuntimeError(f"{function}(): index {int(wrong.flat[0])} is out of bounds for a dimension of size {n}")


def places_of(index: Array, axis: int) -> Index:
    """The index of gather and scatter as one for each dimension: k_d in dimension d, but index_k along the axis."""
    grid: list[Array] = list(np.indices(index.shape, sparse=True))
    grid[axis] = index
    return tuple(grid)


def added_at(like: Array, place: Index, values: Array) -> Array:
    """zeros of `like`'s shape, to which the values are added at their places, each time one comes again."""
    out = np.zeros_like(like)
    np.add.at(out, place, values)
    return out


def without(x: Array, place: Index) -> Array:
    """x, with zeros at the places."""
    out = np.array(x, order="C", subok=True)
    out[place] = 0
    return out


# --- x[where] ---------------------------------------------------------------------------------------------------------


@elementwise
def index(x: Array, *where: Any) -> tuple[Array, Backward]:
    """y = x[where]: integers, slices, None, ..., arrays of integers, and boolean masks, one behind the other.

    Integers, slices, None and ... are taken first, each for its own dimension. Arrays of integers are read together:
    y_n = x_(i_n, j_n, ...); they broadcast against each other, and their dimensions stand where the first of them
    stood, or in front if something stands between them. A mask counts as the arrays of the places where it is true.

    Backward. y_n is one entry of x, and dL/dx_i sums over all n that read it:
        dx_i = sum_n [i_n = i] dy_n
    Slices and masks read no entry twice: there dx = dy at its place. The rest of x gets 0. The indices have none.

    Errors: IndexError for too many or wrong indices, ValueError for a slice whose step is not positive.
    Equals `x[where]` in torch, and `torch.ops.aten.index`.
    """
    basic, arrays = parted(x, where)
    window = np.asanyarray(x[basic])
    check_window(window, arrays)
    masks_alone = all(array.dtype == bool for array in arrays if isinstance(array, np.ndarray))

    def backward(dy: Array) -> Array:
        dx = np.zeros_like(x)
        dwindow = dx[basic] if window.ndim else None
        if dwindow is None:
            dx[basic] = dy.reshape(())
        elif masks_alone and len([a for a in arrays if isinstance(a, np.ndarray)]) <= 1:
            dwindow[arrays] = dy
        else:
            dwindow[...] = added_at(window, arrays, dy)
        return dx

    return window[arrays] if window.ndim else window, backward


def parted(x: Array, where: Index) -> tuple[Index, Index]:
    """`where` in two: what views can do, with a whole slice for each array; and the arrays among whole slices."""
    items = [np.asarray(item) if isinstance(item, list) else item for item in where]
    items = [int(i) if isinstance(i, np.ndarray) and i.ndim == 0 and i.dtype.kind in "iu" else i for i in items]
    used = sum(dimensions_of(item) for item in items)
    if used > x.ndim:
        raise IndexError(f"index(): too many indices for input of shape {x.shape}")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    basic: list[Any] = []
    arrays: list[Any] = []
    for item in items:
        if item is Ellipsis:
            basic += [slice(None)] * (x.ndim - used)
            arrays += [slice(None)] * (x.ndim - used)
            used = x.ndim  # a second one stands for nothing
        elif isinstance(item, np.ndarray):
            check_index_array(item)
            basic += [slice(None)] * dimensions_of(item)
            arrays.append(item)
        elif isinstance(item, slice):
            if item.step is not None and item.step <= 0:
                raise ValueError(f"index(): the step of a slice must be greater than zero, but got {item}")
            basic.append(item)
            arrays.append(slice(None))
        elif item is None:
            basic.append(None)
            arrays.append(slice(None))
        else:
            axis = sum(entry is not None for entry in basic)
            check_integer(item, x, axis)
            basic.append(item)
    return tuple(basic), tuple(arrays)


def dimensions_of(item: Any) -> int:
    """How many dimensions of x an index takes up."""
    if item is None or isinstance(item, EllipsisType):
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype == bool else 1


def check_index_array(item: Array) -> None:
    if item.dtype.kind not in "bi" or (item.dtype == bool and item.ndim == 0):
        raise IndexError(f"index(): arrays used as indices must be integer or boolean, but got {item.dtype}")


def check_integer(item: Any, x: Array, axis: int) -> None:
    if isinstance(item, bool):
        raise IndexError("index(): a single boolean is no index here; use an array")
    try:
        i = operator.index(item)
    except TypeError:
        raise IndexError(f"index(): {item!r} is no index: integers, slices, None, ... and arrays are") from None
    if not -x.shape[axis] <= i < x.shape[axis]:
        raise IndexError(f"index(): {i} is out of bounds for dimension {axis} of {x.shape}")


def check_window(window: Array, arrays: Index) -> None:
    """IndexError for arrays that do not fit their dimensions, or each other."""
    axis = 0
    shapes = []
    for item in arrays:
        if isinstance(item, np.ndarray):
            if item.dtype == bool:
                if item.shape != window.shape[axis : axis + item.ndim]:
                    raise IndexError(f"index(): a mask of shape {item.shape} does not fit {window.shape}")
                shapes.append((int(item.sum()),))
            else:
                check_index("index", item, window.shape[axis], negative=True)
                shapes.append(item.shape)
        axis += dimensions_of(item)
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise IndexError(f"index(): the arrays' shapes {shapes} do not broadcast") from None


@plainly
def index_select(x: Array, dim: int, index: Array) -> tuple[Array, Backward]:
    """y = the slices of x at `index`, a vector (or number), along `dim`: y_n = x_(index_n).

    Backward:  dx_i = sum_n [index_n = i] dy_n. None for the index.

    Errors: IndexError for an index out of range or with more dimensions, RuntimeError for other dtypes.
    Equals `torch.index_select`.
    """
    check_arrays("index_select", input=x)
    axis = normalize_dim("index_select", dim, x.ndim)
    rows = lifted(x)
    check_index("index_select", index, rows.shape[axis])
    if index.ndim > 1:
        raise IndexError(f"index_select(): index must be a vector, but has shape {index.shape}")
    places = index.reshape(-1)
    y = rows.take(places, axis=axis)

    def backward(dy: Array) -> tuple[Array, None]:
        return added_along(dy.reshape(y.shape), places, rows.shape[axis], axis).reshape(x.shape), None

    return y if x.ndim else y.reshape(()), backward


# --- one index for each entry -----------------------------------------------------------------------------------------


@plainly
def gather(x: Array, dim: int, index: Array, *, sparse_grad: bool = False) -> tuple[Array, Backward]:
    """y = x's entries at `index` along `dim`: y_kj = x_(index_kj, j) for dim = 0. y has index's shape.

    In the other dimensions the index may be shorter than x. `sparse_grad` is accepted; the gradient is dense.

    Backward:  dx_ij = sum_k [index_kj = i] dy_kj. None for the index.

    Errors: RuntimeError for an index that does not fit or is out of range. Equals `torch.gather`.
    """
    check_arrays("gather", input=x)
    axis = normalize_dim("gather", dim, x.ndim)
    check_places("gather", x, axis, index)
    rows, places = lifted(x), lifted(index)
    if index.size == 0:
        return np.zeros_like(x, shape=index.shape, order="C"), nothing_read(x)
    place = places_of(places, axis)

    def backward(dy: Array) -> tuple[Array, None]:
        return added_at(rows, place, dy.reshape(places.shape)).reshape(x.shape), None

    return rows[place].reshape(index.shape), backward


def lifted(array: Array) -> Array:
    """An array without dimensions as one of one entry."""
    return array if array.ndim else array.reshape(1)


def nothing_read(x: Array) -> Backward:
    """The backward of an empty index."""

    def backward(dy: Array) -> tuple[Array, None]:
        return np.zeros_like(x), None

    return backward


@plainly
def take_along_dim(x: Array, indices: Array, dim: int | None = None) -> tuple[Array, Backward]:
    """`gather` whose arrays broadcast but along `dim`; without it, both as one row. Indices may be negative.

    Backward: as `gather`, summed over the copies. Errors: as `gather`. Equals `torch.take_along_dim`.
    """
    check_arrays("take_along_dim", input=x)
    check_integer_array("take_along_dim", "indices", indices)
    if indices.dtype != np.int64:
        raise RuntimeError(f"take_along_dim(): 'indices' must hold int64, but holds {indices.dtype}")
    if dim is None:
        rows, places, axis = x.reshape(-1), indices.reshape(-1), 0
    else:
        axis = normalize_dim("take_along_dim", dim, x.ndim)
        if x.ndim != indices.ndim:
            raise RuntimeError(f"take_along_dim(): input {x.shape} and indices {indices.shape} differ in dimensions")
        wide = check_broadcast("take_along_dim", input=x.take([0] * (x.size > 0), axis), indices=indices)
        rows = np.broadcast_to(x, (*wide[:axis], x.shape[axis], *wide[axis + 1 :]))
        places = np.broadcast_to(indices, (*wide[:axis], indices.shape[axis], *wide[axis + 1 :]))
    n = rows.shape[axis]
    wrong = places[(places < -n) | (places >= n)]
    if wrong.size:
        raise RuntimeError(f"take_along_dim(): index {int(wrong.flat[0])} is out of bounds for {n} entries")
    place = places_of(places, axis)

    def backward(dy: Array) -> tuple[Array, None]:
        drows = added_at(rows, place, dy)
        return (sum_to_shape(drows, x.shape) if dim is not None else drows.reshape(x.shape)), None

    return rows[place], backward


@plainly
def take(x: Array, index: Array) -> tuple[Array, Backward]:
    """y = the entries of x, read as one row, at `index`: y_n = x_(index_n). Indices may be negative.

    Backward:  dx_i = sum_n [index_n = i] dy_n. None for the index.

    Errors: IndexError for an index out of range. Equals `torch.take`.
    """
    check_arrays("take", input=x)
    check_index("take", index, x.size, negative=True)

    def backward(dy: Array) -> tuple[Array, None]:
        return added_at(np.zeros_like(x, shape=x.size, order="C"), (index,), dy).reshape(x.shape), None

    return x.reshape(-1)[index], backward


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
        return gradients_of(*with_src((x, index), (dx, None), src, read_back(rows, place, index, src)))

    return y.reshape(x.shape), backward


def part_of(src: Any, index: Array) -> Any:
    """The part of src that an index reaches, which may be shorter; a number is itself."""
    return lifted(src)[tuple(slice(n) for n in lifted(index).shape)] if isinstance(src, np.ndarray) else src


def read_back(dy: Array, place: Index, index: Array, src: Any) -> Array | None:
    """The gradient of src: dy at the places to which it was written, 0 for the part that the index did not reach."""
    if not isinstance(src, np.ndarray):
        return None
    dsrc = np.zeros_like(lifted(src))
    if index.size:
        part_of(dsrc, index)[...] = dy[place]
    return dsrc.reshape(src.shape)


def with_src(arrays: tuple[Any, ...], gradients: tuple[Any, ...], src: Any, dsrc: Any) -> tuple[Any, ...]:
    """Arrays and their gradients, and src and its own behind them unless it is a number."""
    if not isinstance(src, np.ndarray):
        return arrays, *gradients
    return (*arrays, src), *gradients, dsrc


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

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return *gradients_of((x, index), dy, dy), None if is_integer(src) else read_back(lifted(dy), place, index, src)

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

    def backward(dy: Array) -> tuple[Array | None, ...]:
        drows = lifted(dy)
        n = counts.astype(x.dtype)
        if reduce == "prod":
            drows_x, dpart = product_shares(drows, rows, start, place, part)
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
        return gradients_of((x, index, src), drows_x.reshape(x.shape), dy, dsrc.reshape(src.shape))

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


def product_shares(dy: Array, rows: Array, start: Array, place: Index, part: Array) -> tuple[Array, Array]:
    """The gradients of a product's terms: dy times the product of the others, of which none may be divided by 0.

    For a term that is not 0 the others' product is y / term. For one that is 0 it is the product of all that are not
    0, if it is the only one, and else 0.
    """
    zeros = (start == 0).astype(np.int64)
    np.add.at(zeros, place, (part == 0).astype(np.int64))  # among all terms
    nonzero = reduced("prod", np.where(start == 0, 1, start), place, np.where(part == 0, 1, part))

    def share(term: Array, dterm: Array, others_zero: Array, product: Array) -> Array:
        return dterm * np.where(others_zero == 0, product / np.where(term == 0, 1, term), 0)

    dx = share(rows, dy, zeros - (start == 0), nonzero)
    dpart = share(part, dy[place], zeros[place] - (part == 0), nonzero[place])
    return dx, dpart


# --- whole slices -----------------------------------------------------------------------------------------------------


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

    def backward(dy: Array) -> tuple[Array | None, ...]:
        dsource = alpha * lifted(dy)[place]
        return gradients_of((x, index, source), dy, dy, dsource.reshape(source.shape))

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

    def backward(dy: Array) -> tuple[Array | None, ...]:
        rows = lifted(dy)
        dx, dsource = without(rows, place), rows[place]
        return gradients_of((x, index, source), dx.reshape(x.shape), dx, dsource.reshape(source.shape))

    return y.reshape(x.shape), backward


@plainly
def index_fill(x: Array, dim: int, index: Array, value: float | Array) -> tuple[Array, Backward]:
    """y = x, but the slices at `index` along `dim` hold the value, a number or a 0-d array.

    Backward:  dx = dy with 0 in those slices;  dvalue = the sum of dy in them.

    Errors: as `index_add`; RuntimeError for a value with dimensions. Equals `torch.index_fill`.
    """
    check_arrays("index_fill", input=x)
    if isinstance(value, np.ndarray):
        if value.ndim:
            raise RuntimeError(f"index_fill(): value must be a number or a 0-d array, but has shape {value.shape}")
    else:
        check_numbers("index_fill", value=value)
    axis = check_slices("index_fill", x, dim, index, None)
    place = (slice(None),) * axis + (index.reshape(-1),)
    y = np.array(lifted(x), order="C", subok=True)
    y[place] = value

    def backward(dy: Array) -> tuple[Array | None, ...]:
        dx = without(lifted(dy), place).reshape(x.shape)
        dvalue = (lifted(dy) - lifted(dx)).sum()
        return gradients_of(*with_src((x, index), (dx, dx), value, dvalue))

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

    def backward(dy: Array) -> tuple[Array | None, None, Array | None]:
        dx, dvalues = gradients_of(
            (x, values), dy if accumulate else without(dy, place), sum_to_shape(dy[place], values.shape)
        )
        return dx, None, dvalues

    return y, backward


# --- masks ------------------------------------------------------------------------------------------------------------


def check_mask(function: str, mask: Any) -> None:
    """TypeError for what is no array, RuntimeError for one that is not boolean."""
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"{function}(): argument 'mask' must be numpy.ndarray, not {type(mask).__name__}")
    if mask.dtype != bool:
        raise RuntimeError(f"{function}(): 'mask' must be boolean, but holds {mask.dtype}")


@plainly
def masked_select(x: Array, mask: Array) -> tuple[Array, Backward]:
    """y = the entries of x where the mask is true, in one row. x and mask broadcast.

    Backward:  dx = dy's entries back at their places, 0 elsewhere; summed over the copies. None for the mask.

    Errors: RuntimeError for a mask that is not boolean or does not broadcast. Equals `torch.masked_select`.
    """
    check_arrays("masked_select", input=x)
    check_mask("masked_select", mask)
    shape = check_broadcast("masked_select", input=x, mask=mask)
    wide, kept = np.broadcast_to(x, shape), np.broadcast_to(mask, shape)

    def backward(dy: Array) -> tuple[Array, None]:
        dwide = np.zeros_like(wide, shape=shape, order="C")
        dwide[kept] = dy
        return sum_to_shape(dwide, x.shape), None

    return wide[kept], backward


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

    def backward(dy: Array) -> tuple[Array | None, ...]:
        dsource = np.zeros_like(source, shape=source.size, order="C")
        dsource[:n] = dy[kept]
        dx = sum_to_shape(np.where(kept, 0, dy), x.shape)
        return gradients_of((x, mask, source), dx, dx, dsource.reshape(source.shape))

    return y, backward
