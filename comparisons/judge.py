"""Are two lists of tensors equal up to rounding? Counts, keeps the largest difference, names the first wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.check.bound import bound
from torchref.nn.module import Array


@dataclass(eq=False)
class Mismatch(Exception):
    """One tensor that is further from its twin than rounding explains."""

    tensor: str  # for instance "gradient of 0.weight"
    index: tuple[int, ...]
    numpy: float
    torch: float
    bound: float


class Judge:
    """Compares tensors by name; see `torchref.check.bound` for what it lets pass."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.tensors = 0
        self.largest = 0.0  # the largest difference of a gradient
        self.largest_share = 0.0  # the largest share of its bound that any difference took
        self.largest_tensor = ""
        self.largest_step = 0
        self.step = 0

    def compare(
        self,
        kind: str,
        ours: Mapping[str, Array | None],
        theirs: Mapping[str, Array | None],
        scale: float = 0.0,
        referee: Mapping[str, Array | None] | None = None,
    ) -> float:
        """Compare tensors of the same names; `scale` is the size of the terms they are sums of.

        With a `referee` (float64 results for the same inputs) each side must lie within the bound of it. Returns the
        largest difference between the sides. Raises Mismatch for the first tensor outside its bound.
        """
        trios = []
        for name, our in ours.items():
            their = theirs[name]
            if our is None and their is None:
                continue
            label = f"{kind} {name}".strip()
            if our is None or their is None:
                raise Mismatch(f"{label} (one of the twins has none)", (), np.nan, np.nan, 0)
            if our.shape != their.shape or our.dtype != their.dtype:
                raise Mismatch(f"{label} ({our.shape} {our.dtype}, {their.shape} {their.dtype})", (), np.nan, np.nan, 0)
            if our.size:
                trios.append((label, our, their, their if referee is None else referee[name]))
        if not trios:
            return 0.0
        self.tensors += len(trios)
        # One pass over all tensors laid end to end: on small networks a NumPy call costs more than its work.
        starts = np.cumsum([0] + [our.size for _, our, _, _ in trios[:-1]])
        flat_ours, flat_theirs, flat_truth = (
            np.concatenate([trio[side].ravel() for trio in trios]).astype(np.float64, copy=False)  # type: ignore[union-attr]
            for side in (1, 2, 3)
        )
        with np.errstate(invalid="ignore"):  # inf - inf, looked at entry by entry below
            difference = np.abs(flat_ours - flat_theirs)
            error = (
                difference
                if referee is None
                else np.maximum(abs(flat_ours - flat_truth), abs(flat_theirs - flat_truth))
            )
        errors = np.maximum.reduceat(error, starts)
        limits = bound(np.maximum.reduceat(np.abs(flat_truth), starts), self.dtype, scale)
        fits = errors <= limits  # False for nan as well
        if not fits.all():
            for (label, our, their, truth), fit, limit in zip(trios, fits, limits, strict=True):
                if not fit:
                    check_entries(label, our, their, truth, float(limit))
            errors, limits = np.where(fits, errors, 0.0), np.where(fits, limits, 1.0)
            difference = np.nan_to_num(difference)
        shares = errors / np.maximum(limits, np.finfo(np.float64).tiny)
        worst = int(np.argmax(shares))
        if shares[worst] > self.largest_share:
            self.largest_share, self.largest_tensor = float(shares[worst]), trios[worst][0]
            self.largest_step = self.step
        apart = float(difference.max())
        if kind.startswith("gradient"):
            self.largest = max(self.largest, apart)
        return apart


def check_entries(label: str, ours: Array, theirs: Array, truth: Any, limit: float) -> None:
    """Mismatch at the first entry outside the bound; equal infinities and nan at the same place are equal."""
    same = ((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))) & ~np.isfinite(ours)
    with np.errstate(invalid="ignore"):
        wrong = np.argwhere(~same & ~((np.abs(ours - truth) <= limit) & (np.abs(theirs - truth) <= limit)))
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        raise Mismatch(label, index, float(ours[index]), float(theirs[index]), limit)
