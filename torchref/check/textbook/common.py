"""What several formulas call, and what a formula returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from torchref.nn.module import Array

Backward: TypeAlias = Callable[..., tuple[Array, ...]]  # upstream gradients -> one gradient for each array
WithBackward: TypeAlias = tuple[Array, Backward]
SeveralWithBackward: TypeAlias = tuple[tuple[Array, ...], Backward]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with an exponential that cannot overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)
