# ruff: noqa: E501
"""Which variant of the probe, which convention and which options a piece of code works with."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np

from torchref.check.diagnosis.forward import forward_right
from torchref.check.ops.conventions import TORCH, Convention
from torchref.check.ops.probe import Probe, make_probe
from torchref.check.reading import arguments, other_signatures
from torchref.check.reading.conventions import possible_conventions, told_conventions
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.running.subject import Subject, Trial
from torchref.check.tolerance.closeness import close


def settle(code: Subject) -> Trial:
    """Find the variant and the convention in which the forward is right (or, if none is, in which it runs)."""
    first: Trial | None = None
    problem: CouldNotRun | None = None
    for variant in code.op.variants:
        p = make_probe(code.op, 0, code.form.takes, variant)
        for convention in conventions_to_try(code, p):
            try:
                trial = code.attempt(p, convention, [p.upstream] if code.form.name == "function" else [])
            except CouldNotRun as e:
                if problem is None:
                    problem = e
                continue
            good = scores(code, trial) if code.form.name == "function" else forward_right(code, trial)
            if good:
                code.variant, code.convention = variant, convention
                return trial
            fits = (
                np.shape(trial.outputs.get("output", 0)) == np.shape(trial.expected["output"])
                if trial.outputs
                else True
            )
            adapted = None if fits else other_signatures.fitting(code.op, trial.outputs, trial.expected)
            if adapted is not None:
                code.op = code.form.op = adapted
                return settle(code)
            if code.form.name == "function":
                fits = all(
                    np.shape(g) == trial.reference[n].shape for n, g in trial.gradients.items() if n in trial.reference
                )
            if fits and first is None:
                first = trial
                code.variant, code.convention = variant, convention
        if first is not None:
            break
    if first is not None:
        return another(code, first)
    options = {a.name for a in code.op.options if a.name not in code.op.given} & code.form.takes
    if options and isinstance(problem, UserError):  # code that works for torch's defaults alone
        taken, code.form.takes = code.form.takes, code.form.takes - options
        try:
            return settle(code)
        except CouldNotRun:
            code.form.takes = taken
            raise problem from None
    if code.form.name == "function":
        p = make_probe(code.op, 0, code.form.takes, code.op.variants[0])
        try:
            return code.attempt(p, TORCH, [p.upstream])
        except CouldNotRun:
            raise (problem or CouldNotRun("it ran in no convention")) from None
    if problem is None:
        p = make_probe(code.op, 0, code.form.takes, code.op.variants[0])
        return code.attempt(p, TORCH, [])
    raise problem


def another(code: Subject, first: Trial) -> Trial:
    """The trial in which the forward runs; if it is right for another function of that name, the trial against that."""
    if code.form.name == "function":
        return first
    kept = code.op, code.variant, code.convention
    for op, told in other_signatures.other_functions(kept[0]):
        code.op = code.form.op = op
        trial = settle(code)
        if forward_right(code, trial):
            code.notes.append(f"a convention that differs from torch's: {told}")
            return trial
    code.op, code.variant, code.convention = kept
    code.form.op = code.op
    return first


def conventions_to_try(code: Subject, p: Probe) -> Iterator[Convention]:
    """The conventions to try. Where no forward can tell them apart, dropout's p is torch's unless its name says more."""
    if code.op.draws and code.form.name == "function" and not told_conventions(code.stated):
        name = arguments.normal(code.form.matching.user("p") or "")
        if "keep" in name or "retain" in name:
            return iter(list(possible_conventions(code.op, p.values, code.form.takes, code.stated))[1:])
        return iter([TORCH])
    return possible_conventions(code.op, p.values, code.form.takes, code.stated)


def scores(code: Subject, trial: Trial) -> bool:
    return bool(trial.gradients) and all(
        np.shape(g) == trial.reference[n].shape and close(g, trial.reference[n])
        for n, g in trial.gradients.items()
        if n in trial.reference
    )


def learn_options(code: Subject) -> None:
    """Which options the code reads from its dictionary: those vary in the probe, the others stay at their defaults."""
    if "config" not in code.form.takes:
        return
    options = {a.name for a in code.op.arguments if a.name not in ("input", "momentum")}
    plain = set(code.form.takes)
    code.form.takes = plain | options
    for variant in code.op.variants:
        p = make_probe(code.op, 0, code.form.takes, variant)
        for convention in itertools.islice(possible_conventions(code.op, p.values, code.form.takes, code.stated), 8):
            try:
                code.attempt(p, convention, [p.upstream] if code.form.name == "function" else [])
            except CouldNotRun:
                continue
            asked = code.form.asked.names(code.op) if code.form.asked is not None else options
            code.form.takes = plain | (options & asked)
            return


def choose_input_or_output(code: Subject) -> None:
    """An argument like `a` or `cache` of a gradient function is the input, or else the output: see which is right."""
    flag = "use_probabilities" if code.op.probabilities else "use_output"
    name = arguments.normal(code.form.matching.user("input") or "")
    told = flag == "use_output" and re.search("(^|[a-z])out(put)?$", name) and code.op.by_output
    for use_output in (True,) if told else (False, True):  # sigma'(sigma(x)) is a mistake, whatever it is right for
        setattr(code.form, flag, use_output)
        try:
            p = make_probe(code.op, 0, code.form.takes, code.op.variants[0])
            if scores(code, code.attempt(p, TORCH, [p.upstream])):
                if use_output:
                    what = "softmax's output" if code.op.probabilities else "the forward's output"
                    code.notes.append(f"{code.form.matching.user('input')!r} is taken to be {what}")
                return
        except CouldNotRun:
            continue
    role = code.form.matching.user("input") or ""
    if code.op.probabilities:
        told = arguments.normal(role) in ("probs", "p", "softmax", "probabilities", "softmaxout", "s")
        code.form.use_probabilities = told
        return
    code.form.use_output = arguments.normal(role) in arguments.ALIASES["output"]
