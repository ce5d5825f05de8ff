"""A twin in evaluation mode: loss, and accuracy where targets are labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare.data import Rows
from torchref.compare.lockstep.twins import joinable, joined, outputs_of
from torchref.nn.module import Array

__all__ = ["CHUNK", "LARGEST", "evaluate", "ignored_label", "note"]

CHUNK = 1_000  # examples that the network sees at once
LARGEST = 2**25  # numbers that the outputs of several chunks hold together, at most: 256 MiB in float64


def evaluate(twin: Any, x: Array | Rows, target: Array | Rows) -> tuple[float, float | None, int]:
    """Loss and accuracy in evaluation mode, and how many examples they are of: of all, or of the first that fit.

    The network sees a chunk at a time, the loss all outputs at once: only so it is right whatever it divides by.
    """
    first = twin.predict(x[:CHUNK])
    count = fitting(first, len(x))
    rest = (twin.predict(x[start : min(start + CHUNK, count)]) for start in range(CHUNK, count, CHUNK))
    output = joined([first, *rest], np.concatenate)
    targets = target[:count]
    right = share_right(outputs_of(output)[0], targets, ignored_label(twin))
    return twin.loss_of(output, targets), right, count


def fitting(first: Any, examples: int) -> int:
    """How many of the examples are evaluated, where `first` is the output for the first chunk of them."""
    chunk = min(CHUNK, examples)
    if not joinable(first, chunk):
        return chunk
    numbers: int = sum(part.size for part in outputs_of(first))  # not bytes: both engines evaluate the same examples
    return min(examples, max(chunk, LARGEST * chunk // max(numbers, 1)))


def note(evaluated: int, examples: int) -> str:
    """A sentence where only the first examples of the validation part are evaluated; else empty."""
    if evaluated == examples:
        return ""
    return (
        f"validation is on the first {evaluated:,} of {examples:,} examples: the outputs of more cannot be joined "
        f"along their first axis, or hold over {LARGEST:,} numbers"
    )


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
