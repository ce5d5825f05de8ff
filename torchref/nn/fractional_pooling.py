"""Fractional max pooling: windows whose distances vary at random, so that sizes shrink by any ratio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchref.nn import random
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_floating, check_integers, check_numbers
from torchref.nn.max_pooling import maximum_at, scatter
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.random import Source
from torchref.nn.window import Sizes, check_pooled, each, per_dimension

Ratio = float | Sequence[float]


def fractional_max_pool(
    dimensions: int,
    x: Array,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Array | None = None,
    *,
    rng: Source | None = None,
) -> tuple[Any, Backward]:
    """Maxima over windows of `kernel_size` that start, in each dimension, at

        start_p = floor((p + u) alpha) - floor(u alpha),    alpha = (n - K) / (P - 1),    start_(P-1) = n - K

    with n inputs, P outputs and one u drawn evenly from [0, 1) for each sample, channel and dimension. The P windows
    span the input; neighbours lie floor(alpha) or ceil(alpha) apart. `_random_samples` (N, C, dimensions) takes the
    place of the draws. As in torch they belong to W, H in two dimensions and to D, H, W in three.

    Shapes: x ([N,] C, *sizes), y ([N,] C, *output_size), the output size given or int(ratio * size).
    Ties, nan and `return_indices` are as in `max_pool`.

    Backward. dx_i = sum over the windows p that chose i of dy_p; the positions are constants.

    Errors: ValueError without output size and ratio, RuntimeError for input or sizes that do not fit. Equals
    `torch.nn.functional.fractional_max_pool2d`. Graham 2014.
    """
    name = f"fractional_max_pool{dimensions}d"
    check_floating(name, input=x, optional={"_random_samples": _random_samples})
    check_pooled(name, dimensions, x)
    kernel = per_dimension(name, "kernel_size", kernel_size, dimensions)
    if min(kernel) < 1:
        raise RuntimeError(f"{name}(): kernel_size must be greater than zero, but got kernel_size={kernel_size!r}")
    sizes = x.shape[x.ndim - dimensions :]
    output = check_output(name, sizes, kernel, output_size, output_ratio)
    x_batch = x if x.ndim == dimensions + 2 else x[None]
    shape = (*x_batch.shape[:2], dimensions)
    samples = random.uniform(0, 1, shape, x.dtype, rng) if _random_samples is None else _random_samples
    if samples.ndim != 3 or samples.shape[1:] != shape[1:] or len(samples) < len(x_batch):
        raise RuntimeError(f"{name}(): expected _random_samples of shape {shape}, but got {samples.shape}")
    samples = samples[: len(x_batch)]  # more than there are inputs may be given
    if dimensions == 2:
        samples = samples[..., ::-1]  # torch's two-dimensional draws start with the width
    positions = [
        fractional_positions(samples[..., d], n, k, p)
        for d, (n, k, p) in enumerate(zip(sizes, kernel, output, strict=True))
    ]
    y, indices = maximum_at(x_batch, positions)
    y_shape = (*x.shape[: x.ndim - dimensions], *output)

    def backward(dy: Array | tuple[Array, None]) -> Array:
        dy = dy[0] if isinstance(dy, tuple) else dy
        return scatter(dy.reshape(indices.shape), indices, sizes).reshape(x.shape)

    return ((y.reshape(y_shape), indices.reshape(y_shape)) if return_indices else y.reshape(y_shape)), backward


def fractional_positions(samples: Array, inputs: int, kernel: int, outputs: int) -> Array:
    """(K, N, C, P): the inputs of each window, from one sample (N, C) for each plane."""
    u = samples[..., None]  # (N, C, 1)
    start = np.full((*samples.shape, outputs), inputs - kernel)
    if outputs > 1:
        alpha = samples.dtype.type(inputs - kernel) / samples.dtype.type(outputs - 1)
        steps = np.arange(outputs - 1).astype(samples.dtype)
        start[..., :-1] = ((steps + u) * alpha).astype(np.int64) - (u * alpha).astype(np.int64)
    return start + np.arange(kernel).reshape(-1, 1, 1, 1)


def check_output(
    name: str,
    sizes: Sizes,
    kernel: Sizes,
    output_size: int | Sequence[int] | None,
    output_ratio: Ratio | None,
) -> Sizes:
    """The output's sizes. Raises what torch raises."""
    if output_size is not None:
        output = per_dimension(name, "output_size", output_size, len(sizes))
    elif output_ratio is not None:
        ratios = each_ratio(output_ratio, len(sizes))
        check_numbers(name, **{f"output_ratio[{d}]": ratio for d, ratio in enumerate(ratios)})
        if len(ratios) < len(sizes):
            raise RuntimeError(f"{name}(): output_ratio needs {len(sizes)} numbers, but got {output_ratio!r}")
        output = tuple(int(n * ratio) for n, ratio in zip(sizes, ratios, strict=False))
    else:
        raise ValueError(f"{name}(): requires output_size or output_ratio, but both are None")
    spare = len(sizes) - 2  # in three dimensions torch wants one input more
    if any(p + k - 1 + spare > n for p, k, n in zip(output, kernel, sizes, strict=True)) or min(output) < 0:
        raise RuntimeError(f"{name}(): kernel {kernel} is too large for output size {output} of input size {sizes}")
    return output


def each_ratio(value: Ratio, dimensions: int) -> tuple[float, ...]:
    """One ratio for each dimension: a single one counts for all."""
    return tuple(value) if isinstance(value, Sequence) else (value,) * dimensions


@takes_any_array
def fractional_max_pool2d(x: Array, *args: Any, rng: Source | None = None, **options: Any) -> tuple[Any, Backward]:
    """Fractional max pooling of images: x ([N,] C, H, W). See `fractional_max_pool`.

    Equals `torch.nn.functional.fractional_max_pool2d`.
    """
    return fractional_max_pool(2, x, *args, rng=rng, **options)


@takes_any_array
def fractional_max_pool3d(x: Array, *args: Any, rng: Source | None = None, **options: Any) -> tuple[Any, Backward]:
    """Fractional max pooling of volumes: x ([N,] C, D, H, W). See `fractional_max_pool`.

    Equals `torch.nn.functional.fractional_max_pool3d`.
    """
    return fractional_max_pool(3, x, *args, rng=rng, **options)


class _FractionalMaxPool(Module):
    """What the fractional max poolings have in common."""

    dimensions: int
    function: Callable[..., tuple[Any, Backward]]
    _random_samples: Array | None

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        output_size: int | Sequence[int] | None = None,
        output_ratio: Ratio | None = None,
        return_indices: bool = False,
        _random_samples: Array | None = None,
    ) -> None:
        name = type(self).__name__
        self.kernel_size = each(kernel_size, self.dimensions)
        check_integers(name, **{f"kernel_size[{d}]": size for d, size in enumerate(self.kernel_size)})
        if self.dimensions == 3 and min(self.kernel_size) <= 0:
            raise ValueError(f"{name}: kernel_size must be greater than 0, but got kernel_size={kernel_size!r}")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = each(output_size, self.dimensions) if output_size is not None else None
        self.output_ratio = each_ratio(output_ratio, self.dimensions) if output_ratio is not None else None
        self.rng: Source | None = None
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{name}: exactly one of output_size and output_ratio must be given, but got "
                f"output_size={output_size!r}, output_ratio={output_ratio!r}"
            )
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"{name}: output_ratio must be between 0 and 1, but got output_ratio={output_ratio!r}")

    def forward(self, input: Array) -> tuple[Any, Backward]:
        return bind(
            self.function,
            input,
            kernel_size=self.kernel_size,
            output_size=self.output_size,
            output_ratio=self.output_ratio,
            return_indices=self.return_indices,
            _random_samples=self._random_samples,
            rng=self.rng,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """`fractional_max_pool2d` as a module. Equals `torch.nn.FractionalMaxPool2d`."""

    dimensions, function = 2, staticmethod(fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """`fractional_max_pool3d` as a module. Equals `torch.nn.FractionalMaxPool3d`."""

    dimensions, function = 3, staticmethod(fractional_max_pool3d)
