"""Which gradients are wrong, and what is wrong with them."""

from __future__ import annotations

import numpy as np

from torchref.check.diagnosis.allowance import share
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.kinks import ALMOST, both_sides
from torchref.check.diagnosis.signatures import Wrong, generic, shape
from torchref.check.diagnosis.wrong_formulas import match_library
from torchref.check.ops.probe import gradients_only
from torchref.check.ops.slugs import TRUNCATED
from torchref.check.report.verdict import SLUGS, Confidence, Finding
from torchref.check.running.trial import Trial
from torchref.check.tolerance.closeness import error, size

# slugs of what spoils every gradient alike, and is then named once
EVERYWHERE = (
    "wrong-sign",
    "upstream-not-multiplied",
    "attention-scale",
    "unknown",
    "local-derivative-missing",
    "wrong-reduction",
    "scale-forgotten",
)


LEFT_OUT = "The code has several outputs, and the gradient of one of them does not reach its arguments."


def right(trial: Trial, name: str) -> bool:
    """Whether a gradient is the reference's: within rounding, or beside it by less than any mistake makes.

    What lies between the two is right with a note: people add 1e-12 in a log or a denominator.
    """
    g, reference = trial.gradients[name], trial.reference[name]
    return np.shape(g) == reference.shape and (
        trial.close(np.asarray(g, dtype=float), reference) or share(trial, name) <= 1 or of_another_side(trial, name)
    )


def of_another_side(trial: Trial, name: str) -> bool:
    """Whether a gradient differs at kinks alone, and lies there between the slopes of the two sides: a convention."""
    g, reference = np.asarray(trial.gradients[name], dtype=float), trial.reference[name]
    if trial.reading.strict or name != "input" or not trial.op.pointwise:
        return False
    if g.shape != reference.shape or not np.isfinite(g).all():
        return False
    x = trial.probe.values[name]
    sides = both_sides(trial, name, x)
    right = np.abs(g - reference) <= trial.reading.tolerance * max(size(reference), 1e-12)
    slack = ALMOST * np.maximum(size(reference), 1e-12)
    low, high = np.minimum(*sides) - slack, np.maximum(*sides) + slack
    return bool(np.all(right | ((low <= g) & (g <= high) & (high - low > 4 * slack))))


def wrong_gradients(trial: Trial) -> list[str]:
    """The gradients that are there and are not right."""
    return [
        n for n in trial.reference if n in trial.gradients and trial.gradients[n] is not None and not right(trial, n)
    ]


def judge_gradients(found: Found, trial: Trial, second: Trial, third: Trial, told: str = "") -> None:
    """Name what is wrong with each wrong gradient; `told` is added to the evidence."""
    wrong = wrong_gradients(trial)
    if not wrong and third is not trial and (wrong := wrong_gradients(third)):
        trial = second = third
    of_another_type = {f.gradient for f in found.findings if f.slug == "wrong-dtype"}
    wrong = [n for n in wrong if n not in of_another_type]
    if not wrong:
        return
    extra = f"; {told}" if told else ""
    new = not_finite(trial, wrong)
    new += upstream_not_multiplied(trial, second, left(wrong, new))
    new += wrong_shapes(trial, left(wrong, new))
    new += updated_first(trial, third, left(wrong, new))
    matched, rest = match_library(trial, third, left(wrong, new), extra)
    new += matched
    new += of_other_outputs_alone(trial, third, rest)
    rest = left(rest, new)
    match_signatures(trial, rest, new, extra)
    a_mean_among_sums(trial, new, wrong)
    found.findings += merged(beside_others(found, new), trial)


def left(wrong: list[str], found: list[Finding]) -> list[str]:
    """The wrong gradients that no finding explains."""
    explained = {n for f in found for n in (f.gradient, *f.consequences)}
    return [n for n in wrong if n not in explained]


def not_finite(trial: Trial, names: list[str]) -> list[Finding]:
    """A finding for each gradient with nan or infinite entries where the right one has none."""
    found = []
    for n in names:
        finite = np.isfinite(np.asarray(trial.gradients[n], dtype=float))
        if not finite.all() and np.isfinite(trial.reference[n]).all():
            evidence = f"d{n} has {int((~finite).sum())} entries that are nan or infinite"
            found.append(Finding(n, "not-finite", evidence, Confidence.CERTAIN))
    return found


def upstream_not_multiplied(trial: Trial, second: Trial, names: list[str]) -> list[Finding]:
    """The gradients that do not change when the upstream gradient does."""
    if second is trial or not trial.takes_upstream:
        return []
    stuck = [
        n
        for n in names
        if n in second.gradients
        and np.any(trial.gradients[n])
        and np.shape(trial.gradients[n]) == np.shape(second.gradients[n])
        and trial.close(second.gradients[n], np.asarray(trial.gradients[n], dtype=float))
        and not trial.close(second.reference[n], trial.reference[n], 1e-3)
    ]
    if not stuck:
        return []
    return [
        Finding(
            stuck[0],
            "upstream-not-multiplied",
            "the gradient does not change when the upstream gradient does",
            Confidence.CERTAIN,
            "The upstream gradient is not multiplied in.",
            "multiply the local derivative by the upstream gradient",
            stuck[1:],
        )
    ]


def of_other_outputs_alone(trial: Trial, third: Trial, names: list[str]) -> list[Finding]:
    """The gradients that are right for all outputs but one: what comes back through that one is not added."""
    outputs = [n for n, dy in trial.upstream.items() if dy is not None]
    for output in outputs if names and len(outputs) > 1 else ():
        if all(right_without(t, output, names) for t in (trial, third)):
            slug = TRUNCATED if trial.op.recurrent else "upstream-not-multiplied"
            evidence = f"it is right where the upstream gradient of {output} is zero"
            instead = f"add what comes back through {output}"
            return [Finding(names[0], slug, evidence, Confidence.CERTAIN, LEFT_OUT, instead, names[1:])]
    return []


def right_without(trial: Trial, output: str, names: list[str]) -> bool:
    """Whether these gradients are the reference's for an upstream gradient of zeros at this output."""
    if trial.upstream.get(output) is None:
        return False
    upstream = {**trial.upstream, output: np.zeros_like(trial.upstream[output])}
    there = gradients_only(trial.probe.evaluate(**trial.changes)[1](upstream))
    mine = {n: np.asarray(trial.gradients.get(n), dtype=float) for n in names}
    return all(n in there and mine[n].shape == there[n].shape and trial.close(mine[n], there[n]) for n in names)


def updated_first(trial: Trial, third: Trial, names: list[str]) -> list[Finding]:
    """The gradients that went through a weight which its own backward had updated before."""
    if not names or not trial.run.updates:
        return []
    late, confirmed = (after_the_step(t, names) for t in (trial, third))
    stepped = [n for n in names if n in late and late[n] and confirmed.get(n)]
    if not stepped:
        return []
    evidence = f"d{stepped[0]} equals the gradient through the weight after its step"
    sentence, instead = (
        "The weight is updated before the backward has used it.",
        "compute dx first, then update the weight",
    )
    return [
        Finding(stepped[0], "derivative-at-wrong-tensor", evidence, Confidence.CERTAIN, sentence, instead, stepped[1:])
    ]


def after_the_step(trial: Trial, names: list[str]) -> dict[str, bool]:
    """For each gradient, whether it is right at the weights that the backward leaves; the rate is 1."""
    moved = {
        n: trial.probe.values[n] - np.asarray(g, dtype=float)
        for n, g in trial.gradients.items()
        if n in trial.reference and n not in names and np.shape(g) == np.shape(trial.probe.values[n]) and n != "input"
    }
    if not moved:
        return {}
    there = trial.probe.evaluate(**{**trial.changes, **moved})[1](trial.upstream)
    return {
        n: np.shape(trial.gradients[n]) == np.shape(there[n]) and trial.close(trial.gradients[n], there[n])
        for n in names
        if n in there
    }


def wrong_shapes(trial: Trial, names: list[str]) -> list[Finding]:
    """A finding for each gradient whose shape is not that of the right one."""
    wrong = [Wrong.of(trial, n) for n in names]
    signed = [(w.name, shape(w)) for w in wrong if w.mine.shape != w.right.shape]
    return [Finding(n, s.slug, s.evidence, s.confidence, s.sentence) for n, s in signed]


def match_signatures(trial: Trial, rest: list[str], found: list[Finding], extra: str) -> None:
    """Add a finding for each gradient in `rest` that has a signature, and one for all that have none."""
    unknown: list[str] = []
    for n in rest:
        s = generic(Wrong.of(trial, n))
        if s is None:
            unknown.append(n)
        else:
            found.append(Finding(n, s.slug, s.evidence + extra, s.confidence, s.sentence))
    known = [f for f in found if f.confidence >= Confidence.POSSIBLE]
    if unknown and known and trial.op.spreads:
        known[0].consequences += unknown
    elif unknown:
        n = unknown[0]
        apart = error(np.asarray(trial.gradients[n], dtype=float), trial.reference[n])
        evidence = f"d{n} differs by up to {apart:.3g} of its largest entry, and fits no known mistake{extra}"
        sentence = "The gradient is wrong in a way that fits no known mistake."
        found.append(Finding(n, "unknown", evidence, Confidence.UNKNOWN, sentence, "", unknown[1:]))


def a_mean_among_sums(trial: Trial, found: list[Finding], wrong: list[str]) -> None:
    """Of a network: one gradient alone divided by a number is a mean where the loss has a sum."""
    every = [n for n in trial.reference if trial.gradients.get(n) is not None]
    for f in found if trial.op.own and trial.op.loss and len(wrong) < len(every) else ():
        c = trial.ratio(trial.gradients.get(f.gradient), trial.reference[f.gradient])
        if f.slug == "wrong-reduction" and c is not None and 0 < c < 1:
            f.slug, f.sentence = "mean-instead-of-sum", SLUGS["mean-instead-of-sum"]


def beside_others(before: Found, new: list[Finding]) -> list[Finding]:
    """Beside a changed array, or answers that differ: what fits a mistake of its own; the rest follows from these."""
    causes = ("argument-changed", "not-repeatable", "dropout-mask-or-scale")
    cause = next((f for f in before.findings if f.slug in causes), None)
    if cause is None:
        return new
    follows = [f for f in new if f.slug == "unknown" or cause.slug in ("dropout-mask-or-scale", "argument-changed")]
    for n in (n for f in follows for n in (f.gradient, *f.consequences)):
        if n not in cause.consequences and n != cause.gradient:
            cause.consequences.append(n)
    return [f for f in new if f not in follows]


def merged(found: list[Finding], trial: Trial) -> list[Finding]:
    """One mistake that spoils all gradients in the same way is named once, at its root."""
    every = [n for n in trial.gradients if n in trial.reference]
    for slug in {f.slug for f in found}:
        first, *others = [f for f in found if f.slug == slug]
        if not others:
            continue
        gradients = [f.gradient for f in others]
        touched = {n for f in (first, *others) for n in (f.gradient, *f.consequences)}
        if touched >= set(every) and slug in EVERYWHERE:
            first.consequences = [n for n in every if n != first.gradient and n in touched]
        elif trial.op.spreads or {first.gradient, *gradients} == {"input", "target"}:  # of a difference: one mistake
            first.consequences += gradients
        else:
            continue
        found = [f for f in found if f.slug != slug or f is first]
    return found
