"""Rounding at random: what shows how far rounding alone can move a gradient.

The entries run once more. The first three trials of a run in float32 run them in float32: NumPy rounds then as torch
does, elsewhere; from the second on of arguments that are rounded at random. All other trials run them on arrays whose
every primitive rounds at random (`torchref.check.tolerance.rounding`). A low precision is a matter of storage: torch
computes a bfloat16 operation in float32, and rounds what it reads and returns. So here the arguments of such an
operation are rounded at random as their dtype rounds, and its primitives as float32 does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from torchref.check.tolerance.rounding import NOISE, UNIT_ROUNDOFF, noisy, plain, rounding_noise
from torchref.nn.module import Array

__all__ = ["Noise", "settled", "underflow", "unit_roundoff"]

DRAWS = np.random.default_rng(0).uniform(-1, 1, 2**20)  # the pool from which every trial takes, at its own places


class Pool:
    """Even draws, by the stretch: a draw for each primitive of each trial would cost more than all else."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> Array:  # noqa: ARG002 (a Generator's signature)
        """Draws from (-high, high); `low` is -high."""
        count = int(np.prod(shape, dtype=np.int64))
        start = int(self.rng.integers(0, DRAWS.size))
        if start + count <= DRAWS.size:
            stretch = DRAWS[start : start + count]
        else:
            stretch = np.resize(np.roll(DRAWS, -start), count)
        return (stretch * high).reshape(shape)


class Noise:
    """One trial of the rounding errors of a run, counted from 1. `scale` brings its errors down to the run's own."""

    def __init__(self, dtypes: set[torch.dtype], trial: int) -> None:
        name = "float64" if dtypes <= {torch.float64} else "float32"
        self.in_float32 = name == "float32" and trial <= 3
        self.shakes = self.in_float32 and trial > 1  # whatever it reads
        self.u = NOISE[name]
        self.scale = UNIT_ROUNDOFF[name] / NOISE[name]
        self.rng = Pool(trial)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Within this context the primitives round, on arrays that `stored` gave."""
        with rounding_noise(0.0 if self.in_float32 else self.u, self.rng):
            yield

    def stored(self, array: Array, dtype: torch.dtype) -> Array:
        """The array as an operation reads it that was stored in `dtype`."""
        if not dtype.is_floating_point:
            return array
        u = unit_roundoff(dtype)
        if self.shakes or u > UNIT_ROUNDOFF["float32"]:
            array = np.asarray(array * (1 + self.rng.uniform(-u, u, array.shape)))
        if (least := underflow(dtype)) > 0:
            array = np.asarray(array + self.rng.uniform(-least, least, array.shape))
        rounding: Array = array.astype(np.float32) if self.in_float32 else noisy(array)
        return rounding

    def within(self, spread: Array | None) -> Array | float:
        """Errors at random that are as large as `spread` says."""
        return 0.0 if spread is None else spread * self.rng.uniform(-1, 1, spread.shape) / self.scale


def unit_roundoff(dtype: Any) -> float:
    """u of a torch dtype."""
    return UNIT_ROUNDOFF[str(dtype).removeprefix("torch.")]


def underflow(dtype: Any) -> float:
    """How far a number near zero is rounded: float16 ends at 2^-24, where gradients are; the others far below."""
    return 2.0**-25 if dtype == torch.float16 else 0.0


def settled(array: Array) -> Array:
    """The same numbers in an array that rounds no further."""
    settled_array: Array = plain(array)
    return settled_array.astype(np.float64) if settled_array.dtype == np.float32 else settled_array
