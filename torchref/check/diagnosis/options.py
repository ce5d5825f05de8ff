"""The options that a code takes, off the value that the probe has first: evaluation, "sum", groups, dilation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import judge_gradients, wrong_gradients
from torchref.check.ops.record import Argument
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.forms.gradient import Gradient
from torchref.check.reading.reading import Reading
from torchref.check.running.trial import Trial, attempt


def other_values(trial: Trial) -> Iterator[tuple[Argument, Any]]:
    """Each option that the code takes, with each value that gives another formula."""
    for a in trial.op.options:
        if a.name not in trial.reading.takes or a.name in trial.op.given or not a.vary:
            continue
        if a.name == "training" and (trial.op.draws is not None or trial.run.updates):
            continue  # nobody goes back through dropout in evaluation, nor through what is a step of training itself
        for value in dict.fromkeys((a.default, *a.vary)):
            if value != trial.probe.values.get(a.name):
                yield a, value


def judge_options(found: Found, trial: Trial) -> Trial:
    """Judge the gradients under other options, wherever the forward is right there; the trial that is not right."""
    if found.findings or isinstance(trial.form, Gradient):
        return trial
    for a, value in other_values(trial):
        told = f"{a.name}={value}"
        given = {**trial.op.given, a.name: value}
        reading = trial.reading.calling(op=replace(trial.op, given=given))
        try:
            first, second, third = three(reading)
        except (CouldNotRun, ValueError, IndexError, TypeError, ZeroDivisionError):
            continue  # it is listed among what was not run
        if wrong_outputs(first) or wrong_outputs(third) or not first.gradients:
            continue
        found.ran.append(told)
        if wrong_gradients(first) or wrong_gradients(third):
            judge_gradients(found, first, second, third, told=f"with {told}")
            return first
    return trial


def three(reading: Reading) -> tuple[Trial, Trial, Trial]:
    """One probe with two upstream gradients, and another probe."""
    p, other = reading.probe(0), reading.probe(1)
    first = attempt(reading, p, [p.upstream, p.upstream])
    return first, attempt(reading, p, [p.second]), attempt(reading, other, [other.upstream])
