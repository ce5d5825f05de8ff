"""Adaptive pooling: a given number of outputs from an input of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_floating
from torchref.nn.max_pooling import maximum_at, scatter
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.window import Sizes, check_pooled

OutputSize = int | None | Sequence[int | None]


def adaptive_avg_pool(dimensions: int, x: Array, output_size: OutputSize) -> tuple[Array, Backward]:
    """Means over P windows that cover the n inputs of each dimension: `adaptive_avg_pool1d`, ... 2d, 3d.

    Window p holds the inputs floor(p n / P) <= i < ceil((p + 1) n / P): neighbours share an entry where P does not
    divide n. None in `output_size` keeps a dimension's size.

        y_p = 1 / |window p|  sum_(i in window p) x_i        in one dimension after the other

    Shapes: x ([N,] C, *sizes), y ([N,] C, *output_size).

    Backward. dx_i = sum over the windows p that hold i of dy_p / |window p|.

    Errors: RuntimeError for input or sizes that do not fit. Equals `torch.nn.functional.adaptive_avg_pool2d`.
    """
    name = f"adaptive_avg_pool{dimensions}d"
    check_floating(name, input=x)
    output = check_output_size(name, dimensions, x, output_size)
    sizes = x.shape[x.ndim - dimensions :]
    y = x
    for axis in range(-dimensions, 0):
        y = means(y, sizes[axis], output[axis], axis)

    def backward(dy: Array) -> Array:
        dx = dy
        for axis in range(-dimensions, 0):
            dx = spread_means(dx, sizes[axis], output[axis], axis)
        return dx

    return y, backward


def means(x: Array, inputs: int, outputs: int, axis: int) -> Array:
    """The mean of each adaptive window along `axis`."""
    x = np.moveaxis(x, axis, 0)
    y = np.empty_like(x, shape=(outputs, *x.shape[1:]), order="C")
    for p, (start, end) in enumerate(adaptive_windows(inputs, outputs)):
        y[p] = x[start:end].sum(axis=0) / (end - start)
    return np.moveaxis(y, 0, axis)


def spread_means(dy: Array, inputs: int, outputs: int, axis: int) -> Array:
    """Backward of `means`: each entry of a window gets an equal share; windows overlap, so shares add up."""
    dy = np.moveaxis(dy, axis, 0)
    dx = np.zeros_like(dy, shape=(inputs, *dy.shape[1:]), order="C")
    for p, (start, end) in enumerate(adaptive_windows(inputs, outputs)):
        dx[start:end] += dy[p] / (end - start)
    return np.moveaxis(dx, 0, axis)


def adaptive_windows(inputs: int, outputs: int) -> list[tuple[int, int]]:
    """(start, end) of each window."""
    return [(p * inputs // outputs, -(-(p + 1) * inputs // outputs)) for p in range(outputs)]


def adaptive_max_pool(
    dimensions: int, x: Array, output_size: OutputSize, return_indices: bool = False
) -> tuple[Any, Backward]:
    """Maxima over the windows of `adaptive_avg_pool`: `adaptive_max_pool1d`, ... 2d, 3d.

    Ties, nan and `return_indices` are as in `max_pool`. Shapes: x ([N,] C, *sizes), y ([N,] C, *output_size).

    Backward. dx_i = sum over the windows p that chose i of dy_p.

    Errors: RuntimeError for input or sizes that do not fit. Equals `torch.nn.functional.adaptive_max_pool2d`.
    """
    name = f"adaptive_max_pool{dimensions}d"
    check_floating(name, input=x)
    output = check_output_size(name, dimensions, x, output_size)
    sizes = x.shape[x.ndim - dimensions :]
    positions = [adaptive_positions(*n) for n in zip(sizes, output, strict=True)]
    x_batch = x if x.ndim == dimensions + 2 else x[None]
    y, indices = maximum_at(x_batch, positions)
    shape = (*x.shape[: x.ndim - dimensions], *output)

    def backward(dy: Array | tuple[Array, None]) -> Array:
        dy = dy[0] if isinstance(dy, tuple) else dy
        return scatter(dy.reshape(indices.shape), indices, sizes).reshape(x.shape)

    return ((y.reshape(shape), indices.reshape(shape)) if return_indices else y.reshape(shape)), backward


def adaptive_positions(inputs: int, outputs: int) -> Array:
    """(K, 1, 1, P): the inputs of each window; a shorter one repeats its last."""
    start, end = np.array(adaptive_windows(inputs, outputs), dtype=np.int64).reshape(outputs, 2).T
    offsets = np.arange(max(1, *(end - start))) if outputs else np.arange(1)
    return np.minimum(start + offsets[:, None], end - 1)[:, None, None]


def check_output_size(function: str, dimensions: int, x: Array, output_size: OutputSize) -> Sizes:
    """`output_size` with one number a dimension. Raises what torch raises."""
    if dimensions > 1 and isinstance(output_size, Sequence) and x.ndim <= len(output_size):
        raise ValueError(
            f"{function}(): input for output_size={output_size!r} needs at least {len(output_size) + 1} dimensions, "
            f"but got {x.shape}"
        )
    check_pooled(function, dimensions, x)
    if isinstance(output_size, str):
        raise TypeError(f"{function}(): argument 'output_size' must be ints, but got {output_size!r}")
    wanted = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * dimensions
    if any(not isinstance(n, int | None) or isinstance(n, bool) or (n is None and dimensions == 1) for n in wanted):
        raise TypeError(f"{function}(): argument 'output_size' must be ints, but got {output_size!r}")
    if len(wanted) != dimensions:
        raise RuntimeError(f"{function}(): output_size must have {dimensions} elements, but got {output_size!r}")
    output = tuple(size if n is None else n for size, n in zip(x.shape[x.ndim - dimensions :], wanted, strict=True))
    if min(output) < 0:
        raise RuntimeError(f"{function}(): output_size must not be negative, but got {output_size!r}")
    return output


@takes_any_array
def adaptive_avg_pool1d(x: Array, output_size: OutputSize) -> tuple[Array, Backward]:
    """Adaptive average pooling of sequences: x ([N,] C, L). See `adaptive_avg_pool`.

    Equals `torch.nn.functional.adaptive_avg_pool1d`.
    """
    return adaptive_avg_pool(1, x, output_size)


@takes_any_array
def adaptive_avg_pool2d(x: Array, output_size: OutputSize) -> tuple[Array, Backward]:
    """Adaptive average pooling of images: x ([N,] C, H, W). See `adaptive_avg_pool`.

    Equals `torch.nn.functional.adaptive_avg_pool2d`.
    """
    return adaptive_avg_pool(2, x, output_size)


@takes_any_array
def adaptive_avg_pool3d(x: Array, output_size: OutputSize) -> tuple[Array, Backward]:
    """Adaptive average pooling of volumes: x ([N,] C, D, H, W). See `adaptive_avg_pool`.

    Equals `torch.nn.functional.adaptive_avg_pool3d`.
    """
    return adaptive_avg_pool(3, x, output_size)


@takes_any_array
def adaptive_max_pool1d(x: Array, output_size: OutputSize, return_indices: bool = False) -> tuple[Any, Backward]:
    """Adaptive max pooling of sequences: x ([N,] C, L). See `adaptive_max_pool`.

    Equals `torch.nn.functional.adaptive_max_pool1d`.
    """
    return adaptive_max_pool(1, x, output_size, return_indices)


@takes_any_array
def adaptive_max_pool2d(x: Array, output_size: OutputSize, return_indices: bool = False) -> tuple[Any, Backward]:
    """Adaptive max pooling of images: x ([N,] C, H, W). See `adaptive_max_pool`.

    Equals `torch.nn.functional.adaptive_max_pool2d`.
    """
    return adaptive_max_pool(2, x, output_size, return_indices)


@takes_any_array
def adaptive_max_pool3d(x: Array, output_size: OutputSize, return_indices: bool = False) -> tuple[Any, Backward]:
    """Adaptive max pooling of volumes: x ([N,] C, D, H, W). See `adaptive_max_pool`.

    Equals `torch.nn.functional.adaptive_max_pool3d`.
    """
    return adaptive_max_pool(3, x, output_size, return_indices)


# --- modules ----------------------------------------------------------------------------------------------------------


class _AdaptiveAvgPool(Module):
    """What the adaptive average poolings have in common."""

    function: Callable[..., tuple[Array, Backward]]

    def __init__(self, output_size: OutputSize) -> None:
        self.output_size = output_size

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(self.function, input, output_size=self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """`adaptive_avg_pool1d` as a module. Equals `torch.nn.AdaptiveAvgPool1d`."""

    function = staticmethod(adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """`adaptive_avg_pool2d` as a module. Equals `torch.nn.AdaptiveAvgPool2d`."""

    function = staticmethod(adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """`adaptive_avg_pool3d` as a module. Equals `torch.nn.AdaptiveAvgPool3d`."""

    function = staticmethod(adaptive_avg_pool3d)


class _AdaptiveMaxPool(Module):
    """What the adaptive max poolings have in common."""

    function: Callable[..., tuple[Any, Backward]]

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Array) -> tuple[Any, Backward]:
        return bind(self.function, input, output_size=self.output_size, return_indices=self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """`adaptive_max_pool1d` as a module. Equals `torch.nn.AdaptiveMaxPool1d`."""

    function = staticmethod(adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """`adaptive_max_pool2d` as a module. Equals `torch.nn.AdaptiveMaxPool2d`."""

    function = staticmethod(adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """`adaptive_max_pool3d` as a module. Equals `torch.nn.AdaptiveMaxPool3d`."""

    function = staticmethod(adaptive_max_pool3d)
