"""Convolutions and pooling, window by window, for any number of spatial axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.textbook.common import WithBackward
from torchref.nn.module import Array

Sizes = Any  # a number, or one for each spatial axis


def padded(x: Array, padding: Sizes, fill: float = 0.0) -> Array:
    """x with `padding` entries more at both ends of each spatial axis"""
    border = [(p, p) for p in np.broadcast_to(padding, x.ndim - 2)]
    return np.pad(x, [(0, 0), (0, 0), *border], constant_values=fill)


def box(start: Sizes, size: Sizes, step: Sizes = 1) -> Any:
    """`size` entries of each spatial axis, from `start` on, every `step`-th: the index of a part of an array"""
    sides = np.broadcast_arrays(start, size, step)
    return (..., *(slice(a, a + d * (n - 1) + 1, d) for a, n, d in zip(*sides, strict=True)))


def fits(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes = 1) -> Any:
    """how many windows fit along each spatial axis of x"""
    room = np.subtract(x.shape[2:], np.multiply(dilation, np.subtract(kernel, 1)))
    return tuple((room - 1) // stride + 1)


def slide(size: Any, kernel: Sizes, stride: Sizes, dilation: Sizes = 1) -> Any:
    """of every window: the index of the entry that it belongs to, and its own"""
    places = list(np.ndindex(*size))
    return [((..., *p), box(np.multiply(p, stride), kernel, dilation)) for p in places]


def split(shape: Any, output_size: Sizes) -> Any:
    """`output_size` windows along each spatial axis, from floor(i n / o) to ceil((i + 1) n / o)"""
    sides = np.broadcast_to(output_size, len(shape) - 2)
    found = []
    for p in np.ndindex(*sides):
        start = np.multiply(p, shape[2:]) // sides
        end = -(-np.multiply(np.add(p, 1), shape[2:]) // sides)
        found.append(((..., *p), box(start, end - start)))
    return found


def in_blocks(weight: Array, groups: int) -> Array:
    """each group's weight in its own channels, among zeros: (a, b, ...) becomes (a, groups b, ...)"""
    whole = np.zeros_like(weight, shape=(groups, len(weight) // groups, groups, *weight.shape[1:]))
    for g, own in enumerate(np.split(weight, groups)):
        whole[g, :, g] = own
    return whole.reshape(len(weight), -1, *weight.shape[2:])


def own_blocks(dw: Array, groups: int) -> Array:
    """of (a, groups b, ...) each group's own part: (a, b, ...)"""
    parts = [np.split(part, groups, axis=1)[g] for g, part in enumerate(np.split(dw, groups))]
    return np.concatenate(parts)


def conv(
    x: Array, weight: Array, bias: Array, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> WithBackward:
    """y_(n, o, p) = sum over c, k of x_(n, c, stride p + dilation k - padding) weight_(o, c, k) + bias_o.

    dx adds dy_p weight to the window of each place p, dweight adds dy_p x over the windows, dbias sums dy.
    """
    w = weight if groups == 1 else in_blocks(weight, groups)
    x_padded = padded(x, padding)
    size = fits(x_padded, w.shape[2:], stride, dilation)
    windows = slide(size, w.shape[2:], stride, dilation)
    inner = tuple(range(1, x.ndim))
    z = np.zeros_like(x, shape=(len(x), len(w), *size))
    for place, window in windows:
        z[place] = np.tensordot(x_padded[window], w, axes=(inner, inner))
    y = z + np.reshape(bias, (-1, *[1] * (x.ndim - 2)))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx_padded = np.zeros_like(x_padded)
        dw = np.zeros_like(w)
        for place, window in windows:
            dx_padded[window] += np.tensordot(dy[place], w, 1)
            dw += np.tensordot(dy[place].T, x_padded[window], 1)
        dx = dx_padded[box(padding, x.shape[2:])]
        dweight = dw if groups == 1 else own_blocks(dw, groups)
        rest = (0, *range(2, x.ndim))
        dbias = dy.sum(rest)
        return dx, dweight, dbias

    return y, backward


def conv_transpose(
    x: Array,
    weight: Array,
    bias: Array,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> WithBackward:
    """Each entry of x adds x weight to a window of y: the way back of conv as a forward; weight (in, out, kernel).

    dx is the product of the windows of dy with weight, and dweight that of x with the windows of dy.
    """
    w = weight if groups == 1 else in_blocks(weight, groups)
    windows = slide(x.shape[2:], w.shape[2:], stride, dilation)
    reach = np.multiply(dilation, np.subtract(w.shape[2:], 1)) + 1
    room = np.multiply(stride, np.subtract(x.shape[2:], 1)) + reach + output_padding
    z = np.zeros_like(x, shape=(len(x), w.shape[1], *room))
    for place, window in windows:
        z[window] += np.tensordot(x[place], w, 1)
    middle = box(padding, room - np.multiply(2, padding))
    y = z[middle] + np.reshape(bias, (-1, *[1] * (x.ndim - 2)))

    def backward(dy: Array) -> tuple[Array, ...]:
        dz = np.zeros_like(z)
        dz[middle] = dy
        inner = tuple(range(1, x.ndim))
        dx = np.zeros_like(x)
        dw = np.zeros_like(w)
        for place, window in windows:
            dx[place] = np.tensordot(dz[window], w, axes=(inner, inner))
            dw += np.tensordot(x[place].T, dz[window], 1)
        dweight = dw if groups == 1 else own_blocks(dw, groups)
        rest = (0, *range(2, x.ndim))
        dbias = dy.sum(rest)
        return dx, dweight, dbias

    return y, backward


def max_pool(x: Array, kernel_size: Sizes, stride: Sizes, padding: Sizes) -> WithBackward:
    """y = the largest entry of each window of (N, C, ...); its first place gets the whole of dy."""
    kernel = np.broadcast_to(kernel_size, x.ndim - 2)
    step = kernel_size if stride is None else stride
    x_padded = padded(x, padding, -np.inf)
    size = fits(x_padded, kernel, step)
    windows = slide(size, kernel, step)
    y = np.zeros_like(x, shape=(*x.shape[:2], *size))
    for place, window in windows:
        y[place] = x_padded[window].max(tuple(range(2, x.ndim)))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx_padded = np.zeros_like(x_padded)
        for place, window in windows:
            cells = x_padded[window].reshape(*x.shape[:2], -1)
            first = np.arange(cells.shape[2]) == cells.argmax(2)[..., None]
            dcells = first * dy[place][..., None]
            dx_padded[window] += dcells.reshape(x_padded[window].shape)
        dx = dx_padded[box(padding, x.shape[2:])]
        return (dx,)

    return y, backward


def avg_pool(x: Array, kernel_size: Sizes, stride: Sizes, padding: Sizes) -> WithBackward:
    """y = the mean of each window of (N, C, ...); each of its cells gets dy divided by the size of the window."""
    kernel = np.broadcast_to(kernel_size, x.ndim - 2)
    step = kernel_size if stride is None else stride
    x_padded = padded(x, padding)
    size = fits(x_padded, kernel, step)
    windows = slide(size, kernel, step)
    axes = tuple(range(2, x.ndim))
    y = np.zeros_like(x, shape=(*x.shape[:2], *size))
    for place, window in windows:
        y[place] = x_padded[window].mean(axes)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx_padded = np.zeros_like(x_padded)
        for place, window in windows:
            share = dy[place] / np.prod(kernel)
            dx_padded[window] += np.expand_dims(share, axes)
        dx = dx_padded[box(padding, x.shape[2:])]
        return (dx,)

    return y, backward


def lp_pool(x: Array, norm_type: float, kernel_size: Sizes, stride: Sizes) -> WithBackward:
    """y = (sum over the window of x^p)^(1 / p).

    dy / dx = (1 / p) (sum)^(1 / p - 1) p x^(p - 1) = y^(1 - p) x^(p - 1).
    """
    kernel = np.broadcast_to(kernel_size, x.ndim - 2)
    step = kernel_size if stride is None else stride
    size = fits(x, kernel, step)
    windows = slide(size, kernel, step)
    axes = tuple(range(2, x.ndim))
    total = np.zeros_like(x, shape=(*x.shape[:2], *size))
    for place, window in windows:
        total[place] = (x[window] ** norm_type).sum(axes)
    y = total ** (1 / norm_type)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = np.zeros_like(x)
        for place, window in windows:
            share = dy[place] * y[place] ** (1 - norm_type)
            dx[window] += np.expand_dims(share, axes) * x[window] ** (norm_type - 1)
        return (dx,)

    return y, backward


def adaptive_max_pool(x: Array, output_size: Sizes) -> WithBackward:
    """max_pool of output_size windows, from floor(i n / o) to ceil((i + 1) n / o) along each axis."""
    windows = split(x.shape, output_size)
    y = np.zeros_like(x, shape=(*x.shape[:2], *np.broadcast_to(output_size, x.ndim - 2)))
    for place, window in windows:
        y[place] = x[window].max(tuple(range(2, x.ndim)))

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = np.zeros_like(x)
        for place, window in windows:
            cells = x[window].reshape(*x.shape[:2], -1)
            first = np.arange(cells.shape[2]) == cells.argmax(2)[..., None]
            dcells = first * dy[place][..., None]
            dx[window] += dcells.reshape(x[window].shape)
        return (dx,)

    return y, backward


def adaptive_avg_pool(x: Array, output_size: Sizes) -> WithBackward:
    """avg_pool of output_size windows; they differ in size, and each divides by its own."""
    windows = split(x.shape, output_size)
    axes = tuple(range(2, x.ndim))
    y = np.zeros_like(x, shape=(*x.shape[:2], *np.broadcast_to(output_size, x.ndim - 2)))
    for place, window in windows:
        y[place] = x[window].mean(axes)

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = np.zeros_like(x)
        for place, window in windows:
            share = dy[place] / x[window][0, 0].size
            dx[window] += np.expand_dims(share, axes)
        return (dx,)

    return y, backward
