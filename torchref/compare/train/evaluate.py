"""A twin in evaluation mode: loss, and accuracy where targets are labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare.data import Rows
from torchref.compare.lockstep.twins import joined, outputs_of
from torchref.nn.module import Array

__all__ = ["CHUNK", "evaluate", "ignored_label"]

CHUNK = 1_000  # examples evaluated at once


def evaluate(twin: Any, x: Array | Rows, target: Array | Rows) -> tuple[float, float | None]:
    """Loss and accuracy in evaluation mode: the network sees a chunk at a time, the loss all of its outputs."""
    chunks = range(0, len(x), CHUNK)
    output = joined([twin.predict(x[start : start + CHUNK]) for start in chunks], np.concatenate)
    targets = target[:]
    return twin.loss_of(output, targets), share_right(outputs_of(output)[0], targets, ignored_label(twin))


def share_right(output: Array, target: Array, ignored: int) -> float | None:
    """The share of (N, K, ...) outputs that are largest at the target's label, of the targets that count.

    None where targets are no labels, or none counts.
    """
    if target.dtype != np.int64 or output.ndim != target.ndim + 1:
        return None
    counted = target != ignored
    return float(np.mean((output.argmax(axis=1) == target)[counted])) if counted.any() else None


def ignored_label(twin: Any) -> int:
    """The label of targets that do not count: the loss's own, where it has one, else torch's default."""
    ignored = getattr(twin.criterion, "ignore_index", None)
    return -100 if ignored is None else int(ignored)
