"""Lesson: a claim about neural networks, the trainings that measure it, and the rule from figures to verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from torchref.nn.module import Array

if TYPE_CHECKING:
    from torchref.compare.comparison import Comparison
    from torchref.compare.lockstep.step import Step
    from torchref.compare.record.recorder import Recorder
    from torchref.compare.teach.teaching import Trained

CONFIDENCE = 0.99  # of every interval: a lesson has several findings, and none may be luck
HOLDS, CONDITION, FAILS = "holds", "holds with a condition", "does not hold"
Figures = Mapping[str, Mapping[str, Array]]  # variant -> figure -> one number per seed
Across = Mapping[str, Mapping[str, Sequence[tuple[int, Array]]]]  # run -> tag -> [(what is varied, by seed), ...]


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


@dataclass(frozen=True)
class Lesson:
    """A claim, and what measures it.

    Each variant is a Comparison, trained in lockstep once per seed; `measure` turns a training into figures, and
    `judge` turns all figures into findings. With the effect switched off (the A/A control) every variant becomes
    `control`, each with seeds of its own, and `Trained.off` is True: the same `judge` must then answer that the claim
    does not hold.
    """

    name: str
    claim: str  # its first line is the claim
    variants: Mapping[str, Comparison]
    measure: Callable[[Trained], Mapping[str, float]]
    judge: Callable[[Figures], list[Finding]]
    control: str  # the variant that all become when the effect is switched off
    quick: int = 20  # steps in a training of a quick run, at most
    seeds: int = 10
    train: Callable[[Trained], None] | None = None  # instead of going through the data `epochs` times
    watch: Callable[[Trained, Step], None] | None = None  # called after every step
    show: Callable[[Recorder, Trained], None] | None = None  # pictures of a variant's first training
    across: Callable[[Figures], Across] | None = None  # curves over what is varied, in the place of steps
    page: str = "timeseries"  # of TensorBoard, where the claim is seen
    colors: str = ""  # a regular expression: runs whose group is the same have the same colour there
    cards: tuple[str, ...] = ()  # tags of the curves that show the claim: on top of TensorBoard's page, in this order

    @property
    def headline(self) -> str:
        """The claim in one line."""
        return self.claim.partition("\n")[0]


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
    from scipy.stats import t

    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return mean, -np.inf, np.inf
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * float(np.std(values, ddof=1)) / n**0.5
    return mean, mean - half, mean + half


def chance(values: Array) -> float:
    """The p-value of Student's test (one-sided) that the mean is not above 0."""
    from scipy.stats import t

    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return 1.0
    error = float(np.std(values, ddof=1)) / n**0.5
    return float(t.sf(mean / error, n - 1)) if error else float(mean <= 0)
