"""Spatial transformers: a grid of sampling points from an affine map, and an image read at the points of a grid."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_arrays, check_floating
from torchref.nn.module import Array, Backward
from torchref.nn.upsample import cubic, cubic_slope

MODES = ("bilinear", "nearest", "bicubic")
PADDING_MODES = ("zeros", "border", "reflection")


@takes_any_array(refuses_half=lambda given: 1 in tuple(given["size"])[2:])
def affine_grid(theta: Array, size: Sequence[int], align_corners: bool | None = None) -> tuple[Array, Backward]:
    """grid_p = theta (p, 1): where an affine map takes the centre p = (x, y) or (x, y, z) of each output pixel.

    An image reaches from -1 to 1 in each dimension, so that the n centres lie at (2 i + 1) / n - 1. With
    `align_corners` the first and the last centre lie at -1 and 1 (a single one at 0).

    Shapes: theta (N, 2, 3), size (N, C, H, W), grid (N, H, W, 2); in three dimensions theta (N, 3, 4),
    size (N, C, D, H, W), grid (N, D, H, W, 3).

    Backward. With the rows of points (x, y, 1), grid_npi = sum_j points_pj theta_nij, so
        dL/dtheta_nij = sum_p dgrid_npi points_pj    ->  dtheta = dgrid^T points   for each n

    Errors: ValueError for a theta that is not floating point or does not fit `size`, and for sizes below 1;
    NotImplementedError unless there are 2 or 3 dimensions; RuntimeError for another N than theta's.
    UserWarning where `align_corners` is not said, or is True for a dimension of size 1, as in torch.
    Equals `torch.nn.functional.affine_grid`. Jaderberg et al. 2015.
    """
    check_arrays("affine_grid", theta=theta)
    align = aligned("affine_grid", align_corners)
    check_affine(theta, size, align)
    spatial = tuple(size[2:])
    points = np.ones_like(theta, shape=(*spatial, len(spatial) + 1), order="C")  # (x, y, 1) or (x, y, z, 1)
    for axis, n in enumerate(spatial):
        if align:  # the first and the last pixel's centres are -1 and 1; a single one is at 0
            centres = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
        else:  # the edges are -1 and 1
            centres = (2 * np.arange(n) + 1) / n - 1
        points[..., len(spatial) - 1 - axis] = centres.reshape(-1, *[1] * (len(spatial) - 1 - axis))  # x is the last
    rows = points.reshape(-1, len(spatial) + 1)  # (P, d + 1)
    grid = rows @ theta.swapaxes(1, 2)  # (N, P, d)

    def backward(dgrid: Array) -> Array:
        return dgrid.reshape(grid.shape).swapaxes(1, 2) @ rows  # (N, d, d + 1)

    return grid.reshape(len(theta), *spatial, len(spatial)), backward


@takes_any_array
def grid_sample(
    x: Array, grid: Array, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> tuple[Array, Backward]:
    """y_p = sum_q w(s_p - q) x_q: the image x read between its pixels q, at the place s_p that the grid names.

    A grid entry g in [-1, 1] spans the image. For a dimension of n pixels it lies at the pixel coordinate
        s = (g + 1) n / 2 - 1/2        with `align_corners` s = (g + 1) (n - 1) / 2
    and w is a product of one weight for each dimension, of f = s - floor(s):
        nearest     1 at the pixel nearest to s (halves to the even one)
        bilinear    1 - f at floor(s), f at the pixel behind (in three dimensions too)
        bicubic     Keys' cubic at the four pixels around s (a = -3/4); only in two dimensions
    Beyond the image x counts as 0 (padding_mode "zeros"), as the pixel on the border ("border"), or as the image
    reflected at its border ("reflection"): the last two move s into the image, bicubic the pixels around s.

    Shapes: x (N, C, H, W), grid (N, P, Q, 2) with the last dimension (x, y), y (N, C, P, Q); or x (N, C, D, H, W),
    grid (N, O, P, Q, 3) with (x, y, z), y (N, C, O, P, Q).

    Backward. y is linear in x, and each s enters the weights of its own dimension alone:
        dL/dx_cq  = sum_p dy_cp w(s_p - q)
        dL/ds_pk  = sum_q (sum_c dy_cp x_cq) w_k'(s_pk - q_k) prod_(l != k) w_l(s_pl - q_l)
        dL/dg_pk  = dL/ds_pk n_k / 2         times -1 where s was reflected, 0 where it was moved to the border
    with w' = -1 and 1 for bilinear, Keys' derivative for bicubic, and 0 for nearest: its grid gets no gradient. On a
    pixel bilinear has a kink; the derivative is the one to the right, torch's choice.

    A grid entry that is nan counts as -1 under "border" and "reflection", as torch documents it (its volumes take the
    last pixel), and so does an infinite one under "reflection". Under "zeros" both read nothing: y is 0 for nearest and
    in three dimensions, else nan. Bicubic gives nan for both.

    Errors: ValueError for an unknown mode or padding_mode; RuntimeError for shapes that do not fit, an image without
    pixels, dtypes that differ, bicubic in three dimensions. UserWarning where `align_corners` is not said.
    Equals `torch.nn.functional.grid_sample`. Jaderberg et al. 2015.
    """
    check_sample(x, grid, mode, padding_mode)
    align = aligned("grid_sample", align_corners)
    batch, channels, *sizes = x.shape
    points = grid.reshape(batch, math.prod(grid.shape[1:-1]), len(sizes))  # (N, P, d)
    places = [pixel(points[..., -1 - k], n, padding_mode, align, mode) for k, n in enumerate(sizes)]
    taps = [taps_around(s, n, mode, padding_mode, align) for (s, _), n in zip(places, sizes, strict=True)]
    if len(sizes) == 3:
        taps = [[tap.nothing_outside() for tap in axis] for axis in taps]
    planes = np.arange(batch * channels).reshape(batch, channels, 1) * math.prod(sizes)

    y = np.zeros_like(x, shape=(batch, channels, points.shape[1]), order="C")  # (N, C, P)
    pixels = []  # of each combination of taps: the taps, their places in x, whether they lie inside, their values
    for corner in itertools.product(*taps):
        place, inside = planes, np.ones_like(planes, dtype=bool)
        for tap, stride in zip(corner, strides(sizes), strict=True):
            place = place + tap.position[:, None] * stride  # (N, C, P)
            inside = inside & tap.inside[:, None]
        value = np.where(inside, x.reshape(-1)[place], 0)
        y = y + product(corner)[:, None] * value
        pixels.append((corner, place, inside, value))

    def backward(dy: Array) -> tuple[Array, Array]:
        dy = dy.reshape(y.shape)
        dx = np.zeros_like(x, order="C")
        ds = [np.zeros_like(s) for s, _ in places]  # (N, P) of each dimension
        for corner, place, inside, value in pixels:
            weight = product(corner)[:, None]
            np.add.at(dx.reshape(-1), place.reshape(-1), np.where(inside, dy * weight, 0).reshape(-1))
            dweight = (dy * value).sum(axis=1)  # (N, P): of the product of the weights
            for k, tap in enumerate(corner):
                ds[k] = ds[k] + dweight * tap.slope * product(corner[:k] + corner[k + 1 :])
        dpoints = [dsk * slope for dsk, (_, slope) in zip(ds, places, strict=True)]
        return dx, np.stack(dpoints[::-1], axis=-1).reshape(grid.shape)

    return y.reshape(batch, channels, *grid.shape[1:-1]), backward


class Tap(NamedTuple):
    """One of the pixels around each point, in one dimension; all arrays (N, P)."""

    position: Array  # which pixel; 0 where there is none
    inside: Array  # whether it lies in the image
    weight: Array
    slope: Array  # the derivative of the weight in s

    def nothing_outside(self) -> Tap:
        return self._replace(weight=np.where(self.inside, self.weight, 0), slope=np.where(self.inside, self.slope, 0))


def product(taps: Sequence[Tap]) -> Array:
    """The product of their weights."""
    weight = taps[0].weight
    for tap in taps[1:]:
        weight = weight * tap.weight
    return weight


def taps_around(s: Array, n: int, mode: str, padding_mode: str, align: bool) -> list[Tap]:
    """The pixels that count for the coordinate s, and how much they do."""
    if mode == "nearest":
        return [tap_at(np.rint(s), n, np.ones_like(s), np.zeros_like(s))]
    first = np.floor(s)
    with np.errstate(invalid="ignore"):  # inf - inf
        f = s - first
        if mode == "bilinear":
            one = np.ones_like(s)
            return [tap_at(first, n, 1 - f, -one), tap_at(first + 1, n, f, one)]
        taps = []
        for k in (-1, 0, 1, 2):
            position, _ = padded(first + k, np.ones_like(s), n, padding_mode, align)
            taps.append(tap_at(position, n, cubic(f - k, -0.75), cubic_slope(f - k, -0.75)))
    return taps


def tap_at(position: Array, n: int, weight: Array, slope: Array) -> Tap:
    """The tap at a pixel: its index, whether it lies inside the image, its weight and the weight's slope."""
    position = np.rint(position)  # a whole number, whatever rounding has done to it
    inside = (position >= 0) & (position < n)
    return Tap(np.where(inside, position, 0).astype(np.int64), inside, weight, slope)


def pixel(g: Array, n: int, padding_mode: str, align: bool, mode: str) -> tuple[Array, Array]:
    """The pixel coordinate s of grid entries g, and ds/dg."""
    half = (n - 1) / 2 if align else n / 2
    s = (g + 1) * half
    if not align:
        s = s - 0.5
    slope = np.full_like(s, half)
    return (s, slope) if mode == "bicubic" else padded(s, slope, n, padding_mode, align)


def padded(s: Array, slope: Array, n: int, padding_mode: str, align: bool) -> tuple[Array, Array]:
    """s moved into the image [0, n - 1] as `padding_mode` says, and its slope, by the chain rule."""
    if padding_mode == "zeros":
        return s, slope
    if padding_mode == "reflection":
        s, turned = reflected(s, *((0.0, n - 1) if align else (-0.5, n)))
        slope = np.where(turned, -slope, slope)
    slope = np.where((s > 0) & (s < n - 1), slope, 0)
    return np.where(s > 0, np.minimum(s, n - 1), 0), slope  # nan becomes 0


def reflected(s: Array, low: float, span: int) -> tuple[Array, Array]:
    """s reflected at low and at low + span until it lies between them, and whether it runs backwards there."""
    if span == 0:
        return np.zeros_like(s), np.zeros_like(s, dtype=bool)
    away = np.abs(s - low)
    with np.errstate(invalid="ignore"):  # inf - inf
        rest = away - np.floor(away / (2 * span)) * (2 * span)
    return np.minimum(rest, 2 * span - rest) + low, (s < low) != (rest > span)


def strides(sizes: Sequence[int]) -> list[int]:
    """How far apart neighbours of each dimension lie in an array of these sizes, flattened."""
    return [math.prod(sizes[k + 1 :]) for k in range(len(sizes))]


def aligned(function: str, align_corners: bool | None) -> bool:
    """`align_corners`; without one False, with torch's warning."""
    if align_corners is None:
        warnings.warn(
            f"{function}: align_corners is not given and is taken as False, the default since torch 1.3.0", stacklevel=4
        )
    return bool(align_corners)


def check_affine(theta: Array, size: Sequence[int], align: bool) -> None:
    """The errors of `affine_grid`, as torch raises them."""
    if theta.dtype.kind not in "fc":
        raise ValueError(f"affine_grid(): expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(f"affine_grid(): size must be (N, C, H, W) or (N, C, D, H, W), but got size={size!r}")
    d = len(size) - 2
    if theta.ndim != 3 or theta.shape[1:] != (d, d + 1):
        raise ValueError(
            f"affine_grid(): for size={size!r} theta must have shape (N, {d}, {d + 1}), but has {theta.shape}"
        )
    if not all(isinstance(n, int | np.integer) for n in size):
        raise TypeError(f"affine_grid(): size must be ints, but got size={size!r}")
    if min(size) <= 0:
        raise ValueError(f"affine_grid(): expected non-zero, positive output size, but got size={size!r}")
    if len(theta) != size[0]:
        raise RuntimeError(f"affine_grid(): theta has a batch of {len(theta)}, but size={size!r} one of {size[0]}")
    if align and min(size[2:]) == 1:
        warnings.warn(
            f"affine_grid: with align_corners a dimension of size 1 lies at 0 (size={size!r}), since torch 1.3.0",
            stacklevel=4,
        )


def check_sample(x: Array, grid: Array, mode: str, padding_mode: str) -> None:
    """The errors of `grid_sample`, as torch raises them."""
    if mode not in MODES:
        raise ValueError(f"grid_sample(): mode must be one of {', '.join(MODES)}, but got mode={mode!r}")
    if padding_mode not in PADDING_MODES:
        raise ValueError(
            f"grid_sample(): padding_mode must be one of {', '.join(PADDING_MODES)}, but got {padding_mode=}"
        )
    check_floating("grid_sample", x=x, grid=grid)
    if x.ndim not in (4, 5) or grid.ndim != x.ndim:
        raise RuntimeError(f"grid_sample(): x and grid must both be 4-D or 5-D, but have {x.shape} and {grid.shape}")
    if len(x) != len(grid) or grid.shape[-1] != x.ndim - 2:
        raise RuntimeError(
            f"grid_sample(): for x of shape {x.shape} grid must have shape ({len(x)}, ..., {x.ndim - 2}), "
            f"but has {grid.shape}"
        )
    if 0 in x.shape[2:]:
        raise RuntimeError(f"grid_sample(): x must have pixels in every dimension, but has shape {x.shape}")
    if mode == "bicubic" and x.ndim == 5:
        raise RuntimeError(f"grid_sample(): bicubic needs 4-D x, but it has shape {x.shape}")
