"""Max pooling over one, two or three spatial dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.promotion import check_numeric, is_integer
from torchref.nn.window import Windows, pooling_windows


def max_pool(
    dimensions: int,
    x: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Any, Backward]:
    """y_p = max_k x_i with i = p stride + k dilation - padding: `max_pool1d`, `max_pool2d`, `max_pool3d`.

    The maximum is taken over the columns of each window, then over the rows: K + K comparisons instead of K K. Padding
    counts as -inf. `return_indices` adds where in the (flattened) spatial dimensions each maximum stands, int64.

    Shapes: x ([N,] C, *sizes), y ([N,] C, *positions).

    Backward. dy_p/dx_i = 1 for the one i that was chosen, else 0:  dx_i = sum over the p that chose i of dy_p.
    Of equal entries the first is chosen, of several nan the last (torch's choice), in row-major order; the first
    column of the first row is the first of the window, so choosing dimension by dimension chooses the same entry.

    Integers are taken, without a gradient.

    Errors: RuntimeError for input or arguments that do not fit. Equals `torch.nn.functional.max_pool2d`.
    """
    name = f"max_pool{dimensions}d"
    check_numeric(name, x)
    windows = pooling_windows(name, dimensions, x, kernel_size, stride, padding, dilation, ceil_mode)
    lowest = np.iinfo(x.dtype).min if is_integer(x) else -math.inf
    y, chosen = maximum(windows.pad(x, lowest), windows, nan=False)
    if np.isnan(y).any():
        y, chosen = maximum(windows.pad(x, lowest), windows, nan=True)

    def backward(dy: Array | tuple[Array, None]) -> Array:
        dx = dy[0] if isinstance(dy, tuple) else dy
        for d, which in enumerate(reversed(chosen)):  # the chain rule: the last choice first
            dx = spread(dx, which, windows, d)
        return windows.unpad(dx)

    return ((y, flat_indices(chosen, windows)) if return_indices else y), backward


# --- windows on a grid ------------------------------------------------------------------------------------------------


def maximum(x: Array, windows: Windows, nan: bool) -> tuple[Array, list[Array]]:
    """The maximum over the windows of the padded x, and the offset at which it stands in each dimension, last first."""
    chosen = []
    for d in reversed(range(len(windows.kernel))):
        x, which = maximum_along(x, windows, d, nan)
        chosen.append(which)
    return x, chosen


def maximum_along(x: Array, windows: Windows, d: int, nan: bool) -> tuple[Array, Array]:
    """The maximum over the windows' offsets in dimension `d` alone, and the offset at which it stands.

    Comparing slices keeps one boolean (two offsets) or one byte for each window and needs no second look at x. Each
    slice is copied first: NumPy's maximum is vectorised on contiguous arrays alone, a gain of three, copies included.
    """
    looks = windows.along(d)
    y = x[looks[0]].copy()
    which = np.zeros(y.shape, bool if len(looks) <= 2 else np.min_scalar_type(len(looks) - 1))
    for k, look in enumerate(looks[1:], start=1):
        value = x[look].copy()
        later = value > y  # not >=: of equal entries the first one stays
        if nan:
            later |= np.isnan(value)
        np.maximum(y, value, out=y)  # nan if either is
        which = later if which.dtype == bool else np.maximum(which, later * which.dtype.type(k))
    if windows.low[d]:  # where all is -inf, the padding in front has won: the first entry of the input is meant
        behind = windows.low[d] - np.arange(windows.output[d]) * windows.stride[d]
        first = np.maximum(-(-behind // windows.dilation[d]), 0).astype(which.dtype)
        which = np.maximum(which, first.reshape(-1, *[1] * (len(windows.kernel) - 1 - d)))
    return y, which


def spread(dy: Array, which: Array, windows: Windows, d: int) -> Array:
    """Backward of `maximum_along`: dy goes to the entry that was chosen; where windows overlap, it adds up."""
    kernel, stride, dilation = windows.kernel[d], windows.stride[d], windows.dilation[d]
    looks = windows.along(d)
    shape = list(dy.shape)
    shape[d - len(windows.kernel)] = windows.low[d] + windows.input[d] + windows.high[d]
    if stride == kernel and dilation == 1:  # the windows tile the input: each entry is written once, without adding
        dx = np.empty_like(dy, shape=shape, order="C")
        rest = dy
        for k, look in enumerate(looks[1:], start=1):  # astype: a whole array is cast faster than in NumPy's buffers
            part = dy * (which == which.dtype.type(k)).astype(dy.dtype)
            dx[look] = part
            rest = rest - part  # exact: part is dy or 0; what is left when all is done was the first one's
        dx[looks[0]] = rest
        return dx
    dx = np.zeros_like(dy, shape=shape, order="C")
    for k, look in enumerate(looks):
        dx[look] += dy * (which == which.dtype.type(k)).astype(dy.dtype)
    return dx


def flat_indices(chosen: list[Array], windows: Windows) -> Array:
    """Where each maximum stands in the flattened spatial dimensions, int64, from the offsets chosen in each."""
    flat: Any = 0
    for d, which in zip(reversed(range(len(windows.kernel))), chosen, strict=True):
        start = np.arange(windows.output[d]) * windows.stride[d]
        position = (
            start.reshape(-1, *[1] * (len(windows.kernel) - 1 - d)) + which.astype(np.int64) * windows.dilation[d]
        )
        if chosen[0] is not which:  # what was found in the dimensions behind, at the position chosen here
            flat = np.take_along_axis(flat, position, axis=d - len(windows.kernel))
        flat = flat + (position - windows.low[d]) * math.prod(windows.input[d + 1 :])
    return flat


# --- windows that lie anywhere (adaptive and fractional pooling) ------------------------------------------------------


def maximum_at(x: Array, positions: Sequence[Array]) -> tuple[Array, Array]:
    """The maximum over windows given by their positions, and where it stands (flattened).

    x (N, C, *sizes); positions[d] (K, N or 1, C or 1, P): the inputs that the P windows hold in dimension d; a window
    of fewer than K repeats its last one. Returns y and indices (N, C, *P), chosen as in `max_pool`.
    """
    n, sizes = len(positions), x.shape[2:]
    flat: Any = 0
    for d in reversed(range(n)):
        axis = d - n
        looks = [p.reshape(*p.shape[:2], *[1] * d, p.shape[2], *[1] * (n - 1 - d)) for p in positions[d]]
        y = np.take_along_axis(x, looks[0], axis)
        position = np.broadcast_to(looks[0], y.shape)
        for look in looks[1:]:
            value = np.take_along_axis(x, look, axis)
            later = (value > y) | np.isnan(value)
            y = np.maximum(y, value)
            position = np.where(later, look, position)
        if d < n - 1:
            flat = np.take_along_axis(flat, position, axis)
        flat = flat + position * math.prod(sizes[d + 1 :])
        x = y
    return x, flat


def scatter(dy: Array, indices: Array, sizes: Sequence[int]) -> Array:
    """Backward of `maximum_at`: dx (N, C, *sizes), to which each dy (N, C, *P) is added at its index."""
    n = len(sizes)
    dx = np.zeros_like(dy, shape=(*dy.shape[: dy.ndim - n], *sizes), order="C")
    np.add.at(dx.reshape(-1), flat_places(indices, n, math.prod(sizes)), dy.reshape(-1))  # an index can come twice
    return dx


def flat_places(indices: Array, dimensions: int, size: int) -> Array:
    """Indices into each plane of `size` entries as indices into the array of all planes, flattened."""
    batch, positions = indices.shape[: indices.ndim - dimensions], indices.shape[indices.ndim - dimensions :]
    planes = indices.reshape(math.prod(batch), math.prod(positions))
    return (planes + np.arange(len(planes))[:, None] * size).reshape(-1)


# --- the functions of one, two and three dimensions -------------------------------------------------------------------


@takes_any_array
def max_pool1d(x: Array, *args: Any, **options: Any) -> tuple[Any, Backward]:
    """Max pooling of sequences: x ([N,] C, L). See `max_pool`. Equals `torch.nn.functional.max_pool1d`."""
    return max_pool(1, x, *args, **options)


@takes_any_array
def max_pool2d(x: Array, *args: Any, **options: Any) -> tuple[Any, Backward]:
    """Max pooling of images: x ([N,] C, H, W). See `max_pool`. Equals `torch.nn.functional.max_pool2d`."""
    return max_pool(2, x, *args, **options)


@takes_any_array
def max_pool3d(x: Array, *args: Any, **options: Any) -> tuple[Any, Backward]:
    """Max pooling of volumes: x ([N,] C, D, H, W). See `max_pool`. Equals `torch.nn.functional.max_pool3d`."""
    return max_pool(3, x, *args, **options)


class _MaxPool(Module):
    """What the max poolings have in common."""

    function: Callable[..., tuple[Any, Backward]]

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Array) -> tuple[Any, Backward]:
        return bind(
            self.function,
            input,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """`max_pool1d` as a module. Equals `torch.nn.MaxPool1d`."""

    function = staticmethod(max_pool1d)


class MaxPool2d(_MaxPool):
    """`max_pool2d` as a module. Equals `torch.nn.MaxPool2d`."""

    function = staticmethod(max_pool2d)


class MaxPool3d(_MaxPool):
    """`max_pool3d` as a module. Equals `torch.nn.MaxPool3d`."""

    function = staticmethod(max_pool3d)
