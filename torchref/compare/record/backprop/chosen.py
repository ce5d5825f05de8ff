"""Which steps of a training are recorded with all their tensors."""

from __future__ import annotations

__all__ = ["CHOSEN", "chosen_steps"]

CHOSEN = 12  # steps of a training, at most


def chosen_steps(steps: int) -> frozenset[int]:
    """Steps from 1 to the last, close together at the beginning: 1, 2, 3, 5, 9, ...; there gradients change fast."""
    return frozenset(round(steps ** (i / (CHOSEN - 1))) for i in range(CHOSEN)) if steps else frozenset()
