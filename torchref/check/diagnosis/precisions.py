"""What a piece of code does in other precisions than the one in which it is judged."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.diagnosis import signatures
from torchref.check.diagnosis.gradients import wrong_gradients
from torchref.check.diagnosis.wrong_formulas import match_library
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.report.verdict import Finding, inside
from torchref.check.running.subject import Subject, Trial
from torchref.check.tolerance import closeness
from torchref.check.tolerance.allowance import ill_conditioned, share

OTHERS = ("float32", "float16", "bfloat16")


def judge_precisions(code: Subject, trial: Trial) -> None:
    """An autograd.Function in float32, float16 and bfloat16; plain NumPy code in float32."""
    if code.findings:
        return
    if code.form.name == "autograd":
        judge_lower(code, trial)
    else:
        note_promotion(code, trial)


def judge_lower(code: Subject, trial: Trial) -> None:
    """Each lower precision with its own bound, against the float64 referee at the inputs that it can store.

    What rounds worse there than the reference would is a note: a naive variance in bfloat16 is no mistake. A finding is
    only what equals a known mistake.
    """
    judged_in, tolerance = code.form.dtype, closeness.allowed["tolerance"]
    fine: list[str] = []
    worst = 0.0
    try:
        for dtype in OTHERS[OTHERS.index(judged_in) + 1 :] if judged_in in OTHERS else OTHERS:
            code.form.dtype = dtype
            closeness.allowed["tolerance"] = closeness.TOLERANCES[dtype]
            try:
                other = code.attempt(trial.probe, trial.convention, [trial.probe.upstream])
            except CouldNotRun as problem:
                code.notes.append(f"in {dtype} it could not be run: {str(problem).splitlines()[0]}")
                continue
            wrong = wrong_gradients(code, other)
            found: list[Finding] = []
            rest = match_library(code, other, other, wrong, found, f"; in {dtype}, not in {judged_in}") if wrong else []
            for n in rest:
                s = sign(other, n)
                if s is None:
                    code.notes.append(beyond(code, other, n, dtype))
                else:
                    found.append(
                        Finding(n, s.slug, f"{s.evidence}; in {dtype}, not in {judged_in}", s.confidence, s.sentence)
                    )
            code.findings += found
            vague = [n for n in other.reference if n in other.gradients and ill_conditioned(code, other, n)]
            if vague:
                code.notes.append(f"{dtype} is not informative for d{', d'.join(vague)}: ill-conditioned")
            if not wrong and not vague:
                fine.append(dtype)
                worst = max([worst, *(share(code, other, n) for n in other.gradients if n in other.reference)])
    finally:
        code.form.dtype, closeness.allowed["tolerance"] = judged_in, tolerance
    if fine:
        how = inside(worst) if worst <= 1 else "beyond rounding, but by less than a mistake"
        code.notes.append(f"judged in {judged_in}; right in {', '.join(fine)}, too: {how}")


def sign(trial: Trial, name: str) -> signatures.Signature | None:
    """A turned sign: the one signature that rounding in half precision cannot be mistaken for."""
    g, reference = np.asarray(trial.gradients[name], dtype=float), trial.reference[name]
    found = signatures.constant(trial.probe, g, reference, None, name) if g.shape == reference.shape else None
    return found if found is not None and found.slug == "wrong-sign" and found.confidence > 0.9 else None


def beyond(code: Subject, trial: Trial, name: str, dtype: str) -> str:
    g, reference = np.asarray(trial.gradients[name], dtype=float), trial.reference[name]
    if g.shape != reference.shape:
        return f"in {dtype} d{name} has shape {g.shape}, expected {reference.shape}"
    if not np.isfinite(g).all():
        return f"in {dtype} d{name} has nan or infinite entries"
    times = share(code, trial, name)
    return f"in {dtype} d{name} differs by {closeness.error(g, reference):.2g} of its largest entry: {times:.2g} times what rounding allows"  # noqa: E501


def note_promotion(code: Subject, trial: Trial) -> None:
    """float32 in, float64 out: no mistake, but torch keeps the precision."""
    try:
        run = code.attempt(trial.probe, trial.convention, trial.upstreams[:1], single).run
    except (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        return
    results = {**{k: v for k, v in run.outputs.items() if k == "output"}, **(run.gradients[0] if run.gradients else {})}
    wide = [
        n if n == "output" else f"d{n}"
        for n, v in results.items()
        if isinstance(v, np.ndarray) and v.ndim and v.dtype == np.float64
    ]
    if wide:
        code.notes.append(
            f"float32 inputs give float64 results ({', '.join(wide)}); torch keeps the precision (np.zeros_like(x), dtype=x.dtype)"  # noqa: E501
        )


def single(value: Any) -> Any:
    return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
