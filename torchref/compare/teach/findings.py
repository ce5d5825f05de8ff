"""From figures, one number per seed, to findings, and from findings to a verdict."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.nn.module import Array

__all__ = [
    "CONDITION",
    "FAILS",
    "HOLDS",
    "Figures",
    "Finding",
    "always",
    "equal",
    "larger",
    "verdict",
    "within",
]

CONFIDENCE = 0.99  # of every interval: a lesson has several findings, and none may be luck
HOLDS, CONDITION, FAILS = "holds", "holds with a condition", "does not hold"
Figures = Mapping[str, Mapping[str, Array]]  # variant -> figure -> one number per seed


@dataclass(frozen=True)
class Finding:
    """One sentence that figures confirm or not.

    role: "claim" (a part of what is claimed), "limit" (where the claim stops being true), "instead" (what is true in
    the place of a claim that is not), "beside" (what else the figures show: it decides nothing).
    """

    text: str
    confirmed: bool
    figures: str  # what was found, with its interval
    role: str = "claim"


def verdict(findings: list[Finding]) -> str:
    """Holds if every part of the claim is confirmed; with a condition if a limit of it is confirmed as well."""
    claims = [finding.confirmed for finding in findings if finding.role == "claim"]
    if not claims or not all(claims):
        return FAILS
    return CONDITION if any(finding.confirmed for finding in findings if finding.role == "limit") else HOLDS


def larger(text: str, a: Any, b: Any, by: float = 0.0, role: str = "claim") -> Finding:
    """Confirmed if `a` exceeds `b` by more than `by`: the paired difference's whole interval lies above."""
    mean, low, high = interval(np.asarray(a, np.float64) - b)
    p = "" if low == high else f", p = {chance(np.asarray(a, np.float64) - b - by):.1g}"
    means = f"{float(np.mean(a)):.4g} against {float(np.mean(b)):.4g}"
    return Finding(text, bool(low > by), f"{means}: {mean:+.3g} [{low:+.3g}, {high:+.3g}]{p}", role)


def within(text: str, values: Any, low: float, high: float, role: str = "claim") -> Finding:
    """Confirmed if the interval of the mean lies between `low` and `high`."""
    mean, lower, upper = interval(np.asarray(values, np.float64))
    return Finding(text, bool(low <= lower and upper <= high), f"{mean:.4g} [{lower:.4g}, {upper:.4g}]", role)


def equal(text: str, errors: Any, bound: float, role: str = "claim") -> Finding:
    """Confirmed if no error, of any seed, exceeds `bound`."""
    largest = float(np.max(errors))
    return Finding(text, bool(largest <= bound), f"largest difference {largest:.2g}, bound {bound:.0e}", role)


def always(text: str, truths: Any, role: str = "claim") -> Finding:
    """Confirmed if it is so for every seed."""
    truths = np.asarray(truths, bool)
    return Finding(text, bool(truths.all()), f"in {truths.sum()} of {truths.size} trainings", role)


def interval(values: Array) -> tuple[float, float, float]:
    """Mean, and Student's interval for it at CONFIDENCE; nan where a training gave nan, which confirms nothing."""
    mean = float(np.mean(values))
    if len(values) == 1:
        return mean, -np.inf, np.inf
    if np.ptp(values) == 0:
        return mean, mean, mean
    low, high = student(values, "two-sided").confidence_interval(CONFIDENCE)
    return mean, float(low), float(high)


def chance(values: Array) -> float:
    """The p-value of Student's test (one-sided) that the mean is not above 0."""
    if len(values) == 1:
        return 1.0
    if np.ptp(values) == 0:
        return float(values[0] <= 0)
    return float(student(values, "greater").pvalue)


def student(values: Array, alternative: str) -> Any:
    """Student's test of the mean. Figures that are equal but for rounding are no mistake, so SciPy need not warn."""
    from scipy.stats import ttest_1samp

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        return ttest_1samp(values, 0.0, alternative=alternative)
