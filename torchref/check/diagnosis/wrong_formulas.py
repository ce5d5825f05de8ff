"""The wrong formulas of the operation, run on the same probe: alone, times a factor, two at once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from torchref.check.diagnosis.alone import one_entry_alone
from torchref.check.diagnosis.kinks import ALMOST, both_sides
from torchref.check.diagnosis.signatures import Wrong, generic, quantities
from torchref.check.ops.formula import wrong_formulas
from torchref.check.ops.mistake import Mistake
from torchref.check.report.verdict import SLUGS, Confidence, Finding
from torchref.check.running.trial import Results, Trial
from torchref.nn.module import Array

PAIRED = 60  # of the likeliest, all pairs are tried

Flags = tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """Mistakes that explain wrong gradients."""

    flags: Flags
    explained: list[str]
    factor: float = 1.0


@dataclass(frozen=True)
class Library:
    """The wrong formulas of an operation, and what each makes of the gradients on the probe of a trial."""

    trial: Trial
    third: Trial  # on a second probe, to confirm what fits
    by_flag: dict[str, Mistake]
    altered: dict[Flags, Results]  # the gradients that are other than the right ones
    extra: str  # what every finding's evidence ends with
    smooth: Array | None = None  # the entries of the input that lie at no kink, if those alone are compared

    @staticmethod
    def of(trial: Trial, third: Trial, extra: str) -> Library:
        every = wrong_formulas(trial.op, trial.probe.namespace(**trial.changes))
        backward = {m.flag: m for m in every if not m.forward}
        found = {(flag,): altered(trial, (flag,)) for flag in backward}
        return Library(trial, third, backward, {flags: gs for flags, gs in found.items() if gs}, extra)

    def mine(self, name: str) -> Array | None:
        g = self.trial.gradients.get(name)
        return None if g is None or name not in self.trial.reference else np.asarray(g, dtype=float)

    def best(self, candidates: dict[Flags, Results], rest: list[str], factor: float = 1.0) -> Match | None:
        """The mistakes that explain most of `rest` and deny least."""
        top: tuple[float, Match] | None = None
        for flags, gradients in candidates.items():
            explained = [n for n in rest if n in gradients and self.equal(n, gradients[n], factor)]
            if not explained:
                continue
            denied = [n for n in gradients if self.mine(n) is not None and n not in explained]
            score = len(explained) - 0.6 * len(denied) - 0.001 * len(gradients)
            if top is None or score > top[0]:
                top = (score, Match(flags, explained, factor))
        return None if top is None else top[1]

    def equal(self, name: str, g: Array, factor: float) -> bool:
        mine = self.mine(name)
        if mine is None or g.shape != mine.shape:
            return False
        seen = slice(None) if self.smooth is None or name != "input" else self.smooth
        return self.trial.close(mine[seen], factor * g[seen])

    def off_kinks(self) -> Library | None:
        """The same, compared where no kink lies: there a student may have taken the slope of the other side."""
        if not (self.trial.op.kinks and self.trial.op.pointwise) or "input" not in self.trial.reference:
            return None
        x, right = self.trial.probe.values["input"], self.trial.reference["input"]
        left, behind = both_sides(self.trial, "input", x)
        smooth = np.abs(left - behind) <= ALMOST * np.maximum(np.abs(right), 1)
        moved = {
            flags: gs
            for flags, gs in self.altered.items()
            if "input" in gs and not self.trial.close(gs["input"][smooth], right[smooth])
        }
        return replace(self, altered=moved, smooth=smooth)

    def pairs(self, rest: list[str]) -> dict[Flags, Results]:
        """Two mistakes at once, in one of these gradients: each of the two moves it."""
        likeliest = [flags[0] for flags in self.altered][:PAIRED]
        moved = {flag: self.altered[(flag,)].keys() & set(rest) for flag in likeliest}
        meeting = ((a, b) for a, b in itertools.combinations(likeliest, 2) if moved[a] & moved[b])
        return {pair: altered(self.trial, pair) for pair in meeting}

    def findings(self, match: Match, how: str, confidence: Confidence) -> list[Finding]:
        """A match as findings, one for each of its mistakes."""
        mistakes, explained = [self.by_flag[f] for f in match.flags], match.explained
        confirmed = self.confirms(match)
        root = mistakes[0].gradient if mistakes[0].gradient in explained else explained[0]
        found = []
        for i, m in enumerate(mistakes):
            home = m.gradient if i > 0 and m.gradient in explained else root
            evidence = (
                f"{'d' + ', d'.join(explained)} equal{'s' if len(explained) == 1 else ''} that of this mistake"
                f" ({m.flag}){how}{'' if confirmed else '; not on a second probe'}{self.extra}"
            )
            others = [n for n in explained if n != home] if i == 0 else []
            how_sure = confidence if confirmed else confidence.unconfirmed
            if m.convention and match.factor == -1:  # of other texts, but for its sign
                found.append(Finding(home, "wrong-sign", evidence, how_sure, SLUGS["wrong-sign"], "", others))
                continue
            found.append(Finding(home, m.slug, evidence, how_sure, m.sentence, m.correction, others))
        return found

    def confirms(self, match: Match) -> bool:
        """Whether the mistakes run on the second probe, too, with gradients of the shapes that are there."""
        result = self.third.with_mistakes(match.flags)
        if result is None:
            return False
        there = self.third.gradients
        return all(n in there and np.shape(there[n]) == result[1][n].shape for n in match.explained if n in result[1])


def altered(trial: Trial, flags: Flags) -> Results:
    """The gradients that these mistakes make other than the right ones; none where they cannot be run."""
    result = trial.with_mistakes(flags)
    return {n: g for n, g in result[1].items() if n in trial.reference and not same(trial, n, g)} if result else {}


def same(trial: Trial, name: str, g: Array) -> bool:
    """Whether a gradient has the right shape and is close to the right one."""
    return g.shape == trial.reference[name].shape and trial.close(g, trial.reference[name])


def match_library(trial: Trial, third: Trial, rest: list[str], extra: str) -> tuple[list[Finding], list[str]]:
    """What equals a wrong formula, alone, then times a factor, then two at once; and the gradients that are left."""
    library = Library.of(trial, third, extra)
    found: list[Finding] = []
    while rest and (hit := library.best(library.altered, rest)):
        found += library.findings(hit, "", Confidence.CERTAIN)
        rest = [n for n in rest if n not in hit.explained]
    aside = library.off_kinks() if rest else None
    if aside is not None and (hit := aside.best(aside.altered, rest)):
        found += aside.findings(hit, ", but at its kinks", Confidence.LIKELY)
        rest = [n for n in rest if n not in hit.explained]
    alone = one_entry_alone(trial, third, rest)
    found += alone
    rest = [n for n in rest if n not in {f.gradient for f in alone}]
    # signatures of one gradient are simpler than a product of two mistakes
    simple = [n for n in rest if generic(Wrong.of(trial, n)) is not None]
    hard = [n for n in rest if n not in simple]
    for factor in factors(trial) if hard else ():
        if hit := library.best(library.altered, hard, factor):
            found += library.findings(hit, f", times {factor:g}", Confidence.LIKELY)
            hard = [n for n in hard if n not in hit.explained]
            break
    if hard and (hit := library.best(library.pairs(hard), hard)):
        found += library.findings(hit, ", two at once", Confidence.POSSIBLE)
        hard = [n for n in hard if n not in hit.explained]
    return found, [*simple, *hard]


def factors(trial: Trial) -> list[float]:
    """The factors by which a wrong gradient may be off besides."""
    if not trial.op.loss:
        return [-1.0]
    numbers = {v for v, _ in quantities(trial.probe)}
    found = [-1.0, *(x for v in numbers for x in (v, 1 / v)), 2.0, 0.5]
    found += [a * b for a in numbers for b in numbers] + [1 / (a * b) for a in numbers for b in numbers]
    dy = trial.upstream.get("output")
    return [*found, 1 / float(dy)] if trial.takes_upstream and dy is not None and np.ndim(dy) == 0 else found
