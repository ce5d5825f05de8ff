"""When two arrays count as equal."""

from __future__ import annotations

import numpy as np

from torchref.nn.module import Array

TOLERANCE = 2e-6  # of the largest entry: no mistake is as small; what rounding allows: diagnosis/allowance.py
TOLERANCES = {"float64": TOLERANCE, "float32": 2e-4, "float16": 1e-2, "bfloat16": 6e-2}  # by precision


def size(a: Array) -> float:
    """The largest absolute value among the finite entries; 0 where there is none."""
    a = np.abs(np.asarray(a, dtype=float))
    a = a[np.isfinite(a)]
    return float(a.max()) if a.size else 0.0


def error(g: Array, reference: Array) -> float:
    """The largest difference, in units of the reference's largest entry."""
    g, reference = np.asarray(g, dtype=float), np.asarray(reference, dtype=float)
    if g.shape != reference.shape:
        return np.inf
    if g.size == 0:
        return 0.0
    same = (g == reference) | (np.isnan(g) & np.isnan(reference))
    if same.all():
        return 0.0
    with np.errstate(all="ignore"):
        difference = np.where(same, 0, np.abs(g - reference))
    if not np.isfinite(difference).all():
        return np.inf
    return float(difference.max() / max(size(reference), 1e-12))


def close(g: Array, reference: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether `error` is at most `tolerance`."""
    return error(g, reference) <= tolerance


def ratio(g: Array, reference: Array, tolerance: float = TOLERANCE) -> float | None:
    """The constant c with g = c reference, if there is one."""
    if np.shape(g) != np.shape(reference):
        return None
    g, r = np.asarray(g, dtype=float).ravel(), np.asarray(reference, dtype=float).ravel()
    if not r.size or not np.isfinite(g).all() or not np.any(r):
        return None
    c = float(g @ r / (r @ r))
    return c if c != 0 and close(g, c * r, tolerance) else None
