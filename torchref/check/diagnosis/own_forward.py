"""Conventions: where a forward is not torch's, but one that other texts have, and the gradient is right for it.

A loss may be halved, summed over classes or samples, or given entry by entry; dropout may leave the scale to the
evaluation; eps may have another value or stand elsewhere. The gradient is then compared with that of the code's own
forward: torch's times the same constant, or, where it is no constant, what differences of the forward itself say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from torchref.check.diagnosis.forward import wrong_forward, wrong_outputs
from torchref.check.ops.conventions import Convention, both
from torchref.check.ops.probe import Probe
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.reading import Reading
from torchref.check.running.trial import Trial, attempt
from torchref.nn.module import Array

EPS = (0.0, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16)
DIRECTIONS = 3  # along which the forward's slope is measured, for each array
STEP = 1e-4  # of a difference of fourth order: its error is about STEP**4, and rounding 1e-12
WITNESS = 1e-5  # how closely a slope is met
PLACED_OTHERWISE = "eps-or-bessel-misplaced"


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
    whole = float(np.sum(output) / expected)
    entries = np.size(output)
    if np.ndim(output) == 0 or entries == 1:
        yield of_the_size(trial, f"the loss is {whole:.6g} times torch's", whole, np.sum)
        return
    for size, what in ((whole / entries, "mean"), (whole, "sum")):
        told = f"the loss is not reduced; its {what} is {size:.6g} times torch's"
        yield of_the_size(trial, told.replace("is 1 times", "is"), size, getattr(np, what))


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


def with_gradients(reading: Reading) -> Trial | None:
    p = reading.probe(0)
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
    return all(abs(float(np.linalg.norm(g)) / max(float(np.linalg.norm(r)), 1e-300) - 1) < WITNESS for g, r in pairs)


def with_other_eps(reading: Reading) -> Iterator[Reading]:
    """The readings of code that has an eps of its own, as a constant."""
    if not reading.op.has("eps") or "eps" in reading.takes or "eps" in reading.op.given:
        return
    default = reading.op.argument("eps").default
    for eps in EPS:
        if eps != default:
            theirs = "the precision's own" if default is None else f"{default:g}"  # as rms_norm has it
            told = f"eps is {eps:g} in this code (torch: {theirs})" if eps else "there is no eps in this code"
            other = reading.calling(op=replace(reading.op, given={**reading.op.given, "eps": eps}))
            yield other.noting(f"a convention that differs from torch's: {told}")


def placed_otherwise(trial: Trial) -> str:
    """What a norm has elsewhere, eps or Bessel's correction, if its gradients are those of its own forward; else ""."""
    [name, *others] = wrong_outputs(trial)
    mine, right = np.asarray(trial.outputs[name]), np.asarray(trial.expected[name])
    known = None if others else wrong_forward(trial, name, mine, right)
    if known is None or known.slug != PLACED_OTHERWISE:
        return ""
    there = with_gradients(trial.reading)
    return known.sentence if there is not None and all(own_slope(there, n) for n in there.gradients) else ""


def own_slope(trial: Trial, name: str) -> bool:
    """Whether a gradient is that of the user's own forward, along random directions."""
    value, g = trial.probe.values[name], np.asarray(trial.gradients[name])
    if np.shape(g) != np.shape(value):
        return False
    rng = np.random.default_rng(trial.probe.seed)

    def total(x: Array) -> float:
        p: Probe = replace(trial.probe, values={**trial.probe.values, name: x})
        outputs = attempt(trial.reading, p, []).outputs
        return float(sum(np.sum(dy * outputs[n]) for n, dy in trial.upstream.items() if n in outputs))

    for _ in range(DIRECTIONS):
        direction = rng.normal(size=np.shape(value))
        one, two = (total(value + h * direction) - total(value - h * direction) for h in (STEP, 2 * STEP))
        slope = (8 * one - two) / (12 * STEP)
        scale = float(np.sqrt(np.sum(g**2) * np.sum(direction**2)))
        if abs(slope - np.sum(g * direction)) > WITNESS * max(scale, 1e-12):
            return False
    return True
