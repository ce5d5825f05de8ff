"""The running statistics, where a piece of code keeps them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from torchref.check.diagnosis.found import Found
from torchref.check.ops.mistake import Mistake
from torchref.check.report.verdict import Confidence
from torchref.check.running.trial import Trial


def judge_running(found: Found, trial: Trial) -> None:
    """The running statistics, where the user's code keeps them."""
    kept = {n: kept_as(trial, n) for n in ("running_mean", "running_var") if n in trial.expected}
    wrong: dict[str, Any] = {
        n: np.reshape(v, -1) for n, v in kept.items() if v is not None and not as_torch(trial, n, v)
    }
    if not wrong:
        return
    first, *others = wrong
    mistakes = updated_by(trial, wrong)
    if mistakes is None:
        evidence = f"{' and '.join(wrong)} differ from torch's update"
        found.add(first, "running-statistics", evidence, Confidence.LIKELY, consequences=others)
        return
    flags = ", ".join(m.flag for m in mistakes)
    conventions = [m for m in mistakes if is_convention(trial, m)]
    if conventions:
        found.notes += [m.convention for m in conventions]
        mistakes = tuple(m for m in mistakes if m not in conventions)
        flags = ", ".join(m.flag for m in mistakes)
    if mistakes:
        root = mistakes[0].gradient
        evidence = f"{' and '.join(wrong)} equal those of this mistake ({flags})"
        sentence = " ".join(m.sentence for m in mistakes)
        spoilt = [n for n in wrong if n != root]
        found.add(root, "running-statistics", evidence, Confidence.CERTAIN, sentence, consequences=spoilt)


def is_convention(trial: Trial, m: Mistake) -> bool:
    """Whether other texts update the statistics so: by n; with momentum the other way round, if the default says it."""
    other_way_round = m.gradient == "running_mean"
    return bool(m.convention) and (trial.form.keeps_the_old_share() if other_way_round else not trial.reading.strict)


def kept_as(trial: Trial, name: str) -> Any:
    """What the user's code has made of a running statistic; None where it keeps none."""
    value = trial.outputs.get(name)
    if value is not None:
        return value
    value = trial.outputs.get(name + " in place")
    untouched = value is not None and np.array_equal(value, trial.probe.values[name])
    return None if untouched else value  # handed over, but neither changed nor returned


def as_torch(trial: Trial, name: str, value: Any) -> bool:
    """Whether a running statistic has torch's values, in whatever shape it is kept."""
    right = trial.expected[name]
    return np.size(value) == np.size(right) and trial.close(np.reshape(value, np.shape(right)), right)


def updated_by(trial: Trial, wrong: dict[str, Any]) -> tuple[Mistake, ...] | None:
    """The mistake, or the two mistakes, that update the statistics in this way."""
    running = [m for m in trial.op.mistakes if m.gradient.startswith("running_")]
    for mistakes in (*((m,) for m in running), *itertools.combinations(running, 2)):
        result = trial.with_mistakes(tuple(m.flag for m in mistakes))
        if result is not None and all(trial.close(wrong[n], result[0][n]) for n in wrong):
            return mistakes
    return None
