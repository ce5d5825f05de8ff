# ruff: noqa: E501
"""Which gradients are wrong, and what is wrong with them."""

from __future__ import annotations

import numpy as np

from torchref.check.diagnosis import signatures
from torchref.check.diagnosis.wrong_formulas import match_library
from torchref.check.report.verdict import Finding
from torchref.check.running.subject import Subject, Trial
from torchref.check.tolerance.allowance import share
from torchref.check.tolerance.closeness import close, error


def right(code: Subject, trial: Trial, name: str) -> bool:
    """Whether a gradient is the reference's: within rounding, or beside it by less than any mistake makes.

    What lies between the two is right with a note: people add 1e-12 in a log or a denominator.
    """
    g, reference = trial.gradients[name], trial.reference[name]
    return np.shape(g) == reference.shape and (
        close(np.asarray(g, dtype=float), reference) or share(code, trial, name) <= 1
    )


def wrong_gradients(code: Subject, trial: Trial) -> list[str]:
    return [
        n
        for n, r in trial.reference.items()
        if n in trial.gradients and trial.gradients[n] is not None and not right(code, trial, n)
    ]


def judge_gradients(code: Subject, trial: Trial, second: Trial, third: Trial, told: str = "") -> None:
    wrong = wrong_gradients(code, trial)
    if not wrong and third is not trial and wrong_gradients(code, third):
        trial, second = third, third
        wrong = wrong_gradients(code, trial)
    if not wrong:
        return
    already = {f.gradient for f in code.findings}
    # beside these, wrong gradients are named only if they fit a mistake of their own
    changed = [f for f in code.findings if f.slug in ("argument-changed", "not-repeatable", "dropout-mask-or-scale")]
    wrong = [
        n
        for n in wrong
        if not (n in already and any(f.slug == "wrong-dtype" and f.gradient == n for f in code.findings))
    ]
    found: list[Finding] = []
    rest = list(wrong)
    extra = f"; {told}" if told else ""

    # not finite
    for n in list(rest):
        g = np.asarray(trial.gradients[n], dtype=float)
        if not np.isfinite(g).all() and np.isfinite(trial.reference[n]).all():
            found.append(
                Finding(
                    n,
                    "not-finite",
                    f"d{n} has {int((~np.isfinite(g)).sum())} entries that are nan or infinite",
                    0.95,
                )
            )
            rest.remove(n)
    # the upstream gradient is not multiplied in
    if second is not trial and code.form.upstream:
        stuck = [
            n
            for n in rest
            if n in second.gradients
            and np.any(trial.gradients[n])
            and np.shape(trial.gradients[n]) == np.shape(second.gradients[n])
            and close(second.gradients[n], np.asarray(trial.gradients[n], dtype=float), 1e-9)
            and not close(second.reference[n], trial.reference[n], 1e-3)
        ]
        if stuck:
            found.append(
                Finding(
                    stuck[0],
                    "upstream-not-multiplied",
                    "the gradient does not change when the upstream gradient does",
                    0.97,
                    "The upstream gradient is not multiplied in.",
                    "multiply the local derivative by the upstream gradient",
                    stuck[1:],
                )
            )
            rest = [n for n in rest if n not in stuck]
    # shapes
    for n in list(rest):
        g = np.asarray(trial.gradients[n], dtype=float)
        if g.shape != trial.reference[n].shape:
            s = signatures.shape(g, trial.reference[n], trial.unreduced.get(n), n)
            found.append(Finding(n, s.slug, s.evidence, s.confidence, s.sentence))
            rest.remove(n)
    rest = match_library(code, trial, third, rest, found, extra)
    match_signatures(code, trial, rest, found, extra)
    if changed:
        unknown = [
            f for f in found if f.slug == "unknown" or changed[0].slug in ("dropout-mask-or-scale", "argument-changed")
        ]
        for f in unknown:
            changed[0].consequences += [
                n
                for n in (f.gradient, *f.consequences)
                if n not in changed[0].consequences and n != changed[0].gradient
            ]
        found = [f for f in found if f not in unknown]
    code.findings += merged(code, found, trial)


def match_signatures(code: Subject, trial: Trial, rest: list[str], found: list[Finding], extra: str) -> None:
    unknown: list[str] = []
    for n in rest:
        g = np.asarray(trial.gradients[n], dtype=float)
        s = signatures.generic(
            trial.probe, g, trial.reference[n], trial.unreduced.get(n), n, trial.upstream.get("output")
        )
        if s is None:
            unknown.append(n)
        else:
            found.append(Finding(n, s.slug, s.evidence + extra, s.confidence, s.sentence))
    if unknown:
        n = unknown[0]
        told = f"d{n} differs by up to {error(np.asarray(trial.gradients[n], dtype=float), trial.reference[n]):.3g} of its largest entry, and fits no known mistake"
        others = unknown[1:]
        known = [f for f in found if f.confidence >= 0.7]
        if known and code.op.spreads:
            known[0].consequences += unknown
        else:
            found.append(
                Finding(
                    n,
                    "unknown",
                    told + extra,
                    0.3,
                    "The gradient is wrong in a way that fits no known mistake.",
                    "",
                    others,
                )
            )


def merged(code: Subject, found: list[Finding], trial: Trial) -> list[Finding]:
    """One mistake that spoils all gradients in the same way is named once, at its root."""
    every = [n for n in trial.gradients if n in trial.reference]
    for slug in {f.slug for f in found}:
        same = [f for f in found if f.slug == slug]
        touched = {f.gradient for f in same} | {c for f in same for c in f.consequences}
        if (
            len(same) > 1
            and touched >= set(every)
            and slug
            in (
                "wrong-sign",
                "upstream-not-multiplied",
                "attention-scale",
                "unknown",
                "local-derivative-missing",
                "wrong-reduction",
            )
        ):
            first = same[0]
            first.consequences = [n for n in every if n != first.gradient and n in touched]
            found = [f for f in found if f.slug != slug or f is first]
        elif len(same) > 1 and {f.gradient for f in same} == {"input", "target"}:  # of a difference: one mistake
            same[0].consequences += [f.gradient for f in same[1:]]
            found = [f for f in found if f.slug != slug or f is same[0]]
        elif len(same) > 1 and code.op.spreads:
            first = same[0]
            first.consequences += [f.gradient for f in same[1:]]
            found = [f for f in found if f.slug != slug or f is first]
    return found
