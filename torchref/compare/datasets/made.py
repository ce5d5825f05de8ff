"""Data made to a known truth: where a claim needs one. Everything is drawn from a seed."""

from __future__ import annotations

import numpy as np

from torchref.compare.data import Data, split
from torchref.nn.module import Array

__all__ = ["backwards", "copy_task", "spirals", "xor"]


def spirals(count: int = 600, classes: int = 2, turns: float = 1.5, noise: float = 0.05, seed: int = 0) -> Data:
    """Spirals wound around each other, one a class: (x, y) -> label. No line separates them (Lang & Witbrock 1988)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    radius = np.sqrt(rng.uniform(0.02, 1, count))  # evenly over the disc
    angle = 2 * np.pi * (turns * radius + labels / classes)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return split(points + noise * rng.standard_normal((count, 2)), labels, 0.3, seed)


def xor(count: int = 200, noise: float = 0.15, seed: int = 0) -> Data:
    """Four clouds at (+-1, +-1): label 1 where the signs differ. One line cannot do it (Minsky & Papert 1969)."""
    rng = np.random.default_rng(seed)
    signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])[np.arange(count) % 4]
    labels = (signs[:, 0] != signs[:, 1]).astype(np.int64)
    return split(signs + noise * rng.standard_normal((count, 2)), labels, 0.3, seed)


def copy_task(count: int = 500, symbols: int = 8, length: int = 6, delay: int = 6, seed: int = 0) -> Data:
    """Remember `length` symbols over `delay` steps (Hochreiter & Schmidhuber 1997): (N, T) -> (N, T).

    T = 2 length + delay. The input shows the symbols 2.., then blanks (0), then `length` times "now" (1); the target is
    blank until then, and there names the symbols in order. V = symbols + 2.
    """
    rng = np.random.default_rng(seed)
    shown = rng.integers(2, symbols + 2, (count, length))
    inputs = np.zeros((count, 2 * length + delay), np.int64)
    targets = np.zeros_like(inputs)
    inputs[:, :length], inputs[:, length + delay :] = shown, 1
    targets[:, length + delay :] = shown
    return split(inputs, targets, 0.2, seed)


def backwards(source: Array) -> tuple[Array, Array]:
    """Symbols 1.. (N, S), to be written in reverse: what an encoder-decoder reads (N, 2 S), and its target (N, S)."""
    target = source[:, ::-1].copy()
    written = np.concatenate([np.zeros((len(source), 1), np.int64), target[:, :-1]], axis=1)
    return np.concatenate([source, written], axis=1), target
