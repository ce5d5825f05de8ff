"""Whether two gradients are equal, as far as rounding allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from torchref.check.tolerance.rounding import MARGIN
from torchref.nn.module import Array
from torchref.referee.noise import underflow, unit_roundoff

__all__ = ["Difference", "difference"]

BLOCK = 2**15  # entries at a time: what is computed of them stays in the cache
CERTAIN = 100  # times the bound: no further sample of rounding would explain it ...
CANCELS = 1e3  # ... but where the error is as many times the gradient itself, which is then but rounding


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
        return self.equal or CERTAIN * self.bound < self.error < CANCELS


def difference(ours: Array, theirs: Array, spread: Array, dtype: torch.dtype) -> Difference:
    """The entry of `theirs` that is furthest beyond what rounding explains.

    Entry i may be off by MARGIN (S_i + rms(S) + R_i + rms(R)): S, `spread`, is how far rounding moved it in trials, the
    root mean square stands for what the trials missed, and R = u |ours| + (what is lost near zero) is the rounding of
    the result itself, in its dtype; an integer has none.
    """
    u, lost = (unit_roundoff(dtype), underflow(dtype)) if dtype.is_floating_point else (0.0, 0.0)
    if ours.shape != theirs.shape:
        return Difference(np.inf, 0.0, ())
    if ours.size == 0:
        return Difference(0.0, 0.0, ())
    worst, beyond, largest = 0, -1.0, float(np.finfo(float).tiny)
    flat_ours, flat_theirs, flat_spread = ours.ravel(), theirs.ravel(), spread.ravel()
    with np.errstate(all="ignore"):
        least = u * rms(ours) + rms(spread) + 2 * lost
        for start in range(0, ours.size, BLOCK):
            block = slice(start, start + BLOCK)
            off, allowed = compared(flat_ours[block], flat_theirs[block], u, least, flat_spread[block])
            ratio = off / np.maximum(allowed, np.finfo(float).tiny)
            i = int(np.argmax(ratio))
            if ratio[i] > beyond:
                worst, beyond, error, bound = start + i, float(ratio[i]), float(off[i]), float(allowed[i])
            sizes = np.abs(flat_ours[block])
            largest = max(largest, float(np.max(sizes, where=np.isfinite(sizes), initial=0.0)))
    place = tuple(int(i) for i in np.unravel_index(worst, ours.shape))
    return Difference(error / largest, bound / largest, place)


def compared(ours: Array, theirs: Array, u: float, least: float, spread: Array) -> tuple[Array, Array]:
    """How far each entry is off, and how far it may be."""
    off = np.abs(ours - theirs)
    allowed = MARGIN * (u * np.abs(ours) + spread + least)
    if not np.isfinite(off.sum()):
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        off = np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))
        allowed = np.where(np.isfinite(allowed), allowed, 0.0)
    return off, allowed


def rms(array: Array) -> float:
    """The root mean square of the entries that are finite."""
    flat = array.ravel()
    total = flat @ flat
    if np.isfinite(total):
        return float(np.sqrt(total / max(flat.size, 1)))
    flat = flat[np.isfinite(flat)]
    largest = float(np.abs(flat).max(initial=0.0))
    return largest * rms(flat / largest) if largest > 0 else 0.0
