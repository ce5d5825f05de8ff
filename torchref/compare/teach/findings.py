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


def verdict(findings: list[Finding], seeds: int, needed: int) -> str:
    """Holds if every part of the claim is confirmed; with a condition if a limit of it is confirmed as well.

    With fewer seeds than the lesson needs nothing is decided: a real effect may be missed, and luck be taken for one.
    """
    if seeds < needed:
        return f"not decided ({seeds} of {needed} seeds)"
    claims = [finding.confirmed for finding in findings if finding.role == "claim"]
    if not claims or not all(claims):
        return FAILS
    return CONDITION if any(finding.confirmed for finding in findings if finding.role == "limit") else HOLDS


def larger(text: str, a: Any, b: Any, by: float = 0.0, role: str = "claim") -> Finding:
    """Confirmed if `a` exceeds `b` by more than `by`: the paired difference's whole interval lies above."""
    differences = np.asarray(a, np.float64) - b
    _, low, _ = interval(differences)
    asked = f"; asked: more than {by:g}" if by else ""
    means = f"{float(np.mean(a)):.4g} against {float(np.mean(b)):.4g}"
    return Finding(text, bool(low > by), f"{means}, a difference of {in_words(differences, '+.3g')}{asked}", role)


def within(text: str, values: Any, low: float, high: float, role: str = "claim") -> Finding:
    """Confirmed if the interval of the mean lies between `low` and `high`."""
    figures = np.asarray(values, np.float64)
    _, lower, upper = interval(figures)
    asked = f"; asked: from {low:g} to {high:g}"
    return Finding(text, bool(low <= lower and upper <= high), in_words(figures, ".4g") + asked, role)


def equal(text: str, errors: Any, bound: float, role: str = "claim") -> Finding:
    """Confirmed if no error, of any seed, exceeds `bound`."""
    largest = float(np.max(errors))
    return Finding(
        text, bool(largest <= bound), f"the largest difference is {largest:.2g}; asked: at most {bound:g}", role
    )


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
    from scipy.stats import ttest_1samp

    with warnings.catch_warnings():  # figures that are equal but for rounding are no mistake
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        low, high = ttest_1samp(values, 0.0).confidence_interval(CONFIDENCE)
    return mean, float(low), float(high)


def in_words(values: Array, form: str) -> str:
    """A mean and its interval, as a reader without statistics understands them."""
    mean, low, high = interval(values)
    if len(values) == 1:
        return f"{mean:{form}} in one training: nothing is known of others"
    if low == high:
        return f"{mean:{form}} in every training"
    return f"{mean:{form}} in the mean; {CONFIDENCE:.0%} sure: between {low:{form}} and {high:{form}}"
