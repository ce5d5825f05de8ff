"""Spatial transformers: the grid of an affine map, and an image read at the places of a grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.textbook.common import WithBackward
from torchref.check.textbook.shapes import cubic
from torchref.nn.module import Array


def centres(n: int, align_corners: bool) -> Array:
    """the places of n pixels in an image that reaches from -1 to 1; with align_corners the outer ones are -1 and 1"""
    if align_corners:
        return np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    return (2 * np.arange(n) + 1) / n - 1


def affine_grid(theta: Array, size: tuple[int, ...], align_corners: bool) -> WithBackward:
    """grid = theta (x, y, 1) for each pixel of (N, C, H, W), so dtheta = sum over the pixels of dgrid (x, y, 1)^T."""
    n, _, h, w = size
    places = np.meshgrid(centres(w, align_corners), centres(h, align_corners))
    points = np.stack([*places, np.ones((h, w))], -1).reshape(-1, 3)  # (x, y, 1) of each pixel
    grid = (points @ np.swapaxes(theta, 1, 2)).reshape(n, h, w, 2)

    def backward(dgrid: Array) -> tuple[Array, ...]:
        rows = dgrid.reshape(n, -1, 2)
        dtheta = np.swapaxes(rows, 1, 2) @ points
        return (dtheta,)

    return grid, backward


def cubic_slope(t: Array) -> Array:
    """the derivative of Keys' cubic at the distance t"""
    near = (3.75 * t - 4.5) * t
    far = (-2.25 * t + 7.5) * t - 6
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def moved_inside(s: Array, n: int, padding_mode: str, align_corners: bool) -> tuple[Array, Array]:
    """the place s, moved into the image as the padding says, and the slope of that"""
    slope = np.ones_like(s)
    if padding_mode == "zeros":
        return s, slope
    if padding_mode == "reflection":
        low, span = (0, n - 1) if align_corners else (-0.5, n)
        turns = np.floor(np.abs(s - low) / span)
        beyond = np.abs(s - low) - turns * span
        slope = np.where(turns % 2 == 0, 1, -1) * np.where(s < low, -1, 1)
        s = low + np.where(turns % 2 == 0, beyond, span - beyond)
    return np.clip(s, 0, n - 1), slope * ((s > 0) & (s < n - 1))


def taps(g: Array, n: int, mode: str, padding_mode: str, align_corners: bool) -> Any:
    """of each pixel that is read along one axis: its index, its weight, the slope of the weight in g"""
    slope = np.full_like(g, (n - 1) / 2 if align_corners else n / 2)
    s = (g + 1) * slope - (0 if align_corners else 0.5)
    if mode != "bicubic":
        s, moved = moved_inside(s, n, padding_mode, align_corners)
        slope = slope * moved
    low = np.rint(s) if mode == "nearest" else np.floor(s)
    t = s - low
    if mode == "nearest":
        found = [(low, np.ones_like(t), np.zeros_like(t))]
    elif mode == "bilinear":
        found = [(low, 1 - t, -slope), (low + 1, t, slope)]
    else:
        steps = [(low + k, np.abs(t - k), np.sign(t - k)) for k in (-1, 0, 1, 2)]
        found = [(i, cubic(d), slope * side * cubic_slope(d)) for i, d, side in steps]
        found = [(moved_inside(i, n, padding_mode, align_corners)[0], weight, back) for i, weight, back in found]
    inside = [(i >= 0) & (i <= n - 1) for i, _, _ in found]
    return [(np.clip(i, 0, n - 1).astype(int), a * ok, b * ok) for (i, a, b), ok in zip(found, inside, strict=True)]


def grid_sample(x: Array, grid: Array, mode: str, padding_mode: str, align_corners: bool) -> WithBackward:
    """y at a place = sum over the pixels near it of x w_row w_column, with the weights of the mode.

    dx adds dy w_row w_column to each pixel; dgrid is sum of dy x times the derivative of one weight, times the other.
    """
    n, c, h, w = x.shape
    rows = taps(grid[..., 1], h, mode, padding_mode, align_corners)
    columns = taps(grid[..., 0], w, mode, padding_mode, align_corners)
    pairs = [(row, column) for row in rows for column in columns]
    image, channel = np.arange(n).reshape(-1, 1, 1, 1), np.arange(c).reshape(1, -1, 1, 1)
    y = np.zeros_like(x, shape=(n, c, *grid.shape[1:3]))
    for (i, a, _), (j, b, _) in pairs:
        y += x[image, channel, i[:, None], j[:, None]] * (a * b)[:, None]

    def backward(dy: Array) -> tuple[Array, ...]:
        dx = np.zeros_like(x)
        across, down = np.zeros_like(grid[..., 0]), np.zeros_like(grid[..., 1])
        for (i, a, da), (j, b, db) in pairs:
            place = (image, channel, i[:, None], j[:, None])
            np.add.at(dx, place, dy * (a * b)[:, None])
            dweight = (dy * x[place]).sum(1)
            across += dweight * a * db
            down += dweight * da * b
        dgrid = np.stack([across, down], -1)
        return dx, dgrid

    return y, backward
