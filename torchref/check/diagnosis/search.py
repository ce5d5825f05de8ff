"""Which variant of the probe, which convention and which options a piece of code works with.

A search makes readings and changes none: it returns the trial in which the forward is right, or, if it is so in none,
the first that runs. The trial knows its reading.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.own_forward import (
    by_own_constant,
    gradients_right,
    what_differs,
    with_gradients,
    with_other_eps,
)
from torchref.check.ops.conventions import TORCH, Convention
from torchref.check.ops.probe import Probe
from torchref.check.reading import other_signatures
from torchref.check.reading.arguments import ALIASES, normal
from torchref.check.reading.conventions import possible_conventions, told_conventions
from torchref.check.reading.forms.autograd import Function
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.reading.forms.form import Form
from torchref.check.reading.forms.gradient import Gradient
from torchref.check.reading.other_layouts import batch_axes, one_column, other_layouts
from torchref.check.reading.reading import Reading
from torchref.check.running.trial import Trial, attempt
from torchref.check.tolerance.closeness import TOLERANCES

LEARNING = 8  # conventions in which the code is tried, to see which options it asks for


def best_trial(form: Form, stated: tuple[str, ...], strict: bool = False) -> Trial:
    """The trial in the reading that fits a user's code best. Errors: CouldNotRun where it runs in none."""
    reading = Reading(form, form.op.variants[0], form.tolerance, stated=stated, strict=strict)
    if form.ambiguous():
        reading = input_or_output(reading, form)
    reading = with_options(reading)
    if isinstance(form, Function):
        reading = in_a_precision(reading, form)
    trial = settle(reading)
    if (dtype := str(np.asarray(trial.outputs.get("output")).dtype)) == "float16":  # whatever it is handed
        reading = replace(reading, tolerance=TOLERANCES[dtype])
        trial = settle(reading)
    if trial.outputs and wrong_outputs(trial) and for_vectors(trial):
        vector = trial.reading.calling(op=replace(trial.op, variants=("vector",)))
        trial = settle(vector.noting("it is judged on one vector: its backward takes no rows"))
    return on_one_column(reading, trial) or trial


def on_one_column(reading: Reading, trial: Trial) -> Trial | None:
    """The trial of code whose backward is for one example in a column, (D, 1): on more it raises."""
    a_row = "vector" in trial.op.variants and trial.reading.variant == "vector"
    if trial.reading.laid_out or not trial.outputs or not (a_row or batch_axes(reading.op)):
        return None
    raised = False
    try:
        if gradients_right(attempt(trial.reading, trial.probe, [trial.probe.upstream])) or not a_row:
            return None
    except CouldNotRun:
        raised = True
    told = "it is judged on one example, a column (D, 1): its backward takes no more"
    there = replace(reading.calling(op=one_column(reading.op)), laid_out=True).noting(told)
    try:
        column = settle(there)
        right = gradients_right(attempt(column.reading, column.probe, [column.probe.upstream]))
    except CouldNotRun:
        return None
    return column if (right or raised) and works(column) else None


def settle(reading: Reading) -> Trial:
    """The trial in the variant and the convention in which the forward is right, else the first that runs."""
    first: Trial | None = None
    problem: CouldNotRun | None = None
    for variant in reading.op.variants:
        p = reading.probe(0, variant)
        for convention in conventions_to_try(reading, p):
            try:
                trial = attempt(replace(reading, variant=variant, convention=convention), p, upstreams(reading, p))
            except CouldNotRun as e:
                problem = problem or e
                continue
            if works(trial):
                return trial
            own = None if reading.strict else by_own_constant(trial)
            if own is not None:
                return own
            fits = has_the_right_shape(trial)
            adapted = None if fits else other_signatures.fitting(reading.op, trial.outputs, trial.expected)
            if adapted is not None:
                return settle(reading.calling(op=adapted))
            if fits_beside(trial, fits) and first is None:
                first = trial
        if first is not None:
            return another(reading, first)
    return another_function(reading) or another_layout(reading) or with_defaults(reading, problem)


def upstreams(reading: Reading, p: Probe) -> list[dict[str, Any]]:
    """What a first trial hands over: a plain gradient function has no forward that could be tried alone."""
    return [p.upstream] if isinstance(reading.form, Gradient) else []


def works(trial: Trial) -> bool:
    """Whether the forward is right; of a gradient function, which has none, whether the gradients are."""
    return gradients_right(trial) if isinstance(trial.form, Gradient) else not wrong_outputs(trial)


def has_the_right_shape(trial: Trial) -> bool:
    """Whether the output has torch's shape, or the code gives no output."""
    return not trial.outputs or np.shape(trial.outputs.get("output", 0)) == np.shape(trial.expected["output"])


def fits_beside(trial: Trial, fits: bool) -> bool:
    """Whether a trial that is not right has the right shapes at least."""
    if not isinstance(trial.form, Gradient):
        return fits
    return all(np.shape(g) == trial.reference[n].shape for n, g in trial.gradients.items() if n in trial.reference)


def with_defaults(reading: Reading, problem: CouldNotRun | None) -> Trial:
    """The last resort of code that ran in no convention, or in none with the right shapes: torch's defaults alone."""
    options = {a.name for a in reading.op.options if a.name not in reading.op.given} & reading.takes
    if options and isinstance(problem, UserError):
        try:
            return settle(reading.calling(takes=reading.takes - options))
        except CouldNotRun:
            raise problem from None
    first = replace(reading, variant=reading.op.variants[0], convention=TORCH)
    if isinstance(reading.form, Gradient):
        p = first.probe(0)
        try:
            return attempt(first, p, [p.upstream])
        except CouldNotRun:
            raise (problem or CouldNotRun("it ran in no convention")) from None
    if problem is None:
        return attempt(first, first.probe(0), [])
    raise problem


def another(reading: Reading, first: Trial) -> Trial:
    """The trial in which the forward runs; if it is right for another function of that name, the trial against that."""
    if not isinstance(reading.form, Gradient) and belongs_to_torchs_forward(first):
        return first
    function = None if reading.strict else another_function(reading)
    if function is not None or isinstance(reading.form, Gradient):
        return function or first
    for other in () if reading.strict else with_other_eps(first):
        trial = attempt(other, other.probe(0), [])
        if not wrong_outputs(trial):
            return trial
    return first


def belongs_to_torchs_forward(first: Trial) -> bool:
    """Whether the gradients are torch's, though the forward is not: the two disagree, and no convention mends that."""
    there = with_gradients(first.reading) if what_differs(first) else None
    return there is not None and gradients_right(there)


def another_function(reading: Reading) -> Trial | None:
    """The trial in which the forward is another function that goes by the operation's name in other texts."""
    if isinstance(reading.form, Gradient) and not reading.op.loss:
        return None
    for op, told in other_signatures.other_functions(reading.op, reading.takes):
        try:
            trial = settle(reading.calling(op=op))
        except CouldNotRun:
            continue
        if works(trial) if isinstance(reading.form, Gradient) else trial.outputs and not wrong_outputs(trial):
            return replace(trial, reading=trial.reading.noting(f"a convention that differs from torch's: {told}"))
    return None


def another_layout(reading: Reading) -> Trial | None:
    """The trial of code that runs on no batch: on one example, on (N, T, D), on images, on images without channels.

    A forward may run in several layouts. The one in which the gradients are right is meant, else one in which they run.
    """
    ways: list[Trial] = []
    running: list[Trial] = []
    judged = 0
    for op, told in other_layouts(reading.op) if not reading.laid_out else ():
        try:
            there = replace(reading, form=reading.form.against(op), laid_out=True)
            trial = settle(there.noting(told))
        except (CouldNotRun, ValueError):  # the latter: the operation has no such layout
            continue
        if not works(trial):
            continue
        back = with_gradients(trial.reading)
        if back is not None and gradients_right(back) and len(back.gradients) >= judged:
            return trial  # a layout in which a wrong gradient is not seen is no way out
        ways.append(trial)
        if back is not None:
            running.append(trial)
            judged = max(judged, len(back.gradients))
    return next(iter([*running, *ways]), None)


def conventions_to_try(reading: Reading, p: Probe) -> Iterator[Convention]:
    """The conventions to try. No forward tells dropout's apart: p is torch's unless its name says more."""
    stated = list(reading.stated) or None
    every = (c for c in possible_conventions(reading.op, p.values, stated) if not (reading.strict and c.of_values))
    if reading.op.draws and isinstance(reading.form, Gradient) and not told_conventions(stated):
        name = normal(reading.form.matching.user("p") or "")
        return iter(list(every)[1:]) if "keep" in name or "retain" in name else iter([TORCH])
    return every


def with_options(reading: Reading) -> Reading:
    """The reading in which the options that the code reads from its dictionary vary, and the others do not."""
    if "config" not in reading.takes:
        return reading
    options = {a.name for a in reading.op.arguments if a.name not in ("input", "momentum")}
    every = reading.calling(takes=reading.takes | options)
    for variant in every.op.variants:
        p = every.probe(0, variant)
        ways = possible_conventions(every.op, p.values, list(every.stated) or None)
        for convention in itertools.islice(ways, LEARNING):
            try:
                trial = attempt(replace(every, convention=convention), p, upstreams(every, p))
            except CouldNotRun:
                continue
            asked = trial.asked.names(every.op) if trial.asked is not None else options
            return reading.calling(takes=reading.takes | (options & asked))
    return every


def in_a_precision(reading: Reading, form: Function) -> Reading:
    """The reading in the first precision, on the first device, that the code runs in."""
    first: CouldNotRun | None = None
    for there in form.places():
        try:
            settle(replace(reading, form=there))
        except CouldNotRun as error:
            first = first or error
        else:
            return replace(reading, form=there, tolerance=TOLERANCES[there.dtype])
    raise first or CouldNotRun("it ran in no precision")


def for_vectors(trial: Trial) -> bool:
    """Whether code for one vector was given rows: it takes them, but its backward does not."""
    if "vector" not in trial.op.variants or trial.reading.variant == "vector":
        return False
    try:
        rows = attempt(trial.reading, trial.probe, [trial.probe.upstream])
    except CouldNotRun:
        return True
    return any(np.shape(g) != rows.reference[n].shape for n, g in rows.gradients.items() if n in rows.reference)


def input_or_output(reading: Reading, form: Form) -> Reading:
    """An argument like `a` or `cache` of a gradient function is the input, or else the output: see which is right."""
    flag = "use_probabilities" if reading.op.probabilities else "use_output"
    user = form.matching.user("input") or ""
    name = normal(user)
    named = flag == "use_output" and re.search("(^|[a-z])out(put)?$", name) and reading.op.by_output
    for output in (True,) if named else (False, True):  # sigma'(sigma(x)) is a mistake, whatever it is right for
        there = reading.calling(**{flag: output})
        try:
            p = there.probe(0)
            if gradients_right(attempt(there, p, [p.upstream])):
                what = "softmax's output" if reading.op.probabilities else "the forward's output"
                return there.noting(f"{user!r} is taken to be {what}") if output else there
        except CouldNotRun:
            continue
    softmaxs = ("probs", "p", "softmax", "probabilities", "softmaxout", "s")
    names = softmaxs if reading.op.probabilities else ALIASES["output"]
    return reading.calling(**{flag: name in names})
