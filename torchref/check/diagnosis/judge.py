"""In which order a piece of code is asked what, in the reading that fits it best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from torchref.check.diagnosis.allowance import ill_conditioned, share
from torchref.check.diagnosis.contract import judge_contract
from torchref.check.diagnosis.disagreement import judge_disagreement
from torchref.check.diagnosis.engines import judge_engines
from torchref.check.diagnosis.example import FOR_ALL, example
from torchref.check.diagnosis.extent import ILL, not_judged, not_run, zero
from torchref.check.diagnosis.extremes import judge_extremes
from torchref.check.diagnosis.first_wrong import name_first_wrong
from torchref.check.diagnosis.forward import judge_forward, wrong_outputs
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import judge_gradients, of_another_side, right, wrong_gradients
from torchref.check.diagnosis.held import look_for_held
from torchref.check.diagnosis.lines import line_of, source_of
from torchref.check.diagnosis.more_axes import judge_more_axes
from torchref.check.diagnosis.options import judge_options
from torchref.check.diagnosis.own_forward import beside_torchs, of_its_own
from torchref.check.diagnosis.precisions import judge_precisions
from torchref.check.diagnosis.repair import look_for_repair, one_change
from torchref.check.diagnosis.running_statistics import judge_running
from torchref.check.diagnosis.search import best_trial
from torchref.check.diagnosis.sizes import judge_sizes
from torchref.check.ops.conventions import TORCH
from torchref.check.ops.formula import right_line, shown_formula
from torchref.check.ops.slugs import LOCAL
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.reading.forms.calls import how_called
from torchref.check.reading.forms.form import Form
from torchref.check.report.derivation import derivation
from torchref.check.report.verdict import COULD_NOT_RUN, RIGHT, WRONG, Confidence, Verdict
from torchref.check.running.trial import Trial, attempt
from torchref.check.tolerance.closeness import TOLERANCE, error

# what a backward raises that works on other sizes
OF_SIZES = (ValueError, IndexError, RuntimeError, TypeError, AssertionError)

NO_LINE = ("unknown", "not-repeatable", "argument-changed", "forward-differs")  # no line of the formula mends these


def judge(form: Form, stated: tuple[str, ...] = (), strict: bool = False) -> Verdict:
    """The verdict on code in one form. Errors: CouldNotRun, and Unmatched, with a message for the user."""
    trial = best_trial(form, stated, strict)
    reading = trial.reading
    found = Found(notes=list(reading.notes))
    if reading.convention is not TORCH:
        found.notes.append(f"a convention that differs from torch's: {reading.convention.sentence}")
    if trial.outputs and wrong_outputs(trial):
        own = None if strict else of_its_own(trial)
        if own is not None:
            return right_for_itself(found, own[1], own[0])
        by_itself = None if strict else judge_disagreement(found, trial)
        if by_itself is None:
            judge_forward(found, trial)
        return result(found, by_itself or trial)
    p = trial.probe
    try:
        trial = attempt(reading, p, [p.upstream, p.upstream])
    except UserError as problem:
        return breaks(found, problem, trial)
    if has_one_slope(trial):
        reading = replace(reading, variant="one slope")  # the formula of one slope runs with many, too
        p = reading.probe(0)
        trial = attempt(reading, p, [p.upstream, p.upstream])
    second = attempt(reading, p, [p.second])
    other = reading.probe(1)
    third = attempt(reading, other, [other.upstream])
    if told := beside_torchs(trial, third):
        return right_for_itself(found, trial, told)
    judge_contract(found, trial)
    judge_running(found, trial)
    judge_gradients(found, trial, second, third)
    look_in_the_code(found, trial, third)
    judge_extremes(found, reading)
    name_first_wrong(found, trial)
    judge_precisions(found, trial)
    judge_more_axes(found, reading)
    trial = judge_options(found, trial)
    judge_engines(found, trial)
    judge_sizes(found, trial)
    return result(found, trial)


def look_in_the_code(found: Found, trial: Trial, third: Trial) -> None:
    """What the user's code says of a mistake that no formula explains: one change mends it, or a path is missing."""
    if not trial.op.own:
        look_for_repair(found, trial, third)
        look_for_held(found, trial, third)
        return
    before = found.findings
    look_for_held(found, trial, third)
    held = found.findings
    if {f.slug for f in held} - {f.slug for f in before} == {LOCAL}:  # a factor of two is half of x |x|, held, too
        found.findings = before
    look_for_repair(found, trial, third)
    if found.findings is before:
        found.findings = held


def right_for_itself(found: Found, trial: Trial, told: str) -> Verdict:
    """Right, for the forward as it is: a convention."""
    found.notes.append(f"a convention that differs from torch's: {told} The gradients are right for this forward.")
    judge_contract(found, attempt(trial.reading, trial.probe, [trial.probe.upstream, trial.probe.upstream]))
    if found.findings:
        return result(found, trial)
    return Verdict(
        RIGHT,
        against=trial.op.name,
        form=trial.form.name,
        right=dict.fromkeys(trial.gradients, 1.0),
        notes=found.notes,
        yours=trial.form.users_names(),
        called=how_called(trial.calls, trial.takes_upstream),
        not_run=not_run(trial, found.ran),
        precision=trial.form.dtype,
        device=trial.form.device,
        source=source_of(trial.form),
    )


def has_one_slope(trial: Trial) -> bool:
    """Whether the code gives one number as the gradient of a weight that has several slopes in the probe."""
    if "one slope" not in trial.op.variants:
        return False
    weight = trial.probe.values["weight"]
    return np.size(trial.gradients.get("weight", weight)) == 1 != np.size(weight)


def breaks(found: Found, problem: UserError, trial: Trial) -> Verdict:
    """The backward raises although the forward ran: often a transpose, which runs where all sizes are equal."""
    if not isinstance(problem.original, OF_SIZES):
        raise problem
    square = on_equal_sizes(trial)
    if square is None:
        change = one_change(trial, problem)
        if change is None:
            raise problem from None
        found.findings.append(change)
        return result(found, trial)
    guesses = Found()
    told = f"on sizes that differ it raises {type(problem.original).__name__}: {problem.original}"
    judge_gradients(guesses, square, square, square, told=told)
    if not any(f.confidence is Confidence.CERTAIN for f in guesses.findings):
        change = one_change(trial, problem, wrong_gradients(square))
        if change is not None:
            found.findings.append(change)
            return result(found, trial)
    if not guesses.findings:
        raise problem
    found.findings += guesses.findings
    return result(found, square)


def on_equal_sizes(trial: Trial) -> Trial | None:
    """The trial with gradients where all sizes are equal, with as many axes as before; None where it raises there."""
    for variant in ("square", f"square {trial.reading.variant}"):
        try:
            p = trial.reading.probe(0, variant)
            return attempt(trial.reading, p, [p.upstream])
        except (CouldNotRun, ValueError, KeyError):
            continue
    return None


def result(found: Found, trial: Trial) -> Verdict:
    """What has been found, as a verdict."""
    shares, ill = right_shares(found, trial)
    unjudged = not_judged(found, trial, ill)
    verdict = WRONG if found.findings else RIGHT
    called = how_called(trial.calls, trial.takes_upstream)
    if verdict == RIGHT and not trial.gradients:
        return Verdict(COULD_NOT_RUN, error="no gradient was found to compare", called=called)
    if verdict == RIGHT and not shares:
        return Verdict(COULD_NOT_RUN, error="; ".join(found.notes) or "no gradient could be judged", called=called)
    found.findings.sort(key=lambda f: -f.confidence)
    for f in found.findings:
        f.derivation = f.derivation or derivation(trial.op)
        f.line = f.line or line_of(trial.form, f.gradient)
        f.example = example(trial, f.gradient) if f.slug == "unknown" or FOR_ALL.get() else ""
        f.formula = f.formula or shown_formula(trial.op, f.gradient, trial.probe.namespace())
        f.correction = f.correction or ("" if f.slug in NO_LINE else right_line(f.formula))
    compared = {n: g for n, g in trial.gradients.items() if n in trial.reference and g is not None}
    return Verdict(
        verdict,
        against=trial.op.name,
        form=trial.form.name,
        findings=found.findings,
        right=shares,
        notes=found.notes,
        pictures=[
            {"name": n, "mine": np.asarray(g, dtype=float), "reference": trial.reference[n]}
            for n, g in compared.items()
        ],
        yours=trial.form.users_names(),
        called=called,
        option=f"--only {','.join(shares)} judges these alone" if unjudged and verdict == RIGHT else "",
        not_judged=unjudged,
        not_run=not_run(trial, found.ran),
        precision=trial.form.dtype,
        device=trial.form.device,
        source=source_of(trial.form),
    )


def right_shares(found: Found, trial: Trial) -> tuple[dict[str, float], list[str]]:
    """The right gradients, each with its error in units of what rounding allows; and those that are ill-conditioned."""
    ill: list[str] = []
    named = {n for f in found.findings for n in (f.gradient, *f.consequences)}
    shares: dict[str, float] = {}
    for name, g in trial.gradients.items():
        if name not in trial.reference or g is None or name in named or not right(trial, name):
            continue
        if ill_conditioned(trial, name):
            if zero(trial, name):
                why = "it is zero in mathematics, and yours is zero within rounding"
            else:
                why = f"{ILL}; this is no pass"
                ill.append(name)
            found.notes.append(f"d{name} is ill-conditioned: {why}")
            continue
        if share(trial, name) > 1 and of_another_side(trial, name) and not trial.close(g, trial.reference[name]):
            shares[name] = 1.0
            found.notes.append(
                f"a convention that differs from torch's: at a kink d{name} has the slope of another side"
            )
            continue
        shares[name] = share(trial, name)
        if shares[name] > 1 and trial.reading.tolerance <= TOLERANCE:  # half precision says it already
            found.notes.append(beside(name, error(g, trial.reference[name]), shares[name]))
    return shares, ill


def beside(name: str, apart: float, share: float) -> str:
    """A gradient that rounding does not explain, and no mistake either."""
    causes = "a small constant added in a denominator or a log does this"
    if apart > 1e-8:
        causes = "a shortened constant or float32 inside does this, or " + causes.removesuffix(" does this")
    times = f"{float(f'{share:.1g}'):,.0f} times what rounding explains"
    return f"d{name} differs by {apart:.1g} of its largest entry: {times}; {causes}"
