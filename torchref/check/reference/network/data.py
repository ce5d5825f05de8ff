"""The data that a network may want: examples and labels in the shapes in which people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.nn.module import Array

BATCH = (11, 13, 17, 19, 8, 9)  # the first that is no length of a weight, and no product of such
TIME = 4
SIDES = (6, 8, 5, 7, 10, 12, 4, 16, 28, 32)  # of a picture


ALIKE = (  # examples, and the labels that go with them
    ("rows|pictures", "^(labels|one-hot rows|zeros and ones|a column of.*|numbers)$"),
    ("columns", "^(labels|one-hot columns|zeros and ones|a row of.*)$"),
    ("indices|sequences", r"^(labels.*|one-hot rows|zeros and ones|a column of.*|numbers)$"),
    ("a list", "^(a list.*|one label)$"),
    ("one example", "^one (row|label)"),
    ("one column|columns, one", "^one (column|label)"),
)


@dataclass(frozen=True)
class Kind:
    """One way to write the examples, or the labels."""

    told: str
    value: Any


def unlike(chosen: tuple[Kind, ...]) -> bool:
    """Whether examples and labels are written in two ways: columns beside one-hot rows. Such pairs are tried last."""
    first, last = chosen
    return not any(re.match(a, first.told) and re.search(b, last.told) for a, b in ALIKE)


def batch(lengths: list[int]) -> int:
    return next(n for n in BATCH if n not in lengths)


def smallest(lengths: list[int]) -> int:
    """A number of classes, or of words, that every array of the network has."""
    return min((n for n in lengths if n > 1), default=2)


def contexts(lengths: list[int]) -> list[int]:
    """How many words an example has: any number, or as many embeddings as the next layer takes side by side."""
    beside = {b // a for a in lengths for b in lengths if a > 1 and b > a and b % a == 0}
    return [TIME, *sorted(n for n in beside if 1 < n <= 2 * TIME and n != TIME)]


def one_hot(labels: Array, k: int) -> Array:
    return np.eye(k)[labels]


def examples(lengths: list[int], n: int, rng: Any) -> Iterator[Kind]:
    """X: rows or columns of numbers, whole numbers for an embedding, sequences, pictures, one example."""
    for d in lengths:
        yield Kind("rows", rng.normal(size=(n, d)))
    for d in lengths:
        yield Kind("columns", rng.normal(size=(d, n)))
    if not lengths:
        return
    small = smallest(lengths)
    for t in contexts(lengths):
        yield Kind("indices (N, T)", rng.integers(0, small, (n, t)))
    yield Kind("a list of indices", [int(i) for i in rng.integers(0, small, TIME + 1)])
    for c in sorted(set(lengths)):
        for side in SIDES if c <= 4 else ():
            yield Kind("pictures", rng.normal(size=(n, c, side, side)))
    for side in SIDES[:4]:
        yield Kind("pictures", rng.normal(size=(n, side, side)))
    for d in lengths:
        yield Kind("sequences", rng.normal(size=(n, TIME, d)))
        yield Kind("sequences, time first", rng.normal(size=(TIME, n, d)))
        yield Kind("one example", rng.normal(size=d))
        yield Kind("one column", rng.normal(size=(d, 1)))
        yield Kind("columns, one after the other", rng.normal(size=(TIME, d, 1)))


def labels(lengths: list[int], n: int, rng: Any) -> Iterator[Kind]:
    """y: whole numbers, one-hot rows or columns, zeros and ones, numbers."""
    classes = [*lengths[::-1]]
    for k in classes:
        yield Kind("labels", np.concatenate([np.arange(min(k, n)), rng.integers(0, k, max(n - k, 0))]))
    for k in classes:
        yield Kind("one-hot rows", one_hot(rng.integers(0, k, n), k) if k > 1 else rng.integers(0, 2, (n, 1)) * 1.0)
    for k in classes:
        yield Kind(
            "one-hot columns", one_hot(rng.integers(0, k, n), k).T if k > 1 else rng.integers(0, 2, (1, n)) * 1.0
        )
    yield Kind("zeros and ones", (np.arange(n) % 2).astype(float))
    yield Kind("a column of zeros and ones", (np.arange(n) % 2).astype(float)[:, None])
    yield Kind("a row of zeros and ones", (np.arange(n) % 2).astype(float)[None])
    for k in classes:
        yield Kind("numbers", rng.normal(size=(n, k)))
        yield Kind("one row of numbers", rng.normal(size=k))
        yield Kind("one column of numbers", rng.normal(size=(k, 1)))
    for k in classes:
        yield Kind("one label", int(rng.integers(0, k)))
    small = smallest(lengths)
    yield Kind("labels (N, T)", rng.integers(0, small, (n, TIME)))
    yield Kind("a list of labels", [int(i) for i in rng.integers(0, small, TIME + 1)])


def states(lengths: list[int], n: int, rng: Any) -> Iterator[Kind]:
    """What a recurrence starts from."""
    for d in lengths:
        for shape in ((d, 1), (n, d), (d,), (1, d), (d, n)):
            yield Kind("a state", rng.normal(size=shape) * 0.3)
