"""The data that a network may want: examples and labels in the shapes in which people write them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal
from torchref.check.reference.network.names import LABELS, MASKS
from torchref.nn.module import Array

BATCH = (11, 13, 17, 19, 8, 9)  # the first that is no length of a weight, and no product of such
TIME = 4
SIDES = (6, 8, 5, 7, 10, 12, 4, 16, 28, 32)  # of a picture


ALIKE = (  # examples, and the labels that go with them
    ("rows|pictures", "^(labels|one-hot rows|zeros and ones|a column of.*|numbers)$"),
    ("columns", "^(labels|one-hot columns|zeros and ones|a row of.*)$"),
    ("indices|sequences", r"^(labels.*|one-hot rows|zeros and ones|a column of.*|numbers.*)$"),
    ("a list", "^(a list.*|one label)$"),
    ("one example", "^one (row|label)"),
    ("one column|columns, one", "^one (column|label)"),
)


@dataclass(frozen=True)
class _Kind:
    """One way to write the examples, or the labels."""

    name: str
    value: Any


def _written_in_two_ways(chosen: tuple[_Kind, ...]) -> bool:
    """Whether examples and labels are written in two ways: columns beside one-hot rows. Such pairs are tried last."""
    first, last = chosen
    return not any(re.match(a, first.name) and re.search(b, last.name) for a, b in ALIKE)


def batch(lengths: list[int]) -> int:
    """A number of examples that is no length of a weight."""
    return next(n for n in BATCH if n not in lengths)


def _smallest_length(lengths: list[int]) -> int:
    """A number of classes, or of words, that every array of the network has."""
    return min((n for n in lengths if n > 1), default=2)


def _context_lengths(lengths: list[int]) -> list[int]:
    """How many words an example has: any number, or as many embeddings as the next layer takes side by side."""
    side_by_side = {b // a for a in lengths for b in lengths if a > 1 and b > a and b % a == 0}
    return [TIME, *sorted(n for n in side_by_side if 1 < n <= 2 * TIME and n != TIME)]


def _one_hot(labels: Array, k: int) -> Array:
    """Whole numbers below k as rows with one 1 in each.  (N,) -> (N, k)"""
    return np.eye(k)[labels]


def _examples(lengths: list[int], n: int, rng: Any) -> Iterator[_Kind]:
    """X: rows or columns of numbers, whole numbers for an embedding, sequences, pictures, one example."""
    for d in lengths:
        yield _Kind("rows", rng.normal(size=(n, d)))
    for d in lengths:
        yield _Kind("columns", rng.normal(size=(d, n)))
    if not lengths:
        return
    small = _smallest_length(lengths)
    for t in _context_lengths(lengths):
        yield _Kind("indices (N, T)", rng.integers(0, small, (n, t)))
    yield _Kind("a list of indices", [int(i) for i in rng.integers(0, small, TIME + 1)])
    for c in sorted(set(lengths)):
        for side in SIDES if c <= 4 else ():
            yield _Kind("pictures", rng.normal(size=(n, c, side, side)))
    for side in SIDES[:4]:
        yield _Kind("pictures", rng.normal(size=(n, side, side)))
    for d in lengths:
        yield _Kind("sequences", rng.normal(size=(n, TIME, d)))
        yield _Kind("sequences, time first", rng.normal(size=(TIME, n, d)))
        yield _Kind("one example", rng.normal(size=d))
        yield _Kind("one column", rng.normal(size=(d, 1)))
        yield _Kind("columns, one after the other", rng.normal(size=(TIME, d, 1)))


def _labels(lengths: list[int], n: int, rng: Any) -> Iterator[_Kind]:
    """y: whole numbers, one-hot rows or columns, zeros and ones, numbers."""
    classes = [*lengths[::-1]]
    for k in classes:
        yield _Kind("labels", np.concatenate([np.arange(min(k, n)), rng.integers(0, k, max(n - k, 0))]))
    for k in classes:
        yield _Kind("one-hot rows", _one_hot(rng.integers(0, k, n), k) if k > 1 else rng.integers(0, 2, (n, 1)) * 1.0)
    for k in classes:
        yield _Kind(
            "one-hot columns", _one_hot(rng.integers(0, k, n), k).T if k > 1 else rng.integers(0, 2, (1, n)) * 1.0
        )
    yield _Kind("zeros and ones", (np.arange(n) % 2).astype(float))
    yield _Kind("a column of zeros and ones", (np.arange(n) % 2).astype(float)[:, None])
    yield _Kind("a row of zeros and ones", (np.arange(n) % 2).astype(float)[None])
    for k in classes:
        yield _Kind("numbers", rng.normal(size=(n, k)))
        yield _Kind("one row of numbers", rng.normal(size=k))
        yield _Kind("one column of numbers", rng.normal(size=(k, 1)))
    for k in classes:
        yield _Kind("numbers (N, T, K)", rng.normal(size=(n, TIME, k)))
        yield _Kind("numbers (T, N, K)", rng.normal(size=(TIME, n, k)))
    for k in classes:
        yield _Kind("one label", int(rng.integers(0, k)))
    small = _smallest_length(lengths)
    yield _Kind("labels (N, T)", rng.integers(0, small, (n, TIME)))
    yield _Kind("a list of labels", [int(i) for i in rng.integers(0, small, TIME + 1)])


def _states(lengths: list[int], n: int, rng: Any) -> Iterator[_Kind]:
    """What a recurrence starts from."""
    for d in lengths:
        for shape in ((d, 1), (n, d), (d,), (1, d), (d, n)):
            yield _Kind("a state", rng.normal(size=shape) * 0.3)


def _masks(names: list[str], chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Which entries or examples count: zeros and ones in the shapes of other data, or of their first two axes."""
    if not names:
        yield {}
        return
    arrays = [np.shape(v) for v in reversed(chosen.values()) if isinstance(v, np.ndarray)]
    several = [s for s in arrays if len(s) > 1]
    for shape in dict.fromkeys([s[:2] for s in several] + (arrays if several else [])):
        rng = np.random.default_rng(2)
        yield {n: rng.integers(0, 2, shape) * 1.0 for n in names}


def lengths_of(weights: dict[str, Array]) -> list[int]:
    """The lengths of the weights' axes, those of the first layer first."""
    every = [s for w in weights.values() for s in (w.shape if w.ndim > 1 else w.shape[::-1])]
    return list(dict.fromkeys([*every, *(int(np.prod(w.shape[1:])) for w in weights.values() if w.ndim > 2)]))


def as_compared(values: dict[str, Any], source: str) -> dict[str, Any]:
    """The data, with zeros and ones, or signs, for what the code compares with such: np.where(a == 1, p, 1 - p)."""
    found = {}
    for name, value in values.items():
        numbers = set(re.findall(rf"\b{re.escape(name)}(?:\[\w+\])? *== *(-?\d+)", source))
        if isinstance(value, np.ndarray) and value.ndim and numbers and numbers <= {"0", "1", "-1"}:
            binary = np.arange(value.size).reshape(value.shape) % 2
            found[name] = (2 * binary - 1 if "-1" in numbers else binary).astype(value.dtype)
    return {**values, **found}


def data_to_try(names: list[str], lengths: list[int], sizes: dict[str, int]) -> Iterator[tuple[dict[str, Any], str]]:
    """Values for the arguments that are data, and what they are."""
    n = sizes.get("N", batch(lengths))
    rng = np.random.default_rng(0)
    masks = [k for k in names if normal(k) in MASKS and len(names) > 1]
    if any("mask" in k.lower() for k in masks):
        masks = [k for k in masks if "mask" in k.lower()]  # R beside a mask holds the ratings
    names = [k for k in names if k not in masks]
    if not names:
        yield {}, "what it was made with"
        return
    ways = [list(_examples(lengths, n, rng))]
    if len(names) > 1:
        ways.append(list(_labels(lengths, n, rng)))
    if len(names) > 2:  # a recurrence: sequences first, and few of the others
        ways = [sorted(ways[0], key=lambda k: "ind" not in k.name and "sequence" not in k.name)[:8], ways[1][-6:]]
        ways += [list(_states(lengths, n, rng)) for _ in names[2:]]
    if len(names) == 1 and normal(names[0]) in LABELS:
        ways = [list(_labels(lengths, n, rng))]
    flipped = len(names) > 1 and normal(names[0]) in LABELS
    order = [names[1], names[0], *names[2:]] if flipped else names
    every = itertools.product(*ways)
    for chosen in sorted(every, key=_written_in_two_ways) if len(ways) == 2 else every:
        written = ", ".join(f"{name} {k.name}" for name, k in zip(order, chosen, strict=True))
        values = {name: k.value for name, k in zip(order, chosen, strict=True)}
        for masked in _masks(masks, values):
            yield {**values, **masked}, ", ".join([written, *(f"{k} a mask" for k in masked)])
