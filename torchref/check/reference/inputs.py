"""Arrays on which a reference runs: of sizes that are tried in turn, of stated sizes, or made by the user."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torchref.check.ops.probe import LARGE
from torchref.check.ops.record import Argument
from torchref.check.reading.arguments import normal
from torchref.check.reference.witness import NoWitness

Sizes = dict[str, int]
Shape = tuple[str | int, ...]  # letters of axes, or lengths that are settled
# Distinct primes; even numbers, for what halves an axis; powers of two, for kernels. E is half of D.
SYSTEMS: tuple[Sizes, ...] = (
    {"N": 5, "T": 3, "D": 7, "E": 3, "M": 11, "C": 2, "H": 7, "W": 13, "K": 3},
    {"N": 6, "T": 4, "D": 10, "E": 5, "M": 14, "C": 4, "H": 8, "W": 12, "K": 3},
    {"N": 16, "T": 16, "D": 32, "E": 16, "M": 64, "C": 4, "H": 16, "W": 32, "K": 3},
    {"N": 16, "T": 64, "D": 64, "E": 32, "M": 64, "C": 4, "H": 16, "W": 32, "K": 3},
)
IMAGES: Sizes = {"N": 3, "H": 5, "W": 7, "M": 4}  # convolutions are often written as six loops
FIRST: tuple[Shape, ...] = (("N", "D"), ("N", "T", "D"), ("N", "C", "H", "W"), ("D",), ("C", "H", "W"))
WEIGHT = re.compile(r"(w|u|weights?|kernels?|filters?|theta|proj|matrix)(\w?|_\w+|ih|hh|x|h)$", re.I)
NORM = re.compile(r"(gamma|scale|gain|g)\d?$", re.I)
BIAS = re.compile(r"(b|bias|beta|shift|offset)\w?$", re.I)
LABELS = re.compile(r"(labels?|targets?)$", re.I)
WEIGHTS: tuple[Shape, ...] = (
    ("M", "D"), ("D", "M"), ("M", "C", "K", "K"), ("M", "T", "K"), ("D",), ("D", "D"), ("M", "K", "D"), ("C", "K", "K"),
)  # fmt: skip
BIASES: tuple[Shape, ...] = (("M",), ("D",), ("C",), ("M", "K"), ())
NORMS: tuple[Shape, ...] = (("D",), ("C",), ("C", "", ""), ())
OTHERS: tuple[Shape, ...] = (
    ("D",), ("N",), ("N", "M", "D"), ("M", "D"), ("D", "M"), ("N", "T", "M", "D"), ("N", "T"), ("E",), ("T", "E"), (),
    ("D", "D"),
)  # fmt: skip
TRIALS = 600  # calls of the reference in search of shapes
RECIPES = 4  # shapes of the first argument that the user's code is tried on
ENTRIES = 1300  # of all arrays together: more are too many for differences


@dataclass(frozen=True)
class Recipe:
    """The shapes of the arrays by name, their sizes, and from which interval the numbers are."""

    shapes: dict[str, Shape]
    sizes: Sizes
    positive: bool = False
    gates: int = 1  # of M hidden units each: together they are G; S is D and M, one behind the other

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.length(a) for a in self.shapes[name])

    def length(self, axis: str | int) -> int:
        if isinstance(axis, int):
            return axis
        joined = {"G": self.gates * self.sizes.get("M", 1), "S": self.sizes.get("D", 1) + self.sizes.get("M", 1)}
        return joined[axis] if axis in joined else self.sizes.get(axis, 1)

    @property
    def letters(self) -> list[str]:
        joined = {"G": "M", "S": "DM"}
        named = (b for s in self.shapes.values() for a in s if isinstance(a, str) and a for b in joined.get(a, a))
        return list(dict.fromkeys(named))

    def resized(self, **sizes: int) -> Recipe:
        return replace(self, sizes={**self.sizes, **sizes})

    def entries(self) -> int:
        return sum(int(np.prod(self.shape(n))) for n in self.shapes)

    def beside_each_entry(self, name: str) -> bool:
        """Whether there is a label for each entry of the first array: it is 0 or 1."""
        first = next(iter(self.shapes))
        return bool(LABELS.match(normal(name))) and name != first and self.shapes[name] == self.shapes[first] != ("N",)

    def __call__(self, rng: Any, arguments: tuple[Argument, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for a in arguments:
            if a.name not in self.shapes:
                continue
            shape = self.shape(a.name)
            if a.kind == "data":
                smallest = min((self.sizes[letter] for letter in self.letters), default=1)
                if self.beside_each_entry(a.name):
                    smallest = 2
                index = rng.integers(0, max(smallest, 1), shape)
                if index.size > 1:
                    index.flat[-1] = index.flat[0]  # an index that comes twice
                found[a.name] = index
            elif self.positive:
                found[a.name] = np.asarray(rng.uniform(0.2, 0.9, shape))
            else:
                found[a.name] = np.asarray(rng.uniform(0.3, 1.7, shape) * rng.choice([-1.0, 1.0], shape))
        return found


def is_bias(name: str, names: Iterable[str]) -> bool:
    """Whether an argument is a bias by its name; b beside a is none."""
    n = normal(name)
    return BIAS.match(n) is not None and not (n == "b" and "a" in map(normal, names))


def _shapes_of(a: Argument, first: Shape, names: list[str]) -> tuple[Shape, ...]:
    """The shapes that an argument of this name may have beside others, the likelier first."""
    n = normal(a.name)
    if a.kind == "data":
        return (first[:1], first, first[:-1])
    if WEIGHT.match(n):
        return WEIGHTS
    if NORM.match(n):
        return NORMS
    if is_bias(n, names):
        return BIASES
    return (first, *(s for s in OTHERS if s != first))


def _candidates(arguments: tuple[Argument, ...], sizes: Sizes, settled: dict[str, Shape]) -> Iterator[Recipe]:
    """Recipes in turn: each shape of the first array, with those of the others; some may be settled."""
    arrays = [a for a in arguments if a.kind != "option" and not a.optional and a.name not in settled]
    lengths = dict.fromkeys(n for s in settled.values() for n in s if isinstance(n, int))
    systems = [{**SYSTEMS[0], "D": n, "C": n} for n in lengths] or list(SYSTEMS)
    if not arrays:  # a forward that takes nothing: its data is settled
        yield Recipe(dict(settled), {**SYSTEMS[0], **sizes})
        return
    for first in FIRST:
        ways = [_shapes_of(a, first, [b.name for b in arrays]) for a in arrays[1:]]
        for system, chosen in itertools.product(systems, list(itertools.product(*ways))):
            shapes = dict(zip([a.name for a in arrays], (first, *chosen), strict=True))
            small = IMAGES if len(first) == 4 and system is SYSTEMS[0] else {}
            yield Recipe({**shapes, **settled}, {**system, **small, **sizes})


def find_recipes(
    arguments: tuple[Argument, ...],
    works: Callable[[dict[str, Any]], bool | None],
    sizes: Sizes | None = None,
    settled: dict[str, Shape] | None = None,
    failed: Sequence[Recipe] = (),
) -> list[Recipe]:
    """The recipes on whose arrays the reference `works`, one for each shape of the first argument.

    `works` says None where it raises: other numbers of these shapes would not help. On the shapes of those that have
    `failed` the user's code did not run.
    """
    found: list[Recipe] = []
    tried = 0
    firsts: set[Shape] = set()
    name = next((a.name for a in arguments if a.kind != "option"), "")
    for recipe in _candidates(arguments, sizes or {}, settled or {}):
        if recipe.shapes.get(name, ()) in firsts or any(recipe.shapes == f.shapes for f in failed):
            continue
        tried += 1
        if tried > TRIALS or len(found) == RECIPES:
            break
        for positive in (False, True):
            tried_recipe = replace(recipe, positive=positive)
            runs = works(tried_recipe(np.random.default_rng(0), arguments))
            if runs:
                found.append(tried_recipe)
                firsts.add(recipe.shapes.get(name, ()))
            if runs is not False:
                break
    return found


def larger(recipe: Recipe, limit: int | None) -> Iterator[tuple[str, Recipe]]:
    """The recipe with one axis of another size: beyond every block, of length 1, empty."""
    settled = any(isinstance(a, int) for s in recipe.shapes.values() for a in s)
    free = [a for a in recipe.letters if not settled or a not in ("D", "C", "M")]
    small = {a: min(recipe.sizes[a], 4 if recipe.sizes[a] % 2 == 0 else 3) for a in free}
    base = recipe if limit is None else recipe.resized(**small)
    for letter in free:
        for size in LARGE:
            other = base.resized(**{letter: size})
            if limit is None or other.entries() <= limit:
                yield f"{letter} = {size}", other
    for letter in free:
        yield f"{letter} = 1", recipe.resized(**{letter: 1})
    if "N" in recipe.letters:
        yield "N = 0", recipe.resized(N=0)


def read_sizes(text: str) -> Sizes:
    """`N=64,d=32`. Errors: NoWitness."""
    found: Sizes = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not value.strip().isdigit() or not name.strip().isidentifier():
            raise NoWitness(f"cannot read --sizes {text!r}: expected NAME=NUMBER, as in N=64,D=32; found {part!r}")
        found[name.strip()] = int(value)
    if not found:
        raise NoWitness("--sizes is empty: expected NAME=NUMBER, as in N=64,D=32")
    return found


def axes_sizes(stated: Sizes) -> Sizes:
    """Stated sizes under the letters of the axes, whatever their case. Errors: NoWitness for another name."""
    letters = {letter.lower(): letter for letter in SYSTEMS[0]}
    letters |= {"b": "N", "l": "T", "batch": "N", "batch_size": "N", "dim": "D", "features": "D"}
    unknown = [k for k in stated if k.lower() not in letters]
    if unknown:
        raise NoWitness(
            f"--sizes has no axis {unknown[0]!r}; the axes are {', '.join(SYSTEMS[0])}; --inputs makes arrays"
        )
    return {letters[k.lower()]: v for k, v in stated.items()}


def made(make: Callable[..., Any], seed: int, names: list[str], label: str) -> dict[str, Any]:
    """What the user's function returns: arrays by name or in order, and options. Errors: NoWitness."""
    np.random.seed(seed)
    rng: dict[str, Any] = {"rng": np.random.default_rng(seed), "seed": seed, "generator": np.random.default_rng(seed)}
    wanted = [p for p in inspect.signature(make).parameters.values() if p.default is p.empty or p.name in rng]
    strange = [p.name for p in wanted if p.name not in rng]
    if strange:
        raise NoWitness(f"{label} asks for {strange[0]!r}; it may take seed or rng, or nothing")
    result = make(**{p.name: rng[p.name] for p in wanted})
    found: dict[str, Any] = {}
    parts = list(result) if isinstance(result, tuple | list) else [result]
    if parts and isinstance(parts[-1], dict):
        found |= parts.pop()
    if len(parts) == 1 and isinstance(parts[0], tuple | list):
        parts = list(parts[0])
    if len(parts) > len(names):
        raise NoWitness(f"{label} returned {len(parts)} arrays; the reference takes {', '.join(names)}")
    found = {**dict(zip([n for n in names if n not in found], parts, strict=False)), **found}
    unknown = [k for k in found if k not in names]
    if unknown:
        raise NoWitness(f"{label} returned {unknown[0]!r}; the reference takes {', '.join(names)}")
    return {k: as_array(v) for k, v in found.items()}


def as_array(value: Any) -> Any:
    """A tensor or a list of numbers as an array of float64; whatever else as it is."""
    if type(value).__module__ == "torch" and hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, list) and value and np.asarray(value).dtype.kind in "iuf":
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.float64)
    return value
