"""Joining and splitting: cat, stack, split, chunk, unbind. Each is the backward of another: what is joined is split.

A function of a list returns a list of gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_arrays, check_integers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.tensor.calling import check_broadcast, in_dtype, plainly, result_type

__all__ = [
    "block_diag",
    "broadcast_tensors",
    "cat",
    "chunk",
    "column_stack",
    "dstack",
    "hstack",
    "meshgrid",
    "split",
    "stack",
    "tensor_split",
    "unbind",
    "vstack",
]


Arrays = Sequence[Array]
Gradients = list[Array | None]


def check_list(function: str, tensors: Any) -> tuple[list[Array], np.dtype[Any]]:
    """The arrays of a list, and the dtype to which they are promoted. TypeError for what is no list of arrays."""
    if not isinstance(tensors, tuple | list):
        raise TypeError(f"{function}(): argument 'tensors' must be a tuple of arrays, not {type(tensors).__name__}")
    for i, array in enumerate(tensors):
        check_one(f"{function}", f"tensors[{i}]", array)
    if not tensors:
        raise RuntimeError(f"{function}(): expected a non-empty list of arrays")
    return list(tensors), result_type(*tensors)


def check_one(function: str, name: str, array: Any) -> None:
    """TypeError for what is no array."""
    check_arrays(function, **{name: array})


# --- many become one --------------------------------------------------------------------------------------------------


@plainly
def cat(tensors: Arrays, dim: int = 0) -> tuple[Array, Backward]:
    """y = the arrays one behind the other along `dim`. Dtypes are promoted; arrays of shape (0,) are passed over.

    Backward. Each entry of y is an entry of one array:  dtensors_i = the part of dy where the i-th array stands.

    Errors: RuntimeError for shapes that differ elsewhere than along `dim`, ValueError for no array.
    Equals `torch.cat`.
    """
    if isinstance(tensors, tuple | list) and len(tensors) == 0:
        raise ValueError("cat(): expected a non-empty list of arrays")
    arrays, dtype = check_list("cat", tensors)
    solid = [array for array in arrays if array.shape != (0,)]
    first = solid[0] if solid else arrays[0]
    if any(array.ndim == 0 for array in arrays):
        raise RuntimeError("cat(): arrays without dimensions cannot be joined; stack them")
    axis = normalize_dim("cat", dim, first.ndim)
    for array in solid:
        if array.ndim != first.ndim or np.delete(array.shape, axis).tolist() != np.delete(first.shape, axis).tolist():
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise RuntimeError(f"cat(): sizes must match except along dim={dim}, but the shapes are {shapes}")
    ends = np.cumsum([array.shape[axis] if array.shape != (0,) else 0 for array in arrays]).tolist()
    y = np.concatenate([in_dtype(array, dtype) for array in solid or [first]], axis=axis)

    def backward(dy: Array) -> Gradients:
        parts = np.split(dy, ends[:-1], axis=axis)
        return [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]

    return y, backward


@plainly
def stack(tensors: Arrays, dim: int = 0) -> tuple[Array, Backward]:
    """y = the arrays one behind the other along a new dimension: y_i = tensors_i.

    Backward:  dtensors_i = dy_i.

    Errors: RuntimeError for shapes that differ, or no array. Equals `torch.stack`.
    """
    arrays, dtype = check_list("stack", tensors)
    if any(array.shape != arrays[0].shape for array in arrays):
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise RuntimeError(f"stack(): all arrays must have one shape, but the shapes are {shapes}")
    axis = normalize_dim("stack", dim, arrays[0].ndim + 1)

    def backward(dy: Array) -> Gradients:
        return [dy.take(i, axis=axis) for i in range(len(arrays))]

    return np.stack([in_dtype(array, dtype) for array in arrays], axis=axis), backward


def joined_as(tensors: Any, function: str, shape_of: Any, axis: Any) -> tuple[Array, Backward]:
    """`cat` of the arrays in other shapes; the gradients get the arrays' own shapes again."""
    arrays, _ = check_list(function, tensors)
    shaped = [array.reshape(shape_of(array)) for array in arrays]
    y, cat_backward = cat(shaped, axis(shaped))

    def backward(dy: Array) -> Gradients:
        gradients = cat_backward(dy)
        return [None if g is None else g.reshape(a.shape) for g, a in zip(gradients, arrays, strict=True)]

    return y, backward


@plainly
def hstack(tensors: Arrays) -> tuple[Array, Backward]:
    """y = `cat` along dimension 1; of arrays of one dimension along 0. Backward: of cat. Equals `torch.hstack`."""
    return joined_as(
        tensors, "hstack", lambda a: np.atleast_1d(a).shape, lambda shaped: 0 if shaped[0].ndim == 1 else 1
    )


@plainly
def vstack(tensors: Arrays) -> tuple[Array, Backward]:
    """y = `cat` along dimension 0, a vector being one row. Backward: of cat. Equals `torch.vstack`."""
    return joined_as(tensors, "vstack", lambda a: np.atleast_2d(a).shape, lambda _: 0)


@plainly
def dstack(tensors: Arrays) -> tuple[Array, Backward]:
    """y = `cat` along dimension 2, a vector being (1, n, 1). Backward: of cat. Equals `torch.dstack`."""
    return joined_as(tensors, "dstack", lambda a: np.atleast_3d(a).shape, lambda _: 2)


@plainly
def column_stack(tensors: Arrays) -> tuple[Array, Backward]:
    """y = `cat` along dimension 1, a vector being one column. Backward: of cat. Equals `torch.column_stack`."""
    return joined_as(tensors, "column_stack", lambda a: a.shape if a.ndim > 1 else (a.size, 1), lambda _: 1)


@plainly
def block_diag(*tensors: Array) -> tuple[Array, Backward]:
    """y = the matrices along the diagonal, 0 elsewhere; a vector is one row.

    Backward:  dtensors_i = the block of dy where the i-th matrix stands.

    Errors: RuntimeError for more than two dimensions. Equals `torch.block_diag`.
    """
    arrays, dtype = check_list("block_diag", tensors)
    if any(array.ndim > 2 for array in arrays):
        raise RuntimeError("block_diag(): the arrays must have at most 2 dimensions")
    blocks = [in_dtype(np.atleast_2d(array), dtype) for array in arrays]
    corners = np.cumsum([(0, 0), *(block.shape for block in blocks)], axis=0).tolist()
    y = np.zeros_like(blocks[0], shape=tuple(corners[-1]), order="C")
    places = [(slice(top, bottom), slice(left, right)) for (top, left), (bottom, right) in pairwise(corners)]
    for place, block in zip(places, blocks, strict=True):
        y[place] = block

    def backward(dy: Array) -> Any:
        return tuple(dy[p].reshape(a.shape) for p, a in zip(places, arrays, strict=True))

    return y, backward


# --- one becomes many -------------------------------------------------------------------------------------------------


@plainly
def split(x: Array, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[tuple[Array, ...], Backward]:
    """x cut along `dim` into pieces of one size (the last may be smaller), or of the sizes given.

    Backward. Each entry of x is in one piece:  dx = the pieces' gradients one behind the other.
    `backward(douts)` takes a tuple; None for a piece counts as zeros.

    Errors: RuntimeError for sizes that do not add up to x's. Equals `torch.split`.
    """
    check_arrays("split", input=x)
    if x.ndim == 0:
        raise RuntimeError("split(): expected an array with at least 1 dimension, but got a 0-d one")
    axis = normalize_dim("split", dim, x.ndim)
    n = x.shape[axis]
    if isinstance(split_size_or_sections, Sequence):
        sizes = list(split_size_or_sections)
        check_integers("split", **{f"split_sizes[{i}]": size for i, size in enumerate(sizes)})
        if sum(sizes) != n or any(size < 0 for size in sizes):
            raise RuntimeError(f"split(): sizes {sizes} must add up to {n}, the size of dim {dim} of {x.shape}")
    else:
        check_integers("split", split_size=split_size_or_sections)
        size = split_size_or_sections
        if size < 0 or (size == 0 and n > 0):
            raise RuntimeError(f"split(): split_size must be positive, but got {size}")
        sizes = [size] * (n // size if size else 0) + ([n % size] if size and n % size else [])
        sizes = sizes or [n]
    return cut(x, np.cumsum(sizes)[:-1].tolist(), axis)


def cut(x: Array, places: list[int], axis: int) -> tuple[tuple[Array, ...], Backward]:
    """x in pieces that end before these places, and the backward of `split`."""
    pieces = tuple(np.split(x, places, axis=axis))

    def backward(douts: tuple[Array | None, ...]) -> Array:
        parts = [np.zeros_like(y) if dy is None else dy for y, dy in zip(pieces, douts, strict=True)]
        return np.concatenate(parts, axis=axis)

    return pieces, backward


@plainly
def chunk(x: Array, chunks: int, dim: int = 0) -> tuple[tuple[Array, ...], Backward]:
    """x cut along `dim` into at most so many pieces of size ceil(n / chunks), the last smaller.

    Backward: as `split`. Errors: RuntimeError for chunks < 1. Equals `torch.chunk`.
    """
    check_arrays("chunk", input=x)
    check_integers("chunk", chunks=chunks)
    if chunks < 1 or x.ndim == 0:
        raise RuntimeError(f"chunk(): needs a dimension and chunks > 0, but got shape {x.shape}, chunks={chunks}")
    axis = normalize_dim("chunk", dim, x.ndim)
    size = -(-x.shape[axis] // chunks)
    places = list(range(size, x.shape[axis], size)) if size else [0] * (chunks - 1)
    return cut(x, places, axis)


@plainly
def tensor_split(
    x: Array, indices_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[tuple[Array, ...], Backward]:
    """x cut along `dim` into so many pieces, as even as can be, or before each of the indices.

    Backward: as `split`. Errors: RuntimeError for no piece. Equals `torch.tensor_split`.
    """
    check_arrays("tensor_split", input=x)
    if x.ndim == 0:
        raise RuntimeError("tensor_split(): expected an array with at least 1 dimension, but got a 0-d one")
    axis = normalize_dim("tensor_split", dim, x.ndim)
    n = x.shape[axis]
    if isinstance(indices_or_sections, Sequence):
        marks = list(indices_or_sections)
        check_integers("tensor_split", **{f"indices[{i}]": mark for i, mark in enumerate(marks)})
        starts = [0, *(slice(i, None).indices(n)[0] for i in marks)]
        ends = [*(slice(None, i).indices(n)[1] for i in marks), n]
        return cut_between(x, list(zip(starts, ends, strict=True)), axis)
    sections = indices_or_sections
    check_integers("tensor_split", sections=sections)
    if sections < 1:
        raise RuntimeError(f"tensor_split(): the number of sections must be larger than 0, but got {sections}")
    sizes = [n // sections + (i < n % sections) for i in range(sections)]
    return cut(x, np.cumsum(sizes)[:-1].tolist(), axis)


def cut_between(x: Array, bounds: list[tuple[int, int]], axis: int) -> tuple[tuple[Array, ...], Backward]:
    """Pieces of x that may overlap, as indices that do not rise make them; then the gradients add."""
    places = [(slice(None),) * axis + (slice(start, end),) for start, end in bounds]

    def backward(douts: tuple[Array | None, ...]) -> Array:
        dx = np.zeros_like(x)
        for place, dy in zip(places, douts, strict=True):
            if dy is not None:
                dx[place] += dy
        return dx

    return tuple(x[place] for place in places), backward


@plainly
def unbind(x: Array, dim: int = 0) -> tuple[tuple[Array, ...], Backward]:
    """The slices of x along `dim`, which is gone in each: the other way round of `stack`.

    Backward:  dx_i = douts_i. None for a slice counts as zeros.

    Errors: IndexError for a dimension out of range, RuntimeError for 0-d arrays. Equals `torch.unbind`.
    """
    check_arrays("unbind", input=x)
    if x.ndim == 0:
        raise IndexError("unbind(): Dimension specified as 0 but the array has no dimensions")
    axis = normalize_dim("unbind", dim, x.ndim)
    slices = tuple(np.moveaxis(x, axis, 0))

    def backward(douts: tuple[Array | None, ...]) -> Array:
        dx = np.zeros_like(x)
        for i, dy in enumerate(douts):
            if dy is not None:
                np.moveaxis(dx, axis, 0)[i] = dy
        return dx

    return tuple(np.asanyarray(part) for part in slices), backward


@plainly
def meshgrid(*tensors: Array, indexing: str | None = "ij") -> tuple[tuple[Array, ...], Backward]:
    """One array for each vector: the i-th holds, at (k_1, k_2, ...), the entry k_i of the i-th vector.

    With indexing="xy" the first two dimensions change places.

    Backward. Each entry was repeated along all other dimensions:  dtensors_i = dout_i summed over them.

    Errors: RuntimeError for what is no vector or number, or another indexing. Equals `torch.meshgrid` (whose default
    is "ij", too, with a warning).
    """
    arrays, _ = check_list("meshgrid", tensors)
    if len({array.dtype for array in arrays}) > 1:
        raise RuntimeError("meshgrid(): expected one dtype, but got " + ", ".join(str(a.dtype) for a in arrays))
    if not isinstance(indexing, str | None):
        raise TypeError(f"meshgrid(): argument 'indexing' must be a str, not {indexing!r}")
    if indexing not in ("ij", "xy", None):
        raise RuntimeError(f"meshgrid(): indexing must be 'ij' or 'xy', but got {indexing!r}")
    if any(array.ndim > 1 for array in arrays):
        raise RuntimeError("meshgrid(): expected vectors, but got shapes " + ", ".join(str(a.shape) for a in arrays))
    n = len(arrays)
    axes = list(range(n))
    if indexing == "xy" and n > 1:
        axes[:2] = [1, 0]
    shape = tuple(arrays[axes.index(k)].size for k in range(n))
    grids = tuple(
        np.broadcast_to(array.reshape([-1 if k == axis else 1 for k in range(n)]), shape)
        for array, axis in zip(arrays, axes, strict=True)
    )

    def backward(douts: tuple[Array | None, ...]) -> Any:
        gradients = []
        for array, axis, dy in zip(arrays, axes, douts, strict=True):
            others = tuple(k for k in range(n) if k != axis)
            da = np.zeros_like(array) if dy is None else dy.sum(axis=others).reshape(array.shape)
            gradients.append(da)
        return tuple(gradients)

    return grids, backward


@plainly
def broadcast_tensors(*tensors: Array) -> tuple[tuple[Array, ...], Backward]:
    """Each array repeated to the shape to which all broadcast.

    Backward. A repetition's backward is a sum:  dtensors_i = dout_i summed over the copies.

    Errors: RuntimeError for shapes that do not broadcast. Equals `torch.broadcast_tensors`.
    """
    arrays, _ = check_list("broadcast_tensors", tensors)
    shape = check_broadcast("broadcast_tensors", **{f"tensors[{i}]": a for i, a in enumerate(arrays)})

    def backward(douts: tuple[Array | None, ...]) -> Any:
        return tuple(
            np.zeros_like(array) if dy is None else sum_to_shape(dy, array.shape)
            for array, dy in zip(arrays, douts, strict=True)
        )

    return tuple(np.broadcast_to(array, shape) for array in arrays), backward
