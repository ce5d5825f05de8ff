"""Are two lists of tensors equal up to rounding? Counts, keeps the largest difference, names the first wrong one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from torchref.nn.module import Array

__all__ = ["Divergence", "Judge", "Mismatch"]

TINY = float(np.finfo(np.float64).tiny)


@dataclass(eq=False)
class Mismatch(Exception):
    """One tensor that is further from its twin than its bound."""

    tensor: str  # for instance "gradient 0.weight"
    index: tuple[int, ...]
    numpy: float
    torch: float
    bound: float


@dataclass(frozen=True)
class Divergence:
    """The first tensor in which the twins part: what it is, both values, and what was still equal before it."""

    step: int
    layer: str
    tensor: str  # for instance "gradient of 0.weight"
    index: tuple[int, ...]
    numpy: float
    torch: float
    bound: float  # the largest difference that rounding explains
    equal_before: list[str] = field(default_factory=list)
    cause: str = ""  # the operation of torch's at which the referee finds it, in a comparison of torch alone

    @property
    def difference(self) -> float:
        """How far the two entries lie apart."""
        return abs(self.numpy - self.torch)

    @property
    def share(self) -> float:
        """How many times the bound the difference is."""
        return float(shares(np.array(self.difference), self.bound))

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        difference = self.difference
        excess = f", {self.share:.3g} times the bound" if 0 < self.bound < difference < math.inf else ""
        shown = self.equal_before[-6:]
        more = len(self.equal_before) - len(shown)
        before = ", ".join(shown) if shown else "nothing"
        cause = [f"  the referee: {self.cause}"] if self.cause else []
        return "\n".join(
            [
                f"first divergence at step {self.step}, layer {self.layer}: {self.tensor}{place}",
                f"  NumPy       {self.numpy!r}",
                f"  torch       {self.torch!r}",
                f"  difference  {difference:.3g}{excess}",
                f"  bound       {self.bound:.3g}",
                f"  still equal before it: {f'{more} more, then ' if more else ''}{before}",
                *cause,
            ]
        )


@dataclass
class Judge:
    """Compares tensors by name with their bounds, counts them, and keeps the largest difference."""

    tensors: int = 0  # how many were compared
    step: int = 0
    largest: float | None = None  # the largest difference of a gradient; None where none was compared
    largest_share: float = 0.0  # the largest share of its bound that a difference took
    largest_tensor: str = ""
    largest_step: int = 0

    def compare(
        self,
        kind: str,
        ours: Mapping[str, Array | None],
        theirs: Mapping[str, Array | None],
        limits: Mapping[str, Any],
        referee: Mapping[str, Array | None] | None = None,
    ) -> float:
        """Compare the tensors of one kind; `limits["kind name"]` is a tensor's bound, one number or one an entry.

        With a `referee` (float64 results for the same inputs) each side must lie within the bound of it. Returns the
        largest difference between the sides. Raises Mismatch for the first tensor outside its bound.
        """
        apart = 0.0
        for name, our in ours.items():
            their, label = theirs[name], f"{kind} {name}"
            if our is None and their is None:
                continue
            if our is None or their is None:
                raise Mismatch(f"{label} (one of the twins has none)", (), np.nan, np.nan, 0.0)
            if our.shape != their.shape or our.dtype != their.dtype:
                raise Mismatch(
                    f"{label} ({our.shape} {our.dtype}, {their.shape} {their.dtype})", (), np.nan, np.nan, 0.0
                )
            if not our.size:
                continue
            self.tensors += 1
            if label not in limits:  # a branch that no step took when the bounds were made
                raise Mismatch(f"{label} (it has no bound yet)", (), np.nan, np.nan, 0.0)
            limit = limits[label]
            if referee is None:
                difference = error = distance(our, their)
            else:
                truth = referee[name]
                assert truth is not None
                difference = distance(our, their)
                error = np.maximum(distance(our, truth, 1), distance(their, truth, 2))
            largest = float(error.max())
            screened = isinstance(limit, float) and largest <= limit
            if screened:  # the usual case, in as few passes as there are
                share = largest / max(limit, TINY)
                largest = largest if difference is error else float(difference.max())
            else:
                same = ((our == their) | (np.isnan(our) & np.isnan(their))) & ~np.isfinite(our)
                difference, error = (np.where(same, 0.0, d) for d in (difference, error))
                share = float(shares(error, limit).max())
                largest = float(difference.max())
            self.enter(kind, label, largest, share)
            if not screened:
                check_entries(label, our, their, error, limit)
            apart = max(apart, largest)
        return apart

    def enter(self, kind: str, label: str, difference: float, share: float) -> None:
        """Keep a tensor's largest difference, and its share of the bound; above 1 the twins have parted."""
        if kind == "gradient":
            self.largest = difference if self.largest is None or not difference <= self.largest else self.largest
        if share > self.largest_share:
            self.largest_share, self.largest_tensor, self.largest_step = share, label.strip(), self.step


@lru_cache
def workspace(shape: tuple[int, ...], place: int) -> Array:  # noqa: ARG001 (a key of the cache)
    """An array that is kept between calls: to ask for new memory costs more than the subtraction."""
    return np.empty(shape)


def distance(a: Array, b: Array, place: int = 0) -> Array:
    """|a - b| in float64, in a workspace that the next call for this shape and place overwrites."""
    difference = workspace(a.shape, place)
    with np.errstate(invalid="ignore"):  # inf - inf
        np.subtract(a, b, out=difference, dtype=np.float64 if b.dtype == np.float64 else None)
    return np.abs(difference, out=difference)


def shares(error: Array, limit: Any) -> Array:
    """error / limit: nan, where there should be a number, is outside every bound; no bound is known where it is inf."""
    with np.errstate(invalid="ignore"):  # inf / inf
        share = error / np.maximum(limit, TINY)
    return np.where(np.isnan(share), np.where(error <= limit, 0.0, np.inf), share)


def check_entries(label: str, ours: Array, theirs: Array, error: Array, limit: Any) -> None:
    """Mismatch at the first entry whose error is outside its bound."""
    wrong = np.argwhere(~(error <= limit))
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        bound = float(np.broadcast_to(limit, ours.shape)[index])
        raise Mismatch(label.strip(), index, float(ours[index]), float(theirs[index]), bound)
