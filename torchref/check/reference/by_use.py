"""Shapes of a function's arguments that are found by running it: each gets its shape when it is first asked for.

In x @ W + b the code asks for x, then for W, when few shapes of it fit, then for b. So a cell with two states and three
weights needs some hundred calls, where every combination of shapes would need millions.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.ops.record import Argument
from torchref.check.reading.arguments import normal
from torchref.check.reference.inputs import NORM, WEIGHT, Recipe, Shape, Sizes, is_bias

# All lengths differ; those of gates (G) and of what is concatenated (S) do as well.
LENGTHS: Sizes = {"N": 3, "T": 5, "D": 8, "M": 6, "C": 4, "H": 5, "W": 7, "K": 3}
GATES = (1, 4, 3)
ALIKE = 4  # recipes that differ in one argument alone
CALLS = 600  # of the function, for each shape of its first argument
FIRST: tuple[Shape, ...] = (
    ("N", "D"), ("N", "T", "D"), ("T", "N", "D"), ("D", "N"), ("D",), ("D", ""), ("T", "D"), ("N", "C", "H", "W"),
)  # fmt: skip
STATES: tuple[Shape, ...] = (
    ("N", "M"), ("N", "D"), ("M", "N"), ("M", ""), ("M",), ("", "N", "M"), ("N", "T", "D"), ("T", "N", "D"), ("D", "N"),
)  # fmt: skip
MATRICES: tuple[Shape, ...] = (
    ("D", "G"), ("G", "D"), ("M", "G"), ("G", "M"), ("S", "G"), ("G", "S"), ("D", "M"), ("M", "D"), ("D", "D"),
    ("M", "M"), ("T", "M"), ("M", "T"), ("T", "T"), ("M", "N"),
)  # fmt: skip
VECTORS: tuple[Shape, ...] = (
    ("G",), ("", "G"), ("G", ""), ("M",), ("", "M"), ("M", ""), ("D",), ("", "D"), ("D", ""), (),
)  # fmt: skip
OF_IMAGES: tuple[Shape, ...] = (("C",), ("", "C", "", ""), ("C", "", ""), ("M",), ("M", "C", "K", "K"))


class _Wanted(BaseException):
    """The code has asked for an argument that has no shape yet; no `except Exception` of the user's catches it."""


class _Unknown:
    """An argument without a shape: whatever is done with it, it is asked for."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "name", name)

    def __getattribute__(self, attribute: str) -> Any:
        if attribute == "__class__":  # isinstance asks for it
            return _Unknown
        raise _Wanted(object.__getattribute__(self, "name"))


def _ask(self: Any, *_: Any, **__: Any) -> Any:
    raise _Wanted(object.__getattribute__(self, "name"))


OPERATIONS = (
    "add", "sub", "mul", "truediv", "matmul", "pow", "radd", "rsub", "rmul", "rtruediv", "rmatmul", "rpow", "neg",
    "abs", "getitem", "len", "iter", "bool", "float", "index", "call", "lt", "le", "gt", "ge", "eq", "ne",
    "array", "array_ufunc", "array_function",
)  # fmt: skip
for _operation in OPERATIONS:
    setattr(_Unknown, f"__{_operation}__", _ask)


def by_use(
    arguments: tuple[Argument, ...],
    runs: Callable[[dict[str, Any]], bool],
    sizes: Sizes,
    settled: dict[str, Shape],
) -> Iterator[Recipe]:
    """The recipes on whose arrays the function `runs`, the likelier first."""
    arrays = [a for a in arguments if a.kind != "option" and not a.optional]
    if not arrays or any(a.kind == "data" for a in arrays):
        return
    held = list(dict.fromkeys(n for shape in settled.values() for n in shape if isinstance(n, int)))
    pairs = itertools.permutations(held, 2) if len(held) > 1 else [(n, LENGTHS["M"]) for n in held]
    systems: list[Sizes] = [{"D": d, "M": m} for d, m in pairs]  # of a class that holds its weights: x and its states
    for gates, own in itertools.product(GATES[:1], systems) if systems else itertools.product(GATES, [{}]):
        recipe = Recipe({}, {**LENGTHS, **own, **sizes}, gates=gates)
        name = next((a.name for a in arrays if a.name not in settled), "")
        for shape in FIRST if name else ():
            yield from _Search(arrays, runs, recipe).extend({**settled, name: shape})


class _Search:
    """The search with one set of lengths, depth first."""

    def __init__(self, arrays: list[Argument], runs: Callable[[dict[str, Any]], bool], recipe: Recipe) -> None:
        self.arrays, self.runs, self.recipe = arrays, runs, recipe
        self.unknown = {a.name: _Unknown(a.name) for a in arrays}
        self.made: dict[tuple[int, ...], Any] = {}
        self.left = CALLS

    def array(self, shape: Shape) -> Any:
        """The numbers of this shape: the same ones each time."""
        lengths = tuple(self.recipe.length(axis) for axis in shape)
        if lengths not in self.made:
            self.made[lengths] = np.random.default_rng(0).uniform(0.3, 1.7, lengths) * 1.0  # no array without axes
        return self.made[lengths]

    def extend(self, shapes: dict[str, Shape]) -> Iterator[Recipe]:
        """The recipes with these shapes among theirs."""
        self.left -= 1
        if self.left < 0:
            return
        try:
            if self.runs({**self.unknown, **{n: self.array(s) for n, s in shapes.items()}}):
                yield replace(self.recipe, shapes={a.name: shapes.get(a.name, ()) for a in self.arrays})
        except _Wanted as wanted:
            name = str(wanted)
            deeper = (self.extend({**shapes, name: shape}) for shape in self.shapes_of(name, shapes))
            few = ALIKE * (len(self.arrays) - len(shapes))
            yield from itertools.islice(itertools.chain.from_iterable(deeper), few)

    def shapes_of(self, name: str, shapes: dict[str, Shape]) -> Iterator[Shape]:
        """The shapes that an argument of this name may have beside those there are, the likelier first, each once."""
        n = normal(name)
        kinds: tuple[tuple[Shape, ...], ...]
        if len(next(iter(shapes.values()))) == 4:
            kinds = OF_IMAGES, VECTORS
        elif WEIGHT.match(n) or re.fullmatch(r"[A-Z]\d?", name):
            kinds = (MATRICES, VECTORS, STATES)
        elif is_bias(n, self.unknown) or NORM.match(n):
            kinds = (VECTORS, MATRICES)
        else:
            kinds = (STATES, MATRICES, FIRST, VECTORS)
        seen: set[tuple[int, ...]] = set()
        for shape in (s for kind in kinds for s in kind):
            lengths = tuple(self.recipe.length(axis) for axis in shape)
            if lengths not in seen:
                seen.add(lengths)
                yield shape
