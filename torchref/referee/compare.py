"""Whether two gradients are equal, as far as rounding allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from torchref.check.tolerance.rounding import MARGIN
from torchref.nn.module import Array

__all__ = ["Difference", "difference"]

CERTAIN = 100  # times the bound: no further sample of rounding would explain it


@dataclass(frozen=True)
class Difference:
    """The worst entry: how far it is off, and how far it may be; both in units of the gradient's largest entry."""

    error: float
    bound: float
    worst: tuple[int, ...]

    @property
    def equal(self) -> bool:
        return self.error <= self.bound

    @property
    def certain(self) -> bool:
        return self.equal or self.error > CERTAIN * self.bound


def difference(ours: Array, theirs: Array, spread: Array, u: float) -> Difference:
    """The entry of `theirs` that is furthest beyond what rounding explains.

    Entry i may be off by MARGIN (S_i + rms(S) + R_i + rms(R)): S, `spread`, is how far rounding moved it in trials, the
    root mean square stands for what the trials missed, and R = u |ours| is the rounding of the result itself.
    """
    if ours.shape != theirs.shape:
        return Difference(np.inf, 0.0, ())
    if ours.size == 0:
        return Difference(0.0, 0.0, ())
    with np.errstate(all="ignore"):
        stored = u * np.abs(ours)
        allowed = MARGIN * (spread + rms(spread) + stored + rms(stored))
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        off = np.where(same, 0.0, np.abs(ours - theirs))
        off = np.where(np.isnan(off), np.inf, off)
        allowed = np.where(np.isfinite(allowed), allowed, 0.0)
        beyond = np.where(off == 0, 0.0, off / np.maximum(allowed, np.finfo(float).tiny))
    worst = np.unravel_index(int(np.argmax(beyond)), ours.shape)
    finite = np.abs(ours[np.isfinite(ours)])
    largest = max(float(finite.max(initial=0.0)), np.finfo(float).tiny)
    return Difference(float(off[worst]) / largest, float(allowed[worst]) / largest, tuple(int(i) for i in worst))


def rms(array: Array) -> float:
    """The root mean square of the entries that are finite."""
    finite = array[np.isfinite(array)]
    return float(np.sqrt(np.mean(finite * finite))) if finite.size else 0.0
