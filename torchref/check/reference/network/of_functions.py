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
from torchref.check.reference.network.calling import STEP, fresh, needed, run_through
from torchref.check.reference.network.class_gradients import is_number
from torchref.check.reference.network.data import TIME, as_compared, data_to_try, lengths_of
from torchref.check.reference.network.form import Passed
from torchref.check.reference.network.function_gradients import gradients
from torchref.check.reference.network.function_order import (
    function_orders,
    others_in_its_file,
    scope_of,
    source_of,
)
from torchref.check.reference.network.names import LABELS, OF_LOSS, RATE, STRENGTH
from torchref.check.reference.network.weight_shapes import (
    BIAS,
    CHAIN,
    WEIGHT,
    flat_sizes,
    random_weights,
    shapes_with_tables,
)
from torchref.check.reference.own import seeded
from torchref.check.reference.signature import OPTIONS
from torchref.nn.module import Array

FLAT = re.compile(r"(nn_?params|params_?vec(tor)?|theta_?(vec|flat)?|flat\w*|weights_?vec|rolled|thetas)$", re.I)
EXAMPLES = 11
DIMENSIONS = ("dimensions", "dims", "layersizes", "layerdims", "layersdims", "sizes", "architecture")
VECTOR = re.compile(r"\w*_?vec(tor)?$", re.I)  # one word's embedding, and a table of them
TABLE = re.compile(r"\w*_?(vec(tor)?s|embeddings?|matrix|table)$", re.I)
INDEX = re.compile(r"\w*_?(idx|index|id)$", re.I)
SIZE = re.compile(
    r"((input|hidden|output|in|out|layer)+(size|dim|units)|(num|n)(labels|classes|features|in|hidden|out))$"
)
ORDERED = 6000  # ways that are tried with one order of functions
WAYS = 800  # data that is tried with weights of one shape


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
    description: str = ""
    left: dict[str, Array] = field(default_factory=dict)  # weights that it has no gradient of
    cost: Callable[..., Any] | None = None  # a loss that is none of the user's, called before the last function

    def code(self) -> list[Any]:
        return list(self.functions)

    def goes_back(self) -> Callable[..., Any]:
        return self.functions[-1]

    def with_weights(self, weights: dict[str, Array], left: dict[str, Array]) -> OfFunctions:
        return replace(self, weights=weights, left=left)

    def without_gradient(self) -> list[str]:
        return list(self.left)

    def passed(self, weights: dict[str, Any], code: list[Any], loss_alone: bool = False) -> Passed:
        there: dict[str, Any] = {**self.options, **{k: fresh(v) for k, v in self.data.items()}}
        every = {n: np.array(w, subok=True) for n, w in {**self.left, **weights}.items()}
        own = {n: w.reshape(())[()] if n in self.scalars else w for n, w in every.items()}
        if self.holder:
            there[self.holder] = list(own.values()) if self.in_order else dict(own)
        elif not self.inside:
            there |= own
        steps = [*code[:-1], *([self.cost] if self.cost is not None else []), code[-1]]
        steps = steps[:-1] if len(steps) > 1 and loss_alone else steps
        with _Placed(code[-1], own if self.inside else {}):
            loss, rest = run_through(steps, there, noted=not loss_alone)
        if loss_alone:
            return Passed(loss, {})
        updated = self.updates(rest[-1], every)
        return Passed(loss, self.shaped(updated or gradients(rest[-1], {n: every[n] for n in self.weights})))

    def updates(self, rest: list[tuple[str, Any]], before: dict[str, Any]) -> dict[str, Any]:
        """The gradients that a step has taken off the weights which it returns under their own names."""
        rated = any(normal(p.name) in RATE for p in parameters(self.functions[-1]))
        numbers = [(n, v) for n, v in rest if is_number(v)] if rated else []
        if not any(n for n, _ in rest) and len(numbers) == len(self.weights):  # return theta - alpha * slope
            numbers = [(n, v) for n, (_, v) in zip(self.weights, numbers, strict=True)]
        returned = {n: v for n, v in numbers if n in self.weights and np.shape(v) == np.shape(before[n])}
        return {n: (np.asarray(before[n]) - v) / STEP for n, v in returned.items()}

    def shaped(self, found: dict[str, Any]) -> dict[str, Any]:
        """Gradients in the shapes of their weights, where only axes of length 1 differ: the shapes were guessed."""
        if self.inside:
            return found
        wanted = {n: self.weights[n].shape for n in found}
        return {n: np.reshape(g, wanted[n]) if _alike(np.shape(g), wanted[n]) else g for n, g in found.items()}


def _alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes are equal once the axes of length 1 are left out."""
    return [n for n in one if n != 1] == [n for n in other if n != 1]


class _Placed:
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


def of_functions(
    function: Callable[..., Any],
    sizes: dict[str, int],
    given: dict[str, Any] | None,
    orders: Iterable[tuple[Callable[..., Any], ...]] | None = None,
) -> Iterator[OfFunctions]:
    """The ways to run the function, the likelier first; `orders` has the functions to call."""
    for functions in function_orders(function) if orders is None else orders:
        if all(map(for_tensors, functions)):
            functions = tuple(map(on_tensors, functions))
        yield from itertools.islice(_of_sequence(functions, sizes, given), ORDERED)


def _of_sequence(
    functions: tuple[Callable[..., Any], ...], sizes: dict[str, int], given: dict[str, Any] | None
) -> Iterator[OfFunctions]:
    """The ways to call these functions, one after the other, the likelier first."""
    params = needed(list(functions))
    options = {p.name: _option(p) for p in params if _is_option(p)}
    options |= {p.name: sizes[k] for p in params for k in sizes if normal(k) == normal(p.name)}
    free = [p.name for p in params if p.name not in options and p.default is p.empty]
    held = _module_weights(functions)
    if given is not None:
        yield _with_given(functions, options, held, given)
        return
    for layout in _layouts(functions, free, options, held):
        names = [n for n in free if n not in {**layout.weights, **layout.options} and n != layout.holder]
        n = {"N": EXAMPLES, **sizes} if layout.of_data else sizes
        every = data_to_try(names, [*lengths_of(layout.weights), *_lengths_given(options)], n)
        for values, what in itertools.islice(every, WAYS):
            yield replace(
                layout, data=as_compared(values, source_of(functions)), description=_described(functions, what)
            )


def _with_given(
    functions: tuple[Callable[..., Any], ...], options: dict[str, Any], held: dict[str, Array], given: dict[str, Any]
) -> OfFunctions:
    """The function on the user's own arrays: every array of floats among them is asked about."""
    description = _described(functions, "your inputs")
    holder = next((k for k, v in given.items() if isinstance(v, dict)), "")
    there = given[holder] if holder else given
    floats = {k: np.array(v) for k, v in there.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    data = {k: v for k, v in given.items() if k != holder and (holder or held or k not in floats)}
    return OfFunctions(functions, held or floats, data, options, holder, inside=bool(held), description=description)


def _described(functions: tuple[Callable[..., Any], ...], data: str) -> str:
    """How a note calls a way to run: the functions, and the data they run on."""
    return f"{', '.join(f.__name__ for f in functions)} on {data}"


def _is_option(p: inspect.Parameter) -> bool:
    """Whether an argument is neither data nor a weight: it has a default, or its name is that of a size or a rate."""
    n = normal(p.name)
    if p.default is p.empty and (SIZE.match(n) or n in DIMENSIONS):
        return True
    known = n in OPTIONS and n != "p"  # of a network p is a prediction, P a matrix
    return p.default is not p.empty or n in STRENGTH or n in RATE or known


def _option(p: inspect.Parameter) -> Any:
    """The value of an option: a small size, a strength other than zero so that its gradient shows, its default."""
    n = normal(p.name)
    if p.default is p.empty and n in DIMENSIONS:
        return list(CHAIN[:3])
    if p.default is p.empty and SIZE.match(n):
        return 4 if "in" in n else 3 if re.search("out|label|class", n) else 5
    if n in STRENGTH and (p.default is p.empty or p.default == 0):
        return 0.3
    return STEP if n in RATE else OPTIONS[n] if p.default is p.empty else p.default


def _lengths_given(options: dict[str, Any]) -> list[int]:
    """The sizes among the options, each with that of a column of ones less."""
    inner = [v for value in options.values() for v in (value if isinstance(value, list) else [value])]
    return [v for v in inner if type(v) is int and v > 1]


def _module_weights(functions: tuple[Callable[..., Any], ...]) -> dict[str, Array]:
    """The arrays of the module that the function returns gradients of."""
    scope = scope_of(functions[-1])
    source = source_of(functions[-1:])
    words = [*returned_names(functions[-1]), *re.findall(r"[\"'](\w+)[\"']", source)]
    stems = {s for w in words if w for s in stem(w)} | {normal(w) for w in words}
    stems |= {s for w in re.findall(r"^\s*(d\w+|grad\w*) =", source, re.M) for s in stem(w)}
    found = {n: _numbers(v) for n, v in scope.items() if normal(n) in stems}
    return {n: np.array(v, dtype=float) for n, v in found.items() if v is not None}


def _numbers(value: Any) -> Array | None:
    """An array or a tensor of floats as an array."""
    if is_tensor(value):
        value = value.detach().numpy()
    return value if isinstance(value, np.ndarray) and value.dtype.kind == "f" else None


def _layouts(
    functions: tuple[Callable[..., Any], ...], free: list[str], options: dict[str, Any], held: dict[str, Array]
) -> Iterator[OfFunctions]:
    """The weights, wherever they stand, in the shapes that they may have."""
    if held:
        yield OfFunctions(functions, held, {}, options, inside=True)
        return
    own = [n for n in free if (WEIGHT.match(n) or BIAS.match(n)) and normal(n) not in LABELS]
    made = {n: w for n, w in _made_by_the_file(functions[-1]).items() if n in own}
    yield from [OfFunctions(functions, made, {}, options)] * bool(made)
    yield from _in_one_argument(functions, free, options)
    own = [n for n in free if (WEIGHT.match(n) or BIAS.match(n)) and normal(n) not in LABELS]
    vectors = [n for n in free if FLAT.match(n) and not n[0].isupper() and not set(own) - {n}]  # Theta is a matrix
    flat = next((n for n in free if n in vectors or _sliced(n, source_of(functions))), None)
    if flat is not None:
        for size in flat_sizes(_lengths_given(options)):
            yield OfFunctions(functions, random_weights({flat: (size,)}), {}, options)
    if _embeddings(free):
        places = {n: 2 for n in free if INDEX.match(n)}
        yield OfFunctions(functions, random_weights(_embeddings(free)), {}, {**options, **places})
    for weights in _of_what_is_handed(_graded_arguments(functions, free, own), own):
        yield OfFunctions(functions, weights, {}, options, of_data=True)
    if own:
        if _repeated(own, source_of(functions)):
            square: dict[str, tuple[int, ...]] = {n: (5,) if BIAS.match(n) else (5, 5) for n in own}
            yield OfFunctions(functions, random_weights(square), {}, options)
        for shapes, scalars in shapes_with_tables(own, _tables(own, free, source_of(functions))):
            yield OfFunctions(functions, random_weights(shapes), {}, options, scalars=scalars)


def _of_what_is_handed(graded: list[str], own: list[str]) -> Iterator[dict[str, Array]]:
    """The arrays of a loss that gives the gradients of what it is handed, in the shapes that they may have."""
    shapes: dict[str, tuple[int, ...]]
    if len(graded) > 1 and set(own) <= set(graded):
        for others in ((7, 5), (5, 5)):  # factors of a matrix, P (N, K) and Q (M, K); emissions and transitions
            shapes = {n: (EXAMPLES, 5) if n == graded[0] else others for n in graded}
            yield random_weights(shapes)
    if graded and not set(graded) & set(own):  # softmax_loss(x, y)
        for shape in ((EXAMPLES, 5), (5, EXAMPLES), (EXAMPLES,), (EXAMPLES, 1), (EXAMPLES, TIME, 5)):
            yield random_weights(dict.fromkeys(graded, shape))


def _made_by_the_file(function: Callable[..., Any]) -> dict[str, Array]:
    """The weights that a function of the file makes and returns by name: def init_params(): ... return W1, b1."""
    for f in others_in_its_file(function):
        if re.search("init|make|create|build", f.__name__, re.I) and not [
            p for p in parameters(f) if p.default is p.empty
        ]:
            names = returned_names(f)
            try:
                result = seeded(f)
            except Exception:  # noqa: BLE001 -- whatever the user's function raises
                continue
            items = result.items() if isinstance(result, dict) else zip(names, result, strict=False) if names else ()
            found = {n: np.array(w, dtype=float) for n, w in items if n and _numbers(w) is not None}
            if found:
                return found
    return {}


def _in_one_argument(
    functions: tuple[Callable[..., Any], ...], free: list[str], options: dict[str, Any]
) -> Iterator[OfFunctions]:
    """The layouts in which one argument holds all weights: params["W1"], or W1, b1 = params."""
    holder = next((n for n in free if CONFIG.match(n) or n in ("weights", "model", "net")), None)
    if holder is None:
        return
    keys, in_order = _keys_of(holder, source_of(functions))
    tables = _tables(keys, free, source_of(functions))
    for shapes, scalars in shapes_with_tables(keys, tables) if keys else ():
        yield OfFunctions(functions, random_weights(shapes), {}, options, holder, in_order, scalars)


def _tables(own: list[str], free: list[str], source: str) -> list[str]:
    """The weights that the data index, as tables of embeddings: C[X]."""
    data = "|".join(re.escape(n) for n in free if n not in own)
    return [n for n in own if data and re.search(rf"\b{n}\[(?:{data})\]", source)]


def _repeated(own: list[str], source: str) -> bool:
    """Whether the only weight is that of several layers, which makes it square: X @ W, h @ W."""
    weights = [n for n in own if not BIAS.match(n)]
    uses = rf"@ *{weights[0]}\b(?!\.T)|\.dot\((?:\w+, *)?{weights[0]}\)" if len(weights) == 1 else "(?!)"
    return len(re.findall(uses, source)) > 1


def _sliced(name: str, source: str) -> bool:
    """Whether weights are cut out of one vector: params[:n], params[n : n + m]."""
    return re.search(rf"\b{name}\[[^\]]*:", source) is not None


def _embeddings(free: list[str]) -> dict[str, tuple[int, ...]]:
    """A word's embedding and a table of embeddings, by their names."""
    found = {n: (5,) for n in free if VECTOR.match(n)}
    return {**found, **{n: (13, 5) for n in free if TABLE.match(n)}} if found else {}


def _graded_arguments(functions: tuple[Callable[..., Any], ...], free: list[str], own: list[str]) -> list[str]:
    """The arguments of which a gradient is returned: dx of x; where nothing is called so, the first beside a loss."""
    names = returned_names(functions[-1])
    stems = {s.removesuffix("flat") for n in names if n for s in stem(n)}
    alone = len(functions) == 1 and len(names) > 1 and any(OF_LOSS.match(n) for n in names if n) and not own
    unnamed = sum(not n for n in names)  # return loss, E @ Q + lam * P, E.T @ P + lam * Q
    return [n for n in free if normal(n) in stems] or free[: max(unnamed, int(len(names) == 2)) * int(alone)]


def _keys_of(holder: str, source: str) -> tuple[list[str], bool]:
    """The weights in one argument: the keys of a dictionary, or the names that a list is unpacked into."""
    unpacked = re.search(rf"^\s*\(?([\w, ]+?)\)?\s*=\s*{holder}\s*$", source, re.M)
    if unpacked and "," in unpacked.group(1):
        return [n.strip() for n in unpacked.group(1).split(",") if n.strip()], True
    keys = re.findall(rf"\b{holder}(?:\[|\.get\()[\"'](\w+)[\"'][\])]", source)
    numbered = re.findall(rf"\b{holder}\[f?[\"']([A-Za-z]+)(?:[\"']\s*\+\s*str\(|\{{)", source)
    if re.search(rf"\b{holder}\[[A-Za-z_]\w*\]", source):  # (parameters[k] for k in ("W1", "b1"))
        words = re.findall(r"[\"']([A-Za-z]+\d+)[\"']", source)
        keys = [k for k in words if WEIGHT.match(k) or BIAS.match(k)] + keys
    keys += [f"{stem}{i}" for i in (1, 2) for stem in dict.fromkeys(numbered)]
    return [k for k in dict.fromkeys(keys) if not k.startswith(("d", "grad"))], False
