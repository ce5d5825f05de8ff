# ruff: noqa: E501
"""Padding, upsampling, pixel shuffling: operations that move or repeat entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake
from torchref.nn.module import Array

M = Mistake
MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(v: Any, wrong: frozenset[str]) -> Any:
    x = v.input
    modes: Any = MODES[v.mode]
    widths = list(zip(v.pad[::2], v.pad[1::2], strict=True))
    pairs = [(0, 0)] * (x.ndim - len(widths)) + widths[::-1]
    options: Any = {"constant_values": 0.0 if v.value is None else v.value} if v.mode == "constant" else {}
    y = np.pad(x, pairs, mode=modes, **options)
    if v.mode == "constant":
        source = np.pad(np.arange(x.size).reshape(x.shape), pairs, constant_values=-1)
    else:
        source = np.pad(np.arange(x.size).reshape(x.shape), pairs, mode=modes)

    def backward(dy: Array) -> Gradients:
        centre = tuple(slice(before, before + n) for (before, _), n in zip(pairs, x.shape, strict=True))
        if "centre only" in wrong:
            return {"input": dy[centre]}
        if "crop at 0" in wrong:
            return {"input": dy[tuple(slice(0, n) for n in x.shape)]}
        if "before and after exchanged" in wrong:
            return {"input": dy[tuple(slice(a, a + n) for (_, a), n in zip(pairs, x.shape, strict=True))]}
        dx = np.zeros(x.size, dy.dtype)
        live = source.reshape(-1) >= 0
        if "overwritten" in wrong:
            dx[source.reshape(-1)[live]] = dy.reshape(-1)[live]
        else:
            np.add.at(dx, source.reshape(-1)[live], dy.reshape(-1)[live])
        return {"input": dx.reshape(x.shape)}

    return (y,), backward


PAD = (
    M("centre only", "overwritten-not-accumulated", "input", "The border repeats entries: their gradients must be added, too."),
    M("overwritten", "overwritten-not-accumulated", "input", "The border repeats entries: their gradients overwrite each other."),
    M("crop at 0", "kernel-flipped", "input", "The padding is not cut off at the start."),
    M("before and after exchanged", "kernel-flipped", "input", "The padding before and after are exchanged."),
)  # fmt: skip


def upsample(v: Any, wrong: frozenset[str]) -> Any:
    x, f = v.input, int(v.scale_factor)
    y = x
    for axis in range(2, x.ndim):
        y = np.repeat(y, f, axis)

    def backward(dy: Array) -> Gradients:
        shape = list(x.shape[:2])
        for n in x.shape[2:]:
            shape += [n, f]
        cells = dy.reshape(shape)
        axes = tuple(range(3, len(shape), 2))
        if "mean" in wrong:
            return {"input": cells.mean(axes)}
        if "one cell" in wrong:
            return {"input": dy[(..., *(slice(None, None, f),) * (x.ndim - 2))]}
        if "last cell" in wrong:
            return {"input": dy[(..., *(slice(f - 1, None, f),) * (x.ndim - 2))]}
        return {"input": cells.sum(axes)}

    return (y,), backward


UPSAMPLE = (
    M(
        "mean",
        "mean-instead-of-sum",
        "input",
        "Every copy's gradient counts in full: they must be summed, not averaged.",
    ),
    M("one cell", "overwritten-not-accumulated", "input", "Only the first copy's gradient arrives."),
    M("last cell", "overwritten-not-accumulated", "input", "Only the last copy's gradient arrives."),
)


def pixel_shuffle(v: Any, wrong: frozenset[str]) -> Any:
    x, r = v.input, v.upscale_factor
    n, c, h, w = x.shape
    y = x.reshape(n, c // r**2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // r**2, h * r, w * r)

    def backward(dy: Array) -> Gradients:
        cells = dy.reshape(n, c // r**2, h, r, w, r)
        order = (0, 1, 5, 3, 2, 4) if "axes exchanged" in wrong else (0, 1, 3, 5, 2, 4)
        if "no transpose" in wrong:
            return {"input": dy.reshape(x.shape)}
        return {"input": cells.transpose(order).reshape(x.shape)}

    return (y,), backward


PIXEL_SHUFFLE = (
    M("axes exchanged", "transposed", "input", "The two axes of the small squares are exchanged."),
    M("no transpose", "transposed", "input", "The axes are not put back in order before reshaping."),
)


def pixel_unshuffle(v: Any, wrong: frozenset[str]) -> Any:
    x, r = v.input, v.downscale_factor
    n, c, h, w = x.shape
    y = x.reshape(n, c, h // r, r, w // r, r).transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r * r, h // r, w // r)

    def backward(dy: Array) -> Gradients:
        cells = dy.reshape(n, c, r, r, h // r, w // r)
        order = (0, 1, 4, 3, 5, 2) if "axes exchanged" in wrong else (0, 1, 4, 2, 5, 3)
        if "no transpose" in wrong:
            return {"input": dy.reshape(x.shape)}
        return {"input": cells.transpose(order).reshape(x.shape)}

    return (y,), backward


def channel_shuffle(v: Any, wrong: frozenset[str]) -> Any:
    x, g = v.input, v.groups
    n, c = x.shape[:2]
    y = x.reshape(n, g, c // g, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)

    def backward(dy: Array) -> Gradients:
        if "no transpose" in wrong:
            return {"input": dy}
        rows = g if "shuffled again" in wrong else c // g
        return {"input": dy.reshape(n, rows, c // rows, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)}

    return (y,), backward


CHANNEL_SHUFFLE = (
    M("no transpose", "transposed", "input", "The channels are not put back in order."),
    M("shuffled again", "transposed", "input", "The backward shuffles again; it must put the channels back: c / g groups."),
)  # fmt: skip


def places(v: Any, size: tuple[int, int]) -> tuple[Array, Array, tuple[int, int]]:
    """Row and column, in the padded image, of each entry of each window (k k, windows), and the windows' numbers."""
    k, s, p, d = v.kernel_size, v.stride, v.padding, v.dilation
    out = ((size[0] + 2 * p - d * (k - 1) - 1) // s + 1, (size[1] + 2 * p - d * (k - 1) - 1) // s + 1)
    i, j, a, b = np.meshgrid(*(np.arange(n) for n in (k, k, *out)), indexing="ij")
    return (a * s + i * d).reshape(k * k, -1), (b * s + j * d).reshape(k * k, -1), out


def gather(image: Array, v: Any) -> Array:
    """(N, C, H, W) -> (N, C k k, windows)."""
    rows, cols, _ = places(v, image.shape[2:])
    p = v.padding
    padded = np.pad(image, [(0, 0), (0, 0), (p, p), (p, p)])
    return padded[:, :, rows, cols].reshape(image.shape[0], -1, rows.shape[1])


def scatter(columns: Array, v: Any, size: tuple[int, int], wrong: frozenset[str] = frozenset()) -> Array:
    """(N, C k k, windows) -> (N, C, H, W): what overlaps is added."""
    rows, cols, _ = places(v, size)
    p, n = v.padding, columns.shape[0]
    padded = np.zeros((n, columns.shape[1] // v.kernel_size**2, size[0] + 2 * p, size[1] + 2 * p), columns.dtype)
    cells = columns.reshape(n, padded.shape[1], *rows.shape)
    here: Any = (slice(None), slice(None), rows, cols)
    if "overwritten" in wrong:
        padded[here] = cells
    else:
        np.add.at(padded, here, cells)
    if "mean over the overlaps" in wrong:
        count = np.zeros(padded.shape[2:])
        np.add.at(count, (rows, cols), 1)
        padded = padded / np.maximum(count, 1)
    start = 0 if "crop at 0" in wrong else p
    return padded[:, :, start : start + size[0], start : start + size[1]]


def unfold(v: Any, wrong: frozenset[str]) -> Any:
    size = v.input.shape[2:]
    return (gather(v.input, v),), lambda dy: {"input": scatter(dy, v, size, wrong)}


UNFOLD = (
    M("overwritten", "overwritten-not-accumulated", "input", "Windows overlap: their gradients must be added."),
    M("mean over the overlaps", "mean-instead-of-sum", "input", "Windows overlap: their gradients are added, not averaged."),
    M("crop at 0", "kernel-flipped", "input", "The padding is not cut off at the start."),
)  # fmt: skip


def fold(v: Any, wrong: frozenset[str]) -> Any:
    size = v.output_size
    y = scatter(v.input, v, size, frozenset({"overwritten"}) if "forward overwritten" in wrong else frozenset())

    def backward(dy: Array) -> Gradients:
        if "mean over the overlaps" in wrong:
            ones = scatter(np.ones_like(v.input), v, size)
            dy = dy / np.maximum(ones, 1)
        return {"input": gather(dy, v)}

    return (y,), backward


FOLD = (
    M("mean over the overlaps", "mean-instead-of-sum", "input", "What was added in the forward is handed back whole, not in parts."),
    M("forward overwritten", "overwritten-not-accumulated", "output", "Windows overlap: they must be added."),
)  # fmt: skip
