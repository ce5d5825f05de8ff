"""A network that is one function or several: weights as arguments, in a dictionary, in one vector, or in the module.

What a call needs is found by name in what there is: the weights, the data, what an earlier function has returned.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from torchref.check.reading.arguments import CONFIG, normal, parameters
from torchref.check.reading.forms.naming import returned_names, stem
from torchref.check.reading.forms.tensors import Tensors, for_tensors, is_tensor, on_tensors
from torchref.check.reference.network.calling import CACHES, OUTPUT, STEP, fresh, needed, run_through
from torchref.check.reference.network.data import TIME
from torchref.check.reference.network.form import Passed
from torchref.check.reference.network.names import LABELS, OF_LOSS, RATE, STRENGTH, weight_of
from torchref.check.reference.network.of_class import datas, is_number, lengths_of
from torchref.check.reference.signature import OPTIONS
from torchref.nn.module import Array

WEIGHT = re.compile(r"(w|theta|weights?|syn|u|v|k|filters?|kernels?|e|emb\w*)(_?\d*|_?[a-z]{1,2}|_\w+)$", re.I)
BIAS = re.compile(r"(b|bias|biases|c|beta)(_?\d*|_?[a-z]|_\w+)$", re.I)
FLAT = re.compile(r"(nn_?params|params_?vec(tor)?|theta_?(vec|flat)?|flat\w*|weights_?vec|rolled|thetas)$", re.I)
STORED = (  # whether weights are (out, in), and how biases are stored: the usual pairs first
    (False, "flat"), (True, "column"), (False, "row"), (True, "number"), (False, "number"), (False, "column"),
    (True, "flat"), (True, "row"),
)  # fmt: skip
LETTERS = {"x": 5, "i": 5, "h": 7, "y": 3, "o": 3, "z": 3, "f": 7}
EXAMPLES = 11
STRANGE = 2  # arguments of a cost that nothing else knows
MASKS = ("mask", "masks", "paddingmask", "ymask", "valid")
CHAIN = (5, 7, 3, 4)  # features, hidden units, outputs
DIMENSIONS = ("dimensions", "dims", "layersizes", "layerdims", "layersdims", "sizes", "architecture")
VECTOR = re.compile(r"\w*_?vec(tor)?$", re.I)  # one word's embedding, and a table of them
TABLE = re.compile(r"\w*_?(vec(tor)?s|embeddings?|matrix|table)$", re.I)
INDEX = re.compile(r"\w*_?(idx|index|id)$", re.I)
SIZE = re.compile(
    r"((input|hidden|output|in|out|layer)+(size|dim|units)|(num|n)(labels|classes|features|in|hidden|out))$"
)
BACK = re.compile(r"\w*(grad|back|deriv)\w*$", re.I)  # its name says that it returns no loss
ORDERED = 6000  # ways that are tried with one order of functions
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
    in_order: bool = False  # or as a list
    scalars: tuple[str, ...] = ()  # weights that are handed over as plain numbers
    of_data: bool = False  # the gradient of what it is handed is asked for: softmax_loss(x, y)
    inside: bool = False  # the weights are variables of the module
    told: str = ""
    beside: dict[str, Array] = field(default_factory=dict)  # weights that it has no gradient of
    cost: Callable[..., Any] | None = None  # a loss that is none of the user's, called before the last function

    def code(self) -> list[Any]:
        return list(self.functions)

    def with_weights(self, weights: dict[str, Array], beside: dict[str, Array]) -> OfFunctions:
        return replace(self, weights=weights, beside=beside)

    def without_gradient(self) -> list[str]:
        return list(self.beside)

    def passed(self, weights: dict[str, Any], code: list[Any], loss_alone: bool = False) -> Passed:
        there: dict[str, Any] = {**self.options, **{k: fresh(v) for k, v in self.data.items()}}
        every = {n: np.array(w, subok=True) for n, w in {**self.beside, **weights}.items()}
        own = {n: w.reshape(())[()] if n in self.scalars else w for n, w in every.items()}
        if self.holder:
            there[self.holder] = list(own.values()) if self.in_order else dict(own)
        elif not self.inside:
            there |= own
        steps = [*code[:-1], *([self.cost] if self.cost is not None else []), code[-1]]
        steps = steps[:-1] if len(steps) > 1 and loss_alone else steps
        with Placed(code[-1], own if self.inside else {}):
            loss, rest = run_through(steps, there, noted=not loss_alone)
        if loss_alone:
            return Passed(loss, {})
        updated = self.updates(rest[-1], every)
        return Passed(loss, self.shaped(updated or gradients(rest[-1], self.weights)))

    def updates(self, rest: list[tuple[str, Any]], before: dict[str, Any]) -> dict[str, Any]:
        """The gradients that a step has taken off the weights which it returns under their own names."""
        rated = any(normal(p.name) in RATE for p in parameters(self.functions[-1]))
        returned = {n: v for n, v in rest if n in self.weights and is_number(v)} if rated else {}
        return {n: (np.asarray(before[n]) - v) / STEP for n, v in returned.items()}

    def shaped(self, found: dict[str, Any]) -> dict[str, Any]:
        """Gradients in the shapes of their weights, where only axes of length 1 differ: the shapes were guessed."""
        if self.inside:
            return found
        wanted = {n: self.weights[n].shape for n in found}
        return {n: np.reshape(g, wanted[n]) if alike(np.shape(g), wanted[n]) else g for n, g in found.items()}


def alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return [n for n in one if n != 1] == [n for n in other if n != 1]


class Placed:
    """Values of the module's variables, for as long as a pass takes."""

    def __init__(self, function: Any, values: dict[str, Any]) -> None:
        self.scope, self.values = scope_of(function), values

    def __enter__(self) -> None:
        self.before = {n: self.scope[n] for n in self.values}
        tensors = Tensors()
        self.scope.update(
            {n: tensors.tensor(np.asarray(v)) if is_tensor(self.before[n]) else v for n, v in self.values.items()}
        )

    def __exit__(self, *problem: Any) -> None:
        self.scope.update(self.before)


def gradients(rest: list[tuple[str, Any]], weights: dict[str, Array]) -> dict[str, Any]:
    """By weight: under its name; what is left in order, where shapes say so."""
    found: dict[str, Any] = {}
    unnamed: list[Any] = []
    for name, value in rest:
        if isinstance(value, list | tuple) and len(value) == len(weights) and all(map(is_number, value)):
            found |= dict(zip(weights, value, strict=True))
        elif isinstance(value, dict):
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


def source_of(functions: tuple[Callable[..., Any], ...]) -> str:
    try:
        return "\n".join(inspect.getsource(f) for f in functions)
    except (OSError, TypeError):
        return ""


def sequences(function: Callable[..., Any]) -> Iterator[tuple[Callable[..., Any], ...]]:
    """The function alone, and with a cost and a forward of its file before it; first what its names say."""
    forwards = forwards_of(function)
    costs = [f for f in beside(function) if COSTS.match(f.__name__) and not BACK.match(f.__name__)]
    costs = [f for f in costs if belongs(f, [function, *forwards])]
    costs += [f for f in forwards if f not in costs and any(OF_LOSS.match(n) for n in returned_names(f) if n)]
    forwards = [f for f in forwards if f not in costs]
    kept = any(normal(p.name) in CACHES for p in parameters(function))
    told = returns_loss(function) and not kept
    if told:
        yield (function,)
    both = [(cost, function) for cost in costs] if not kept else []
    several = [*both, *((f, c, function) for f, c in itertools.product(forwards, costs))]
    yield from sorted(several, key=lambda s: strangers(s, function))
    if not told and not kept:
        yield (function,)


def beside(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The other functions of a function's file."""
    every = [v for v in scope_of(function).values() if inspect.isfunction(v)]
    return [f for f in every if f.__module__ == function.__module__ and f is not inspect.unwrap(function)]


def forwards_of(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The forwards that stand beside a function, the whole one first: it calls those of the layers."""
    found = [f for f in beside(function) if FORWARDS.match(f.__name__) and not BACK.match(f.__name__)]
    return sorted(found, key=lambda f: -len(source_of((f,))))


def belongs(cost: Callable[..., Any], others: list[Callable[..., Any]]) -> bool:
    """Whether the others know what a cost asks for, an output and labels aside: else it is that of another network."""
    known = {normal(p.name) for f in others for p in parameters(f)}
    asked = [p for p in parameters(cost) if p.default is p.empty and not OUTPUT.match(p.name)]
    return sum(normal(p.name) not in known and normal(p.name) not in LABELS for p in asked) < STRANGE


def returns_loss(function: Callable[..., Any]) -> bool:
    """Whether its names say that it returns a loss itself."""
    names = [n for n in returned_names(function) if n]
    named = any(OF_LOSS.match(n) for n in names)
    return named or (not BACK.match(function.__name__) and bool(OF_LOSS.match(function.__name__)))


def strangers(steps: tuple[Callable[..., Any], ...], function: Callable[..., Any]) -> int:
    """How many arguments of the others mean nothing to the function that gives the gradients."""
    own = {normal(p.name) for p in parameters(function)}
    return sum(normal(p.name) not in own for p in needed(list(steps)))


def of_functions(
    function: Callable[..., Any],
    sizes: dict[str, int],
    given: dict[str, Any] | None,
    orders: Iterable[tuple[Callable[..., Any], ...]] | None = None,
) -> Iterator[OfFunctions]:
    """The ways to run the function, the likelier first; `orders` has the functions to call."""
    for functions in sequences(function) if orders is None else orders:
        if all(map(for_tensors, functions)):
            functions = tuple(map(on_tensors, functions))
        yield from itertools.islice(of_sequence(functions, sizes, given), ORDERED)


def of_sequence(
    functions: tuple[Callable[..., Any], ...], sizes: dict[str, int], given: dict[str, Any] | None
) -> Iterator[OfFunctions]:
    params = needed(list(functions))
    options = {p.name: option(p) for p in params if is_option(p)}
    options |= {p.name: sizes[k] for p in params for k in sizes if normal(k) == normal(p.name)}
    free = [p.name for p in params if p.name not in options and p.default is p.empty]
    masks = {n: np.random.default_rng(2).integers(0, 2, (EXAMPLES, TIME)) * 1.0 for n in free if normal(n) in MASKS}
    free = [n for n in free if n not in masks]
    held = module_weights(functions)
    if given is not None:
        yield with_given(functions, options, held, given)
        return
    for layout in layouts(functions, free, options, held):
        names = [n for n in free if n not in {**layout.weights, **layout.options} and n != layout.holder]
        n = {"N": EXAMPLES, **sizes} if layout.of_data else sizes
        every = datas(names, [*lengths_of(layout.weights), *lengths_given(options)], n)
        for values, told in itertools.islice(every, WAYS):
            yield replace(layout, data={**values, **masks}, told=told_of(functions, told))


def with_given(
    functions: tuple[Callable[..., Any], ...], options: dict[str, Any], held: dict[str, Array], given: dict[str, Any]
) -> OfFunctions:
    """The function on the user's own arrays: every array of floats among them is asked about."""
    told = told_of(functions, "your inputs")
    holder = next((k for k, v in given.items() if isinstance(v, dict)), "")
    there = given[holder] if holder else given
    floats = {k: np.array(v) for k, v in there.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    data = {k: v for k, v in given.items() if k != holder and (holder or held or k not in floats)}
    return OfFunctions(functions, held or floats, data, options, holder, inside=bool(held), told=told)


def told_of(functions: tuple[Callable[..., Any], ...], told: str) -> str:
    return f"{', '.join(f.__name__ for f in functions)} on {told}"


def is_option(p: inspect.Parameter) -> bool:
    n = normal(p.name)
    if p.default is p.empty and (SIZE.match(n) or n in DIMENSIONS):
        return True
    return p.default is not p.empty or n in STRENGTH or n in RATE or n in OPTIONS


def option(p: inspect.Parameter) -> Any:
    n = normal(p.name)
    if p.default is p.empty and n in DIMENSIONS:
        return list(CHAIN[:3])
    if p.default is p.empty and SIZE.match(n):
        return 4 if "in" in n else 3 if re.search("out|label|class", n) else 5
    if n in STRENGTH and (p.default is p.empty or p.default == 0):
        return 0.3
    return STEP if n in RATE else OPTIONS[n] if p.default is p.empty else p.default


def lengths_given(options: dict[str, Any]) -> list[int]:
    """The sizes among the options, each with that of a column of ones less."""
    inner = [v for value in options.values() for v in (value if isinstance(value, list) else [value])]
    return [v for v in inner if type(v) is int and v > 1]


def module_weights(functions: tuple[Callable[..., Any], ...]) -> dict[str, Array]:
    """The arrays of the module that the function returns gradients of."""
    scope = scope_of(functions[-1])
    source = source_of(functions[-1:])
    words = [*returned_names(functions[-1]), *re.findall(r"[\"'](\w+)[\"']", source)]
    stems = {s for w in words if w for s in stem(w)} | {normal(w) for w in words}
    stems |= {s for w in re.findall(r"^\s*(d\w+|grad\w*) =", source, re.M) for s in stem(w)}
    found = {n: numbers(v) for n, v in scope.items() if normal(n) in stems}
    return {n: np.array(v, dtype=float) for n, v in found.items() if v is not None}


def numbers(value: Any) -> Array | None:
    """An array or a tensor of floats as an array."""
    if is_tensor(value):
        value = value.detach().numpy()
    return value if isinstance(value, np.ndarray) and value.dtype.kind == "f" else None


def scope_of(function: Any) -> dict[str, Any]:
    """The variables of the file that a function stands in."""
    found: dict[str, Any] = inspect.unwrap(function).__globals__
    return found


def layouts(
    functions: tuple[Callable[..., Any], ...], free: list[str], options: dict[str, Any], held: dict[str, Array]
) -> Iterator[OfFunctions]:
    """The weights, wherever they stand, in the shapes that they may have."""
    if held:
        yield OfFunctions(functions, held, {}, options, inside=True)
        return
    holder = next((n for n in free if CONFIG.match(n) or n in ("weights", "model", "net")), None)
    if holder is not None:
        keys, in_order = keys_of(holder, source_of(functions))
        if keys:
            for shapes, scalars in shapes_of(keys):
                yield OfFunctions(functions, values(shapes), {}, options, holder, in_order, scalars)
    flat = next((n for n in free if FLAT.match(n) or sliced(n, source_of(functions))), None)
    if flat is not None:
        for size in flat_sizes(lengths_given(options)):
            yield OfFunctions(functions, values({flat: (size,)}), {}, options)
    if words(free):
        yield OfFunctions(functions, values(words(free)), {}, {**options, **{n: 2 for n in free if INDEX.match(n)}})
    own = [n for n in free if (WEIGHT.match(n) or BIAS.match(n)) and normal(n) not in LABELS]
    graded = graded_arguments(functions, free)
    if graded and not set(graded) & set(own):  # a loss of what it is handed: softmax_loss(x, y)
        for shape in ((EXAMPLES, 5), (5, EXAMPLES), (EXAMPLES,), (EXAMPLES, 1), (EXAMPLES, TIME, 5)):
            yield OfFunctions(functions, values(dict.fromkeys(graded, shape)), {}, options, of_data=True)
    if own:
        if repeated(own, source_of(functions)):
            yield OfFunctions(functions, values({n: (5,) if BIAS.match(n) else (5, 5) for n in own}), {}, options)
        for shapes, scalars in shapes_of(own):
            yield OfFunctions(functions, values(shapes), {}, options, scalars=scalars)


def repeated(own: list[str], source: str) -> bool:
    """Whether the only weight is that of several layers, which makes it square: X @ W, h @ W."""
    weights = [n for n in own if not BIAS.match(n)]
    uses = rf"@ *{weights[0]}\b(?!\.T)|\.dot\((?:\w+, *)?{weights[0]}\)" if len(weights) == 1 else "(?!)"
    return len(re.findall(uses, source)) > 1


def sliced(name: str, source: str) -> bool:
    """Whether weights are cut out of one vector: params[:n], params[n : n + m]."""
    return re.search(rf"\b{name}\[[^\]]*:", source) is not None


def words(free: list[str]) -> dict[str, tuple[int, ...]]:
    """A word's embedding and a table of embeddings, by their names."""
    found = {n: (5,) for n in free if VECTOR.match(n)}
    return {**found, **{n: (13, 5) for n in free if TABLE.match(n)}} if found else {}


def graded_arguments(functions: tuple[Callable[..., Any], ...], free: list[str]) -> list[str]:
    """The arguments of which a gradient is returned by its name: dx of x."""
    stems = {s.removesuffix("flat") for n in returned_names(functions[-1]) if n for s in stem(n)}
    return [n for n in free if normal(n) in stems]


def keys_of(holder: str, source: str) -> tuple[list[str], bool]:
    """The weights in one argument: the keys of a dictionary, or the names that a list is unpacked into."""
    unpacked = re.search(rf"^\s*\(?([\w, ]+?)\)?\s*=\s*{holder}\s*$", source, re.M)
    if unpacked and "," in unpacked.group(1):
        return [n.strip() for n in unpacked.group(1).split(",") if n.strip()], True
    keys = re.findall(rf"\b{holder}(?:\[|\.get\()[\"'](\w+)[\"'][\])]", source)
    numbered = re.findall(rf"\b{holder}\[f?[\"']([A-Za-z]+)(?:[\"']\s*\+\s*str\(|\{{)", source)
    keys += [f"{stem}{i}" for i in (1, 2) for stem in dict.fromkeys(numbered)]
    return [k for k in dict.fromkeys(keys) if not k.startswith(("d", "grad"))], False


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
    yield from (5, 4)


def shapes_of(names: list[str]) -> Iterator[tuple[dict[str, tuple[int, ...]], tuple[str, ...]]]:
    """Shapes for weights of these names: stored in one way or the other, biases flat, as rows, columns or numbers."""
    weights = [n for n in names if not BIAS.match(n)]
    biases = [n for n in names if n not in weights]
    vector = len(weights) == 1 and weights[0].islower()
    if vector:
        yield from vectors(weights[0], biases)
    for chain in (CHAIN, (5, 7, 1), (5, 1), (5, 3)):
        for turned, bias in STORED:
            shapes = {n: matrix(n, weights, chain, turned) for n in weights}
            if any(len(s) == 0 for s in shapes.values()):
                continue
            ends = {n: length(n, biases, weights, chain) for n in biases}
            shapes |= {n: {"flat": (k,), "row": (1, k), "column": (k, 1), "number": ()}[bias] for n, k in ends.items()}
            yield {n: shapes[n] for n in names}, tuple(biases) if bias == "number" else ()
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
    return [*[5, 7, 4, 13, 6, 9][:count], chain[2]]


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
    beside = bool(BACK.match(function.__name__)) and any(len(s) > 1 for s in sequences(function))
    return returns_loss(function) or beside
