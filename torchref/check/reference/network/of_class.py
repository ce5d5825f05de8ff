"""A network that is a class: its weights wherever the instance holds them, its gradients returned or kept."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.class_names import BACKWARDS as LAYERS_BACKWARDS
from torchref.check.reading.forms.class_names import FORWARDS
from torchref.check.reading.forms.methods import called_one_of, class_of, methods_of
from torchref.check.reading.forms.naming import returned_names
from torchref.check.reference.network import data as kinds
from torchref.check.reference.network.calling import OUTPUT, STEP, fresh, needed, run_through
from torchref.check.reference.network.form import Passed
from torchref.check.reference.network.names import (
    BACKWARDS,
    GRADIENTS,
    LABELS,
    LOSSES,
    OF_LOSS,
    RATE,
    STRENGTH,
    weight_of,
)
from torchref.check.reference.own import seeded, seeded_generators
from torchref.check.reference.witness import NoWitness
from torchref.nn.module import Array

Orders = list[tuple[tuple[str, ...], int]]  # methods to call, and which of them gives the loss
Path = tuple[tuple[str, Any], ...]  # steps from an instance to an array: ("a", attribute) or ("i", key)
NUMBER = re.compile(r"(b|bias|intercept|c|w|weight|theta)\d?_?$")  # what may be one plain number
DEEP = 4
WAYS = 1200  # data that is tried with one order of methods
LENGTHS = (5, 7, 3, 13, 4)  # what a constructor without defaults gets for its sizes, in order
SMALL = 12  # a default beyond it is made smaller, where all weights together are too many
MANY = 3000
EXAMPLES = ("x", "input", "inputs", "data", "xtrain", "trainx", "features")


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Array]]:
    """Every array of floats that an instance holds, in lists, dictionaries and objects of the user's own."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fc":
            yield path, value
        return
    if type(value) is float and path and NUMBER.match(str(path[-1][1])):
        yield path, np.asarray(value)
        return
    if len(path) >= DEEP:
        return
    if isinstance(value, dict):
        inner = [(("i", k), v) for k, v in value.items()]
    elif isinstance(value, list | tuple):
        inner = [(("i", i), v) for i, v in enumerate(value)]
    elif hasattr(value, "__dict__") and not inspect.ismodule(value) and not inspect.isroutine(value):
        inner = [(("a", k), v) for k, v in vars(value).items()]
    else:
        return
    for step, v in inner:
        yield from walk(v, (*path, step))


def get(value: Any, path: Path) -> Any:
    for how, key in path:
        value = getattr(value, key) if how == "a" else value[key]
    return value


def put(instance: Any, path: Path, array: Any) -> None:
    how, key = path[-1]
    holder = get(instance, path[:-1])
    array = array[()] if isinstance(array, np.ndarray) and array.ndim == 0 else array
    if how == "a":
        setattr(holder, key, array)
    else:
        holder[key] = array


def title(path: Path) -> str:
    """How a weight is called: by its key, with what holds it where that is a list or an object of its own."""
    *holders, (_, last) = path
    first = [str(k) for how, k in holders if how == "i" or str(k).lower() not in ("params", "parameters", "weights")]
    lists = isinstance(last, int)
    if lists:
        holder = next((str(k) for how, k in reversed(holders) if how == "a"), "w")
        return f"{holder}[{last}]"
    where = ".".join(first[-2:]) if any(how == "i" for how, _ in holders) and len(holders) > 1 else ""
    return f"{where}.{last}" if where else str(last)


def unchanged(cls: Any) -> Any:
    return cls


@dataclass
class OfClass:
    """One class, one constructor call, one X and y."""

    cls: Any
    constructed: dict[str, Any]
    steps: tuple[str, ...]  # the methods that are called
    with_loss: int  # which of them gives the loss
    data: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)  # of the weights
    same: dict[str, list[Path]] = field(default_factory=dict)  # other places that hold the same array
    weights: dict[str, Array] = field(default_factory=dict)
    told: str = ""
    extend: Callable[[Any], Any] = unchanged  # adds a loss to a class that has none

    def code(self) -> list[Any]:
        return [self.cls]

    def with_weights(self, weights: dict[str, Array], beside: dict[str, Array]) -> OfClass:
        return replace(self, weights=weights)

    def without_gradient(self) -> list[str]:
        """Of an instance's other arrays it is not known whether they are weights; those called so are."""
        return [n for n in self.paths if n not in self.weights and re.fullmatch(r"[Wb]\d*", n)]

    def instance(self, cls: Any) -> Any:
        made = self.extend(cls)(**self.constructed) if inspect.isclass(cls) else copy.deepcopy(cls)
        for name in ("reg", "reg_strength", "lambda_", "lambd", "lmbda", "l2_reg", "weight_decay"):
            if getattr(made, name, None) == 0:
                setattr(made, name, 0.3)  # zero would hide its gradient
        return made

    def passed(self, weights: dict[str, Any], code: list[Any], loss_alone: bool = False) -> Passed:
        with seeded_generators():
            return self.one_pass(weights, code, loss_alone)

    def one_pass(self, weights: dict[str, Any], code: list[Any], loss_alone: bool) -> Passed:
        instance = self.instance(code[0])
        for name, value in weights.items():
            own = np.array(value, subok=True)  # the code may change it in place
            for path in (self.paths[name], *self.same.get(name, ())):
                put(instance, path, own)
        there = {**{k: fresh(v) for k, v in self.data.items()}, **self.options}
        for name in [n for n in self.data if getattr(instance, n, self) is None]:
            setattr(instance, name, there[name])
        names = self.steps[: self.with_loss + 1] if loss_alone else self.steps
        loss, rest = run_through([getattr(instance, n) for n in names], there, noted=not loss_alone)
        return Passed(loss, {} if loss_alone else self.gradients(instance, rest, weights))

    def gradients(self, instance: Any, parts: list[list[tuple[str, Any]]], weights: dict[str, Any]) -> dict[str, Any]:
        """By weight: what was returned under its name, what the instance keeps so, or the change of the weight."""
        found: dict[str, Any] = {}
        for n, value in itertools.chain(*parts):
            found |= {k: v for k, v in gradients_in(n, value, self.paths).items() if k not in found}
        kept = dict(walk(instance))
        kept |= {(("a", k),): np.asarray(v) for k, v in vars(instance).items() if isinstance(v, np.floating)}
        for name, path in self.paths.items():
            if name not in found and (beside := kept_gradient(name, path, kept)) is not None:
                found[name] = beside
        if not found:
            found = by_shape([v for _, v in parts[-1]], self.weights)
        return found or self.changes(instance, weights)

    def changes(self, instance: Any, weights: dict[str, Any]) -> dict[str, Any]:
        """The change of each weight, divided by the learning rate."""
        handed = any(normal(p.name) in RATE for n in self.steps for p in parameters(getattr(self.extend(self.cls), n)))
        kept = next((v for k, v in vars(instance).items() if normal(k) in RATE and isinstance(v, float)), 1.0)
        found = {}
        ahead = {a for m in methods_of(class_of(self.cls)) if m.name in self.steps[:-1] for a in m.keeps}
        for name, before in weights.items():
            if self.paths[name][0][1] in ahead and len(self.steps) > 1:
                continue  # what the forward keeps is no weight
            after = get(instance, self.paths[name])
            if np.shape(after) == np.shape(before) and np.any(after != before):
                found[name] = (np.asarray(before) - np.asarray(after)) / (STEP if handed else kept)
        return found


def gradients_in(name: str, value: Any, paths: dict[str, Path]) -> dict[str, Any]:
    """The gradients in one thing that was returned: an array, or a dictionary or a list of arrays."""
    if isinstance(value, dict):
        found = {}
        for key, v in value.items():
            weight = weight_of(str(key), paths) or next((n for n, p in paths.items() if p[-1][1] == key), None)
            if weight is not None and is_number(v):
                found[weight] = v
        return found
    if isinstance(value, list | tuple):
        return in_list(name, value, paths)
    weight = weight_of(name, paths) if is_number(value) else None
    return {weight: value} if weight is not None else {}


def in_list(name: str, value: Any, paths: dict[str, Path]) -> dict[str, Any]:
    """A list of gradients beside a list of weights: nabla_w beside weights."""
    lists: dict[Any, list[str]] = {}
    for n, p in paths.items():
        if len(p) > 1 and p[-1][0] == "i" and isinstance(p[-1][1], int):
            lists.setdefault(p[:-1], []).append(n)
    fitting = [ns for ns in lists.values() if len(ns) == len(value)]
    called = [
        ns for ns in fitting if weight_of(name, [str(paths[ns[0]][-2][1])]) or shares_a_letter(name, paths[ns[0]])
    ]
    chosen = next(iter(called or fitting), None)
    if chosen is None or not all(is_number(v) for v in value):
        return {}
    return dict(zip(chosen, value, strict=True))


def shares_a_letter(name: str, path: Path) -> bool:
    """nabla_w and weights, db and biases."""
    return bool(name) and normal(name)[-1] == str(path[-2][1]).lower()[:1]


def by_shape(returned: list[Any], weights: dict[str, Array]) -> dict[str, Any]:
    """Arrays without names: each belongs to the weight of its shape, in order."""
    found: dict[str, Any] = {}
    for value in returned:
        shape = np.shape(value) if is_number(value) else None
        name = next((n for n, w in weights.items() if n not in found and w.shape == shape), None)
        if name is None:
            return {}
        found[name] = value
    return found


def is_number(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | float | int) and not isinstance(value, bool)


def kept_gradient(name: str, path: Path, kept: dict[Path, Array]) -> Any:
    """The array that the instance keeps under the name of this weight's gradient: beside it, in grads, at its place."""
    key = str(path[-1][1])

    def called(other: Path) -> bool:
        return isinstance(other[-1][1], str) and other[-1][1] != key and weight_of(other[-1][1], [key]) is not None

    def in_grads(other: Path) -> bool:  # grads["W1"]
        same = other[-1] == path[-1] or str(other[-1][1]) == key or called(other)
        return len(other) > 1 and GRADIENTS.match(str(other[-2][1])) is not None and same

    def in_place(other: Path) -> bool:  # self.dW[1] beside self.W[1]
        same = len(other) == len(path) > 1 and other[-1] == path[-1] and other[:-2] == path[:-2]
        return same and other[-2] != path[-2] and weight_of(str(other[-2][1]), [str(path[-2][1])]) is not None

    for fits in (lambda o: o[:-1] == path[:-1] and called(o), in_grads, in_place, lambda o: len(o) == 1 and called(o)):
        found = next((a for other, a in kept.items() if fits(other)), None)
        if found is not None:
            return found
    return None


def sequences(cls: Any) -> Iterator[tuple[tuple[str, ...], int]]:
    """The methods to call, and which gives the loss: the loss, a forward before it, what goes back behind it."""
    names = [n for n in dir(cls) if not n.startswith("__") and callable(getattr(cls, n, None))]
    by_name = {normal(n): n for n in names}
    losses = [by_name[normal(n)] for n in LOSSES if normal(n) in by_name]
    every = [by_name[normal(n)] for n in BACKWARDS if normal(n) in by_name]
    forward = next((by_name[normal(n)] for n in FORWARDS if normal(n) in by_name and n != "loss"), None)
    for loss in dict.fromkeys(losses):
        first = next((p.name for p in parameters(getattr(cls, loss)) if p.name != "self"), "")
        takes = [p for p in parameters(getattr(cls, loss)) if p.name != "self" and p.default is p.empty]
        alone = len(takes) == 1 and normal(first) in LABELS
        of_output = forward is not None and (OUTPUT.match(first) or not first or alone)
        ahead = (forward,) if of_output else ()
        backs = [b for b in every if b != loss]
        for back in backs:
            if forward is not None and not ahead and asks_for_results(getattr(cls, back), getattr(cls, forward)):
                yield (forward, loss, back), 1
            yield (*ahead, loss, back), len(ahead)
        yield (*ahead, loss), len(ahead)
    if forward is not None and any(OF_LOSS.match(n) for n in returned_names(getattr(cls, forward)) if n):
        yield from (((forward, back), 0) for back in every)
    layer = forward is not None and called_one_of(cls, LAYERS_BACKWARDS) is not None
    if not losses and not layer:
        yield from of_other_names(cls)


def asks_for_results(backward: Any, forward: Any) -> bool:
    """Whether a backward takes what the forward returns, by its names: backward(x, a_h, a_out, y)."""
    returned = {normal(n) for n in returned_names(forward) if n}
    return any(normal(p.name) in returned for p in parameters(backward) if p.default is p.empty)


def of_other_names(cls: Any) -> Iterator[tuple[tuple[str, ...], int]]:
    """Methods of any names: one of (X, y) that returns two things, or two of the same (X, y) with one return each."""
    own = [m.name for m in methods_of(class_of(cls)) if m.takes == 2]
    for name in own:
        if len(returned_names(getattr(cls, name))) == 2:
            yield (name,), 0
    for loss, back in itertools.permutations(own, 2):
        both = [[p.name for p in parameters(getattr(cls, n)) if p.name != "self"] for n in (loss, back)]
        if both[0] == both[1] and len(returned_names(getattr(cls, loss))) == 1:
            yield (loss, back), 0


def looks_like_network(target: Any) -> bool:
    """Whether a class, or an instance, computes a loss of its own from examples."""
    if inspect.isroutine(target) or inspect.ismodule(target) or isinstance(target, tuple | list):
        return False
    for steps, with_loss in sequences(target):
        takes = needed([getattr(target, n) for n in steps[: with_loss + 1]])
        if takes and (with_loss or not OUTPUT.match(takes[0].name)):
            return True
        own = returned_names(getattr(target, steps[with_loss]))
        if not takes and len(own) > 1 and any(OF_LOSS.match(n) for n in own if n):
            return True  # it keeps its data: self.X, self.y
    return False


def constructors(cls: Any, sizes: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Ways to call the constructor: with its defaults, with small numbers, with a list of them."""
    params = parameters(cls.__init__)[1:] if cls.__init__ is not object.__init__ else []
    stated = {p.name: sizes[k] for p in params for k in sizes if normal(k) == normal(p.name)}
    told = {p.name: 0.3 for p in params if normal(p.name) in STRENGTH} | {
        p.name: STEP for p in params if normal(p.name) in RATE
    }
    needed = [p for p in params if p.default is p.empty and p.name not in told]
    numbers = {p.name: n for p, n in zip(needed, LENGTHS * 3, strict=False)}
    yield {**numbers, **told, **stated}
    if len(needed) >= 2 and normal(needed[1].name) in LABELS:
        yield {**numbers, **data_of_constructor(needed[0].name, needed[1].name), **told, **stated}
    for k in range(min(len(needed), 2)):
        yield {**numbers, needed[k].name: [5, 7, 3], **told, **stated}
        yield {**numbers, needed[k].name: [5, 7, 6, 1], **told, **stated}
    large = [p for p in params if isinstance(p.default, int) and not isinstance(p.default, bool) and p.default > SMALL]
    shrunk = {p.name: n for p, n in zip(large, LENGTHS * 3, strict=False)}
    pictures = {p.name: (3, 8, 8) for p in params if isinstance(p.default, tuple) and len(p.default) == 3}
    hidden = {p.name: [7, 6] for p in params if isinstance(p.default, list) and len(p.default) <= 2}
    if shrunk or pictures:
        yield {**numbers, **shrunk, **pictures, **hidden, **told, **stated}
        for k in range(min(len(needed), 2)):
            yield {**numbers, needed[k].name: [7, 6], **shrunk, **pictures, **hidden, **told, **stated}
        few = {p.name: min(p.default, 4) if "filter" in p.name else n for p, n in zip(large, LENGTHS * 3, strict=False)}
        yield {**numbers, **few, **pictures, **told, **stated}


def data_of_constructor(x: str, y: str) -> dict[str, Any]:
    """Examples and labels for a constructor that asks for them."""
    rng = np.random.default_rng(0)
    n = kinds.batch(list(LENGTHS))
    return {x: rng.normal(size=(n, LENGTHS[0])), y: rng.integers(0, 2, (n, 1)) * 1.0}


def of_class(
    cls: Any,
    sizes: dict[str, int],
    given: dict[str, Any] | None,
    extend: Callable[[Any], Any] = unchanged,
    orders: Orders | None = None,
) -> Iterator[OfClass]:
    """The ways to run the class, the likelier first. Errors: NoWitness where it cannot be made.

    `extend` adds methods to it, and `orders` names those that are called.
    """
    first: Exception | None = None
    made = 0
    for constructed in constructors(cls, sizes) if inspect.isclass(cls) else ({},):
        network = OfClass(cls, constructed, (), 0, extend=extend)
        try:
            instance = seeded(functools.partial(network.instance, cls))
        except Exception as problem:
            first = first or problem
            continue
        held, same = places(instance)
        made += 1
        if not held:
            continue
        arrays = {n: np.array(get(instance, p), dtype=float) for n, p in held.items()}
        if sum(a.size for a in arrays.values()) > MANY and made < 4:
            continue  # a smaller one may come
        for steps, with_loss in sequences(cls) if orders is None else orders:
            there = replace(network, paths=held, same=same, weights=arrays, steps=steps, with_loss=with_loss)
            yield from with_data(there, sizes, given)
    if made == 0 and first is not None:
        raise NoWitness(
            f"the constructor of {cls.__name__} raised {type(first).__name__}: {first}; --sizes states its numbers"
        )


def places(instance: Any) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """Where the arrays of an instance are, by their names; and where the same ones are held again."""
    first: dict[int, Path] = {}
    again: dict[int, list[Path]] = {}
    for path, array in walk(instance):
        if id(array) in first:
            again.setdefault(id(array), []).append(path)
        else:
            first[id(array)] = path
    titles = [title(p) for p in first.values()]
    whole = len(set(titles)) < len(titles)
    names = {k: ".".join(str(key) for _, key in p) if whole else title(p) for k, p in first.items()}
    return {names[k]: p for k, p in first.items()}, {names[k]: ps for k, ps in again.items()}


def with_data(network: OfClass, sizes: dict[str, int], given: dict[str, Any] | None) -> Iterator[OfClass]:
    steps = [getattr(network.extend(network.cls), n) for n in network.steps]
    params = needed(steps)
    wanted = [p for p in params if p.default is p.empty or (p.default is None and normal(p.name) in LABELS)]
    wanted = [p for p in wanted if normal(p.name) not in (*RATE, *STRENGTH)]
    told = ", ".join(network.steps)
    names = [p.name for p in wanted] or unset(network)
    if given is not None:
        yield replace(network, data=given, told=f"{told} on your inputs")
        return
    for values, what in itertools.islice(datas(names, lengths_of(network.weights), sizes), WAYS):
        yield replace(network, data=values, told=f"{told} on {what}")


def unset(network: OfClass) -> list[str]:
    """The examples and the labels that an instance keeps as attributes, and that nobody has set: self.X, self.y."""
    held = vars(network.instance(network.cls))
    empty = [k for k, v in held.items() if v is None]
    examples, labels = ([k for k in empty if normal(k) in names] for names in (EXAMPLES, LABELS))
    return [*examples[:1], *labels[:1]] if examples else []


def lengths_of(weights: dict[str, Array]) -> list[int]:
    """The lengths of the weights' axes, those of the first layer first."""
    every = [s for w in weights.values() for s in (w.shape if w.ndim > 1 else w.shape[::-1])]
    return list(dict.fromkeys([*every, *(int(np.prod(w.shape[1:])) for w in weights.values() if w.ndim > 2)]))


def datas(names: list[str], lengths: list[int], sizes: dict[str, int]) -> Iterator[tuple[dict[str, Any], str]]:
    """Values for the arguments that are data, and what they are."""
    n = sizes.get("N", kinds.batch(lengths))
    rng = np.random.default_rng(0)
    if not names:
        yield {}, "what it was made with"
        return
    ways = [list(kinds.examples(lengths, n, rng))]
    if len(names) > 1:
        ways.append(list(kinds.labels(lengths, n, rng)))
    if len(names) > 2:  # a recurrence: sequences first, and few of the others
        ways = [sorted(ways[0], key=lambda k: "ind" not in k.told and "sequence" not in k.told)[:8], ways[1][-6:]]
        ways += [list(kinds.states(lengths, n, rng)) for _ in names[2:]]
    if len(names) == 1 and normal(names[0]) in LABELS:
        ways = [list(kinds.labels(lengths, n, rng))]
    flipped = len(names) > 1 and normal(names[0]) in LABELS
    order = [names[1], names[0], *names[2:]] if flipped else names
    for chosen in sorted(itertools.product(*ways), key=kinds.unlike) if len(ways) == 2 else itertools.product(*ways):
        told = ", ".join(f"{name} {k.told}" for name, k in zip(order, chosen, strict=True))
        yield {name: k.value for name, k in zip(order, chosen, strict=True)}, told
