"""Entries of what the values of its arguments do not change: factories and draws. What they return is the run's."""

from __future__ import annotations

from typing import Any

from torchref.nn.module import Backward
from torchref.referee.entries.table import entry


@entry(
    "bernoulli", "cauchy", "exponential", "geometric", "log_normal", "normal", "poisson", "random", "uniform",
    "empty_like", "full_like", "ones_like", "rand_like", "randn_like", "zeros_like",
    "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros",
)  # fmt: skip
def given(*args: Any, **options: Any) -> tuple[tuple[()], Backward]:
    """y is drawn, or filled with a constant. Backward: dx = 0."""

    def backward(dy: Any) -> None:
        return None

    return (), backward
