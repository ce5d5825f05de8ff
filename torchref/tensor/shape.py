"""Functions that move or repeat entries and change none: reshape, permute, expand, repeat, roll, flip, unfold, ...

Where each entry of x is one of y, the backward moves it back. Where it is several (expand, repeat, unfold), their
gradients add. Where it is none (narrow, select), its gradient is 0.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.embedding import add_rows
from torchref.nn.errors import check_arrays, check_integers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.tensor.calling import elementwise, plainly

__all__ = [
    "added_along",
    "as_strided",
    "broadcast_to",
    "expand",
    "flip",
    "fliplr",
    "flipud",
    "movedim",
    "narrow",
    "permute",
    "ravel",
    "repeat",
    "repeat_interleave",
    "reshape",
    "roll",
    "rot90",
    "select",
    "squeeze",
    "sum_to_size",
    "t",
    "tile",
    "transpose",
    "unfold",
    "unsqueeze",
    "view",
]


Sizes = int | Sequence[int]


def numbers(function: str, name: str, given: tuple[Any, ...]) -> tuple[int, ...]:
    """Integers that are given one by one, or in one tuple. TypeError for others."""
    if len(given) == 1 and isinstance(given[0], Sequence):
        given = tuple(given[0])
    try:
        return tuple(operator.index(n) for n in given)
    except TypeError:
        raise TypeError(f"{function}(): argument '{name}' must be ints, but got {given!r}") from None


def sequence(function: str, name: str, given: Any) -> tuple[int, ...]:
    """Integers in one tuple or list. TypeError for others."""
    if not isinstance(given, Sequence):
        raise TypeError(f"{function}(): argument '{name}' must be a tuple of ints, not {given!r}")
    return numbers(function, name, (given,))


def moved_back(x: Array) -> Backward:
    """The backward of what gives x's entries, in their order, another shape."""

    def backward(dy: Array) -> Array:
        return dy.reshape(x.shape)

    return backward


def placed(x: Array, place: Any) -> Backward:
    """The backward of y = x[place], a place without repetitions: dx = dy there, 0 elsewhere."""

    def backward(dy: Array) -> Array:
        dx = np.zeros_like(x)
        dx[place] = dy
        return dx

    return backward


# --- another shape ----------------------------------------------------------------------------------------------------


@elementwise
def reshape(x: Array, shape: Sequence[int]) -> tuple[Array, Backward]:
    """y = x's entries, row by row, in another shape; one size may be -1.

    Backward. Nothing is computed, so nothing but the shape changes:  dx = dy in x's shape.

    Errors: RuntimeError for sizes that do not fit. Equals `torch.reshape`.
    """
    return reshaped("reshape", x, sequence("reshape", "shape", shape))


@elementwise
def view(x: Array, *size: Any) -> tuple[Array, Backward]:
    """y = x's entries in another shape, as `reshape`; memory order is no matter here. Equals `torch.Tensor.view`."""
    return reshaped("view", x, size)


def reshaped(function: str, x: Array, size: Any) -> tuple[Array, Backward]:
    """`reshape`, after torch's checks."""
    sizes = numbers(function, "shape", tuple(size))
    known = math.prod(n for n in sizes if n != -1)
    unknown = sizes.count(-1)
    fits = known == x.size if unknown == 0 else unknown == 1 and known > 0 and x.size % known == 0
    if not fits or any(n < -1 for n in sizes):
        raise RuntimeError(f"{function}(): shape {sizes} is invalid for input of shape {x.shape}")
    return x.reshape(sizes), moved_back(x)


@elementwise
def ravel(x: Array) -> tuple[Array, Backward]:
    """y = x as one row. Backward: dx = dy in x's shape. Equals `torch.ravel`."""
    return x.reshape(-1), moved_back(x)


@elementwise
def squeeze(x: Array, dim: Sizes | None = None) -> tuple[Array, Backward]:
    """y = x without its dimensions of size 1; of those that `dim` names alone. Others stay.

    Backward:  dx = dy in x's shape.

    Errors: IndexError for a dimension out of range. Equals `torch.squeeze`.
    """
    named = range(x.ndim) if dim is None else dim if isinstance(dim, Sequence) else (dim,)
    axes = [normalize_dim("squeeze", d, x.ndim) for d in named]
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"squeeze(): a dimension appears multiple times in dim={dim!r}")
    return x.reshape([n for axis, n in enumerate(x.shape) if n != 1 or axis not in axes]), moved_back(x)


@elementwise
def unsqueeze(x: Array, dim: int) -> tuple[Array, Backward]:
    """y = x with a new dimension of size 1 at `dim`.

    Backward:  dx = dy in x's shape.

    Errors: IndexError for a place out of range. Equals `torch.unsqueeze`.
    """
    return np.expand_dims(x, normalize_dim("unsqueeze", dim, x.ndim + 1)), moved_back(x)


# --- dimensions in another order --------------------------------------------------------------------------------------


@elementwise
def permute(x: Array, dims: Sequence[int]) -> tuple[Array, Backward]:
    """y = x with its dimensions in the order `dims`: y's k-th is x's dims[k]-th.

    Backward, the inverse permutation:  dx's dims[k]-th dimension is dy's k-th.

    Errors: RuntimeError unless each dimension comes once. Equals `torch.permute`.
    """
    named = sequence("permute", "dims", dims)
    axes = tuple(normalize_dim("permute", d, x.ndim) for d in named) if len(named) == x.ndim else ()
    if len(named) != x.ndim or len(set(axes)) != x.ndim:
        raise RuntimeError(f"permute(): dims={tuple(dims)} must name each dimension of {x.shape} once")

    def backward(dy: Array) -> Array:
        return dy.transpose(np.argsort(axes))

    return x.transpose(axes), backward


@elementwise
def transpose(x: Array, dim0: int, dim1: int) -> tuple[Array, Backward]:
    """y = x with two dimensions exchanged. Backward: dx = dy with the same two exchanged. Equals `torch.transpose`."""
    a, b = normalize_dim("transpose", dim0, x.ndim), normalize_dim("transpose", dim1, x.ndim)

    def backward(dy: Array) -> Array:
        return dy.swapaxes(a, b) if x.ndim else dy

    return x.swapaxes(a, b) if x.ndim else x, backward


@elementwise
def t(x: Array) -> tuple[Array, Backward]:
    """y = x^T, of at most two dimensions. Backward: dx = dy^T. Equals `torch.t`."""
    if x.ndim > 2:
        raise RuntimeError(f"t(): expected at most 2 dimensions, but got shape {x.shape}")

    def backward(dy: Array) -> Array:
        return dy.T

    return x.T, backward


@elementwise
def movedim(x: Array, source: Sizes, destination: Sizes) -> tuple[Array, Backward]:
    """y = x with the dimensions `source` moved to the places `destination`, the others in their order.

    Backward:  dx = dy with `destination` moved to `source`.

    Errors: RuntimeError for dimensions that come twice. Equals `torch.movedim`.
    """
    if isinstance(source, Sequence) != isinstance(destination, Sequence):
        raise TypeError(f"movedim(): source={source} and destination={destination} must both be ints, or both tuples")
    sources = [normalize_dim("movedim", d, x.ndim) for d in (source if isinstance(source, Sequence) else [source])]
    targets = destination if isinstance(destination, Sequence) else [destination]
    targets = [normalize_dim("movedim", d, x.ndim) for d in targets]
    if len(sources) != len(targets) or len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise RuntimeError(f"movedim(): source={source} and destination={destination} must pair dimensions, each once")

    def backward(dy: Array) -> Array:
        return np.moveaxis(dy, targets, sources) if x.ndim else dy

    return np.moveaxis(x, sources, targets) if x.ndim else x, backward


# --- entries repeated -------------------------------------------------------------------------------------------------


@elementwise
def expand(x: Array, *size: Any) -> tuple[Array, Backward]:
    """y = x with dimensions of size 1 repeated to `size`, and new ones in front; -1 keeps a size.

    Backward. y_ij = x_j, so dL/dx_j = sum_i dy_ij: a repetition's backward is a sum.

    Errors: RuntimeError for sizes that do not fit. Equals `torch.Tensor.expand`.
    """
    sizes = numbers("expand", "size", size)
    added = len(sizes) - x.ndim
    kept: tuple[Any, ...] = (None,) * added + x.shape
    if added < 0 or not all(n == old or old in (None, 1) or n == -1 for n, old in zip(sizes, kept, strict=True)):
        raise RuntimeError(f"expand(): input of shape {x.shape} cannot be expanded to {sizes}")
    if any(n < 0 and (n < -1 or old is None) for n, old in zip(sizes, kept, strict=True)):
        raise RuntimeError(f"expand(): a new dimension needs a size, but size is {sizes} for shape {x.shape}")
    shape = tuple(old if n == -1 else n for n, old in zip(sizes, kept, strict=True))

    def backward(dy: Array) -> Array:
        return sum_to_shape(dy, x.shape)

    return np.broadcast_to(x, shape), backward


@elementwise
def broadcast_to(x: Array, size: Sequence[int]) -> tuple[Array, Backward]:
    """y = x repeated to the shape `size`: `expand` under another name. Equals `torch.broadcast_to`."""
    return expand(x, sequence("broadcast_to", "size", size))


@elementwise
def sum_to_size(x: Array, *size: Any) -> tuple[Array, Backward]:
    """y = x summed to the shape `size`, from which it could have been broadcast: what `expand`'s backward does.

    Backward. A sum's backward is a repetition:  dx = dy repeated to x's shape.

    Errors: RuntimeError for a shape that does not broadcast to x's. Equals `torch.Tensor.sum_to_size`.
    """
    sizes = numbers("sum_to_size", "size", size)
    try:
        fits = np.broadcast_shapes(sizes, x.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(f"sum_to_size(): size {sizes} does not broadcast to input of shape {x.shape}")

    def backward(dy: Array) -> Array:
        return np.broadcast_to(dy, x.shape)

    return sum_to_shape(x, sizes), backward


@elementwise
def repeat(x: Array, *repeats: Any) -> tuple[Array, Backward]:
    """y = x, so many times along each dimension; more numbers than dimensions add new ones in front.

    Shapes: x (..., n), y (..., r n): y_(c n + i) = x_i for the copies c = 0 ... r - 1.

    Backward, a sum over the copies:  dx_i = sum_c dy_(c n + i).

    Errors: RuntimeError for too few numbers or negative ones. Equals `torch.Tensor.repeat`.
    """
    times = numbers("repeat", "repeats", repeats)
    if len(times) < x.ndim or any(r < 0 for r in times):
        raise RuntimeError(f"repeat(): repeats={times} must hold a number, not negative, for each of {x.shape}")
    return tiled(x, times)


@elementwise
def tile(x: Array, dims: Sequence[int]) -> tuple[Array, Backward]:
    """y = x, so many times along its last dimensions: `repeat` with ones in front. Equals `torch.tile`."""
    times = sequence("tile", "dims", dims)
    if any(n < 0 for n in times):
        raise RuntimeError(f"tile(): dims={dims} must not be negative")
    return tiled(x, (1,) * (x.ndim - len(times)) + times)


def tiled(x: Array, times: tuple[int, ...]) -> tuple[Array, Backward]:
    """`repeat`, with a number for each dimension."""
    shape = (1,) * (len(times) - x.ndim) + x.shape
    pairs = tuple(n for r, size in zip(times, shape, strict=True) for n in (r, size))  # (r, n, r', n', ...)

    def backward(dy: Array) -> Array:
        return dy.reshape(pairs).sum(axis=tuple(range(0, len(pairs), 2))).reshape(x.shape)

    return np.tile(x, times), backward


@plainly
def repeat_interleave(
    x: Array, repeats: int | Array, dim: int | None = None, *, output_size: int | None = None
) -> tuple[Array, Backward]:
    """y = each entry of x along `dim` several times in a row: `repeats` times, or each its own number of times.

    Without `dim` x is one row. `output_size`, torch's hint of y's length, must be right.

    Backward, a sum over the copies:  dx_i = sum over the k that copy i of dy_k. None for the numbers.

    Errors: RuntimeError for numbers that do not fit. Equals `torch.repeat_interleave`.
    """
    check_arrays("repeat_interleave", input=x)
    a, axis = (x.reshape(-1), 0) if dim is None else (np.atleast_1d(x), normalize_dim("repeat_interleave", dim, x.ndim))
    if not isinstance(repeats, np.ndarray):
        check_integers("repeat_interleave", repeats=repeats)
    times = np.asarray(repeats)
    if times.dtype.kind not in "iu" or times.ndim > 1 or times.size not in (1, a.shape[axis]) or np.any(times < 0):
        raise RuntimeError(f"repeat_interleave(): repeats={repeats!r} does not fit input of shape {x.shape}")
    source = np.repeat(np.arange(a.shape[axis]), times)  # of each position of y
    if output_size is not None and output_size != len(source):
        raise RuntimeError(f"repeat_interleave(): output_size={output_size}, but there are {len(source)} copies")

    def backward(dy: Array) -> Any:
        dx = added_along(dy, source, a.shape[axis], axis).reshape(x.shape)
        return (dx, None) if isinstance(repeats, np.ndarray) else dx

    return a.take(source, axis=axis), backward


def added_along(dy: Array, index: Array, length: int, axis: int) -> Array:
    """zeros of this length along the axis, to which the slices of dy are added at their index."""
    rows = np.moveaxis(dy, axis, 0)  # (k, ...)
    flat = rows.reshape(len(rows), math.prod(rows.shape[1:]))
    return np.moveaxis(add_rows(flat, index, length).reshape(length, *rows.shape[1:]), 0, axis)


# --- entries moved ----------------------------------------------------------------------------------------------------


@elementwise
def roll(x: Array, shifts: Sizes, dims: Sizes | None = None) -> tuple[Array, Backward]:
    """y = x moved on by `shifts` along `dims`, round the corner: y_(i + s) = x_i, modulo n. Without dims as one row.

    Backward, moved back:  dx_i = dy_(i + s).

    Errors: RuntimeError unless there is a shift for each dimension. Equals `torch.roll`.
    """
    steps = numbers("roll", "shifts", (shifts,))
    named = () if dims is None else numbers("roll", "dims", (dims,))
    if len(steps) != (len(named) or 1) or not steps:
        raise RuntimeError(f"roll(): shifts={shifts} and dims={dims} must be equally many")
    axes = tuple(normalize_dim("roll", d, x.ndim) for d in named) or None

    def backward(dy: Array) -> Array:
        return np.roll(dy, tuple(-s for s in steps), axes)

    return np.roll(x, steps, axes) if x.ndim else x, backward


@elementwise
def flip(x: Array, dims: Sequence[int]) -> tuple[Array, Backward]:
    """y = x backwards along `dims`: y_i = x_(n - 1 - i). Backward: dx_i = dy_(n - 1 - i). Equals `torch.flip`."""
    axes = tuple(normalize_dim("flip", d, x.ndim) for d in sequence("flip", "dims", dims))
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"flip(): a dimension appears multiple times in dims={dims}")

    def backward(dy: Array) -> Array:
        return np.flip(dy, axes) if x.ndim else dy

    return np.flip(x, axes) if x.ndim else x, backward


@elementwise
def fliplr(x: Array) -> tuple[Array, Backward]:
    """y = x with its columns backwards: `flip` along dimension 1. Equals `torch.fliplr`."""
    if x.ndim < 2:
        raise RuntimeError(f"fliplr(): input must have at least 2 dimensions, but has shape {x.shape}")
    return flip(x, (1,))


@elementwise
def flipud(x: Array) -> tuple[Array, Backward]:
    """y = x with its rows backwards: `flip` along dimension 0. Equals `torch.flipud`."""
    if x.ndim < 1:
        raise RuntimeError(f"flipud(): input must have at least 1 dimension, but has shape {x.shape}")
    return flip(x, (0,))


@elementwise
def rot90(x: Array, k: int = 1, dims: Sequence[int] = (0, 1)) -> tuple[Array, Backward]:
    """y = x turned k times by 90 degrees in the plane of two dimensions, from the first towards the second.

    Backward, turned back:  dx = dy turned -k times.

    Errors: RuntimeError for other than two different dimensions. Equals `torch.rot90`.
    """
    check_integers("rot90", k=k)
    named = sequence("rot90", "dims", dims)
    axes = tuple(normalize_dim("rot90", d, x.ndim) for d in named) if x.ndim > 1 else ()
    if len(axes) != 2 or axes[0] == axes[1]:
        raise RuntimeError(f"rot90(): expected two different dimensions of {x.shape}, but got dims={dims}")

    def backward(dy: Array) -> Array:
        return np.rot90(dy, -k, axes)

    return np.rot90(x, k, axes), backward


# --- parts and windows ------------------------------------------------------------------------------------------------


@elementwise
def narrow(x: Array, dim: int, start: int, length: int) -> tuple[Array, Backward]:
    """y = the slices start ... start + length - 1 of x along `dim`.

    Backward:  dx = dy there, 0 elsewhere.

    Errors: IndexError for a start out of range, RuntimeError for slices that x does not have. Equals `torch.narrow`.
    """
    check_integers("narrow", start=start, length=length)
    if x.ndim == 0:
        raise RuntimeError("narrow(): cannot be applied to an array without dimensions")
    axis = normalize_dim("narrow", dim, x.ndim)
    n = x.shape[axis]
    if not -n <= start <= n:
        raise IndexError(f"narrow(): start={start} is out of range for dimension {dim} of {x.shape}")
    first = start + n if start < 0 else start
    if length < 0 or first + length > n:
        raise RuntimeError(f"narrow(): start={start}, length={length} reach beyond dimension {dim} of {x.shape}")
    place = (slice(None),) * axis + (slice(first, first + length),)
    return x[place], placed(x, place)


@elementwise
def select(x: Array, dim: int, index: int) -> tuple[Array, Backward]:
    """y = the slice of x at this index along `dim`, which is gone.

    Backward:  dx = dy there, 0 elsewhere.

    Errors: IndexError for an index out of range, or a 0-d array. Equals `torch.select`.
    """
    check_integers("select", index=index)
    if x.ndim == 0:
        raise IndexError("select(): cannot be applied to an array without dimensions")
    axis = normalize_dim("select", dim, x.ndim)
    if not -x.shape[axis] <= index < x.shape[axis]:
        raise IndexError(f"select(): index {index} is out of range for dimension {dim} of {x.shape}")
    place = (slice(None),) * axis + (index,)
    return x[place], placed(x, place)


@elementwise
def unfold(x: Array, dimension: int, size: int, step: int) -> tuple[Array, Backward]:
    """y = the windows of `size` entries along `dimension`, one every `step`; their entries are y's last dimension.

    Shapes: x (..., n, ...), y (..., w, ..., size) with w = (n - size) // step + 1:  y_(p, k) = x_(p step + k).

    Backward. Windows may overlap; an entry collects the gradient of each window it is in:
        dx_i = sum over (p, k) with p step + k = i of dy_(p, k)
    For a fixed k all p together are one slice of x, so that `size` sums do it.

    Errors: RuntimeError for a window that does not fit. Equals `torch.Tensor.unfold`.
    """
    check_integers("unfold", size=size, step=step)
    axis = normalize_dim("unfold", dimension, x.ndim)
    rows = np.moveaxis(np.atleast_1d(x), axis, 0)  # (n, ...)
    if not 0 <= size <= len(rows) or step <= 0:
        raise RuntimeError(f"unfold(): size={size}, step={step} do not fit dimension {dimension} of {x.shape}")
    w = (len(rows) - size) // step + 1
    index = np.arange(w)[:, None] * step + np.arange(size)  # (w, size)
    y = np.moveaxis(np.moveaxis(rows[index], 1, -1), 0, axis)  # (..., w, ..., size)

    def backward(dy: Array) -> Array:
        dwindows = np.moveaxis(np.moveaxis(dy, axis, 0), -1, 0)  # (size, w, ...)
        dx = np.zeros_like(rows, shape=rows.shape, order="C")
        for k in range(size):
            dx[k : k + step * (w - 1) + 1 : step] += dwindows[k]
        return np.moveaxis(dx, 0, axis).reshape(x.shape)

    return y if x.ndim else y.reshape(size), backward


@elementwise
def as_strided(
    x: Array, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> tuple[Array, Backward]:
    """y_(i, j, ...) = the entry storage_offset + i stride_0 + j stride_1 + ... of x, read row by row.

    Backward. An entry of x may be several of y, whose gradients add, or none:
        dx_m = sum over the (i, j, ...) with storage_offset + i stride_0 + ... = m of dy_(i, j, ...)

    Errors: RuntimeError for strides that reach out of x. Equals `torch.as_strided` of a contiguous x.
    """
    sizes, strides = sequence("as_strided", "size", size), sequence("as_strided", "stride", stride)
    offset = 0 if storage_offset is None else storage_offset
    check_integers("as_strided", storage_offset=offset)
    if len(sizes) != len(strides) or any(n < 0 for n in (*sizes, *strides, offset)):
        raise RuntimeError(
            f"as_strided(): size={sizes}, stride={strides}, storage_offset={offset} must fit, and not be negative"
        )
    index = np.full(sizes, offset)
    for axis, (n, step) in enumerate(zip(sizes, strides, strict=True)):
        index = index + step * np.arange(n).reshape([-1 if k == axis else 1 for k in range(len(sizes))])
    if index.size and index.max() >= x.size:
        raise RuntimeError(f"as_strided(): size={sizes}, stride={strides} reach out of input of shape {x.shape}")

    def backward(dy: Array) -> Array:
        dx = np.zeros_like(x, shape=x.size, order="C")
        np.add.at(dx, index.reshape(-1), dy.reshape(-1))
        return dx.reshape(x.shape)

    return x.reshape(-1)[index], backward
