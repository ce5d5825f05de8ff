"""Dropout: of entries, of whole channels, and of entries to the floor of SELU."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import WithBackward
from torchref.nn.module import Array


def dropout(x: Array, p: float, training: bool, mask: Array) -> WithBackward:
    """y = x mask / (1 - p), so dx = dy mask / (1 - p). In evaluation y = x."""
    if training:
        y = x * mask / (1 - p)
    else:
        y = x

    def backward(dy: Array) -> tuple[Array, ...]:
        if training:
            dx = dy * mask / (1 - p)
        else:
            dx = dy
        return (dx,)

    return y, backward


def dropout2d(x: Array, p: float, training: bool, mask: Array) -> WithBackward:
    """Dropout of whole channels: one entry of the mask counts for all of (H, W)."""
    if training:
        channels = mask.any((2, 3), keepdims=True)  # a channel is kept or dropped as a whole
        y = x * channels / (1 - p)
    else:
        y = x

    def backward(dy: Array) -> tuple[Array, ...]:
        if training:
            dx = dy * channels / (1 - p)
        else:
            dx = dy
        return (dx,)

    return y, backward


FLOOR = 1.0507009873554805 * 1.6732632423543772  # -FLOOR is what SELU tends to on the left


def kept_scale(p: float) -> float:
    """what brings the variance back to 1"""
    return float(1 / np.sqrt((1 - p) * (1 + p * FLOOR**2)))


def alpha_dropout(x: Array, p: float, training: bool, mask: Array) -> WithBackward:
    """y = a z + b, with z = x where the mask is 1, else -FLOOR; so dx = dy mask a. In evaluation y = x.

    a = 1 / sqrt((1 - p) (1 + p FLOOR^2)) and b = a p FLOOR keep mean 0 and variance 1.
    """
    if training:
        a = kept_scale(p)
        b = a * p * FLOOR
        y = a * np.where(mask, x, -FLOOR) + b
    else:
        y = x

    def backward(dy: Array) -> tuple[Array, ...]:
        if training:
            dx = dy * mask * a
        else:
            dx = dy
        return (dx,)

    return y, backward
