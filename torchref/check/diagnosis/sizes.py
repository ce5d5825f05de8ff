"""The code at other sizes than the probe's: beyond every block, of length 1, empty.

Kernels work in blocks of 16, 32, 64 or 128: one that leaves out the rest is right at the small sizes of a probe. An odd
length above 128 and a multiple of 64 have both a rest and whole blocks. A length of 1 is where a squeeze goes wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import judge_gradients, wrong_gradients
from torchref.check.ops.conventions import TORCH
from torchref.check.ops.probe import LARGE, Probe, finished, make_probe
from torchref.check.ops.record import Argument
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.reading import Reading
from torchref.check.report.verdict import SLUGS, Confidence
from torchref.check.running.trial import Trial, attempt
from torchref.check.tolerance.closeness import size

ENTRIES = 9000  # of all arrays together: loops over more are slow
NOTHING = 1e-9  # of the gradient's largest entry on the probe
REST = "block-remainder"
WILL_NOT = (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RuntimeError)


def judge_sizes(found: Found, trial: Trial) -> None:
    """Judge code that is right on its probe at other lengths of its axes, those that the operation takes."""
    if found.findings or not has_other_sizes(trial):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing
        judge_each(found, trial)


def judge_each(found: Found, trial: Trial) -> None:
    """Judge the code at each other size, until one is wrong."""
    for told, p in other_sizes(trial.reading):
        try:
            there = attempt(trial.reading, p, [p.upstream])
            wrong = wrong_outputs(there)
        except WILL_NOT:
            continue
        if wrong and told.endswith(tuple(map(str, LARGE))):
            evidence = f"at {told} the output is another, not at {told.split()[0]} = {length_of(trial, told)}"
            found.add("output", "forward-differs", evidence, Confidence.CERTAIN, "The forward is right at some sizes.")
            return
        if wrong or not comparable(there) or vanish(there, trial):
            continue
        if wrong_gradients(there):
            small = f"{told.split()[0]} = {length_of(trial, told)}"
            judge_gradients(found, there, there, there, told=f"at {told}, not at {small}")
            name_remainder(found, told)
            return


def has_other_sizes(trial: Trial) -> bool:
    """Whether the reading holds at other lengths: no mask is drawn, no length is data, no constant stands for one."""
    op = trial.op
    of_a_constant = op.loss and trial.reading.convention is not TORCH
    return not (op.own or op.draws is not None or op.has("input_lengths") or of_a_constant)


def name_remainder(found: Found, told: str) -> None:
    """What is wrong at a size beyond every block, in no other way that is known."""
    for f in found.findings:
        if f.slug == "unknown" and told.endswith(tuple(map(str, LARGE))):
            f.slug, f.sentence, f.confidence = REST, SLUGS[REST], Confidence.LIKELY
            f.evidence = f.evidence.replace(", and fits no known mistake", "")
            f.correction = "let the last block hold what is left: a mask, or a range up to the length"


def comparable(trial: Trial) -> bool:
    """Whether there are gradients, of the right shapes, and the right ones are finite."""
    return bool(trial.gradients) and all(
        np.isfinite(r).all() and np.shape(trial.gradients.get(n, r)) == r.shape for n, r in trial.reference.items()
    )


def vanish(there: Trial, trial: Trial) -> bool:
    """Whether every wrong gradient is zero but for rounding, as attention's to its one key: it has no digits."""
    return all(
        max(size(there.gradients[n]), size(there.reference[n])) <= NOTHING * size(trial.reference[n])
        for n in wrong_gradients(there)
    )


def length_of(trial: Trial, told: str) -> int:
    """The length of the probe's axis."""
    first, labels = labelled(trial.probe.values, trial.op.arrays)
    return int(trial.probe.values[first].shape[labels[first].index(told.split()[0])])


def other_sizes(reading: Reading) -> Iterator[tuple[str, Probe]]:
    """Probes with one axis of another length, each with what is said of it."""
    probes = [make_probe(reading.op, seed, reading.takes, reading.variant) for seed in (0, 1)]
    first, labels = labelled(probes[0].values, reading.op.arrays)
    windowed = reading.op.kernel or reading.op.pools
    for label in labels.get(first, ()):
        for length in (*LARGE, 1, *((0,) if label == labels[first][0] else ())):
            if windowed and (length == LARGE[1] or label in labels[first][2:-1]):
                continue  # loops over places: one long axis shows as much as two
            values = {n: resized(n, label, length, probes, labels) for n in probes[0].values}
            entries = sum(v.size for v in values.values() if isinstance(v, np.ndarray))
            if entries > ENTRIES:
                continue
            try:
                with np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)
                    p = finished(reading.op, 0, reading.variant, values, values, np.random.default_rng(0))
                    p.reference(p.upstream)
                    finite = all(np.isfinite(y).all() for y in p.evaluate()[0].values())
            except WILL_NOT:
                continue
            if finite:
                yield f"{label} = {length}", p


def labelled(values: dict[str, Any], arrays: tuple[Argument, ...]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The first array, and what the axes of each array are called: axes of one length have one name."""
    first = next((a for a in arrays if isinstance(values.get(a.name), np.ndarray)), None)
    if first is None:
        return "", {}
    own = named_axes(first, values[first.name])
    lengths = dict(zip(values[first.name].shape, own, strict=True))
    declared = {a.name: named_axes(a, values[a.name]) for a in arrays if a.axes and values.get(a.name) is not None}
    by_length = {
        n: tuple(lengths.get(k, f"of length {k}") for k in v.shape)
        for n, v in values.items()
        if isinstance(v, np.ndarray)
    }
    return first.name, {**by_length, **declared, first.name: own}


def named_axes(a: Argument, value: Any) -> tuple[str, ...]:
    """What the axes of an array are called; the axes of a batch and its features, where the record says nothing."""
    for names in " ".join(a.axes).split("|"):
        if len(names.split()) == np.ndim(value):
            return tuple(names.split())
    letters = {1: ("D",), 2: ("N", "D"), 3: ("N", "T", "D"), 4: ("N", "C", "H", "W")}
    return letters.get(np.ndim(value), tuple(f"axis {i}" for i in range(np.ndim(value))))


def resized(name: str, label: str, length: int, probes: list[Probe], labels: dict[str, tuple[str, ...]]) -> Any:
    """An argument whose axes of this name have another length: pieces of two probes, one behind the other."""
    value = probes[0].values[name]
    for axis, own in enumerate(labels.get(name, ()) if isinstance(value, np.ndarray) else ()):
        if own == label:
            pair = np.concatenate([p.values[name] for p in probes], axis) if len(probes) > 1 else value
            repeats = -(-length // max(pair.shape[axis], 1))
            long = np.concatenate([pair] * max(repeats, 1), axis)
            value = np.ascontiguousarray(np.take(long, range(length), axis))
            probes = [Probe(p.op, p.variant, p.seed, {name: value}, {}, {}) for p in probes[:1]]
    return value
