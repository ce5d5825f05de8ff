"""Max unpooling: maxima put back where max pooling took them from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_arrays, check_floating
from torchref.nn.max_pooling import flat_places
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.window import Sizes, check_pooled, each, per_dimension


def max_unpool(
    dimensions: int,
    x: Array,
    indices: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> tuple[Array, Backward]:
    """y_(indices_p) = x_p in each plane, and 0 elsewhere: `max_unpool1d`, `max_unpool2d`, `max_unpool3d`.

    `indices` are those that `max_pool` gives with `return_indices`: places in the flattened spatial dimensions of y.
    Kernel, stride and padding only tell y's sizes, (P - 1) stride + kernel - 2 padding; several sizes are pooled to
    the same P, and `output_size` says which is meant. An index that comes twice keeps its last x.

    Shapes: x and indices ([N,] C, *positions), y ([N,] C, *sizes).

    Backward. dx_p = dy_(indices_p). (An x that was overwritten gets that gradient, too: torch's choice.)

    Errors: RuntimeError for indices of another shape or dtype, or out of range; ValueError for an `output_size` that
    cannot be. Equals `torch.nn.functional.max_unpool2d`.
    """
    name = f"max_unpool{dimensions}d"
    check_floating(name, input=x)
    check_arrays(name, indices=indices)
    kernel = per_dimension(name, "kernel_size", kernel_size, dimensions)
    strides = per_dimension(name, "stride", stride if stride is not None else kernel_size, dimensions)
    if x.ndim < dimensions:
        check_pooled(name, dimensions, x)
    sizes = unpooled_sizes(name, x, kernel, strides, per_dimension(name, "padding", padding, dimensions), output_size)
    check_pooled(name, dimensions, x)
    if indices.dtype != np.int64:
        raise RuntimeError(f"{name}(): indices must be an int64 array, but got {indices.dtype}")
    if indices.shape != x.shape:
        raise RuntimeError(f"{name}(): indices must have the input's shape {x.shape}, but got {indices.shape}")
    wrong = (indices < 0) | (indices >= math.prod(sizes))
    if wrong.any():
        raise RuntimeError(f"{name}(): found an invalid index {indices[wrong][0]} for outputs of size {sizes}")
    places = flat_places(indices, dimensions, math.prod(sizes))
    y = np.zeros_like(x, shape=(*x.shape[: x.ndim - dimensions], *sizes), order="C")
    y.reshape(-1)[places] = x.reshape(-1)

    def backward(dy: Array) -> tuple[Array, None]:
        return dy.reshape(-1)[places].reshape(x.shape), None

    return y, backward


def unpooled_sizes(
    name: str, x: Array, kernel: Sizes, stride: Sizes, padding: Sizes, output_size: Sequence[int] | None
) -> Sizes:
    """The sizes of what was pooled. ValueError if `output_size` is none of those that can be."""
    n = len(kernel)
    positions = x.shape[max(x.ndim - n, 0) :]
    default = tuple((p - 1) * s + k - 2 * low for p, s, k, low in zip(positions, stride, kernel, padding, strict=False))
    if output_size is None:
        if min(default) < 0:
            raise ValueError(f"{name}(): kernel_size={kernel!r} and padding={padding!r} give negative sizes {default}")
        return default
    if not isinstance(output_size, Sequence):
        raise TypeError(f"{name}(): output_size must be a sequence of ints, but got {output_size!r}")
    sizes = tuple(output_size)[2 if len(output_size) == n + 2 else 0 :]
    if len(sizes) != n:
        raise ValueError(f"{name}(): output_size must have {n} or {n + 2} elements, but got {output_size!r}")
    for d, (size, middle, s) in enumerate(zip(sizes, default, stride, strict=True)):
        if not middle - s < size < middle + s:
            raise ValueError(
                f"{name}(): invalid output_size={output_size!r}: dimension {d} must be between {middle - s} and "
                f"{middle + s}"
            )
    return sizes


@takes_any_array
def max_unpool1d(
    x: Array,
    indices: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> tuple[Array, Backward]:
    """Max unpooling of sequences: x ([N,] C, P). See `max_unpool`. Equals `torch.nn.functional.max_unpool1d`."""
    return max_unpool(1, x, indices, kernel_size, stride, padding, output_size)


@takes_any_array
def max_unpool2d(
    x: Array,
    indices: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> tuple[Array, Backward]:
    """Max unpooling of images: x ([N,] C, PH, PW). See `max_unpool`. Equals `torch.nn.functional.max_unpool2d`."""
    return max_unpool(2, x, indices, kernel_size, stride, padding, output_size)


@takes_any_array
def max_unpool3d(
    x: Array,
    indices: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> tuple[Array, Backward]:
    """Max unpooling of volumes: x ([N,] C, PD, PH, PW). See `max_unpool`. Equals `torch.nn.functional.max_unpool3d`."""
    return max_unpool(3, x, indices, kernel_size, stride, padding, output_size)


class _MaxUnpool(Module):
    """What the max unpoolings have in common."""

    dimensions: int
    function: Callable[..., tuple[Array, Backward]]

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
    ) -> None:
        self.kernel_size = each(kernel_size, self.dimensions)
        self.stride = each(stride if stride is not None else kernel_size, self.dimensions)
        self.padding = each(padding, self.dimensions)

    def forward(self, input: Array, indices: Array, output_size: Sequence[int] | None = None) -> tuple[Array, Backward]:
        return bind(
            self.function,
            input,
            indices,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            output_size=output_size,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """`max_unpool1d` as a module. Equals `torch.nn.MaxUnpool1d`."""

    dimensions, function = 1, staticmethod(max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """`max_unpool2d` as a module. Equals `torch.nn.MaxUnpool2d`."""

    dimensions, function = 2, staticmethod(max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """`max_unpool3d` as a module. Equals `torch.nn.MaxUnpool3d`."""

    dimensions, function = 3, staticmethod(max_unpool3d)
