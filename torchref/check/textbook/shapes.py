"""Padding, upsampling, shuffling, windows as columns: what moves or repeats entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array

NUMPY: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # a mode: NumPy's name


def pad(x: Array, pad: tuple[int, ...], mode: str, value: float | None) -> Any:
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


def upsample(x: Array, scale_factor: float) -> Any:
    f = int(scale_factor)
    n, c, h, w = x.shape
    y = np.repeat(np.repeat(x, f, 2), f, 3)

    def backward(dy: Array) -> tuple[Array, ...]:
        copies = dy.reshape(n, c, h, f, w, f)
        dx = copies.sum(axis=(3, 5))
        return (dx,)

    return y, backward


def pixel_shuffle(x: Array, upscale_factor: int) -> Any:
    r = upscale_factor
    n, c, h, w = x.shape
    squares = x.reshape(n, c // r**2, r, r, h, w)
    y = squares.transpose(0, 1, 4, 2, 5, 3).reshape(n, c // r**2, h * r, w * r)

    def backward(dy: Array) -> tuple[Array, ...]:
        cells = dy.reshape(n, c // r**2, h, r, w, r)
        dx = cells.transpose(0, 1, 3, 5, 2, 4).reshape(x.shape)
        return (dx,)

    return y, backward


def pixel_unshuffle(x: Array, downscale_factor: int) -> Any:
    r = downscale_factor
    n, c, h, w = x.shape
    cells = x.reshape(n, c, h // r, r, w // r, r)
    y = cells.transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r**2, h // r, w // r)

    def backward(dy: Array) -> tuple[Array, ...]:
        squares = dy.reshape(n, c, r, r, h // r, w // r)
        dx = squares.transpose(0, 1, 4, 2, 5, 3).reshape(x.shape)
        return (dx,)

    return y, backward


def channel_shuffle(x: Array, groups: int) -> Any:
    n, c, h, w = x.shape
    y = x.reshape(n, groups, c // groups, h, w).swapaxes(1, 2).reshape(x.shape)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = dy.reshape(n, c // groups, groups, h, w).swapaxes(1, 2).reshape(x.shape)
        return (dx,)

    return y, backward


def window_index(size: tuple[int, ...], k: int, stride: int, padding: int, dilation: int) -> Any:
    """The index, in the padded image, of each entry of each window: (N, C, k k, windows)."""
    out = [(n + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for n in size]
    i, j, a, b = np.meshgrid(*(np.arange(n) for n in (k, k, *out)), indexing="ij")
    rows, columns = a * stride + i * dilation, b * stride + j * dilation
    return slice(None), slice(None), rows.reshape(k * k, -1), columns.reshape(k * k, -1)


def unfold(x: Array, kernel_size: int, dilation: int, padding: int, stride: int) -> Any:
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


def fold(x: Array, output_size: tuple[int, int], kernel_size: int, dilation: int, padding: int, stride: int) -> Any:
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
