"""Entries of pooling and of changes of resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchref.nn import functional as F
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import bind, entry

bind(
    _adaptive_avg_pool2d=F.adaptive_avg_pool2d,
    _adaptive_avg_pool3d=F.adaptive_avg_pool3d,
    pixel_shuffle=F.pixel_shuffle,
    pixel_unshuffle=F.pixel_unshuffle,
    native_channel_shuffle=F.channel_shuffle,
    channel_shuffle=F.channel_shuffle,
)

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def with_indices(pool: Callable[..., Any], x: Array, *args: Any) -> tuple[tuple[Array, Array], Backward]:
    (y, indices), pool_backward = pool(x, *args, return_indices=True)

    def backward(doutputs: tuple[Array | None, ...]) -> Array:
        gradient: Array = pool_backward((doutputs[0], None))
        return gradient

    return (y, indices), backward


def strides(stride: Any, kernel: Any) -> Any:
    """An empty stride is the kernel's size."""
    return stride if not isinstance(stride, tuple | list) or stride else kernel


def max_pool(pool: Callable[..., Any]) -> Callable[..., Any]:
    def entered(
        x: Array, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> Any:
        return with_indices(pool, x, kernel, strides(stride, kernel), padding, dilation, ceil_mode)

    return entered


def average_pool(pool: Callable[..., Any]) -> Callable[..., Any]:
    def entered(x: Array, kernel: Any, stride: Any = (), *options: Any) -> Any:
        return pool(x, kernel, strides(stride, kernel), *options)

    return entered


bind(
    max_pool2d_with_indices=max_pool(F.max_pool2d),
    max_pool3d_with_indices=max_pool(F.max_pool3d),
    avg_pool2d=average_pool(F.avg_pool2d),
    avg_pool3d=average_pool(F.avg_pool3d),
)


@entry("adaptive_max_pool2d")
def adaptive_max_pool2d(x: Array, size: Any) -> tuple[tuple[Array, Array], Backward]:
    return with_indices(F.adaptive_max_pool2d, x, size)


@entry("adaptive_max_pool3d")
def adaptive_max_pool3d(x: Array, size: Any) -> tuple[tuple[Array, Array], Backward]:
    return with_indices(F.adaptive_max_pool3d, x, size)


@entry("fractional_max_pool2d")
def fractional_max_pool2d(x: Array, kernel: Any, size: Any, samples: Array) -> tuple[tuple[Array, Array], Backward]:
    (y, indices), pool_backward = F.fractional_max_pool2d(
        x, tuple(kernel), tuple(size), return_indices=True, _random_samples=samples
    )

    def backward(doutputs: tuple[Array | None, ...]) -> Any:
        return pool_backward((doutputs[0], None))

    return (y, indices), backward


def resized(x: Array, size: Sequence[int], scales: Sequence[float | None], mode: str, align: bool | None) -> Any:
    """torch's kernels take the scale where it was given, and else the ratio of the sizes."""
    if all(scale is not None for scale in scales):
        expected = tuple(int(n * (s or 1)) for n, s in zip(x.shape[2:], scales, strict=True))
        if expected == tuple(size):
            return F.interpolate(x, scale_factor=tuple(float(s or 1) for s in scales), mode=mode, align_corners=align)
    return F.interpolate(x, size=tuple(size), mode=mode, align_corners=align)


def nearest(mode: str) -> Callable[..., Any]:
    def entered(x: Array, size: Sequence[int], *scales: Any, **named: Any) -> Any:
        return resized(x, size, scales or tuple(named.values()) or (None,), mode, None)

    return entered


def smooth(mode: str) -> Callable[..., Any]:
    def entered(x: Array, size: Sequence[int], align_corners: bool, *scales: Any, **named: Any) -> Any:
        return resized(x, size, scales or tuple(named.values()) or (None,), mode, align_corners)

    return entered


bind(
    upsample_nearest1d=nearest("nearest"),
    upsample_nearest2d=nearest("nearest"),
    upsample_nearest3d=nearest("nearest"),
    _upsample_nearest_exact1d=nearest("nearest-exact"),
    _upsample_nearest_exact2d=nearest("nearest-exact"),
    upsample_linear1d=smooth("linear"),
    upsample_bilinear2d=smooth("bilinear"),
    upsample_trilinear3d=smooth("trilinear"),
    upsample_bicubic2d=smooth("bicubic"),
)


@entry("grid_sampler_2d", "grid_sampler_3d", "grid_sampler")
def grid_sampler(x: Array, grid: Array, mode: int, padding: int, align_corners: bool) -> tuple[Array, Backward]:
    return F.grid_sample(x, grid, MODES[mode], PADDINGS[padding], align_corners)


@entry("affine_grid_generator")
def affine_grid(theta: Array, size: Sequence[int], align_corners: bool) -> tuple[Array, Backward]:
    return F.affine_grid(theta, tuple(size), align_corners)


@entry("max_unpool2d")
def max_unpool2d(x: Array, indices: Array, size: Sequence[int]) -> tuple[Array, Backward]:
    kernel = tuple(n // m for n, m in zip(size, x.shape[-2:], strict=True))
    return F.max_unpool2d(x, indices, kernel, output_size=tuple(size))
