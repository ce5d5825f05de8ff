"""Derivatives without a backward: what a forward itself says about its slope. They judge a gradient without torch.

`function()` computes something from `array`, an array or a number; both witnesses return its derivative with respect to
the entry `array[place]`, which they change for a moment: one column of a Jacobian at each call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.nn.module import Array

COMPLEX_STEP = 1e-30


def complex_step(function: Callable[[], Any], array: Array, place: tuple[int, ...]) -> Array:
    """Im f(x + ih) / h with h = 1e-30: no difference is taken, so nothing cancels. `array` is complex, f smooth.

    Squire & Trapp 1998.
    """
    kept = array[place]
    array[place] = kept + 1j * COMPLEX_STEP
    derivative = np.imag(function()) / COMPLEX_STEP
    array[place] = kept
    return np.asarray(derivative)


def richardson(function: Callable[[], Any], array: Array, place: tuple[int, ...], step: float = 4e-4) -> Array:
    """Central differences at h, h/2, h/4, extrapolated to sixth order; for what has kinks, away from them."""
    kept = array[place]

    def central(h: float) -> Array:
        array[place] = kept + h
        above = function()
        array[place] = kept - h
        below = function()
        array[place] = kept
        return np.asarray((above - below) / (2 * h))

    d1, d2, d4 = central(step), central(step / 2), central(step / 4)
    e1, e2 = (4 * d2 - d1) / 3, (4 * d4 - d2) / 3
    return np.asarray((16 * e2 - e1) / 15)
