# ruff: noqa: E501
"""The wrong formulas of the operation, run on the same probe: alone, times a factor, two at once."""

from __future__ import annotations

import itertools

import numpy as np

from torchref.check.diagnosis import signatures
from torchref.check.ops.formula import wrong_formulas
from torchref.check.report.verdict import Finding
from torchref.check.running.subject import Subject, Trial
from torchref.check.tolerance.closeness import close
from torchref.nn.module import Array

PAIRED = 60  # of the likeliest, all pairs are tried


def match_library(
    code: Subject, trial: Trial, third: Trial, rest: list[str], found: list[Finding], extra: str
) -> list[str]:
    """Name what equals a wrong formula: alone, then times a factor, then two at once."""
    every = wrong_formulas(code.op, trial.probe.namespace(**trial.changes))
    backward = [m for m in every if not m.forward]
    given = {
        n: np.asarray(trial.gradients[n], dtype=float)
        for n in trial.gradients
        if n in trial.reference and trial.gradients[n] is not None
    }
    numbers = {v for v, _ in signatures.quantities(trial.probe, None, np.zeros(1))} if code.op.loss else set()
    factors = [1.0]
    cache: dict[tuple[str, ...], dict[str, Array]] = {}
    for m in backward:
        result = code.evaluate(trial, (m.flag,))
        if result is not None:
            altered = {
                n: g
                for n, g in result[1].items()
                if n in trial.reference and not (g.shape == trial.reference[n].shape and close(g, trial.reference[n]))
            }
            if altered:
                cache[(m.flag,)] = altered
    by_flag = {m.flag: m for m in backward}

    def best(
        candidates: dict[tuple[str, ...], dict[str, Array]], factor: float
    ) -> tuple[tuple[str, ...], list[str]] | None:
        top: tuple[float, tuple[str, ...], list[str]] | None = None
        for flags, altered in candidates.items():
            explained = [
                n
                for n in rest
                if n in altered and altered[n].shape == given[n].shape and close(given[n], factor * altered[n])
            ]
            if not explained:
                continue
            denied = [n for n in altered if n in given and n not in explained]
            score = len(explained) - 0.6 * len(denied) - 0.001 * len(altered)
            if top is None or score > top[0]:
                top = (score, flags, explained)
        return None if top is None else (top[1], top[2])

    def take(flags: tuple[str, ...], explained: list[str], how: str, confidence: float) -> None:
        mistakes = [by_flag[f] for f in flags]
        confirmed = confirm(code, third, flags, explained)
        root = mistakes[0].gradient
        if root not in explained:
            root = explained[0]
        for i, m in enumerate(mistakes):
            home = root if i == 0 else m.gradient if m.gradient in explained else root
            others = [n for n in explained if n != home] if i == 0 else []
            found.append(Finding(home, m.slug, f"{'d' + ', d'.join(explained)} equal{'s' if len(explained) == 1 else ''} that of this mistake ({m.flag}){how}" + ("" if confirmed else "; not on a second probe") + extra,
                                 confidence if confirmed else confidence - 0.2, m.sentence, m.correction, others))  # fmt: skip

    while rest:
        hit = best(cache, 1.0)
        if hit is None:
            break
        take(hit[0], hit[1], "", 0.97)
        rest = [n for n in rest if n not in hit[1]]
    # signatures of one gradient are simpler than a product of two mistakes
    simple = [
        n
        for n in rest
        if signatures.generic(
            trial.probe, given[n], trial.reference[n], trial.unreduced.get(n), n, trial.upstream.get("output")
        )
        is not None
    ]
    hard = [n for n in rest if n not in simple]
    if hard:
        rest = hard
        factors = [-1.0, *(x for v in numbers for x in (v, 1 / v)), *([2.0, 0.5] if code.op.loss else [])]
        if code.op.loss:
            factors += [s * a * b for a in numbers for b in numbers for s in (1,)] + [
                1 / (a * b) for a in numbers for b in numbers
            ]
        if (
            code.op.loss
            and code.form.upstream
            and "output" in trial.upstream
            and np.ndim(trial.upstream["output"]) == 0
        ):
            factors.append(1 / float(trial.upstream["output"]))
        for factor in factors:
            hit = best(cache, factor)
            if hit:
                take(hit[0], hit[1], f", times {factor:g}", 0.8)
                rest = [n for n in rest if n not in hit[1]]
                break
    if rest and hard:
        two: dict[tuple[str, ...], dict[str, Array]] = {}
        for a, b in itertools.combinations([f[0] for f in cache][:PAIRED], 2):
            result = code.evaluate(trial, (a, b))
            if result is not None:
                two[(a, b)] = {
                    n: g
                    for n, g in result[1].items()
                    if n in trial.reference
                    and not (g.shape == trial.reference[n].shape and close(g, trial.reference[n]))
                }
        hit = best(two, 1.0)
        if hit:
            take(hit[0], hit[1], ", two at once", 0.75)
            rest = [n for n in rest if n not in hit[1]]
    return [*simple, *rest] if hard else simple


def confirm(code: Subject, third: Trial, flags: tuple[str, ...], explained: list[str]) -> bool:
    result = code.evaluate(third, flags)
    if result is None:
        return False
    return all(
        n in third.gradients and np.shape(third.gradients[n]) == result[1][n].shape for n in explained if n in result[1]
    )
