"""A forward that is not quite torch's, and a backward that is not the forward's: what is wrong between the two.

The code's own forward is the reference then, differentiated by a witness; so the mistake is named as any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import judge_gradients, wrong_gradients
from torchref.check.diagnosis.own_forward import known_forward, what_differs, with_gradients
from torchref.check.diagnosis.repair import look_for_repair
from torchref.check.ops.probe import Probe
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.reading import Reading
from torchref.check.reference.own import Witnessed
from torchref.check.reference.witness import NoWitness
from torchref.check.report.verdict import Confidence
from torchref.check.running.trial import Trial, attempt
from torchref.nn.module import Array

ENTRIES = 400  # of the arrays that a witness moves one by one
DISAGREE = "Forward and backward disagree: the backward is that of torch's forward, and yours is another."


class OfTheCode(Witnessed):
    """The formula of a piece of code: its own forward, as one reading runs it."""

    def __init__(self, reading: Reading, p: Probe) -> None:
        super().__init__(reading.form.run, reading.op.name, reading.op.arguments, torch=False)
        self.reading, self.probe, self.torch = reading, p, False

    def call(self, values: dict[str, Any]) -> tuple[Array, ...]:
        """What the code returns for these values, in torch's convention."""
        p = replace(self.probe, values={**self.probe.values, **values})
        outputs = attempt(self.reading, p, []).outputs
        return tuple(np.asarray(outputs[n]) for n in self.reading.op.outputs if n in outputs)


def judge_disagreement(found: Found, trial: Trial) -> Trial | None:
    """Name what is wrong in the backward of a forward that differs a little; the trial by the code's own forward."""
    told = what_differs(trial)
    there = with_gradients(trial.reading) if told else None
    if there is None or not there.gradients:
        return None
    if not wrong_gradients(there):
        evidence = f"{told} The gradients are those of torch's {trial.op.name}"
        found.add("output", "forward-differs", evidence, Confidence.CERTAIN, DISAGREE)
        return there
    if (
        known_forward(trial) is not None
        or sum(np.size(there.probe.values[n]) for n in there.gradients if n in there.reference) > ENTRIES
    ):
        return None
    try:
        return by_own_forward(found, there, told)
    except (NoWitness, CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        return None


def by_own_forward(found: Found, there: Trial, told: str) -> Trial | None:
    """The findings by the code's own forward; None where these have no name."""
    own = Found()
    trial, second, third = (
        own_trial(there.reading, seed, other) for seed, other in ((0, False), (0, True), (1, False))
    )
    judge_gradients(own, trial, second, third, told="judged by the code's own forward")
    look_for_repair(own, trial, third)
    if not own.findings or any(f.slug == "unknown" for f in own.findings):
        return None
    found.findings += own.findings
    found.notes.append(f"a convention that differs from torch's: {told}")
    return trial


def own_trial(reading: Reading, seed: int, second: bool) -> Trial:
    """A probe, run in a reading whose formula is the code's own forward."""
    p = reading.probe(seed)
    op = replace(reading.op, formula=OfTheCode(reading, p))
    return attempt(reading.calling(op=op), replace(p, op=op), [p.second if second else p.upstream])
