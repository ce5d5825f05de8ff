"""Signatures that need no formula of their own: shapes, constant ratios, sums over the wrong axes, supports."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.check.ops.mistake import Unreduced
from torchref.check.ops.probe import Probe
from torchref.check.tolerance.closeness import TOLERANCE, allowed, close, ratio, size
from torchref.nn.module import Array


@dataclass
class Signature:
    slug: str
    evidence: str
    confidence: float
    sentence: str = ""


def shape(g: Array, ref: Array, unreduced: Unreduced | None, name: str) -> Signature:
    """What a gradient of the wrong shape is: its shape tells most of it, its values confirm."""
    told = f"d{name} has shape {g.shape}, {name} has {ref.shape}"
    if np.squeeze(g).shape == np.squeeze(ref).shape:
        return Signature(
            "keepdims-left-on",
            f"{told}; without the axes of length 1 they agree",
            0.97,
            "The sum keeps an axis of length 1 (keepdims=True).",
        )
    if unreduced is not None:
        terms = np.asarray(unreduced.terms)
        for n in range(terms.ndim + 1):
            for axes in itertools.combinations(range(terms.ndim), n):
                for keep in (False, True):
                    t = terms.sum(axes, keepdims=keep) if axes else terms
                    if t.shape == g.shape:
                        exact = close(g, t) or (axes and close(g, terms.mean(axes, keepdims=keep)))
                        if not axes or set(axes) < set(unreduced.axes):
                            return Signature(
                                "broadcast-axis-not-summed",
                                f"{told}: "
                                + ("nothing" if not axes else f"only axis {axes}")
                                + f" is summed; the axes {unreduced.axes} must be",
                                0.97 if exact else 0.8,
                            )
                        if exact or g.ndim == ref.ndim or g.ndim == 0:
                            what = "everything" if len(axes) == terms.ndim else f"axis {', '.join(map(str, axes))}"
                            return Signature(
                                "summed-over-wrong-axis",
                                f"{told}: the sum runs over {what}, it must run over {unreduced.axes}",
                                0.97 if exact else 0.8,
                            )
        kept = [a for a in range(terms.ndim) if a not in unreduced.axes]
        if g.ndim == 1 and terms.ndim > 2 and len(kept) == 1:  # of rows that hold one position each
            rows = np.moveaxis(terms, kept[0], -1).reshape(-1, terms.shape[kept[0]])
            if close(g, rows.sum(1)) or close(g, rows.mean(1)):
                what = f"{told}: the sum runs over axis {kept[0]}, the one that must be kept"
                return Signature("summed-over-wrong-axis", what, 0.97)
    if g.ndim == ref.ndim and g.ndim >= 2 and sorted(g.shape) == sorted(ref.shape):
        for order in itertools.permutations(range(g.ndim)):
            if tuple(ref.shape[i] for i in order) == g.shape and close(g, ref.transpose(order)):
                return Signature(
                    "transposed",
                    f"{told}; its transpose is right",
                    0.98,
                    "The gradient is the transpose of what it should be.",
                )
        if g.ndim == 2:
            return Signature("transposed", f"{told}: the two are exchanged", 0.85)
    if g.ndim == ref.ndim + 1 and g.shape[1:] == ref.shape:
        return Signature(
            "broadcast-axis-not-summed", f"{told}: axis 0 is not summed", 0.95 if close(g.sum(0), ref) else 0.8
        )
    if g.ndim > ref.ndim and ref.ndim >= 1:
        for axes in itertools.combinations(range(g.ndim), g.ndim - ref.ndim):
            if g.sum(axes).shape == ref.shape and close(g.sum(axes), ref):
                return Signature("broadcast-axis-not-summed", f"{told}: axis {axes} is not summed", 0.95)
    return Signature("wrong-shape", told, 0.9)


def sums(g: Array, ref: Array, unreduced: Unreduced) -> Signature | None:
    """A parameter's gradient of the right shape, but summed or averaged in another way."""
    terms = np.asarray(unreduced.terms)
    count = int(np.prod([terms.shape[a] for a in unreduced.axes]))
    for axes in subsets(terms.ndim):
        for reduce, word in ((np.sum, "sum"), (np.mean, "mean")):
            t = reduce(terms, axis=axes, keepdims=False)
            if set(axes) == set(unreduced.axes) and t.shape != ref.shape:
                t = t.reshape(ref.shape)
            if t.shape != ref.shape:
                if t.ndim == 0 or t.size == 1:
                    t = np.broadcast_to(t, ref.shape)
                else:
                    continue
            if not close(g, t) or (word == "sum" and set(axes) == set(unreduced.axes)):
                continue
            if set(axes) == set(unreduced.axes):
                return Signature(
                    "mean-instead-of-sum",
                    f"it is the right gradient divided by {count}",
                    0.99,
                    "The gradient is averaged where it must be summed.",
                )
            return Signature(
                "summed-over-wrong-axis",
                f"it is a {word} over the axes {axes}; the axes {unreduced.axes} must be summed",
                0.97,
            )
    for axes in itertools.chain(subsets(terms.ndim), [()]):
        if axes and set(axes) < set(unreduced.axes):
            rest = tuple(a for a in unreduced.axes if a not in axes)
            for index, word in ((0, "first"), (-1, "last")):
                t = terms.sum(axes, keepdims=True).take(index, rest[0])
                if len(rest) == 1 and t.size == ref.size and close(g, t.reshape(ref.shape)):
                    return Signature(
                        "overwritten-not-accumulated", f"only the {word} entry of axis {rest[0]} has arrived", 0.95
                    )
        elif not axes and len(unreduced.axes) == 1:
            for index, word in ((0, "first"), (-1, "last")):
                t = terms.take(index, unreduced.axes[0])
                if t.size == ref.size and close(g, t.reshape(ref.shape)):
                    return Signature(
                        "overwritten-not-accumulated",
                        f"only the {word} entry of axis {unreduced.axes[0]} has arrived",
                        0.95,
                    )
    if len(np.unique(np.round(g.ravel(), 9))) == 1 and ref.size > 2 and np.any(g):
        return Signature("summed-over-wrong-axis", "all entries are equal: the sum runs over too many axes", 0.8)
    return None


def subsets(n: int) -> Iterator[tuple[int, ...]]:
    for k in range(1, n + 1):
        yield from itertools.combinations(range(n), k)


def quantities(p: Probe, unreduced: Unreduced | None, reference: Array) -> list[tuple[float, str]]:
    """The named numbers that a gradient may be off by."""
    v = p.values
    x: Any = next((v[a.name] for a in p.op.arguments if isinstance(v.get(a.name), np.ndarray)), np.zeros(1))
    found = [(float(x.shape[0]), "N" if x.ndim else "1")] if x.ndim else []
    time_first = bool(p.op.arrays) and p.op.arrays[0].axes[:2] == ("T", "N")
    if time_first:
        found = [(float(x.shape[1]), "N"), (float(x.shape[0]), "T")]
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


def constant(p: Probe, g: Array, ref: Array, unreduced: Unreduced | None, name: str) -> Signature | None:
    """A constant ratio g = c ref, matched to a named quantity."""
    c = ratio(g, ref)
    if c is None or abs(c - 1) < allowed["tolerance"]:
        return None
    op, v = p.op, p.values
    told = f"it is {c:.6g} times the right gradient, everywhere"
    if op.draws:
        return Signature("dropout-mask-or-scale", told, 0.9)
    if abs(c + 1) < allowed["tolerance"]:
        return Signature("wrong-sign", "it is exactly the negative of the right gradient", 0.99, "The sign is wrong.")
    sign, c = np.sign(c), abs(c)

    def equals(value: float) -> bool:
        return abs(c / value - 1) < 1e-6

    if op.has("query"):
        d = v["query"].shape[-1]
        for power, label in ((0.5, "sqrt(d)"), (-0.5, "1 / sqrt(d)"), (1, "d"), (-1, "1 / d")):
            if equals(d**power):
                return Signature("attention-scale", f"it is {label} times the right gradient, d = {d}", 0.98)
    numbers = quantities(p, unreduced, ref)
    if op.loss:
        products = {
            1.0: "1",
            **dict(numbers),
            **{a * b: f"{la} times {lb}" for a, la in numbers for b, lb in numbers},
        }
        for value, label in products.items():
            for extra, word in ((1, ""), (2, "2 "), (0.5, "half of ")):
                if equals(value * extra) or equals(1 / (value * extra)):
                    way = "times" if equals(value * extra) else "divided by"
                    return Signature(
                        "wrong-reduction",
                        f"it is the right gradient {way} {word}{label if label != '1' else ''}".rstrip()
                        + f" ({sign * c:.6g})",
                        0.98,
                    )
        return Signature("wrong-reduction", told, 0.6)
    if op.pools:
        kernel = v.get("kernel_size")
        sides = np.broadcast_to(np.asarray(0 if kernel is None else kernel), v["input"].ndim - 2)
        area = float(np.prod(sides))
        share = area > 0 and (equals(area) or equals(1 / area))
        return Signature("wrong-reduction" if op.pools == "mean" or share else "unknown", told, 0.9)
    if op.kernel and isinstance(p.upstream.get("output"), np.ndarray):
        shape = p.upstream["output"].shape
        numbers.append((float(np.prod(shape) / shape[1]), "N times the number of positions"))
        numbers.append((float(np.prod(shape[2:])), "the number of positions"))
    for value, label in numbers:
        if (equals(value) and not op.summed) or equals(1 / value):
            way = "times" if equals(value) else "divided by"
            return Signature(
                "mean-instead-of-sum",
                f"it is the right gradient {way} {label} = {value:g}",
                0.98,
                "A mean stands where a sum belongs (or the other way round).",
            )
    for option in op.options if not op.kernel else ():
        number: Any = v.get(option.name)
        if not isinstance(number, float | int) or isinstance(number, bool) or number in (0, 1):
            continue
        for value in (abs(number),):
            if equals(value) or equals(1 / value):
                return Signature(
                    "scale-forgotten",
                    f"it is the right gradient {'times' if equals(value) else 'divided by'} {option.name} = {value:g}",
                    0.9,
                )
    if op.statistics is not None:
        n = float(np.prod([v["input"].shape[a] for a in op.statistics(v["input"].ndim)]))
        for value in ((n - 1) / n, n / (n - 1)):
            if equals(value) or equals(value**0.5):
                return Signature(
                    "eps-or-bessel-misplaced",
                    f"it is {c:.6g} times the right gradient: Bessel's correction of n = {n:g}",
                    0.95,
                )
    if sign < 0:
        return Signature("wrong-sign", told, 0.6)
    return None


def residual(p: Probe, g: Array, ref: Array) -> Signature | None:
    """For a norm: is the difference constant along the statistics' axes, or proportional to x_hat?"""
    x = p.values.get("input")
    if p.op.statistics is None or x is None or g.shape != x.shape:
        return None
    axes = p.op.statistics(x.ndim)
    d = g - ref
    centre = x.mean(axes, keepdims=True) if p.op.centred else 0
    x_hat = (x - centre) / np.sqrt(((x - centre) ** 2).mean(axes, keepdims=True))
    limit = TOLERANCE * max(size(ref), 1e-12) * 10
    along = d.mean(axes, keepdims=True)
    if p.op.centred and size(d - along) < limit:
        return Signature(
            "statistics-as-constants",
            "the difference is constant along the axes of the statistics: the path through the mean is wrong",
            0.9,
        )
    share = (d * x_hat).mean(axes, keepdims=True)
    if size(d - share * x_hat) < limit:
        if nearly(p, d, x_hat, axes, centre):
            told = (
                "the path through the variance is right but for a few per cent: eps or n - 1 stands in the wrong place"
            )
            return Signature("eps-or-bessel-misplaced", told, 0.75)
        slug = "variance-path-missing" if p.op.centred else "statistics-as-constants"
        return Signature(slug, "the difference is proportional to x_hat: the path through the variance is wrong", 0.85)
    if p.op.centred and size(d - along - share * x_hat) < limit:
        return Signature("statistics-as-constants", "the difference lies in the paths through mean and variance", 0.75)
    return None


def nearly(p: Probe, d: Array, x_hat: Array, axes: tuple[int, ...], centre: Any) -> bool:
    """Whether a difference along x_hat is a small part of the path through the variance, in every row or column."""
    v = p.values
    x = v["input"]
    y, dy = p.evaluate()[0]["output"], p.upstream["output"]
    weight = 1.0 if v.get("weight") is None else v["weight"]
    shape = (-1,) if -1 in axes else (1, -1, *(1,) * (x.ndim - 2))
    dx_hat = dy * (weight if np.ndim(weight) == 0 else np.reshape(weight, shape))
    variance = ((x - centre) ** 2).mean(axes, keepdims=True)
    path = (dx_hat * x_hat).mean(axes, keepdims=True) / np.sqrt(variance)
    part = (d * x_hat).mean(axes, keepdims=True) / path
    return y.shape == x.shape and bool((np.abs(part) < 0.2).all() and (np.abs(part) > 0).all())


def generic(p: Probe, g: Array, ref: Array, unreduced: Unreduced | None, name: str, upstream: Any) -> Signature | None:
    """The signatures of any operation, for a gradient of the right shape."""
    if g.ndim == 2 and g.shape[0] == g.shape[1] and close(g, ref.T):
        return Signature(
            "transposed",
            "it is the transpose of the right gradient",
            0.98,
            "The gradient is the transpose of what it should be.",
        )
    for a, b in itertools.combinations(range(g.ndim), 2) if g.ndim > 2 and name == "weight" else ():
        if g.shape[a] == g.shape[b] and close(g, ref.swapaxes(a, b)) and not close(g, ref):
            return Signature("transposed", f"the axes {a} and {b} are exchanged", 0.95)
    if np.shape(upstream) == g.shape and close(g, upstream) and not p.op.draws:
        return Signature(
            "local-derivative-missing",
            "it is the upstream gradient itself",
            0.97,
            "The local derivative is not multiplied in.",
        )
    if unreduced is not None and (found := sums(g, ref, unreduced)):
        return found
    if (found := constant(p, g, ref, unreduced, name)) is not None:
        return found
    if p.op.kernel and g.ndim > 2:
        flipped = np.flip(ref, tuple(range(2, g.ndim)))
        if close(g, flipped):
            return Signature("kernel-flipped", "it is the right gradient turned round", 0.97)
        for axis in range(2, g.ndim) if name == "weight" else ():
            if close(g, np.flip(ref, axis)):
                return Signature("kernel-flipped", f"it is the right gradient turned round along axis {axis}", 0.95)
    if name == "weight" and np.asarray(p.values.get("input")).dtype.kind in "iu":  # rows that an index chooses
        index = p.values["input"].reshape(-1)
        counts = np.bincount(index, minlength=len(ref))
        once = counts <= 1
        if close(g[once], ref[once]) and not close(g, ref):
            return Signature("repeated-index-overwritten", "only rows whose index occurs more than once are wrong", 0.9)
    if p.op.draws and name == "input":
        return Signature("dropout-mask-or-scale", dropout_evidence(p, g, ref), 0.8)
    if found := residual(p, g, ref):
        return found
    if p.op.kinks:
        right = np.isclose(g, ref, rtol=1e-6, atol=1e-9)
        if (~right).sum() <= 6 and right.any():
            return Signature("wrong-mask", f"only {(~right).sum()} entries at the kinks are wrong", 0.85)
    return None


def dropout_evidence(p: Probe, g: Array, ref: Array) -> str:
    dropped = ref == 0
    if np.any(g[dropped]):
        return f"{(g[dropped] != 0).sum()} dropped units get a gradient"
    return "the factor at the kept units is wrong"
