"""Modules that move entries and change none: Flatten, Unflatten, PixelShuffle, ... Their backward moves them back."""

from __future__ import annotations

import math

import numpy as np

from torchref.nn.any_array import no_gradient, takes_any_array
from torchref.nn.errors import check_arrays, check_integers, normalize_dim
from torchref.nn.module import Array, Backward, Module, bind


@takes_any_array
def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> tuple[Array, Backward]:
    """Dimensions start_dim ... end_dim as one: (N, C, H, W) -> (N, C H W) with start_dim=1. A 0-d array becomes (1).

    Backward. Nothing is computed, so nothing but the shape changes:  dx = dy in x's shape.

    Errors: IndexError for a dimension out of range, RuntimeError if start_dim comes after end_dim.
    Equals `torch.flatten`.
    """
    check_arrays("flatten", input=x)
    start = normalize_dim("flatten", start_dim, x.ndim)
    end = normalize_dim("flatten", end_dim, x.ndim)
    if start > end:
        raise RuntimeError(f"flatten(): start_dim={start_dim} cannot come after end_dim={end_dim} for {x.shape}")
    y = x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])

    def backward(dy: Array) -> Array:
        return dy.reshape(x.shape)

    return y, backward


class Flatten(Module):
    """`flatten` as a module, from dimension 1 on. Equals `torch.nn.Flatten`."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(flatten, input, start_dim=self.start_dim, end_dim=self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


@takes_any_array
def unflatten(x: Array, dim: int, sizes: tuple[int, ...] | list[int]) -> tuple[Array, Backward]:
    """Dimension `dim` as several: (N, C H W) -> (N, C, H, W) with dim=1, sizes=(C, H, W). One size may be -1.

    Backward:  dx = dy in x's shape.

    Errors: IndexError for `dim` out of range, RuntimeError if the sizes do not multiply to the dimension's.
    Equals `torch.unflatten`.
    """
    check_arrays("unflatten", input=x)
    dim = normalize_dim("unflatten", dim, x.ndim)
    if not isinstance(sizes, tuple | list):
        raise TypeError(f"unflatten(): argument 'sizes' must be a tuple of ints, not {sizes!r}")
    check_integers("unflatten", **{f"sizes[{i}]": size for i, size in enumerate(sizes)})
    if len(sizes) == 0 or x.ndim == 0:
        raise RuntimeError(f"unflatten(): sizes {tuple(sizes)} and x of shape {x.shape} must be non-empty")
    known = math.prod(size for size in sizes if size != -1)
    unknown = sum(size == -1 for size in sizes)
    length = x.shape[dim]
    fits = length == known if unknown == 0 else unknown == 1 and known > 0 and length % known == 0
    if not fits or min(sizes) < -1:
        raise RuntimeError(
            f"unflatten(): sizes {tuple(sizes)} don't multiply up to the size of dim {dim} ({length}) of {x.shape}"
        )
    full = (length // known if size == -1 else size for size in sizes)
    y = x.reshape(*x.shape[:dim], *full, *x.shape[dim + 1 :])

    def backward(dy: Array) -> Array:
        return dy.reshape(x.shape)

    return y, backward


class Unflatten(Module):
    """`unflatten` as a module (dimensions by number; torch's named ones have no meaning here).

    Equals `torch.nn.Unflatten`.
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        if not isinstance(unflattened_size, tuple | list):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found type {type(unflattened_size).__name__}"
            )
        for i, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    f"unflattened_size must be tuple of ints, but found element {size!r} of type "
                    f"{type(size).__name__} at pos {i}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(unflatten, input, dim=self.dim, sizes=self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


@takes_any_array
def pixel_shuffle(x: Array, upscale_factor: int) -> tuple[Array, Backward]:
    """r^2 channels as one of r times the height and width: y_(c, h r + i, w r + j) = x_(c r^2 + i r + j, h, w).

    Shapes: x (..., C r^2, H, W), y (..., C, H r, W r), r = upscale_factor.

    Backward. Every entry moves, none is changed, so dy moves back:  dx = pixel_unshuffle(dy).

    Errors: RuntimeError for fewer than 3 dimensions, r < 1, or channels that r^2 does not divide.
    Equals `torch.nn.functional.pixel_shuffle`. Shi et al. 2016.
    """
    check_arrays("pixel_shuffle", input=x)
    r = upscale_factor
    check_integers("pixel_shuffle", upscale_factor=r)
    check_shuffle("pixel_shuffle", x, "upscale_factor", r)
    channels, height, width = x.shape[-3:]
    if channels % (r * r):
        raise RuntimeError(
            f"pixel_shuffle(): channels of {x.shape} must be divisible by the square of upscale_factor={r}"
        )
    y = interleave(x, channels // (r * r), height, width, r)

    def backward(dy: Array) -> Array:
        return separate(dy, channels // (r * r), height, width, r)

    return y, backward


@takes_any_array
def pixel_unshuffle(x: Array, downscale_factor: int) -> tuple[Array, Backward]:
    """The reverse of `pixel_shuffle`: every r x r square of entries becomes r^2 channels.

    Shapes: x (..., C, H r, W r), y (..., C r^2, H, W), r = downscale_factor.

    Backward:  dx = pixel_shuffle(dy).

    Errors: RuntimeError for fewer than 3 dimensions, r < 1, or a height or width that r does not divide.
    Equals `torch.nn.functional.pixel_unshuffle`.
    """
    check_arrays("pixel_unshuffle", input=x)
    r = downscale_factor
    check_integers("pixel_unshuffle", downscale_factor=r)
    check_shuffle("pixel_unshuffle", x, "downscale_factor", r)
    channels, height, width = x.shape[-3:]
    if height % r or width % r:
        raise RuntimeError(
            f"pixel_unshuffle(): height and width of {x.shape} must be divisible by downscale_factor={r}"
        )
    y = separate(x, channels, height // r, width // r, r)

    def backward(dy: Array) -> Array:
        return interleave(dy, channels, height // r, width // r, r)

    return y, backward


def check_shuffle(function: str, x: Array, name: str, factor: int) -> None:
    """x must have channels, height and width, and the factor be positive. RuntimeError otherwise."""
    if x.ndim < 3:
        raise RuntimeError(f"{function}(): expects input to have at least 3 dimensions, but got {x.shape}")
    if factor < 1:
        raise RuntimeError(f"{function}(): expects a positive {name}, but got {name}={factor}")


def interleave(x: Array, channels: int, height: int, width: int, r: int) -> Array:
    """(..., C r^2, H, W) -> (..., C, H r, W r)"""
    batch = x.shape[:-3]
    x = x.reshape(*batch, channels, r, r, height, width)  # (..., C, i, j, H, W)
    x = np.moveaxis(x, (-4, -3), (-3, -1))  # (..., C, H, i, W, j)
    return x.reshape(*batch, channels, height * r, width * r)


def separate(x: Array, channels: int, height: int, width: int, r: int) -> Array:
    """(..., C, H r, W r) -> (..., C r^2, H, W)"""
    batch = x.shape[:-3]
    x = x.reshape(*batch, channels, height, r, width, r)  # (..., C, H, i, W, j)
    x = np.moveaxis(x, (-3, -1), (-4, -3))  # (..., C, i, j, H, W)
    return x.reshape(*batch, channels * r * r, height, width)


class PixelShuffle(Module):
    """`pixel_shuffle` as a module. Equals `torch.nn.PixelShuffle`."""

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(pixel_shuffle, input, upscale_factor=self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """`pixel_unshuffle` as a module. Equals `torch.nn.PixelUnshuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(pixel_unshuffle, input, downscale_factor=self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


@takes_any_array
def channel_shuffle(x: Array, groups: int) -> tuple[Array, Backward]:
    """Channels dealt like cards, so that each group gets some of every group: y_(n, k g + a) = x_(n, a K + k).

    Shapes: x and y (N, C, ...), g = groups, K = C / g.

    Backward. dy is dealt the other way round: the same shuffle with K groups.

    Errors: RuntimeError for fewer than 3 dimensions, groups < 1, or channels that groups does not divide.
    Equals `torch.nn.functional.channel_shuffle`. Zhang et al. 2018.
    """
    check_arrays("channel_shuffle", input=x)
    check_integers("channel_shuffle", groups=groups)
    if x.ndim < 3:
        raise RuntimeError(f"channel_shuffle(): expects input with more than 2 dimensions, but got {x.shape}")
    if groups < 1:
        raise RuntimeError(f"channel_shuffle(): groups must be positive, but got groups={groups}")
    if x.shape[1] % groups:
        raise RuntimeError(
            f"channel_shuffle(): {x.shape[1]} channels of {x.shape} must be divisible by groups={groups}"
        )
    y = deal(x, groups)

    def backward(dy: Array) -> Array:
        return deal(dy, x.shape[1] // groups) if x.size else dy

    return y, backward


def deal(x: Array, groups: int) -> Array:
    """(N, C, ...) with channel a K + k moved to k g + a."""
    n, channels, *places = x.shape
    return x.reshape(n, groups, channels // groups, *places).swapaxes(1, 2).reshape(x.shape)


class ChannelShuffle(Module):
    """`channel_shuffle` as a module. Equals `torch.nn.ChannelShuffle`."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(channel_shuffle, input, groups=self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


@takes_any_array
def one_hot(x: Array, num_classes: int = -1) -> tuple[Array, Backward]:
    """y_(..., k) = [x_(...) = k]: integers as rows of zeros with a single 1. num_classes -1: as many as x needs.

    Shapes: x (...) int64, y (..., K) int64.

    Backward: None, for integers have no gradient.

    Errors: RuntimeError unless x holds int64 from 0 to num_classes - 1, or to find num_classes in an empty x.
    Equals `torch.nn.functional.one_hot`.
    """
    check_arrays("one_hot", input=x)
    check_integers("one_hot", num_classes=num_classes)
    if x.dtype != np.int64:
        raise RuntimeError(f"one_hot(): input must hold int64, but got {x.dtype}")
    if x.size == 0 and num_classes <= 0:
        raise RuntimeError(f"one_hot(): can not infer num_classes={num_classes} from an empty input {x.shape}")
    if x.size and x.min() < 0:
        raise RuntimeError(f"one_hot(): class values must be non-negative, but input has {x.min()}")
    if num_classes == -1:
        num_classes = int(x.max()) + 1
    elif x.size and x.max() >= num_classes:
        raise RuntimeError(f"one_hot(): input has {x.max()}, but must be smaller than num_classes={num_classes}")
    return (x[..., None] == np.arange(num_classes)).astype(np.int64), no_gradient
