"""Where random draws come from: a seeded numpy Generator, or a tape of draws recorded elsewhere.

A module that draws at random holds its source in `rng` (None: the generator that `manual_seed` seeds). A Tape hands out
draws that another engine has made, so that two engines drop the same units; the number that torch's generator would
give next depends on the processor and the build, so draws are recorded and replayed, never regenerated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from torchref.nn.module import Array, Module

generator = np.random.default_rng()


def manual_seed(seed: int) -> None:
    """Seed the generator that initial weights and random modules use where none is given."""
    global generator
    generator = np.random.default_rng(seed)


class Tape:
    """Recorded draws, handed out in the order in which they were made."""

    def __init__(self, draws: Iterable[Array]) -> None:
        self.draws = [np.asarray(draw) for draw in draws]
        self.position = 0

    def next(self, shape: tuple[int, ...]) -> Array:
        """The next draw. RuntimeError if there is none left or if it has another shape than `shape`."""
        if self.position == len(self.draws):
            raise RuntimeError(
                f"Tape: all {len(self.draws)} recorded draws are used, and one of shape {shape} is wanted"
            )
        draw = self.draws[self.position]
        if draw.shape != tuple(shape):
            raise RuntimeError(f"Tape: draw {self.position} has shape {draw.shape}, and one of {shape} is wanted")
        self.position += 1
        return draw


Source: TypeAlias = np.random.Generator | Tape


def set_rng(module: Module, rng: Source | None) -> None:
    """Let every module below `module` that draws at random draw from `rng`."""
    for child in module.modules():
        if hasattr(child, "rng"):
            child.rng = rng


def bernoulli(p: float, shape: tuple[int, ...], rng: Source | None = None) -> Array:
    """A boolean array, each entry True with probability `p`."""
    rng = generator if rng is None else rng
    if isinstance(rng, Tape):
        return rng.next(shape) != 0
    return rng.random(shape, dtype=np.float32) < p


def uniform(low: float, high: float, shape: tuple[int, ...], dtype: Any, rng: Source | None = None) -> Array:
    """Entries drawn evenly from [low, high)."""
    rng = generator if rng is None else rng
    if isinstance(rng, Tape):
        return rng.next(shape).astype(dtype)
    return rng.uniform(low, high, shape).astype(dtype)


def normal(mean: float, std: float, shape: tuple[int, ...], dtype: Any, rng: Source | None = None) -> Array:
    """Entries drawn from the normal distribution with this mean and standard deviation."""
    rng = generator if rng is None else rng
    if isinstance(rng, Tape):
        return rng.next(shape).astype(dtype)
    return rng.normal(mean, std, shape).astype(dtype)


def exponential(shape: tuple[int, ...], dtype: Any, rng: Source | None = None) -> Array:
    """Entries drawn from the exponential distribution with mean 1."""
    rng = generator if rng is None else rng
    if isinstance(rng, Tape):
        return rng.next(shape).astype(dtype)
    return rng.exponential(1.0, shape).astype(dtype)
