"""The options that a code takes, off the value that the probe has first: evaluation, "sum", groups, dilation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torchref.check.diagnosis.contract import judge_count
from torchref.check.diagnosis.extent import switches
from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import judge_gradients, wrong_gradients
from torchref.check.ops.constructor import PARAMETERS, without_parameters
from torchref.check.ops.record import Argument
from torchref.check.reading.arguments import parameters
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.forms.gradient import Gradient
from torchref.check.reading.forms.layer import Layer
from torchref.check.reading.reading import Reading
from torchref.check.report.verdict import SLUGS, Confidence
from torchref.check.running.trial import Trial, attempt

ABSENT = "absent-argument"


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
    without = judge_absent(found, trial)
    if found.findings:
        return without
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


def judge_absent(found: Found, trial: Trial) -> Trial:
    """Judge the code without each array that may be left out: bias=None, affine=False; the trial that is not right."""
    for told, reading in without_arrays(trial):
        p = reading.probe(0)
        try:
            if wrong_outputs(attempt(reading, p, [])):
                continue
        except (CouldNotRun, ValueError, IndexError, TypeError):
            continue
        found.ran.append(told)
        try:
            first, second, third = three(reading)
        except CouldNotRun as problem:
            left = next(a.name for a in trial.op.arrays if p.values.get(a.name) is not None)
            name, _, value = told.partition("=")
            advice = f"ask whether {name} is {value} before its gradient is made"
            found.add(left, ABSENT, f"with {told}: {problem}", Confidence.CERTAIN, SLUGS[ABSENT], advice)
            return trial
        judge_count(found, first)
        if found.findings:
            return first
        if wrong_gradients(first) or wrong_gradients(third):
            judge_gradients(found, first, second, third, told=f"with {told}")
            return first
    return trial


def without_arrays(trial: Trial) -> Iterator[tuple[str, Reading]]:
    """The readings without an array that may be left out, each with the argument that says so."""
    reading = trial.reading
    for name in may_be_absent(trial):
        yield f"{name}=None", reading.calling(op=replace(trial.op, absent=trial.op.absent | {name}))
    for name in PARAMETERS if isinstance(trial.form, Layer) else ():
        if f"{name}=False" in switches(trial.form):
            without = without_parameters(trial.op, {name: False})
            yield f"{name}=False", reading.calling(op=without, switched={name: False})


def may_be_absent(trial: Trial) -> list[str]:
    """The optional arrays whose parameter is None by default."""
    form = trial.form
    params = getattr(form, "params", None) or [p for f in form.functions() for p in parameters(f)]
    roles = (form.matching.roles.get(p.name) for p in params if p.default is None)
    known = {a.name for a in trial.op.arrays if a.optional and trial.probe.values.get(a.name) is not None}
    return [r for r in dict.fromkeys(roles) if r in known]


def three(reading: Reading) -> tuple[Trial, Trial, Trial]:
    """One probe with two upstream gradients, and another probe."""
    p, other = reading.probe(0), reading.probe(1)
    first = attempt(reading, p, [p.upstream, p.upstream])
    return first, attempt(reading, p, [p.second]), attempt(reading, other, [other.upstream])
