"""Padding, upsampling, shuffling, windows as columns: what moves or repeats entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.textbook.common import WithBackward
from torchref.nn.module import Array

NUMPY: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # a mode: NumPy's name


def pad(x: Array, pad: tuple[int, ...], mode: str, value: float | None) -> WithBackward:
    """x with a border: a constant, or entries of x. dx is the middle of dy, plus the gradients of repeated entries."""
    last = list(zip(pad[::2], pad[1::2], strict=True))  # (before, after), the last axis first
    pairs = [(0, 0)] * (x.ndim - len(last)) + last[::-1]
    centre = tuple(slice(before, before + n) for (before, _), n in zip(pairs, x.shape, strict=True))
    if mode == "constant":
        y = np.pad(x, pairs, constant_values=0.0 if value is None else value)
    else:
        places = np.arange(x.size).reshape(x.shape)
        source = np.pad(places, pairs, mode=NUMPY[mode])  # where each entry of y comes from
        y = x.reshape(-1)[source]

    def backward(dy: Array) -> tuple[Array, ...]:
        if mode == "constant":
            dx = dy[centre]
        else:
            flat = np.zeros_like(x.reshape(-1))
            np.add.at(flat, source, dy)
            dx = flat.reshape(x.shape)
        return (dx,)

    return y, backward


def cubic(t: Array) -> Array:
    """the weight of an entry at the distance t: Keys' cubic with a = -3/4"""
    near = (1.25 * t - 2.25) * t**2 + 1
    far = -0.75 * (((t - 5) * t + 8) * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def taps(n: int, out: int, scale: float, mode: str, align_corners: bool | None) -> Any:
    """the matrix (out, n) that makes `out` entries of n along one axis; `scale` input steps are one output step"""
    p, i = np.arange(out)[:, None], np.arange(n)
    if mode == "area":  # the mean from floor(p n / out) to ceil((p + 1) n / out)
        inside = (i >= p * n // out) & (i < -(-(p + 1) * n // out))
        return inside / inside.sum(1, keepdims=True)
    if mode in ("nearest", "nearest-exact"):
        place = p if mode == "nearest" else p + 0.5
        return 1.0 * (i == np.minimum(np.floor(place * scale), n - 1))
    source = p * (n - 1) / max(out - 1, 1) if align_corners else (p + 0.5) * scale - 0.5
    if mode != "bicubic":
        return np.maximum(1 - np.abs(np.clip(source, 0, n - 1) - i), 0)
    matrix = np.zeros((out, n))
    for near in (-1, 0, 1, 2):  # beyond the border stands its last entry
        tap = np.floor(source) + near
        matrix += cubic(np.abs(source - tap)) * (i == np.clip(tap, 0, n - 1))
    return matrix


def along(x: Array, axis: int, matrix: Array) -> Array:
    """the matrix times x along one axis"""
    return np.moveaxis(np.moveaxis(x, axis, -1) @ matrix.T, -1, axis)


def resizing(
    shape: tuple[int, ...], size: Any, scale_factor: float, mode: str, align_corners: bool | None
) -> list[Array]:
    """the matrix of each spatial axis: to `size`, or by `scale_factor`"""
    if size is None:
        return [taps(n, int(n * scale_factor), 1 / scale_factor, mode, align_corners) for n in shape[2:]]
    sizes = np.broadcast_to(size, len(shape) - 2)
    return [taps(n, int(out), n / out, mode, align_corners) for n, out in zip(shape[2:], sizes, strict=True)]


def interpolate(x: Array, size: Any, scale_factor: float, mode: str, align_corners: bool | None) -> WithBackward:
    """x resized along its spatial axes: y = M x with a matrix M for each axis, so dx = M^T dy."""
    if mode == "nearest" and size is None and scale_factor % 1 == 0:
        f = int(scale_factor)
        n, c, h, w = x.shape
        y = np.repeat(np.repeat(x, f, 2), f, 3)
    else:
        matrices = resizing(x.shape, size, scale_factor, mode, align_corners)
        y = x
        for axis, matrix in enumerate(matrices, 2):
            y = along(y, axis, matrix)

    def backward(dy: Array) -> tuple[Array, ...]:
        if mode == "nearest" and size is None and scale_factor % 1 == 0:
            copies = dy.reshape(n, c, h, f, w, f)
            dx = copies.sum(axis=(3, 5))
        else:
            dx = dy
            for axis, matrix in enumerate(matrices, 2):
                dx = along(dx, axis, matrix.T)
        return (dx,)

    return y, backward


def pixel_shuffle(x: Array, upscale_factor: int) -> WithBackward:
    """(N, C r^2, H, W) becomes (N, C, H r, W r): r^2 channels fill an r x r square. dx puts them back."""
    r = upscale_factor
    n, c, h, w = x.shape
    squares = x.reshape(n, c // r**2, r, r, h, w)
    y = squares.transpose(0, 1, 4, 2, 5, 3).reshape(n, c // r**2, h * r, w * r)

    def backward(dy: Array) -> tuple[Array, ...]:
        cells = dy.reshape(n, c // r**2, h, r, w, r)
        dx = cells.transpose(0, 1, 3, 5, 2, 4).reshape(x.shape)
        return (dx,)

    return y, backward


def pixel_unshuffle(x: Array, downscale_factor: int) -> WithBackward:
    """(N, C, H r, W r) becomes (N, C r^2, H, W): the reverse of pixel_shuffle. dx is its forward."""
    r = downscale_factor
    n, c, h, w = x.shape
    cells = x.reshape(n, c, h // r, r, w // r, r)
    y = cells.transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r**2, h // r, w // r)

    def backward(dy: Array) -> tuple[Array, ...]:
        squares = dy.reshape(n, c, r, r, h // r, w // r)
        dx = squares.transpose(0, 1, 4, 2, 5, 3).reshape(x.shape)
        return (dx,)

    return y, backward


def channel_shuffle(x: Array, groups: int) -> WithBackward:
    """The channels as (groups, C / groups), transposed; dx transposes (C / groups, groups) back."""
    n, c, h, w = x.shape
    y = x.reshape(n, groups, c // groups, h, w).swapaxes(1, 2).reshape(x.shape)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy.reshape(n, c // groups, groups, h, w).swapaxes(1, 2).reshape(x.shape)
        return (dx,)

    return y, backward


def flatten(x: Array, start_dim: int, end_dim: int) -> WithBackward:
    """The axes from start_dim to end_dim as one; dx has them apart again."""
    end = end_dim % x.ndim + 1
    y = x.reshape(*x.shape[:start_dim], -1, *x.shape[end:])

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy.reshape(x.shape)
        return (dx,)

    return y, backward


def window_index(size: tuple[int, ...], k: int, stride: int, padding: int, dilation: int) -> Any:
    """The index, in the padded image, of each entry of each window: (N, C, k k, windows)."""
    out = [(n + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for n in size]
    i, j, a, b = np.meshgrid(*(np.arange(n) for n in (k, k, *out)), indexing="ij")
    rows, columns = a * stride + i * dilation, b * stride + j * dilation
    return slice(None), slice(None), rows.reshape(k * k, -1), columns.reshape(k * k, -1)


def unfold(x: Array, kernel_size: int, dilation: int, padding: int, stride: int) -> WithBackward:
    """The windows of (N, C, H, W) as columns: (N, C k^2, windows). dx adds the windows up where they overlap."""
    n, c, h, w = x.shape
    windows = window_index((h, w), kernel_size, stride, padding, dilation)
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    y = padded[windows].reshape(n, c * kernel_size**2, -1)

    def backward(dy: Array) -> tuple[Array, ...]:
        dpadded = np.zeros_like(padded)
        np.add.at(dpadded, windows, dy.reshape(n, c, kernel_size**2, -1))
        dx = dpadded[:, :, padding : padding + h, padding : padding + w]
        return (dx,)

    return y, backward


def fold(
    x: Array, output_size: tuple[int, int], kernel_size: int, dilation: int, padding: int, stride: int
) -> WithBackward:
    """Columns (N, C k^2, windows) added up as windows of an image (N, C, H, W). dx reads the windows of dy."""
    h, w = output_size
    n, c = len(x), x.shape[1] // kernel_size**2
    windows = window_index(output_size, kernel_size, stride, padding, dilation)
    padded = np.zeros_like(x, shape=(n, c, h + 2 * padding, w + 2 * padding))
    np.add.at(padded, windows, x.reshape(n, c, kernel_size**2, -1))
    y = padded[:, :, padding : padding + h, padding : padding + w]

    def backward(dy: Array) -> tuple[Array, ...]:
        edges = ((0, 0), (0, 0), (padding, padding), (padding, padding))
        dpadded = np.pad(dy, edges)
        dx = dpadded[windows].reshape(x.shape)
        return (dx,)

    return y, backward
