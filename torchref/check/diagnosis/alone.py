"""One entry of an axis alone has reached a gradient: the first image, the last step of a loop that assigns.

A gradient is linear in the upstream gradient. So what one entry gives is the right gradient where the upstream gradient
is zero everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from torchref.check.ops.slugs import TRUNCATED
from torchref.check.report.verdict import Confidence, Finding
from torchref.check.running.trial import Trial

SLUG = "overwritten-not-accumulated"
SENTENCE = "The gradients of an axis must be added; only those of one of its entries have arrived."


def one_entry_alone(trial: Trial, third: Trial, names: list[str]) -> list[Finding]:
    """A finding for each gradient that is made of one entry of an axis of the upstream gradient."""
    if (trial.op.recurrent and not trial.op.own) or not names:
        return []
    slug = TRUNCATED if trial.op.recurrent else SLUG
    found: list[Finding] = []
    for axis, index, word in entries(trial):
        left = [n for n in names if n not in {f.gradient for f in found}]
        for n in left:
            if all(made_of(t, n, axis, index) for t in (trial, third)):
                evidence = f"only the {word} entry of axis {axis} of the upstream gradient has reached d{n}"
                found.append(Finding(n, slug, evidence, Confidence.CERTAIN, SENTENCE, f"d{n} += ..., not ="))
    return found


def entries(trial: Trial) -> Iterator[tuple[int, int, str]]:
    """The first and the last entry of each axis of the upstream gradient that has several."""
    for axis, length in enumerate(np.asarray(trial.upstream.get("output")).shape):
        for index, word in ((0, "first"), (-1, "last")):
            if length > 1:
                yield axis, index, word


def made_of(trial: Trial, name: str, axis: int, index: int) -> bool:
    """Whether a gradient is what this entry of the upstream gradient gives, and not the whole."""
    dy = np.asarray(trial.upstream.get("output"))
    if name not in trial.gradients or dy.ndim <= axis:
        return False
    alone: Any = np.zeros_like(dy)
    place = (slice(None),) * axis + (index,)
    alone[place] = dy[place]
    there = trial.probe.reference({"output": alone}, **trial.changes).get(name)
    mine = trial.gradients[name]
    if there is None or not np.any(there) or np.shape(mine) != np.shape(there):
        return False
    return trial.close(mine, there)
