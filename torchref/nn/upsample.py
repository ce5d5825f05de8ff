"""Interpolation: images of another size, by one weight matrix for each dimension."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchref.nn.adaptive_pooling import adaptive_avg_pool
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_floating
from torchref.nn.module import Array, Backward, Module, bind

Size = int | Sequence[int]
Factor = float | Sequence[float]

LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}  # mode: the number of dimensions that it is for
PLANAR = {"bicubic": 2, "lanczos": 2}
ANY = ("nearest", "nearest-exact", "area")


@takes_any_array(refuses_half=lambda given: bool(given.get("antialias")))
def interpolate(
    x: Array,
    size: Size | None = None,
    scale_factor: Factor | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> tuple[Array, Backward]:
    """y_q = sum_i W_qi x_i in one spatial dimension after the other; the rows of W sum to 1.

    Output q lies at input coordinate s = (q + 1/2) n/P - 1/2 (pixels are areas; `align_corners`: s = q (n-1)/(P-1),
    pixels are points). Row q of the matrix W (P, n) then holds, for f = s - floor(s),
        nearest, nearest-exact    1 at floor(q n/P); at floor((q + 1/2) n/P)
        linear, bi-, trilinear    1 - f at floor(s), f at the entry behind
        bicubic                   Keys' cubic at the four entries around s (a = -3/4)
        antialias                 the linear, cubic (a = -1/2) or Lanczos filter, stretched where the image shrinks
        area                      the mean of the entries that output q covers: `adaptive_avg_pool`
    beyond the border counts as the entry on it. With `scale_factor`, P = floor(n scale_factor) and n/P above is
    1 / scale_factor, unless `recompute_scale_factor`.

    Shapes: x (N, C, *sizes), y (N, C, *size) in one to three dimensions.

    Backward. y = W x in each dimension, so  dx = W^T dy  in each. torch's own backward takes another W than its forward
    where a `scale_factor` such as 1.05 or 2.1 gives n or 2 n outputs (nearest in one and three dimensions, bicubic and
    antialias); here dx is the gradient of y, and y is torch's.

    W is dense: one matrix product a dimension. A nan therefore spreads over its whole row and column, in torch only to
    its neighbours (nearest copies and spreads nothing).

    Errors: ValueError for options that contradict, NotImplementedError for a mode with the wrong number of dimensions,
    RuntimeError for sizes below 1. Equals `torch.nn.functional.interpolate`. Keys 1981 (bicubic).
    """
    check_floating("interpolate", input=x)
    output, factors = output_sizes(x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    dimensions = len(output)
    if mode == "area":
        return adaptive_avg_pool(dimensions, x, output)

    matrices = []
    y = x
    for n, p, factor, axis in zip(x.shape[2:], output, factors, range(-dimensions, 0), strict=True):
        if mode in ("nearest", "nearest-exact"):
            index = nearest_index(n, p, factor, mode == "nearest-exact", dimensions)
            y = np.take(y, index, axis=axis)
            weights = np.equal(index[:, None], np.arange(n))  # one 1 in each row
        else:
            scale = source_scale(n, p, factor, bool(align_corners))
            make = filter_weights if antialias else spline_weights
            weights = make(n, p, scale, mode, bool(align_corners))
            y = along(weights.astype(x.dtype), y, axis)
        matrices.append(weights.astype(x.dtype))  # (P, n)

    def backward(dy: Array) -> Array:
        dx = dy
        for axis, weights in zip(range(-dimensions, 0), matrices, strict=True):
            dx = along(weights.T, dx, axis)
        return dx

    return y, backward


@takes_any_array
def upsample(
    x: Array,
    size: Size | None = None,
    scale_factor: Factor | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> tuple[Array, Backward]:
    """`interpolate` under its old name; warns that it is deprecated. Equals `torch.nn.functional.upsample`."""
    warn_deprecated("upsample")
    return interpolate(x, size, scale_factor, mode, align_corners)


@takes_any_array
def upsample_nearest(x: Array, size: Size | None = None, scale_factor: Factor | None = None) -> tuple[Array, Backward]:
    """`interpolate` in mode "nearest"; warns that it is deprecated. Equals `torch.nn.functional.upsample_nearest`."""
    warn_deprecated("upsample_nearest")
    return interpolate(x, size, scale_factor, mode="nearest")


@takes_any_array
def upsample_bilinear(x: Array, size: Size | None = None, scale_factor: Factor | None = None) -> tuple[Array, Backward]:
    """`interpolate` in mode "bilinear" with aligned corners; warns that it is deprecated.

    Equals `torch.nn.functional.upsample_bilinear`.
    """
    warn_deprecated("upsample_bilinear")
    return interpolate(x, size, scale_factor, mode="bilinear", align_corners=True)


def warn_deprecated(function: str) -> None:
    """torch's warning, for the line that calls `function`."""
    warnings.warn(f"{function} is deprecated: use interpolate instead", stacklevel=4)


def along(matrix: Array, x: Array, axis: int) -> Array:
    """matrix (P, n) times x along `axis`, which has n entries and then P."""
    if axis == -1:
        return x @ matrix.T
    behind = math.prod(x.shape[axis + 1 :])
    y = matrix @ x.reshape(*x.shape[:axis], x.shape[axis], behind)  # (..., P, behind)
    return y.reshape(*x.shape[:axis], len(matrix), *x.shape[axis + 1 :])


def nearest_index(n: int, p: int, factor: float | None, exact: bool, dimensions: int) -> Array:
    """The input that each output copies. In float32 whatever the input's dtype, as torch computes it."""
    q = np.arange(p)
    if dimensions == 2 and not exact and p in (n, 2 * n):  # only here torch takes no notice of the factor
        return q * n // p
    scale = np.float32(1 / factor) if factor else np.float32(n) / np.float32(p)
    position = (q.astype(np.float32) + np.float32(0.5 if exact else 0)) * scale
    return np.minimum(np.floor(position).astype(np.int64), n - 1)


def source_scale(n: int, p: int, factor: float | None, align_corners: bool) -> float:
    """How many input entries one output step is long."""
    if align_corners:
        return (n - 1) / (p - 1) if p > 1 else 0.0
    return 1 / factor if factor else n / p


def spline_weights(n: int, p: int, scale: float, mode: str, align_corners: bool) -> Array:
    """(P, n): linear or cubic interpolation at the source coordinate of each output."""
    q = np.arange(p)
    source = q * scale if align_corners else (q + 0.5) * scale - 0.5  # (P)
    if mode == "bicubic":
        first = np.floor(source)
        taps = [(first + k, cubic(source - first - k, -0.75)) for k in (-1, 0, 1, 2)]
    else:
        source = q.astype(float) if p == n else np.maximum(source, 0)  # torch copies where the size stays
        first = np.minimum(np.floor(source), n - 1)
        f = np.clip(source - first, 0, 1)
        taps = [(first, 1 - f), (first + 1, f)]
    weights = np.zeros((p, n))
    for position, weight in taps:  # what lies beyond the border counts as the entry on it: weights add up there
        weights[q, np.clip(position, 0, n - 1).astype(np.int64)] += weight
    return weights


def filter_weights(n: int, p: int, scale: float, mode: str, _align_corners: bool) -> Array:
    """(P, n): a filter around each output's centre, stretched where the image shrinks so that every input counts."""
    filters: dict[str, tuple[Any, int]] = {
        "bilinear": (lambda t: np.maximum(1 - np.abs(t), 0), 1),
        "bicubic": (lambda t: cubic(t, -0.5), 2),
        "lanczos": (lambda t: np.sinc(t) * np.sinc(t / 3) * (np.abs(t) < 3), 3),
    }
    function, radius = filters[mode]
    stretch = max(scale, 1.0)
    if p == n:
        return np.eye(n)  # torch copies where the size stays
    centre = (np.arange(p)[:, None] + 0.5) * scale  # (P, 1)
    i = np.arange(n)
    first = np.maximum((centre - radius * stretch + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + radius * stretch + 0.5).astype(np.int64), n)
    weights = function((i + 0.5 - centre) / stretch) * ((i >= first) & (i < end))
    return weights / weights.sum(axis=1, keepdims=True)


def cubic(t: Array, a: float) -> Array:
    """Keys' cubic convolution kernel: 1 at 0, 0 at every other integer, a its slope at 1."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t >= 2, 0, far))


def cubic_slope(t: Array, a: float) -> Array:
    """The derivative of `cubic` in t."""
    distance = np.abs(t)
    near = (3 * (a + 2) * distance - 2 * (a + 3)) * distance
    far = (3 * a * distance - 10 * a) * distance + 8 * a
    return np.sign(t) * np.where(distance <= 1, near, np.where(distance >= 2, 0, far))


def output_sizes(
    x: Array,
    size: Size | None,
    scale_factor: Factor | None,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
    antialias: bool,
) -> tuple[tuple[int, ...], list[float | None]]:
    """The output's sizes, and the factor that was given for each dimension. Raises what torch raises."""
    dimensions = x.ndim - 2
    if mode in ANY and align_corners is not None:
        raise ValueError(f"interpolate(): align_corners={align_corners} can only be set with linear and cubic modes")
    check_one_is_given(size, scale_factor, recompute_scale_factor)
    given = size if size is not None else scale_factor
    if dimensions not in (1, 2, 3) and not isinstance(given, list | tuple):
        raise NotImplementedError(f"interpolate(): only 3D, 4D and 5D input is supported, but got {x.shape}")
    values: list[Any] = list(given) if isinstance(given, list | tuple) else [given] * dimensions
    if len(values) != dimensions:
        raise ValueError(f"interpolate(): {given!r} does not fit the {dimensions} spatial dimensions of {x.shape}")
    if size is not None and not all(isinstance(value, int | np.integer) for value in values):
        raise TypeError(f"interpolate(): size must be ints, but got size={size!r}")
    check_mode(x, mode, align_corners, antialias)
    if size is not None:
        output = tuple(int(value) for value in values)
        factors: list[float | None] = [None] * dimensions
    else:
        if not all(isinstance(value, int | float | np.number) for value in values):
            raise TypeError(f"interpolate(): scale_factor must be numbers, but got scale_factor={scale_factor!r}")
        if not all(math.isfinite(value) for value in values):
            raise RuntimeError(f"interpolate(): scale_factor must be finite, but got scale_factor={scale_factor!r}")
        output = tuple(int(n * value) for n, value in zip(x.shape[2:], values, strict=True))
        factors = [None] * dimensions if recompute_scale_factor else values
    if min(output) < 1 or 0 in x.shape[1:]:
        raise RuntimeError(f"interpolate(): sizes must be greater than 0, but got input {x.shape} and output {output}")
    return output, factors


def check_one_is_given(size: Size | None, scale_factor: Factor | None, recompute_scale_factor: bool | None) -> None:
    """ValueError for both of size and factor, or neither, and for a size that is to be computed again."""
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"interpolate(): exactly one of size and scale_factor must be given, but got size={size!r}, "
            f"scale_factor={scale_factor!r}"
        )
    if recompute_scale_factor and size is not None:
        raise ValueError(f"interpolate(): recompute_scale_factor is not meaningful with size={size!r}")


def check_mode(x: Array, mode: str, align_corners: bool | None, antialias: bool) -> None:
    """That the mode is there for so many dimensions, and fits the two flags."""
    dimensions = x.ndim - 2
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and x.ndim == 4):
        raise ValueError(f"interpolate(): antialias needs bilinear, bicubic or lanczos and 4D input, but got {mode=}")
    needed = {**LINEAR, **PLANAR}.get(mode, dimensions if mode in ANY and 1 <= dimensions <= 3 else None)
    if needed != dimensions:
        raise NotImplementedError(f"interpolate(): mode {mode!r} is not there for input of shape {x.shape}")
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError(f"interpolate(): lanczos needs antialias=True and no align_corners, but got {align_corners=}")


class Upsample(Module):
    """`interpolate` as a module. Equals `torch.nn.Upsample`."""

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: Factor | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        self.name = type(self).__name__
        self.size = size
        self.scale_factor: Factor | None
        if isinstance(scale_factor, Sequence):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(
            interpolate,
            input,
            size=self.size,
            scale_factor=self.scale_factor,
            mode=self.mode,
            align_corners=self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        what = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` in mode "nearest". Equals `torch.nn.UpsamplingNearest2d`."""

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` in mode "bilinear" with aligned corners. Equals `torch.nn.UpsamplingBilinear2d`."""

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
