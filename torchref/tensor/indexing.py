"""Reading by index: index, index_select, gather, take, masked_select. (Writing: torchref.tensor.scattering.)

All derive from one fact (manual/derivations/indexing.md): reading y_n = x_(i_n) and adding x_(i_n) <- x_(i_n) + s_n are
each other's backward. An entry that is read several times collects the gradients of all reads, so the backward of
reading must add, and not assign. Indices have no gradient.
"""

from __future__ import annotations

import operator
from types import EllipsisType
from typing import Any

import numpy as np

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_arrays, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.tensor.calling import check_broadcast, elementwise, plainly
from torchref.tensor.shape import added_along

__all__ = [
    "Index",
    "added_at",
    "check_index",
    "check_integer_array",
    "check_mask",
    "check_places",
    "check_window",
    "gather",
    "index",
    "index_select",
    "lifted",
    "masked_select",
    "parted",
    "places_of",
    "take",
    "take_along_dim",
]


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


def placed_at(like: Array, place: Index, values: Array) -> Array:
    """zeros of `like`'s shape, with the values at their places, none of which comes twice."""
    out = np.zeros_like(like)
    out[place] = values
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
    read_twice = any(isinstance(item, np.ndarray) and item.dtype != bool for item in arrays)  # possibly

    def backward(dy: Array) -> Array:
        dx = np.zeros_like(x)
        dx[basic] = added_at(window, arrays, dy) if read_twice else placed_at(window, arrays, dy)
        return dx

    return window[arrays], backward


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
    """IndexError unless it holds integers, or booleans of one dimension or more."""
    if item.dtype.kind not in "bi" or (item.dtype == bool and item.ndim == 0):
        raise IndexError(
            "index(): arrays used as indices must hold integers, or booleans in one dimension or more, "
            f"but got {item.dtype} of shape {item.shape}"
        )


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

    Errors: IndexError for an index out of range or with more dimensions, RuntimeError for other dtypes, and for more
    than one entry, or none, where x is a number. Equals `torch.index_select`.
    """
    check_arrays("index_select", input=x)
    axis = normalize_dim("index_select", dim, x.ndim)
    rows = lifted(x)
    check_index("index_select", index, rows.shape[axis])
    if index.ndim > 1:
        raise IndexError(f"index_select(): index must be a vector, but has shape {index.shape}")
    if not x.ndim and index.size != 1:
        raise RuntimeError(f"index_select(): the index of a number must have 1 entry, but has {index.size}")
    places = index.reshape(-1)
    y = rows.take(places, axis=axis)

    def backward(dy: Array) -> tuple[Array, None]:
        return added_along(dy.reshape(y.shape), places, rows.shape[axis], axis).reshape(x.shape), None

    return y if x.ndim else y.reshape(()), backward


# --- one index for each entry -----------------------------------------------------------------------------------------


@plainly
def gather(
    x: Array,
    dim: int,
    index: Array,
    *,
    sparse_grad: bool = False,  # noqa: ARG001 (torch's argument)
) -> tuple[Array, Backward]:
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

    def backward(dy: Array) -> tuple[Array, None]:  # noqa: ARG001 (it is zero, whatever dy is)
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
    if isinstance(index, np.ndarray) and index.dtype == np.int32:
        raise RuntimeError(f"take(): 'index' must hold int64, but holds {index.dtype}")
    check_index("take", index, x.size, negative=True)

    def backward(dy: Array) -> tuple[Array, None]:
        return added_at(np.zeros_like(x, shape=x.size, order="C"), (index,), dy).reshape(x.shape), None

    return x.reshape(-1)[index], backward


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
