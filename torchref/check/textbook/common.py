"""What several formulas call."""

from __future__ import annotations

import numpy as np

from torchref.nn.module import Array


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with an exponential that cannot overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)
