"""What a piece of code does in other precisions than the one in which it is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.allowance import ill_conditioned, share
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import wrong_gradients
from torchref.check.diagnosis.signatures import a_turned_sign
from torchref.check.diagnosis.wrong_formulas import match_library
from torchref.check.reading.forms.autograd import Function
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.report.verdict import Finding, inside
from torchref.check.running.trial import Trial, attempt
from torchref.check.tolerance.closeness import TOLERANCES, error

OTHERS = ("float32", "float16", "bfloat16")


def judge_precisions(found: Found, trial: Trial) -> None:
    """An autograd.Function in float32, float16 and bfloat16; plain NumPy code in float32."""
    if found.findings:
        return
    if isinstance(trial.form, Function):
        judge_lower(found, trial)
    elif trial.form.name != "network":  # its data is float64
        note_promotion(found, trial)


def judge_lower(found: Found, trial: Trial) -> None:
    """Each lower precision with its own bound, against the float64 referee at the inputs that it can store.

    What rounds worse there than the reference would is a note: a naive variance in bfloat16 is no mistake. A finding is
    only what equals a known mistake.
    """
    judged_in = trial.form.dtype
    fine: list[str] = []
    worst = 0.0
    for dtype in OTHERS[OTHERS.index(judged_in) + 1 :] if judged_in in OTHERS else OTHERS:
        reading = replace(trial.reading.calling(dtype=dtype), tolerance=TOLERANCES[dtype])
        try:
            other = attempt(reading, trial.probe, [trial.probe.upstream])
        except CouldNotRun as problem:
            found.notes.append(f"in {dtype} it could not be run: {str(problem).splitlines()[0]}")
            continue
        if judge_in(found, other, judged_in):
            fine.append(dtype)
            worst = max([worst, *(share(other, n) for n in other.gradients if n in other.reference)])
    if fine:
        how = inside(worst) if worst <= 1 else "beyond rounding, but by less than a mistake"
        found.notes.append(f"judged in {judged_in}; right in {', '.join(fine)}, too: {how}")


def judge_in(found: Found, other: Trial, judged_in: str) -> bool:
    """Whether the code is right in another precision, as far as a comparison there says anything."""
    dtype = other.form.dtype
    where = f"; in {dtype}, not in {judged_in}"
    wrong = wrong_gradients(other)
    of_another_shape = [n for n in wrong if np.shape(other.gradients[n]) != other.reference[n].shape]
    comparable = [n for n in wrong if n not in of_another_shape]
    matched, rest = match_library(other, other, comparable, where) if comparable else ([], [])
    found.notes += [beyond(other, n) for n in of_another_shape]
    for n in rest:
        s = a_turned_sign(other, n)
        if s is None:
            found.notes.append(beyond(other, n))
        else:
            matched.append(Finding(n, s.slug, f"{s.evidence}{where}", s.confidence, s.sentence))
    found.findings += matched
    vague = [n for n in other.reference if n in other.gradients and ill_conditioned(other, n)]
    if vague:
        found.notes.append(f"{dtype} is not informative for d{', d'.join(vague)}: ill-conditioned")
    return not wrong and not vague


def beyond(trial: Trial, name: str) -> str:
    """A note on a gradient that is wrong in another precision: its shape, nan or infinite entries, or its distance."""
    g, reference = np.asarray(trial.gradients[name], dtype=float), trial.reference[name]
    there = f"in {trial.form.dtype} d{name}"
    if g.shape != reference.shape:
        return f"{there} has shape {g.shape}, expected {reference.shape}"
    if not np.isfinite(g).all():
        return f"{there} has nan or infinite entries"
    times = f"{share(trial, name):.2g} times what rounding allows"
    return f"{there} differs by {error(g, reference):.2g} of its largest entry: {times}"


def note_promotion(found: Found, trial: Trial) -> None:
    """float32 in, float64 out: no mistake, but torch keeps the precision."""
    try:
        run = trial.again(wrap=single).run
    except (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        return
    results = {**{k: v for k, v in run.outputs.items() if k == "output"}, **(run.gradients[0] if run.gradients else {})}
    wide = [
        n if n == "output" else f"d{n}"
        for n, v in results.items()
        if isinstance(v, np.ndarray) and v.ndim and v.dtype == np.float64
    ]
    if wide:
        found.notes.append(
            f"float32 inputs give float64 results ({', '.join(wide)}); "
            "torch keeps the precision (np.zeros_like(x), dtype=x.dtype)"
        )


def single(value: Any) -> Any:
    """An array of floats in float32; any other value as it is."""
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
