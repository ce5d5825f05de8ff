# ruff: noqa: E501
"""The course of a diagnosis: in which order a piece of code is asked what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from torchref.check.diagnosis.contract import judge_contract
from torchref.check.diagnosis.extremes import judge_extremes
from torchref.check.diagnosis.first_wrong import name_first_wrong
from torchref.check.diagnosis.forward import judge_forward, wrong_outputs
from torchref.check.diagnosis.gradients import judge_gradients, wrong_gradients
from torchref.check.diagnosis.gradients import right as is_right
from torchref.check.diagnosis.more_axes import judge_ranks
from torchref.check.diagnosis.precisions import judge_precisions
from torchref.check.diagnosis.repair import look_for_repair, names_one_change
from torchref.check.diagnosis.running_statistics import judge_running
from torchref.check.diagnosis.search import choose_input_or_output, learn_options, settle
from torchref.check.ops.conventions import TORCH
from torchref.check.ops.formula import shown_formula
from torchref.check.ops.probe import make_probe
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.report.derivation import derivation
from torchref.check.report.verdict import CORRECTIONS, COULD_NOT_RUN, RIGHT, WRONG, Verdict
from torchref.check.running.subject import Subject, Trial
from torchref.check.tolerance import closeness
from torchref.check.tolerance.allowance import ill_conditioned, share
from torchref.check.tolerance.closeness import TOLERANCE, TOLERANCES, error


def judge(code: Subject) -> Verdict:
    """The verdict, in one reading of the code."""
    if hasattr(code.form, "ambiguous") and code.form.ambiguous():
        choose_input_or_output(code)
    closeness.allowed["tolerance"] = TOLERANCE
    learn_options(code)
    if code.form.name == "autograd":
        code.form.choose(lambda: settle(code))
        closeness.allowed["tolerance"] = TOLERANCES[code.form.dtype]
    trial = settle(code)
    if trial.outputs and wrong_outputs(code, trial) and for_vectors(code, trial):
        code.op = code.form.op = replace(code.op, variants=("vector",))
        code.notes.append("it is judged on one vector: its backward takes no rows")
        trial = settle(code)
    if code.convention is not TORCH:
        code.notes.append(f"a convention that differs from torch's: {code.convention.sentence}")
    if trial.outputs and wrong_outputs(code, trial):
        judge_forward(code, trial)
        return result(code, trial)
    p = trial.probe
    try:
        trial = code.attempt(p, code.convention, [p.upstream, p.upstream])
    except UserError as problem:
        return breaks(code, problem, trial)
    if (
        "one slope" in code.op.variants
        and np.size(trial.gradients.get("weight", p.values["weight"])) == 1 != p.values["weight"].size
    ):
        code.variant = "one slope"  # the formula of one slope runs with many, too
        p = make_probe(code.op, 0, code.form.takes, code.variant)
        trial = code.attempt(p, code.convention, [p.upstream, p.upstream])
    second = code.attempt(p, code.convention, [p.second])
    other = make_probe(code.op, 1, code.form.takes, code.variant)
    third = code.attempt(other, code.convention, [other.upstream])
    judge_contract(code, trial, second)
    judge_running(code, trial)
    judge_gradients(code, trial, second, third)
    look_for_repair(code, trial, third)
    judge_extremes(code)
    name_first_wrong(code, trial)
    judge_precisions(code, trial)
    judge_ranks(code)
    return result(code, trial)


def for_vectors(code: Subject, trial: Trial) -> bool:
    """Whether code for one vector was given rows: it takes them, but its backward does not."""
    if "vector" not in code.op.variants or code.variant == "vector":
        return False
    try:
        rows = code.attempt(trial.probe, code.convention, [trial.probe.upstream])
    except CouldNotRun:
        return True
    return any(np.shape(g) != rows.reference[n].shape for n, g in rows.gradients.items() if n in rows.reference)


def breaks(code: Subject, problem: UserError, trial: Trial) -> Verdict:
    """The backward raises although the forward ran: a shape error is often a transpose that only a square array hides."""
    if not isinstance(problem.original, ValueError | IndexError | RuntimeError | TypeError | AssertionError):
        raise problem
    try:
        p = make_probe(code.op, 0, code.form.takes, "square")
        square = code.attempt(p, code.convention, [p.upstream])
    except (CouldNotRun, ValueError, KeyError):
        if not names_one_change(code, trial, problem):
            raise problem from None
        return result(code, trial)
    before = len(code.findings)
    judge_gradients(
        code,
        square,
        square,
        square,
        told=f"on sizes that differ it raises {type(problem.original).__name__}: {problem.original}",
    )
    if all(f.confidence < 0.9 for f in code.findings[before:]):
        guesses, code.findings = code.findings, code.findings[:before]
        if names_one_change(code, trial, problem, wrong_gradients(code, square)):
            return result(code, trial)
        code.findings = guesses
    if len(code.findings) == before:
        raise problem
    return result(code, square)


def result(code: Subject, trial: Trial) -> Verdict:
    right: dict[str, float] = {}
    named = {f.gradient for f in code.findings} | {c for f in code.findings for c in f.consequences}
    pictures = []
    for name, g in trial.gradients.items():
        if name not in trial.reference or g is None:
            continue
        if name not in named and is_right(code, trial, name):
            right[name] = share(code, trial, name)
            if ill_conditioned(code, trial, name):
                del right[name]
                code.notes.append(
                    f"d{name} is ill-conditioned: rounding alone moves it as far as a mistake would; this is no pass"
                )
            elif right[name] > 1:
                code.notes.append(beside(name, error(g, trial.reference[name]), right[name]))
        pictures.append({"name": name, "mine": np.asarray(g, dtype=float), "reference": trial.reference[name]})
    taken = [a.name for a in code.op.arrays if a.name in code.form.takes and trial.probe.values.get(a.name) is not None]
    lost = [n for n in taken if trial.gradients.get(n) is None and code.form.name in ("closure", "pair", "class")]
    if lost and trial.gradients:
        code.notes.append(f"no gradient was found for {', '.join(lost)}: it is not judged")
    verdict = WRONG if code.findings else RIGHT
    if verdict == RIGHT and not right and trial.gradients:
        return Verdict(COULD_NOT_RUN, error="; ".join(code.notes) or "no gradient could be judged")
    if verdict == RIGHT and not trial.gradients:
        return Verdict(COULD_NOT_RUN, error="no gradient was found to compare")
    code.findings.sort(key=lambda f: -f.confidence)
    for f in code.findings:
        f.correction = f.correction or CORRECTIONS.get(f.slug, "")
        f.derivation = f.derivation or derivation(code.op)
        f.formula = f.formula or shown_formula(code.op, f.gradient, trial.probe.namespace())
    return Verdict(
        verdict,
        against=code.op.name,
        form=code.form.name,
        findings=code.findings,
        right=right,
        notes=code.notes,
        pictures=pictures,
        yours=code.names(),
    )


def beside(name: str, error: float, share: float) -> str:
    """A gradient that rounding does not explain, and no mistake either."""
    causes = "a small constant added in a denominator or a log does this"
    if error > 1e-8:
        causes = "a shortened constant or float32 inside does this, or " + causes.removesuffix(" does this")
    return f"d{name} differs by {error:.1g} of its largest entry: {float(f'{share:.1g}'):,.0f} times what rounding explains; {causes}"
