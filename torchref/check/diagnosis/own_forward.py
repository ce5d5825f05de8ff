"""Conventions: where a forward is not torch's, but one that other texts have, and the gradient is right for it.

A loss may be halved, summed over classes or samples, or given entry by entry; dropout may leave the scale to the
evaluation; eps may have another value or stand elsewhere. The gradient is then compared with that of the code's own
forward: torch's times the same constant, or, where it is no constant, what differences of the forward itself say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.forward import wrong_forward, wrong_outputs
from torchref.check.ops.conventions import Convention, both
from torchref.check.ops.formula import wrong_formulas
from torchref.check.ops.mistake import Mistake
from torchref.check.ops.probe import Probe
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.reading import Reading
from torchref.check.running.trial import Trial, attempt, outputs_at
from torchref.check.tolerance.closeness import TOLERANCE, TOLERANCES, error, size
from torchref.nn.module import Array

EPS = (0.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16)
DIRECTIONS = 3  # along which the forward's slope is measured, for each array
STEP = 2e-5  # of a difference of fourth order: its error is about STEP**4, and rounding 1e-11
ROUGH = 1e-2  # in a lower precision
BESIDE = "beside these inputs its forward is another than torch's {}."
SAME = 1e-9  # two outputs of one function, moved off the kinks
ALIKE = 1e-5  # how closely two sizes agree
WITNESS = 1e-6  # how closely a slope is met
PLACED_OTHERWISE = "eps-or-bessel-misplaced"
NEAR = 0.15  # of the right output: another approximation of it is nearer, another operation is not
BESIDE_ZERO = 8e-3  # of the largest entry, where the right output is near zero
A_LITTLE = 2e-2  # of the largest entry: a constant that is added in a logarithm moves a gradient by less
ASIDE = (4e-4, 8e-4)  # how far beside a probe with kinks its slopes are measured


def by_own_constant(trial: Trial) -> Trial | None:
    """The trial in which a loss, or dropout, is taken as what it is: a constant times torch's."""
    ways = (w for w in constants(trial) if confirmed(w))
    if trial.op.draws is not None:
        return next((t for w in ways if (t := with_gradients(w)) is not None and gradients_right(t)), None)
    tried = [t for w in ways if (t := with_gradients(w)) is not None]
    fitting = (t for fits in (gradients_right, sizes_fit) for t in tried if fits(t))
    return next(fitting, tried[0] if tried else None)


def constants(trial: Trial) -> Iterator[Reading]:
    """The readings in which the output is torch's times a constant."""
    output, expected = trial.outputs.get("output"), np.asarray(trial.expected["output"])
    if output is None or np.asarray(output).dtype.kind != "f" or not np.isfinite(output).all():
        return
    if trial.op.draws is not None:
        if trial.probe.values["training"] and np.shape(output) == expected.shape:
            told = (
                "it is not inverted: training multiplies by the mask alone, and evaluation by 1 - p; "
                "torch divides by 1 - p in training"
            )
            yield of_the_size(trial, told, 1 - trial.probe.values["p"], np.asarray)
        return
    if not trial.op.loss or expected.size != 1 or not expected.all():
        return
    whole = float(np.sum(output) / expected.item())
    entries = np.size(output)
    if np.ndim(output) == 0 or entries == 1:
        yield of_the_size(trial, f"the loss is {whole:.6g} times torch's", whole, np.sum)
        return
    for times, what in ((whole / entries, "mean"), (whole, "sum")):
        told = f"the loss is not reduced; its {what} is {times:.6g} times torch's"
        yield of_the_size(trial, told.replace("is 1 times", "is"), times, getattr(np, what))


def of_the_size(trial: Trial, told: str, size: float, reduced: object) -> Reading:
    """The reading in which outputs and gradients are `size` times torch's."""
    if not size > 0:
        return trial.reading
    back = {a.name: (lambda g: np.asarray(g) / size) for a in trial.op.arrays}
    scale = Convention(told, {}, {**back, "output": lambda y: reduced(y) / size})  # type: ignore[operator]
    reading = trial.reading
    return replace(reading, convention=both(reading.convention, scale))


def confirmed(reading: Reading) -> bool:
    """Whether the constant is the same on two probes."""
    for seed in (0, 1):
        try:
            if wrong_outputs(attempt(reading, reading.probe(seed), [])):
                return False
        except CouldNotRun:
            return False
    return True


def with_gradients(reading: Reading, seed: int = 0) -> Trial | None:
    """The trial with gradients on the probe of this seed; None where the code cannot be run."""
    p = reading.probe(seed)
    try:
        return attempt(reading, p, [p.upstream])
    except CouldNotRun:
        return None


def gradients_right(trial: Trial) -> bool:
    """Whether there are gradients, and all are the reference's."""
    return bool(trial.gradients) and all(
        np.shape(g) == trial.reference[n].shape and trial.close(g, trial.reference[n])
        for n, g in trial.gradients.items()
        if n in trial.reference
    )


def sizes_fit(trial: Trial) -> bool:
    """Whether the gradients are as large as they should be, wherever they point."""
    pairs = [
        (np.asarray(g, dtype=float), trial.reference[n]) for n, g in trial.gradients.items() if n in trial.reference
    ]
    return all(abs(float(np.linalg.norm(g)) / max(float(np.linalg.norm(r)), 1e-300) - 1) < ALIKE for g, r in pairs)


def with_other_eps(trial: Trial) -> Iterator[Reading]:
    """The readings of code that has an eps of its own, as a constant."""
    reading = trial.reading
    if not reading.op.has("eps") or "eps" in reading.takes or "eps" in reading.op.given:
        return
    default = reading.op.argument("eps").default
    for eps in (*EPS, fitted_eps(trial)):
        if eps != default:
            theirs = "the precision's own" if default is None else f"{default:g}"  # as rms_norm has it
            told = f"eps is {eps:g} in this code (torch: {theirs})" if eps else "there is no eps in this code"
            other = reading.calling(op=replace(reading.op, given={**reading.op.given, "eps": eps}))
            yield other.noting(f"a convention that differs from torch's: {told}")


def fitted_eps(trial: Trial) -> float:
    """The eps with which torch's output comes nearest to the code's, to three digits."""
    mine = np.asarray(trial.outputs["output"])

    def apart(power: float) -> float:
        right = np.asarray(trial.probe.evaluate(eps=10.0**power)[0]["output"])
        return float(np.linalg.norm(mine - right)) if mine.shape == right.shape else 0.0

    low, high = -17.0, 1.0
    for _ in range(6):  # each grid of 13 is a sixth as wide as the one before
        grid = np.linspace(low, high, 13)
        best = min(grid, key=apart)
        low, high = best - (high - low) / 12, best + (high - low) / 12
    return float(f"{10.0**best:.3g}")


def of_its_own(trial: Trial) -> tuple[str, Trial] | None:
    """What the forward has otherwise than torch's, and the trial with gradients that are right for it.

    None where the forward is another operation, or a gradient is not that of the code's own forward.
    """
    told = what_differs(trial) if trial.reading.tolerance <= TOLERANCES["float32"] else ""
    if not told:
        return None
    there = with_gradients(trial.reading)
    if there is None or not there.gradients or not all(own_slopes(there, 0)):
        return None
    second = with_gradients(trial.reading, 1)
    return (told, there) if second is not None and all(own_slopes(second, 1)) else None


def beside_torchs(trial: Trial, second: Trial) -> str:
    """What a forward adds, as a constant in a logarithm, if its gradients are its own and a little beside torch's."""
    apart = {
        n: error(g, trial.reference[n]) for n, g in trial.gradients.items() if n in trial.reference and g is not None
    }
    wrong = [n for n, e in apart.items() if e > trial.reading.tolerance]
    exact = trial.reading.tolerance <= TOLERANCE  # differences say nothing in a lower precision
    if (
        trial.reading.strict
        or trial.op.own
        or not exact
        or not trial.outputs
        or not wrong
        or not np.isfinite(max(apart.values()))
    ):
        return ""
    little = max(apart.values()) <= A_LITTLE
    for seed, t in enumerate((trial, second)):
        there, rng = beside(t, seed)
        outputs = [n for n in there.outputs if n in there.expected]
        if not little and all(error(there.outputs[n], there.expected[n]) < SAME for n in outputs):
            return ""  # the same function, and another gradient
        if not all(own_slope(there, n, rng) for n in wrong):
            return ""
    if not little:
        return next((m.convention for m in conventions_of(trial, wrong)), BESIDE.format(trial.op.name))
    small = f"d{wrong[0]} differs by {apart[wrong[0]]:.1g} of its largest entry"
    return f"a small constant is added in a logarithm or a divisor; {small}."


def what_differs(trial: Trial) -> str:
    """How a forward differs from torch's that is the same operation all the same; else ""."""
    if trial.op.draws is not None:
        return ""  # dropout's own constants: by_own_constant
    names = wrong_outputs(trial)
    pairs = [(n, np.asarray(trial.outputs[n]), np.asarray(trial.expected[n])) for n in names]
    if any(
        mine.shape != right.shape or mine.dtype.kind != "f" or not np.isfinite(mine).all() for _, mine, right in pairs
    ):
        return ""
    name, mine, right = pairs[0]
    known = known_forward(trial)
    if known is not None:
        return known.convention or (known.sentence if known.slug == PLACED_OTHERWISE and len(pairs) == 1 else "")
    c = trial.ratio(mine, right)
    if c is not None and c > 0 and len(pairs) == 1:
        return f"the {name} is {c:.6g} times that of torch's {trial.op.name}."
    if not all(near(trial, mine, right) for _, mine, right in pairs):
        return ""
    apart = max(error(mine, right) for _, mine, right in pairs)
    return f"the forward differs from torch's {trial.op.name} by up to {apart:.2g} of its largest entry."


def conventions_of(trial: Trial, wrong: list[str]) -> Iterator[Mistake]:
    """The formulas of other texts that give these gradients."""
    for m in wrong_formulas(trial.op, trial.probe.namespace(**trial.changes)):
        result = trial.with_mistakes((m.flag,)) if m.convention and not m.forward else None
        if result is not None and all(error(trial.gradients[n], result[1][n]) < ALIKE for n in wrong):
            yield m


def known_forward(trial: Trial) -> Mistake | None:
    """The wrong formula whose output the code's is."""
    name = wrong_outputs(trial)[0]
    return wrong_forward(trial, name, np.asarray(trial.outputs[name]), np.asarray(trial.expected[name]))


def near(trial: Trial, mine: Array, right: Array) -> bool:
    """Whether an output is the operation's in another approximation: of a function of single entries, at each."""
    apart = np.abs(mine - right)
    if trial.op.pointwise:
        return bool((apart <= NEAR * np.abs(right) + BESIDE_ZERO * size(right)).all())
    return bool(np.linalg.norm(apart) <= NEAR * np.linalg.norm(right))


def own_slopes(trial: Trial, seed: int) -> Iterator[bool]:
    """For each gradient, whether it is that of the user's own forward: beside the probe, where no kink lies."""
    there, rng = beside(trial, seed)
    return (own_slope(there, n, rng) for n in there.gradients)


def beside(trial: Trial, seed: int) -> tuple[Trial, Any]:
    """The code on a probe that is moved a little: off the kinks that are planted."""
    rng = np.random.default_rng(seed)
    moved = {n: v + rng.uniform(*ASIDE, np.shape(v)) * rng.choice([-1.0, 1.0], np.shape(v)) for n in trial.gradients
             if isinstance(v := trial.probe.values.get(n), np.ndarray)}  # fmt: skip
    with np.errstate(all="ignore"):
        p = replace(trial.probe, values={**trial.probe.values, **moved})
        return attempt(trial.reading, p, [p.upstream]), rng


def own_slope(trial: Trial, name: str, rng: Any) -> bool:
    """Whether a gradient is that of the user's own forward, along random directions."""
    value, g = trial.probe.values.get(name), np.asarray(trial.gradients[name])
    if value is None or np.shape(g) != np.shape(value) or g.dtype.kind != "f":
        return False

    def total(x: Array) -> float:
        p: Probe = replace(trial.probe, values={**trial.probe.values, name: x})
        outputs = outputs_at(trial, p)
        return float(sum(np.sum(dy * outputs[n]) for n, dy in trial.upstream.items() if n in outputs))

    exact = trial.reading.tolerance <= TOLERANCE
    step, limit = (STEP, WITNESS) if exact else (ROUGH, 10 * trial.reading.tolerance)
    for _ in range(DIRECTIONS):
        direction = rng.normal(size=np.shape(value))
        one, two = (total(value + h * direction) - total(value - h * direction) for h in (step, 2 * step))
        slope = (8 * one - two) / (12 * step)
        scale = float(np.sqrt(np.sum(g**2) * np.sum(direction**2)))
        if abs(slope - np.sum(g * direction)) > limit * max(scale, 1e-12):
            return False
    return True
