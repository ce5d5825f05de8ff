"""Signatures that need no formula of their own: shapes, constant ratios, sums over the wrong axes, supports."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.mistake import Unreduced
from torchref.check.ops.probe import Probe
from torchref.check.report.verdict import Confidence
from torchref.check.running.trial import Trial
from torchref.check.tolerance.closeness import TOLERANCE, close, ratio, size
from torchref.nn.module import Array

CERTAIN, LIKELY, POSSIBLE, GUESS = Confidence.CERTAIN, Confidence.LIKELY, Confidence.POSSIBLE, Confidence.GUESS


@dataclass
class Signature:
    """What a wrong gradient shows of its mistake: the slug, the evidence, and how sure it is."""

    slug: str
    evidence: str
    confidence: Confidence
    sentence: str = ""


@dataclass(frozen=True)
class Wrong:
    """A wrong gradient (or output) beside the right one."""

    name: str
    mine: Array
    right: Array
    probe: Probe
    unreduced: Unreduced | None  # a broadcast parameter's gradient before its sum
    upstream: Any  # the upstream gradient of the output
    tolerance: float

    @staticmethod
    def of(trial: Trial, name: str) -> Wrong:
        mine = np.asarray(trial.gradients[name], dtype=float)
        upstream, tolerance = trial.upstream.get("output"), trial.reading.tolerance
        return Wrong(name, mine, trial.reference[name], trial.probe, trial.unreduced.get(name), upstream, tolerance)

    @property
    def op(self) -> Op:
        return self.probe.op

    def close(self, mine: Array, right: Array) -> bool:
        return close(mine, right, self.tolerance)


Question = Callable[[Wrong], Signature | None]


def first(w: Wrong, questions: tuple[Question, ...]) -> Signature | None:
    """The signature that the first of these questions finds."""
    return next((found for ask in questions if (found := ask(w)) is not None), None)


# --- shapes -----------------------------------------------------------------------------------------------------------


def shape(w: Wrong) -> Signature:
    """What a gradient of the wrong shape is: its shape tells most of it, its values confirm."""
    found = first(
        w,
        (
            keepdims,
            other_sum,
            rows_of_positions,
            one_for_each_example,
            exchanged_axes,
            axes_not_summed,
            everything_summed,
        ),
    )
    return found or Signature("wrong-shape", shapes(w), CERTAIN)


def shapes(w: Wrong) -> str:
    """The shapes of the wrong gradient and of its argument, as evidence."""
    return f"d{w.name} has shape {w.mine.shape}, {w.name} has {w.right.shape}"


def keepdims(w: Wrong) -> Signature | None:
    """A gradient that has the right shape but for axes of length 1."""
    if np.squeeze(w.mine).shape != np.squeeze(w.right).shape:
        return None
    evidence = f"{shapes(w)}; without the axes of length 1 they agree"
    return Signature("keepdims-left-on", evidence, CERTAIN, "The sum keeps an axis of length 1 (keepdims=True).")


def other_sum(w: Wrong) -> Signature | None:
    """A broadcast parameter's gradient, summed over other axes."""
    if w.unreduced is None:
        return None
    terms, must = np.asarray(w.unreduced.terms), w.unreduced.axes
    for axes in itertools.chain([()], subsets(terms.ndim)):
        for keep in (False, True):
            t = terms.sum(axes, keepdims=keep) if axes else terms
            if t.shape != w.mine.shape:
                continue
            exact = w.close(w.mine, t) or bool(axes and w.close(w.mine, terms.mean(axes, keepdims=keep)))
            how_sure = CERTAIN if exact else LIKELY
            if not axes or set(axes) < set(must):
                what = f"only axis {axes}" if axes else "nothing"
                return Signature(
                    "broadcast-axis-not-summed", f"{shapes(w)}: {what} is summed; the axes {must} must be", how_sure
                )
            if exact or w.mine.ndim in (w.right.ndim, 0):
                what = "everything" if len(axes) == terms.ndim else f"axis {', '.join(map(str, axes))}"
                return Signature(
                    "summed-over-wrong-axis",
                    f"{shapes(w)}: the sum runs over {what}, it must run over {must}",
                    how_sure,
                )
    return None


def rows_of_positions(w: Wrong) -> Signature | None:
    """Terms laid out as rows that hold one position each, and summed over the axis that must be kept."""
    if w.unreduced is None:
        return None
    terms = np.asarray(w.unreduced.terms)
    kept = [a for a in range(terms.ndim) if a not in w.unreduced.axes]
    if w.mine.ndim != 1 or terms.ndim <= 2 or len(kept) != 1:
        return None
    rows = np.moveaxis(terms, kept[0], -1).reshape(-1, terms.shape[kept[0]])
    if not w.close(w.mine, rows.sum(1)) and not w.close(w.mine, rows.mean(1)):
        return None
    evidence = f"{shapes(w)}: the sum runs over axis {kept[0]}, the one that must be kept"
    return Signature("summed-over-wrong-axis", evidence, CERTAIN)


def one_for_each_example(w: Wrong) -> Signature | None:
    """A number for each example where one for each feature belongs: the features are summed, the batch is not."""
    rows = np.shape(w.upstream)
    if len(rows) != 2 or rows[0] == rows[1] or w.right.shape != rows[1:] or w.mine.size != rows[0]:
        return None
    evidence = f"{shapes(w)}: one number for each of {rows[0]} examples; the sum must leave one for each feature"
    return Signature("summed-over-wrong-axis", evidence, LIKELY)


def everything_summed(w: Wrong) -> Signature | None:
    """One number, the sum of all that should stand in the gradient's entries."""
    if w.mine.ndim or w.right.size < 2 or not w.close(w.mine, w.right.sum()):
        return None
    return Signature("summed-over-wrong-axis", f"{shapes(w)}: it is the sum of the right gradient's entries", CERTAIN)


def exchanged_axes(w: Wrong) -> Signature | None:
    """A gradient whose shape is the right one with its axes in another order."""
    g, right = w.mine, w.right
    if g.ndim != right.ndim or g.ndim < 2 or sorted(g.shape) != sorted(right.shape):
        return None
    for order in itertools.permutations(range(g.ndim)):
        if tuple(right.shape[i] for i in order) == g.shape and w.close(g, right.transpose(order)):
            evidence = f"{shapes(w)}; its transpose is right"
            return Signature("transposed", evidence, CERTAIN, "The gradient is the transpose of what it should be.")
    return Signature("transposed", f"{shapes(w)}: the two are exchanged", LIKELY) if g.ndim == 2 else None


def axes_not_summed(w: Wrong) -> Signature | None:
    """A gradient that has axes left over: summed over them it has the right shape."""
    g, right = w.mine, w.right
    if g.ndim == right.ndim + 1 and g.shape[1:] == right.shape:
        how_sure = CERTAIN if w.close(g.sum(0), right) else LIKELY
        return Signature("broadcast-axis-not-summed", f"{shapes(w)}: axis 0 is not summed", how_sure)
    if g.ndim <= right.ndim or right.ndim < 1:
        return None
    for axes in itertools.combinations(range(g.ndim), g.ndim - right.ndim):
        if g.sum(axes).shape == right.shape and w.close(g.sum(axes), right):
            return Signature("broadcast-axis-not-summed", f"{shapes(w)}: axis {axes} is not summed", CERTAIN)
    return None


# --- sums -------------------------------------------------------------------------------------------------------------


def sums(w: Wrong) -> Signature | None:
    """A parameter's gradient of the right shape, but summed or averaged in another way."""
    return None if w.unreduced is None else first(w, (other_reduction, one_entry_alone, all_equal))


def other_reduction(w: Wrong) -> Signature | None:
    """A mean in place of the sum, or a sum or a mean over the wrong axes."""
    assert w.unreduced is not None
    terms, must = np.asarray(w.unreduced.terms), w.unreduced.axes
    for axes in subsets(terms.ndim):
        whole = set(axes) == set(must)
        for reduce, word in ((np.sum, "sum"), (np.mean, "mean")):
            t = as_shape(reduce(terms, axis=axes, keepdims=False), w.right.shape, whole)
            if t is None or not w.close(w.mine, t) or (word == "sum" and whole):
                continue
            if whole:
                count = int(np.prod([terms.shape[a] for a in must]))
                evidence = f"it is the right gradient divided by {count}"
                return Signature(
                    "mean-instead-of-sum", evidence, CERTAIN, "The gradient is averaged where it must be summed."
                )
            evidence = f"it is a {word} over the axes {axes}; the axes {must} must be summed"
            return Signature("summed-over-wrong-axis", evidence, CERTAIN)
    return None


def as_shape(t: Any, wanted: tuple[int, ...], whole: bool) -> Any:
    """A sum in the parameter's shape: one number is that of every entry; None where it is of another shape."""
    if whole and t.shape != wanted:
        return t.reshape(wanted)
    if t.shape == wanted:
        return t
    return np.broadcast_to(t, wanted) if t.size == 1 else None


def one_entry_alone(w: Wrong) -> Signature | None:
    """Of an axis that must be summed only the first or the last entry has arrived."""
    assert w.unreduced is not None
    terms, must = np.asarray(w.unreduced.terms), w.unreduced.axes
    for axes in itertools.chain(subsets(terms.ndim), [()]):
        rest = tuple(a for a in must if a not in axes)
        if not set(axes) < set(must) or len(rest) != 1 or terms.shape[rest[0]] == 0:
            continue
        left = terms.sum(axes, keepdims=True) if axes else terms
        for index, word in ((0, "first"), (-1, "last")):
            t = left.take(index, rest[0])
            if t.size == w.right.size and w.close(w.mine, t.reshape(w.right.shape)):
                evidence = f"only the {word} entry of axis {rest[0]} has arrived"
                return Signature("overwritten-not-accumulated", evidence, CERTAIN)
    return None


def all_equal(w: Wrong) -> Signature | None:
    """A gradient whose entries are all equal, and not zero."""
    if len(np.unique(np.round(w.mine.ravel(), 9))) != 1 or w.right.size <= 2 or not np.any(w.mine):
        return None
    return Signature("summed-over-wrong-axis", "all entries are equal: the sum runs over too many axes", LIKELY)


def subsets(n: int) -> Iterator[tuple[int, ...]]:
    """Every choice of at least one of n axes, the smallest first."""
    for k in range(1, n + 1):
        yield from itertools.combinations(range(n), k)


# --- constant factors -------------------------------------------------------------------------------------------------


def quantities(p: Probe, unreduced: Unreduced | None = None) -> list[tuple[float, str]]:
    """The named numbers that a gradient may be off by."""
    if p.op.lengths:
        return [(value, label) for value, label in p.op.lengths if value > 1]
    v = p.values
    x: Any = next((v[a.name] for a in p.op.arguments if isinstance(v.get(a.name), np.ndarray)), np.zeros(1))
    time_first = bool(p.op.arrays) and p.op.arrays[0].axes[:2] == ("T", "N")
    if time_first:
        found = [(float(x.shape[1]), "N"), (float(x.shape[0]), "T")]
    else:
        found = [(float(x.shape[0]), "N")] if x.ndim else []
    if x.ndim > 1:
        found.append((float(x.shape[-1]), "the last axis's length"))
        found.append((float(x.size), "the number of entries"))
        found.append((float(x.shape[1]), "the length of axis 1"))
    if p.op.has("query") and not time_first:
        found += [(float(x.shape[-2]), "the number of queries")]
        found += [(float(v["key"].shape[-2]), "the number of keys")] if v.get("key") is not None else []
    if time_first:
        found.append((float(np.prod(x.shape[:-1])), "N times T"))
    if unreduced is not None:
        found.append((float(np.prod([np.shape(unreduced.terms)[a] for a in unreduced.axes])), "the number of terms"))
    return [(value, label) for value, label in found if value > 1]


@dataclass(frozen=True)
class Factor(Wrong):
    """A gradient that is a constant times the right one."""

    c: float = 1.0

    @property
    def evidence(self) -> str:
        return f"it is {self.c:.6g} times the right gradient, everywhere"

    def equals(self, value: float) -> bool:
        """Whether the constant is that, but for its sign."""
        return abs(abs(self.c) / value - 1) < 1e-6


FactorQuestion = Callable[[Factor], Signature | None]


def constant(w: Wrong) -> Signature | None:
    """A constant ratio g = c ref, matched to a named quantity."""
    c = ratio(w.mine, w.right, w.tolerance)
    if c is None or abs(c - 1) < w.tolerance:
        return None
    f = Factor(**vars(w), c=c)
    if w.op.draws:
        return Signature("dropout-mask-or-scale", f.evidence, CERTAIN)
    if abs(c + 1) < w.tolerance:
        return Signature(
            "wrong-sign", "it is exactly the negative of the right gradient", CERTAIN, "The sign is wrong."
        )
    if w.op.has("query") and (found := scale_of_attention(f)) is not None:
        return found
    if w.op.loss:
        return divisor_of_a_loss(f)
    if w.op.pools:
        return divisor_of_a_window(f)
    questions: tuple[FactorQuestion, ...] = (counted_for_a_window, mean_or_sum, option_lost, bessels_correction)
    found = next((s for ask in questions if (s := ask(f)) is not None), None)
    last = Signature("wrong-sign", f.evidence, GUESS) if c < 0 else of_its_lengths(f) if w.op.own else None
    return found or last


def of_its_lengths(f: Factor) -> Signature:
    """A gradient that is off by lengths of its own axes, a mean for a sum or the reverse, else by another constant."""
    for axes in subsets(f.right.ndim):
        count = float(np.prod([f.right.shape[a] for a in axes]))
        if count > 1 and (f.equals(count) or f.equals(1 / count)):
            way = "times" if f.equals(count) else "divided by"
            evidence = f"it is the right gradient {way} {count:g}, the length of its axes {axes}"
            return Signature("mean-instead-of-sum", evidence, POSSIBLE)
    return Signature("scale-forgotten", f.evidence, POSSIBLE)


def scale_of_attention(f: Factor) -> Signature | None:
    """A gradient of attention that is off by d, by sqrt(d), or by the inverse of one."""
    d = f.probe.values["query"].shape[-1]
    for power, label in ((0.5, "sqrt(d)"), (-0.5, "1 / sqrt(d)"), (1, "d"), (-1, "1 / d")):
        if f.equals(d**power):
            return Signature("attention-scale", f"it is {label} times the right gradient, d = {d}", CERTAIN)
    return None


def divisor_of_a_loss(f: Factor) -> Signature:
    """Name the lengths by which a loss's gradient is off; a guess where none fit."""
    numbers = quantities(f.probe, f.unreduced)
    products = {1.0: "1", **dict(numbers), **{a * b: f"{la} times {lb}" for a, la in numbers for b, lb in numbers}}
    for value, label in products.items():
        for extra, word in ((1, ""), (2, "2 "), (0.5, "half of ")):
            times, divided = f.equals(value * extra), f.equals(1 / (value * extra))
            if times or divided:
                way = "times" if times else "divided by"
                what = f"it is the right gradient {way} {word}{label if label != '1' else ''}".rstrip()
                slug = "wrong-reduction" if label != "1" else "scale-forgotten"  # the 2 of a square
                return Signature(slug, f"{what} ({f.c:.6g})", CERTAIN)
    for (a, la), (b, lb) in itertools.permutations(numbers, 2):
        if f.equals(a / b):
            evidence = f"it is divided by {lb} = {b:g} where {la} = {a:g} belongs ({f.c:.6g})"
            return Signature("wrong-reduction", evidence, CERTAIN)
    return Signature("wrong-reduction", f.evidence, GUESS)


def divisor_of_a_window(f: Factor) -> Signature:
    """A pooling's gradient off by a factor: a wrong divisor for means and areas of a window, else unknown."""
    v = f.probe.values
    kernel = v.get("kernel_size")
    area = float(np.prod(np.broadcast_to(np.asarray(0 if kernel is None else kernel), v["input"].ndim - 2)))
    share = area > 0 and (f.equals(area) or f.equals(1 / area))
    return Signature("wrong-reduction" if f.op.pools == "mean" or share else "unknown", f.evidence, CERTAIN)


def counted_for_a_window(f: Factor) -> Signature | None:
    """A bias that is counted in the loops over the kernel."""
    kernel = f.probe.values.get("weight")
    if not f.op.kernel or f.name != "bias" or kernel is None:
        return None
    places = float(np.prod(kernel.shape[2:]))
    for value, what in ((places, "place of the kernel"), (places * kernel.shape[1], "product of a window")):
        if f.equals(value):
            sentence = f"The bias is counted once for each {what}; it is added once to each output."
            return Signature("summed-over-wrong-axis", f"{f.evidence}: once for each {what}", CERTAIN, sentence)
    return None


def mean_or_sum(f: Factor) -> Signature | None:
    """A gradient that is off by a number of entries: a mean where a sum belongs, or a sum for a mean."""
    numbers = quantities(f.probe, f.unreduced)
    if f.op.kernel and isinstance(f.probe.upstream.get("output"), np.ndarray):
        there = f.probe.upstream["output"].shape
        numbers.append((float(np.prod(there) / there[1]), "N times the number of positions"))
        numbers.append((float(np.prod(there[2:])), "the number of positions"))
    for value, label in numbers:
        if (f.equals(value) and not f.op.summed) or f.equals(1 / value):
            evidence = f"it is the right gradient {'times' if f.equals(value) else 'divided by'} {label} = {value:g}"
            return Signature(
                "mean-instead-of-sum", evidence, CERTAIN, "A mean stands where a sum belongs (or the other way round)."
            )
    return None


def option_lost(f: Factor) -> Signature | None:
    """A gradient that is multiplied or divided by the value of an option, against the formula."""
    for option in f.op.options if not f.op.kernel else ():
        number: Any = f.probe.values.get(option.name)
        if not isinstance(number, float | int) or isinstance(number, bool) or number in (0, 1):
            continue
        value = abs(number)
        if f.equals(value) or f.equals(1 / value):
            way = "times" if f.equals(value) else "divided by"
            return Signature("scale-forgotten", f"it is the right gradient {way} {option.name} = {value:g}", CERTAIN)
    return None


def bessels_correction(f: Factor) -> Signature | None:
    """A norm's gradient that is off by n / (n - 1), its inverse, or the root of one."""
    if f.op.statistics is None:
        return None
    x = f.probe.values["input"]
    n = float(np.prod([x.shape[a] for a in f.op.statistics(x.ndim)]))
    if not any(f.equals(value) or f.equals(value**0.5) for value in ((n - 1) / n, n / (n - 1))):
        return None
    evidence = f"it is {abs(f.c):.6g} times the right gradient: Bessel's correction of n = {n:g}"
    return Signature("eps-or-bessel-misplaced", evidence, CERTAIN)


# --- what is left over ------------------------------------------------------------------------------------------------


def residual(w: Wrong) -> Signature | None:
    """For a norm: is the difference constant along the statistics' axes, or proportional to x_hat?"""
    if w.probe.values.get("input") is None or w.mine.shape != np.shape(w.probe.values["input"]):
        return None
    n = Normed.of(w)
    if n is None:
        return None
    d, x_hat, axes, centred = n.difference, n.x_hat, n.axes, w.op.centred
    limit = TOLERANCE * max(size(w.right), 1e-12) * 10
    along = d.mean(axes, keepdims=True)
    if centred and size(d - along) < limit:
        evidence = "the difference is constant along the axes of the statistics: the path through the mean is wrong"
        return Signature("statistics-as-constants", evidence, CERTAIN)
    share = (d * x_hat).mean(axes, keepdims=True)
    if size(d - share * x_hat) < limit:
        if n.nearly(share):
            evidence = (
                "the path through the variance is right but for a few per cent: eps or n - 1 stands in the wrong place"
            )
            return Signature("eps-or-bessel-misplaced", evidence, POSSIBLE)
        slug = "variance-path-missing" if centred else "statistics-as-constants"
        return Signature(
            slug, "the difference is proportional to x_hat: the path through the variance is wrong", LIKELY
        )
    if centred and size(d - along - share * x_hat) < limit:
        return n.other_count(along, share) or Signature(
            "statistics-as-constants", "the difference lies in the paths through mean and variance", POSSIBLE
        )
    return None


@dataclass(frozen=True)
class Normed:
    """A norm's wrong gradient, with the axes that share their statistics as axes of their own."""

    difference: Array
    x_hat: Array
    dx_hat: Array
    variance: Array
    eps: float
    axes: tuple[int, ...]

    @staticmethod
    def of(w: Wrong) -> Normed | None:
        v = w.probe.values
        x, dy = v["input"], np.asarray(w.upstream)
        groups = v.get("num_groups")
        if (w.op.statistics is None and groups is None) or dy.shape != x.shape:
            return None
        along = (1, -1, *(1,) * (x.ndim - 2))
        shape: tuple[int, ...] = x.shape
        axes: tuple[int, ...] = (2,)
        if groups is None:
            assert w.op.statistics is not None
            axes = w.op.statistics(x.ndim)
            along = (-1,) if -1 in axes else along
        else:
            shape = (len(x), groups, -1)
        weight = v.get("weight")
        dx_hat = dy * (1.0 if weight is None else weight if np.ndim(weight) == 0 else np.reshape(weight, along))
        x, d, dx_hat = (a.reshape(shape) for a in (x, w.mine - w.right, dx_hat))
        centred = x - (x.mean(axes, keepdims=True) if w.op.centred else 0)
        variance = (centred**2).mean(axes, keepdims=True)
        return Normed(d, centred / np.sqrt(variance), dx_hat, variance, v.get("eps") or 0.0, axes)

    def nearly(self, share: Array) -> bool:
        """Whether a difference along x_hat is a small part of the path through the variance, in every row or column."""
        path = (self.dx_hat * self.x_hat).mean(self.axes, keepdims=True) / np.sqrt(self.variance)
        part = share / path
        return bool((np.abs(part) < 0.2).all() and (np.abs(part) > 0).all())

    def other_count(self, along: Array, share: Array) -> Signature | None:
        """Both means divided by one wrong number: the paths are the same multiple of the right ones."""
        std = np.sqrt(self.variance + self.eps)
        means = -self.dx_hat.mean(self.axes, keepdims=True) / std
        paths = -(self.dx_hat * self.x_hat).mean(self.axes, keepdims=True) * self.variance / std**3
        c = float(np.median(along / means))
        if not (np.allclose(along, c * means, rtol=1e-5) and np.allclose(share, c * paths, rtol=1e-5)):
            return None
        count = float(np.prod([self.x_hat.shape[a] for a in self.axes]))
        divisor = f"they divide by {count / (1 + c):.4g}, not {count:g}"
        evidence = f"both means in dx are {1 + c:.4g} times the right ones: {divisor}"
        return Signature("wrong-reduction", evidence, LIKELY, "The means in the backward divide by the wrong number.")


# --- any operation ----------------------------------------------------------------------------------------------------


def generic(w: Wrong) -> Signature | None:
    """The signatures of any operation, for a gradient of the right shape."""
    questions = (
        transposed,
        read_across,
        upstream_itself,
        sums,
        constant,
        flipped,
        repeated_index,
        dropped,
        residual,
        at_the_kinks,
    )
    return first(w, questions)


def transposed(w: Wrong) -> Signature | None:
    """The transpose of the right gradient; of a weight with more axes, two of one length exchanged."""
    g = w.mine
    if g.ndim == 2 and g.shape[0] == g.shape[1] and w.close(g, w.right.T):
        evidence = "it is the transpose of the right gradient"
        return Signature("transposed", evidence, CERTAIN, "The gradient is the transpose of what it should be.")
    for a, b in itertools.combinations(range(g.ndim), 2) if g.ndim > 2 and w.name == "weight" else ():
        if g.shape[a] == g.shape[b] and w.close(g, w.right.swapaxes(a, b)) and not w.close(g, w.right):
            return Signature("transposed", f"the axes {a} and {b} are exchanged", CERTAIN)
    return None


def read_across(w: Wrong) -> Signature | None:
    """The right numbers in the order of a transpose: reshaped without it, as (col.T @ dout).reshape(weight.shape)."""
    g, right = w.mine, w.right
    for at in range(1, g.ndim):
        rows = right.reshape(int(np.prod(right.shape[:at])), -1)
        if min(rows.shape) > 1 and w.close(g, rows.T.reshape(g.shape)) and not w.close(g, right):
            evidence = (
                f"its numbers are those of the transpose of the right gradient as {rows.shape}, reshaped to {g.shape}"
            )
            return Signature("transposed", evidence, CERTAIN, "A transpose is missing before the reshape.")
    return None


def upstream_itself(w: Wrong) -> Signature | None:
    """A gradient that equals the upstream gradient; dropout is left out."""
    if np.shape(w.upstream) != w.mine.shape or not w.close(w.mine, w.upstream) or w.op.draws:
        return None
    evidence = "it is the upstream gradient itself"
    return Signature("local-derivative-missing", evidence, CERTAIN, "The local derivative is not multiplied in.")


def flipped(w: Wrong) -> Signature | None:
    """A convolution's gradient turned round along all axes of the kernel, or the weight's along one."""
    g = w.mine
    if not w.op.kernel or g.ndim <= 2:
        return None
    if w.close(g, np.flip(w.right, tuple(range(2, g.ndim)))):
        return Signature("kernel-flipped", "it is the right gradient turned round", CERTAIN)
    for axis in range(2, g.ndim) if w.name == "weight" else ():
        if w.close(g, np.flip(w.right, axis)):
            return Signature("kernel-flipped", f"it is the right gradient turned round along axis {axis}", CERTAIN)
    return None


def repeated_index(w: Wrong) -> Signature | None:
    """Rows that an index chooses: those whose index occurs once are right."""
    index = w.probe.values.get("input")
    if w.name != "weight" or np.asarray(index).dtype.kind not in "iu":
        return None
    once = np.bincount(np.reshape(np.asarray(index), -1), minlength=len(w.right)) <= 1
    if not w.close(w.mine[once], w.right[once]) or w.close(w.mine, w.right):
        return None
    return Signature("repeated-index-overwritten", "only rows whose index occurs more than once are wrong", CERTAIN)


def dropped(w: Wrong) -> Signature | None:
    """Dropout's gradient of the input, wrong at the dropped units, or else at the kept ones."""
    if not w.op.draws or w.name != "input":
        return None
    gone = w.mine[w.right == 0]
    evidence = (
        f"{(gone != 0).sum()} dropped units get a gradient" if np.any(gone) else "the factor at the kept units is wrong"
    )
    return Signature("dropout-mask-or-scale", evidence, LIKELY)


def at_the_kinks(w: Wrong) -> Signature | None:
    """A gradient of an operation with kinks that is wrong in six entries at most."""
    if not w.op.kinks:
        return None
    right = np.isclose(w.mine, w.right, rtol=1e-6, atol=1e-9)
    if (~right).sum() > 6 or not right.any():
        return None
    return Signature("wrong-mask", f"only {(~right).sum()} entries at the kinks are wrong", LIKELY)


def of_the_output(trial: Trial, mine: Array, right: Array) -> Signature | None:
    """The constant by which an output is off."""
    w = Wrong("output", mine, right, trial.probe, None, None, trial.reading.tolerance)
    return constant(w)


def a_turned_sign(trial: Trial, name: str) -> Signature | None:
    """The one signature that rounding in half precision cannot be mistaken for."""
    w = replace(Wrong.of(trial, name), unreduced=None)
    found = constant(w) if w.mine.shape == w.right.shape else None
    return found if found is not None and found.slug == "wrong-sign" and found.confidence is CERTAIN else None
