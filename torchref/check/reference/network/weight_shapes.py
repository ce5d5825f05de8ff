"""The shapes that weights may have, read from their names: W1 and b2, Wxh, theta, a vector of all."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np

from torchref.check.reference.network.data import TIME
from torchref.nn.module import Array

WEIGHT = re.compile(r"(w|theta|weights?|syn|u|v|k|filters?|kernels?|e|emb\w*)(_?\d*|_?[a-z]{1,2}|_\w+)$", re.I)
BIAS = re.compile(r"(b|bias|biases|c|beta|intercepts?)(_?\d*|_?[a-z]|_\w+)$", re.I)
STORED = (  # whether weights are (out, in), and how biases are stored: the usual pairs first
    (False, "flat"), (True, "column"), (False, "row"), (True, "number"), (False, "number"), (False, "column"),
    (True, "flat"), (True, "row"),
)  # fmt: skip
LETTERS = {"x": 5, "i": 5, "h": 7, "y": 3, "o": 3, "z": 3, "f": 7}
OF_WORDS = {**LETTERS, "x": 13, "y": 13, "o": 13}  # what comes in and what goes out is one of the same words
LETTERED = re.compile(r".+?_?([xhyiozf])_?([xhyiozf])$")  # Wxh
CHAIN = (5, 7, 3, 4)  # features, hidden units, outputs
CHAINS = (CHAIN, (5, 7, 1), (5, 1), (5, 3))
VOCABULARY, EMBEDDING = 13, 6  # of a table of embeddings


def random_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """Normal numbers, half as large, of these shapes: the same ones at every call."""
    rng = np.random.default_rng(1)
    return {n: rng.normal(size=s) * 0.5 for n, s in shapes.items()}


def flat_sizes(sizes: list[int]) -> Iterator[int]:
    """The length of one vector of all weights, for two layers with a bias, for one, for plain features."""
    for a, b, c in itertools.permutations(sizes, 3) if len(sizes) >= 3 else ():
        yield b * (a + 1) + c * (b + 1)
        yield a * b + b * c
    for a, b in itertools.permutations(sizes, 2):
        yield (a + 1) * b
    yield from (5, 4)


def shapes_with_tables(
    names: list[str], tables: list[str]
) -> Iterator[tuple[dict[str, tuple[int, ...]], tuple[str, ...]]]:
    """Shapes for weights of these names; before the first layer stand embeddings, side by side or one at a time."""
    if not tables:
        yield from _shapes_by_name(names)
        return
    for features in (TIME * EMBEDDING, EMBEDDING):
        for shapes, scalars in _shapes_by_name([n for n in names if n not in tables]):
            own = {n: tuple(features if k == CHAIN[0] else k for k in s) for n, s in shapes.items()}
            yield {n: (VOCABULARY, EMBEDDING) if n in tables else own[n] for n in names}, scalars


def _shapes_by_name(names: list[str]) -> Iterator[tuple[dict[str, tuple[int, ...]], tuple[str, ...]]]:
    """Shapes for weights of these names: stored in one way or the other, biases flat, as rows, columns or numbers."""
    weights = [n for n in names if not BIAS.match(n)]
    biases = [n for n in names if n not in weights]
    vector = len(weights) == 1 and weights[0].islower()
    if vector:
        yield from _vectors(weights[0], biases)
    lettered = any(map(LETTERED.match, weights))
    for letters, chain in [(LETTERS, c) for c in CHAINS] + [(OF_WORDS, CHAIN)] * lettered:
        for turned, bias in STORED:
            if bias == "number" and biases and chain[-1] != 1:
                continue  # one number is the bias of one output
            shapes = {n: _matrix_shape(n, weights, chain, turned, letters) for n in weights}
            if any(len(s) == 0 for s in shapes.values()):
                continue
            ends = {n: _bias_length(n, biases, weights, chain, letters) for n in biases}
            shapes |= {n: {"flat": (k,), "row": (1, k), "column": (k, 1), "number": ()}[bias] for n, k in ends.items()}
            yield {n: shapes[n] for n in names}, tuple(biases) if bias == "number" else ()
    if not biases and len(weights) > 1:  # v, u_pos and U_neg: vectors, and a table of them
        yield {n: (5,) if n[0].islower() else (7, 5) for n in names}, ()
    if len(weights) == 1 and not vector:
        yield from _vectors(weights[0], biases)


def _vectors(weight: str, biases: list[str]) -> Iterator[tuple[dict[str, tuple[int, ...]], tuple[str, ...]]]:
    """One weight for each feature, and a number beside them."""
    for shape in ((), (1,)) if biases else ((),):
        yield {weight: (5,), **dict.fromkeys(biases, shape)}, () if shape else tuple(biases)


def _layer_number(name: str, among: list[str]) -> int:
    """Which layer a weight belongs to: by its number, else by its place."""
    digits = re.search(r"(\d+)$", name)
    numbers = sorted(int(d.group(1)) for n in among if (d := re.search(r"(\d+)$", n)))
    return int(digits.group(1)) - numbers[0] if digits else among.index(name)


def _layer_lengths(weights: list[str], chain: tuple[int, ...]) -> list[int]:
    """The lengths between the layers: the chain's first, and its last at the end."""
    count = max((_layer_number(n, weights) for n in weights), default=0) + 1
    if len(chain) == 2:
        return [*CHAIN[:1], *CHAIN[1:count], chain[-1]]
    return [*[5, 7, 4, 13, 6, 9][:count], chain[2]]


def _matrix_shape(
    name: str, weights: list[str], chain: tuple[int, ...], turned: bool, letters: dict[str, int]
) -> tuple[int, ...]:
    """The shape of the weight `name`: by its letters, Wxh, else by its layer; `turned` is (out, in)."""
    own = LETTERED.match(name)
    if own:
        a, b = (letters[c] for c in own.groups())
        return (a, b) if turned else (b, a)
    steps = _layer_lengths(weights, chain)
    k = _layer_number(name, weights)
    pair = (steps[k], steps[k + 1])
    return pair[::-1] if turned else pair


def _bias_length(
    name: str, biases: list[str], weights: list[str], chain: tuple[int, ...], letters: dict[str, int]
) -> int:
    """The length of the bias `name`: by its letter, bh, else that of its layer's output."""
    letter = re.fullmatch(r"b_?([xhyiozf])", name)
    if letter:
        return letters[letter.group(1)]
    steps = _layer_lengths(weights, chain)
    return steps[min(_layer_number(name, biases) + 1, len(steps) - 1)]
