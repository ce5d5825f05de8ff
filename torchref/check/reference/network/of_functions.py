"""A network that is one function or several: weights as arguments, in a dictionary, in one vector, or in the module.

What a call needs is found by name in what there is: the weights, the data, what an earlier function has returned.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from torchref.check.reading.arguments import CONFIG, normal, parameters
from torchref.check.reading.forms.naming import returned_names, stem
from torchref.check.reference.network.form import Passed
from torchref.check.reference.network.names import OF_LOSS, RATE, STRENGTH, loss_place, weight_of
from torchref.check.reference.network.of_class import STEP, datas, fresh, is_number, lengths_of, named
from torchref.check.reference.signature import OPTIONS
from torchref.nn.module import Array

WEIGHT = re.compile(r"(w|theta|weights?|u|v|k|filters?|kernels?|e|emb\w*)(_?\d*|_?[a-z]{1,2}|_\w+)$", re.I)
BIAS = re.compile(r"(b|bias|biases|c|beta)(_?\d*|_?[a-z]|_\w+)$", re.I)
FLAT = re.compile(r"(nn_?params|params_?vec(tor)?|theta_?(vec|flat)?|flat\w*|weights_?vec|rolled|thetas)$", re.I)
LETTERS = {"x": 5, "i": 5, "h": 7, "y": 3, "o": 3, "z": 3, "f": 7}
CHAIN = (5, 7, 3, 4, 11)  # features, hidden units, outputs
BACK = re.compile(r"\w*(grad|back|deriv)\w*$", re.I)  # its name says that it returns no loss
WAYS = 800  # data that is tried with weights of one shape
COSTS = re.compile(r"\w*(cost|loss|objective|error)\w*$", re.I)
FORWARDS = re.compile(r"\w*(forward|predict|hypothesis|feed)\w*$", re.I)


@dataclass
class OfFunctions:
    """One function, or a forward, a cost and a gradient that belong together, with weights and data."""

    functions: tuple[Callable[..., Any], ...]  # the last gives the gradients
    weights: dict[str, Array]
    data: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    holder: str = ""  # the argument that takes all weights as a dictionary
    scalars: tuple[str, ...] = ()  # weights that are handed over as plain numbers
    inside: bool = False  # the weights are variables of the module
    told: str = ""
    beside: dict[str, Array] = field(default_factory=dict)  # weights that it has no gradient of

    def code(self) -> list[Any]:
        return list(self.functions)

    def with_weights(self, weights: dict[str, Array], beside: dict[str, Array]) -> OfFunctions:
        return replace(self, weights=weights, beside=beside)

    def without_gradient(self) -> list[str]:
        return list(self.beside)

    def passed(self, weights: dict[str, Any], code: list[Any], loss_alone: bool = False) -> Passed:
        there: dict[str, Any] = {**self.options, **{k: fresh(v) for k, v in self.data.items()}}
        every = {**self.beside, **weights}
        own = {n: w.reshape(())[()] if n in self.scalars else w for n, w in every.items()}
        there |= {self.holder: dict(own)} if self.holder else {} if self.inside else own
        with_cost = len(code) > 1
        loss: Any = None
        with Placed(code[-1], own if self.inside else {}):
            for f in code[: -1 if with_cost and loss_alone else None]:
                result = f(**called(f, there))
                items = list(result) if isinstance(result, tuple | list) else [result]
                names = returned_names(f)
                at = loss_place(items, names)
                last = f is code[-1]
                if (at is not None and not last and COSTS.match(f.__name__)) or (
                    at is not None and last and not with_cost
                ):
                    loss = items[at]
                keep(there, f, items, names)
            if with_cost and loss_alone:
                return Passed(loss, {})
        rest = [(n, v) for i, (n, v) in enumerate(named(items, names)) if with_cost or i != at]
        return Passed(loss, gradients(rest, self.weights))


class Placed:
    """Values of the module's variables, for as long as a pass takes."""

    def __init__(self, function: Any, values: dict[str, Any]) -> None:
        self.scope, self.values = function.__globals__, values

    def __enter__(self) -> None:
        self.before = {n: self.scope[n] for n in self.values}
        self.scope.update(self.values)

    def __exit__(self, *problem: Any) -> None:
        self.scope.update(self.before)


def called(function: Any, there: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a function, by name; what has none of these names gets the first thing that is not used yet."""
    found: dict[str, Any] = {}
    by_name = {normal(k): k for k in there}
    free = []
    for p in parameters(function):
        if normal(p.name) in by_name:
            found[p.name] = there[by_name[normal(p.name)]]
        elif p.default is p.empty:
            free.append(p.name)
    results = [k for k in there if k.startswith("result ")]
    for name, k in zip(free, results, strict=False):
        found[name] = there[k]
    return found


def keep(there: dict[str, Any], function: Any, items: list[Any], names: list[str]) -> None:
    """What a function has returned, under the names of its return statement and as results in order."""
    for name, value in named(items, names):
        if name:
            there[name] = value
    for i, value in enumerate(items):
        there[f"result {function.__name__} {i}"] = value
    caches = [v for v in items if isinstance(v, dict | tuple | list)]
    if caches and "cache" not in there:
        there["cache"] = there["caches"] = caches[-1]


def gradients(rest: list[tuple[str, Any]], weights: dict[str, Array]) -> dict[str, Any]:
    """By weight: under its name; what is left in order, where shapes say so."""
    found: dict[str, Any] = {}
    unnamed: list[Any] = []
    for name, value in rest:
        if isinstance(value, dict):
            for key, g in value.items():
                weight = weight_of(str(key), weights)
                if weight is not None and is_number(g):
                    found[weight] = g
        elif is_number(value):
            weight = next((w for s in stem(name) for w in weights if normal(w) == s), None) if name else None
            weight = weight or of_suffix(name, weights)
            if weight is not None:
                found[weight] = value
            else:
                unnamed.append(value)
    left = [w for w in weights if w not in found]
    for value in unnamed:
        fitting = next((w for w in left if np.shape(value) == weights[w].shape), None)
        if fitting is not None:
            found[fitting] = value
            left.remove(fitting)
        elif len(left) == 1 and len(unnamed) == 1 and not found:
            found[left.pop()] = value
    return found


def of_suffix(name: str, weights: dict[str, Array]) -> str | None:
    """dj_dw, dL_db, gradient_w: the weight stands behind the last d."""
    last = re.sub(r"^d_?", "", name.rpartition("_")[2]) if name else ""
    return next((w for w in weights if normal(w) == normal(last)), None)


def needed(functions: tuple[Callable[..., Any], ...]) -> list[inspect.Parameter]:
    """What has to be handed over: the arguments of all functions that no earlier one returns."""
    known: set[str] = set()
    found: dict[str, inspect.Parameter] = {}
    for i, f in enumerate(functions):
        for p in parameters(f):
            made = p.name in known or (i > 0 and normal(p.name) in ("cache", "caches", "al", "a", "yhat", "ypred"))
            if not made and p.name not in found:
                found[p.name] = p
        known |= {n for n in returned_names(f) if n}
    return list(found.values())


def source_of(functions: tuple[Callable[..., Any], ...]) -> str:
    try:
        return "\n".join(inspect.getsource(f) for f in functions)
    except (OSError, TypeError):
        return ""


def sequences(function: Callable[..., Any]) -> Iterator[tuple[Callable[..., Any], ...]]:
    """The function alone, and with a cost and a forward of its file before it."""
    scope = [v for v in function.__globals__.values() if inspect.isfunction(v) and v.__module__ == function.__module__]
    costs = [f for f in scope if COSTS.match(f.__name__) and f is not function and "grad" not in f.__name__.lower()]
    forwards = [f for f in scope if FORWARDS.match(f.__name__) and f is not function and f not in costs]
    forwards.sort(key=lambda f: -len(source_of((f,))))  # the whole forward calls those of the layers
    kept = any(normal(p.name) in ("cache", "caches", "memory", "tape") for p in parameters(function))
    if not kept and not (costs and BACK.match(function.__name__)):
        yield (function,)
    for cost in () if kept else costs:
        yield (cost, function)
    for forward, cost in itertools.product(forwards, costs):
        yield (forward, cost, function)


def of_functions(
    function: Callable[..., Any], sizes: dict[str, int], given: dict[str, Any] | None
) -> Iterator[OfFunctions]:
    """The ways to run the function, the likelier first."""
    for functions in sequences(function):
        yield from of_sequence(functions, sizes, given)


def of_sequence(
    functions: tuple[Callable[..., Any], ...], sizes: dict[str, int], given: dict[str, Any] | None
) -> Iterator[OfFunctions]:
    params = needed(functions)
    options = {p.name: option(p) for p in params if is_option(p)}
    options |= {p.name: sizes[k] for p in params for k in sizes if normal(k) == normal(p.name)}
    free = [p.name for p in params if p.name not in options and p.default is p.empty]
    held = module_weights(functions)
    for layout in layouts(functions, free, options, held):
        names = [n for n in free if n not in layout.weights and n != layout.holder]
        if given is not None:
            arrays = {n: v for n, v in given.items() if n in layout.weights}
            own = {**layout.weights, **{n: np.asarray(v, dtype=float) for n, v in arrays.items()}}
            yield replace(
                layout,
                weights=own,
                data={k: v for k, v in given.items() if k not in own},
                told=told_of(functions, "your inputs"),
            )
            continue
        every = datas(names, [*lengths_of(layout.weights), *lengths_given(options)], sizes)
        for values, told in itertools.islice(every, WAYS):
            yield replace(layout, data=values, told=told_of(functions, told))


def told_of(functions: tuple[Callable[..., Any], ...], told: str) -> str:
    return f"{', '.join(f.__name__ for f in functions)} on {told}"


def is_option(p: inspect.Parameter) -> bool:
    n = normal(p.name)
    return p.default is not p.empty or n in STRENGTH or n in RATE or n in OPTIONS


def option(p: inspect.Parameter) -> Any:
    n = normal(p.name)
    if n in STRENGTH and (p.default is p.empty or p.default == 0):
        return 0.3
    return STEP if n in RATE else OPTIONS[n] if p.default is p.empty else p.default


def lengths_given(options: dict[str, Any]) -> list[int]:
    """The sizes among the options, each with that of a column of ones less."""
    return [v for v in options.values() if type(v) is int and v > 1]


def module_weights(functions: tuple[Callable[..., Any], ...]) -> dict[str, Array]:
    """The arrays of the module that the function returns gradients of."""
    scope = functions[-1].__globals__
    words = [*returned_names(functions[-1]), *re.findall(r"[\"'](\w+)[\"']", source_of(functions[-1:]))]
    stems = {s for w in words if w for s in stem(w)} | {normal(w) for w in words}
    found = {n: v for n, v in scope.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f" and normal(n) in stems}
    return {n: np.array(v, dtype=float) for n, v in found.items()}


def layouts(
    functions: tuple[Callable[..., Any], ...], free: list[str], options: dict[str, Any], held: dict[str, Array]
) -> Iterator[OfFunctions]:
    """The weights, wherever they stand, in the shapes that they may have."""
    if held:
        yield OfFunctions(functions, held, {}, options, inside=True)
        return
    holder = next((n for n in free if CONFIG.match(n) or n in ("weights", "model", "net")), None)
    if holder is not None:
        keys = re.findall(rf"\b{holder}\[f?[\"'](\w+)[\"']\]", source_of(functions))
        keys = [k for k in dict.fromkeys(keys) if not k.startswith(("d", "grad"))]
        if keys:
            for shapes, scalars in shapes_of(keys):
                yield OfFunctions(functions, values(shapes), {}, options, holder, scalars)
    flat = next((n for n in free if FLAT.match(n)), None)
    if flat is not None:
        for size in flat_sizes(lengths_given(options)):
            yield OfFunctions(functions, values({flat: (size,)}), {}, options)
    own = [n for n in free if WEIGHT.match(n) or BIAS.match(n)]
    if own:
        for shapes, scalars in shapes_of(own):
            yield OfFunctions(functions, values(shapes), {}, options, scalars=scalars)


def values(shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    rng = np.random.default_rng(1)
    return {n: rng.normal(size=s) * 0.5 for n, s in shapes.items()}


def flat_sizes(sizes: list[int]) -> Iterator[int]:
    """The length of one vector of all weights, for two layers with a bias, for one, for plain features."""
    for a, b, c in itertools.permutations(sizes, 3) if len(sizes) >= 3 else ():
        yield b * (a + 1) + c * (b + 1)
        yield a * b + b * c
    for a, b in itertools.permutations(sizes, 2):
        yield (a + 1) * b
    yield from (5, 6)


def shapes_of(names: list[str]) -> Iterator[tuple[dict[str, tuple[int, ...]], tuple[str, ...]]]:
    """Shapes for weights of these names: stored in one way or the other, biases flat, as rows, columns or numbers."""
    weights = [n for n in names if not BIAS.match(n)]
    biases = [n for n in names if n not in weights]
    vector = len(weights) == 1 and weights[0].islower()
    if vector:
        yield from vectors(weights[0], biases)
    for chain in (CHAIN, (5, 7, 1), (5, 1), (5, 3)):
        for turned, bias in itertools.product((False, True), ("flat", "row", "column", "number")):
            shapes = {n: matrix(n, weights, chain, turned) for n in weights}
            if any(len(s) == 0 for s in shapes.values()):
                continue
            ends = {n: length(n, biases, weights, chain) for n in biases}
            shapes |= {n: {"flat": (k,), "row": (1, k), "column": (k, 1), "number": ()}[bias] for n, k in ends.items()}
            yield {n: shapes[n] for n in names}, tuple(biases) if bias == "number" else ()
            if not biases:
                break
    if len(weights) == 1 and not vector:
        yield from vectors(weights[0], biases)


def vectors(weight: str, biases: list[str]) -> Iterator[tuple[dict[str, tuple[int, ...]], tuple[str, ...]]]:
    """One weight for each feature, and a number beside them."""
    for shape in ((), (1,)) if biases else ((),):
        yield {weight: (5,), **dict.fromkeys(biases, shape)}, () if shape else tuple(biases)


def layer(name: str, among: list[str]) -> int:
    """Which layer a weight belongs to: by its number, else by its place."""
    digits = re.search(r"(\d+)$", name)
    numbers = sorted(int(d.group(1)) for n in among if (d := re.search(r"(\d+)$", n)))
    return int(digits.group(1)) - numbers[0] if digits else among.index(name)


def layers(weights: list[str], chain: tuple[int, ...]) -> list[int]:
    """The lengths between the layers: the chain's first, and its last at the end."""
    count = max((layer(n, weights) for n in weights), default=0) + 1
    if len(chain) == 2:
        return [*CHAIN[:1], *CHAIN[1:count], chain[-1]]
    return [*[5, 7, 4, 11, 6, 9][:count], chain[2]]


def matrix(name: str, weights: list[str], chain: tuple[int, ...], turned: bool) -> tuple[int, ...]:
    letters = re.search(r"([xhyiozf])_?([xhyiozf])$", name[1:])
    if letters:
        a, b = (LETTERS[c] for c in letters.groups())
        return (a, b) if turned else (b, a)
    steps = layers(weights, chain)
    k = layer(name, weights)
    pair = (steps[k], steps[k + 1])
    return pair[::-1] if turned else pair


def length(name: str, biases: list[str], weights: list[str], chain: tuple[int, ...]) -> int:
    letter = re.fullmatch(r"b_?([xhyiozf])", name)
    if letter:
        return LETTERS[letter.group(1)]
    steps = layers(weights, chain)
    return steps[min(layer(name, biases) + 1, len(steps) - 1)]


def looks_like_network_function(function: Any) -> bool:
    """Whether a function gives a loss and gradients, or gradients whose cost stands beside it."""
    if not inspect.isfunction(function):
        return False
    told = [function.__name__, *returned_names(function)]
    return any(OF_LOSS.match(n or "") for n in told) or any(len(s) > 1 for s in sequences(function))
