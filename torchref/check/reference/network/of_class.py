"""A network that is a class: its weights wherever the instance holds them, its gradients returned or kept."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.naming import returned_names
from torchref.check.reference.network import data as kinds
from torchref.check.reference.network.form import Passed
from torchref.check.reference.network.names import BACKWARDS, GRADIENTS, LOSSES, RATE, STRENGTH, loss_place, weight_of
from torchref.check.reference.own import seeded
from torchref.check.reference.witness import NoWitness
from torchref.nn.module import Array

Path = tuple[tuple[str, Any], ...]  # steps from an instance to an array: ("a", attribute) or ("i", key)
DEEP = 4
STEP = 0.5  # the learning rate of a pass that updates: a power of two divides exactly
LENGTHS = (5, 7, 3, 11, 13)  # what a constructor without defaults gets for its sizes, in order
SMALL = 12  # a default beyond it is made smaller, where all weights together are too many
MANY = 3000


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Array]]:
    """Every array of floats that an instance holds, in lists, dictionaries and objects of the user's own."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fc":
            yield path, value
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


@dataclass
class OfClass:
    """One class, one constructor call, one X and y."""

    cls: Any
    constructed: dict[str, Any]
    method: str  # that computes the loss
    back: str | None  # that computes the gradients, where that is another
    data: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)  # of the weights
    weights: dict[str, Array] = field(default_factory=dict)
    told: str = ""

    def code(self) -> list[Any]:
        return [self.cls]

    def with_weights(self, weights: dict[str, Array], beside: dict[str, Array]) -> OfClass:
        return replace(self, weights=weights)

    def without_gradient(self) -> list[str]:
        """Of an instance's other arrays it is not known whether they are weights; those called so are."""
        return [n for n in self.paths if n not in self.weights and re.fullmatch(r"[Wb]\d*", n)]

    def instance(self, cls: Any) -> Any:
        made = cls(**self.constructed) if inspect.isclass(cls) else cls
        for name in ("reg", "reg_strength", "lambda_", "lambd", "lmbda", "l2_reg", "weight_decay"):
            if getattr(made, name, None) == 0:
                setattr(made, name, 0.3)  # zero would hide its gradient
        return made

    def arguments(self, method: Any, loss: Any = None, output: Any = None) -> dict[str, Any]:
        """What a method is handed, by name: the data, an option, a learning rate."""
        found: dict[str, Any] = {}
        first = next(iter(self.data), None)
        for p in parameters(method):
            n = normal(p.name)
            if p.name in self.data:
                found[p.name] = fresh(self.data[p.name])
            elif n in RATE:
                found[p.name] = STEP
            elif n in STRENGTH:
                found[p.name] = 0.3
            elif p.default is p.empty:
                same = next((k for k in self.data if normal(k) == n), None)
                ordered = [k for k in self.data if k not in found]
                if same is None and output is not None and n not in map(normal, self.data) and n not in ("x", "y"):
                    found[p.name] = output
                else:
                    found[p.name] = fresh(self.data[same or [*ordered, first or ""][0]])
        return found

    def passed(self, weights: dict[str, Any], code: list[Any], loss_alone: bool = False) -> Passed:
        instance = self.instance(code[0])
        for name, value in weights.items():
            if name in self.paths:
                put(instance, self.paths[name], value)
        method = getattr(instance, self.method)
        result = method(**self.arguments(method))
        items = list(result) if isinstance(result, tuple | list) else [result]
        names = returned_names(method)
        at = loss_place(items, names)
        if at is None:
            return Passed(None, {})
        loss = items[at]
        if loss_alone:
            return Passed(loss, {})
        rest = [(n, v) for i, (n, v) in enumerate(named(items, names)) if i != at]
        if self.back is not None:
            back = getattr(instance, self.back)
            output = next((v for _, v in rest if isinstance(v, np.ndarray)), None)
            came = back(**self.arguments(back, loss, output))
            rest += named(list(came) if isinstance(came, tuple | list) else [came], returned_names(back))
        return Passed(loss, self.gradients(instance, rest, weights))

    def gradients(self, instance: Any, returned: list[tuple[str, Any]], weights: dict[str, Any]) -> dict[str, Any]:
        """By weight: what was returned under its name, what the instance keeps under it, or the change of the weight."""
        found: dict[str, Any] = {}
        for n, value in returned:
            found |= {k: v for k, v in gradients_in(n, value, self.paths).items() if k not in found}
        kept = dict(walk(instance))
        for name, path in self.paths.items():
            if name not in found and (beside := kept_gradient(name, path, kept)) is not None:
                found[name] = beside
        if not found:
            for name, before in weights.items():
                after = get(instance, self.paths[name])
                if np.shape(after) == np.shape(before) and np.any(after != before):
                    found[name] = (np.asarray(before) - np.asarray(after)) / STEP
        return found


def fresh(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray | list) else value


def named(items: list[Any], names: list[str]) -> list[tuple[str, Any]]:
    return list(zip(names if len(names) == len(items) else [""] * len(items), items, strict=True))


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


def is_number(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | float | int) and not isinstance(value, bool)


def kept_gradient(name: str, path: Path, kept: dict[Path, Array]) -> Any:
    """The array that the instance keeps under the name of this weight's gradient, beside it or in grads."""
    key = path[-1][1]
    for other, array in kept.items():
        last = other[-1][1]
        if other[:-1] == path[:-1] and isinstance(last, str) and weight_of(last, [str(key)]) and last != key:
            return array
    for other, array in kept.items():
        holder = other[-2][1] if len(other) > 1 else ""
        if isinstance(holder, str) and GRADIENTS.match(holder):
            if other[-1][1] == key or (isinstance(other[-1][1], str) and weight_of(other[-1][1], [str(key)])):
                return array
    for other, array in kept.items():
        last = other[-1][1]
        if (
            len(other) == 1
            and isinstance(last, str)
            and normal(last) != normal(str(key))
            and weight_of(last, [str(key)])
        ):
            return array
    return None


def methods(cls: Any) -> tuple[str, str | None] | None:
    """The method that computes the loss, and the one that goes back from it, if there is one."""
    names = [n for n in dir(cls) if not n.startswith("__") and callable(getattr(cls, n, None))]
    by_name = {normal(n): n for n in names}
    loss = next((by_name[normal(n)] for n in LOSSES if normal(n) in by_name), None)
    back = next((by_name[normal(n)] for n in BACKWARDS if normal(n) in by_name and by_name[normal(n)] != loss), None)
    return None if loss is None else (loss, back)


def looks_like_network(cls: Any) -> bool:
    """Whether a class computes a loss of its own, and holds weights or returns gradients."""
    found = methods(cls)
    if found is None or not inspect.isclass(cls):
        return False
    takes = [p for p in parameters(getattr(cls, found[0])) if p.name != "self"]
    layer = takes[:1] and normal(takes[0].name) in ("ypred", "yhat", "pred", "predictions", "output", "yhats", "a")
    return bool(takes) and not layer


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
    for k in range(min(len(needed), 2)):
        yield {**numbers, needed[k].name: [5, 7, 3], **told, **stated}
        yield {**numbers, needed[k].name: [5, 7, 6, 1], **told, **stated}
    large = [p for p in params if isinstance(p.default, int) and not isinstance(p.default, bool) and p.default > SMALL]
    shrunk = {p.name: n for p, n in zip(large, LENGTHS * 3, strict=False)}
    pictures = {p.name: (3, 8, 8) for p in params if isinstance(p.default, tuple) and len(p.default) == 3}
    hidden = {p.name: [7, 6] for p in params if isinstance(p.default, list) and len(p.default) <= 2}
    if shrunk or pictures:
        yield {**numbers, **shrunk, **pictures, **hidden, **told, **stated}
        few = {p.name: min(p.default, 4) if "filter" in p.name else n for p, n in zip(large, LENGTHS * 3, strict=False)}
        yield {**numbers, **few, **pictures, **told, **stated}


def of_class(cls: Any, sizes: dict[str, int], given: dict[str, Any] | None) -> Iterator[OfClass]:
    """The ways to run the class, the likelier first. Errors: NoWitness where it cannot be made."""
    found = methods(cls)
    assert found is not None
    first: Exception | None = None
    made = 0
    for constructed in constructors(cls, sizes):
        network = OfClass(cls, constructed, *found)
        try:
            instance = seeded(partial(network.instance, cls))
        except Exception as problem:
            first = first or problem
            continue
        held = {title(p): p for p, _ in walk(instance)}
        if len(held) < len(list(walk(instance))):
            held = {".".join(str(k) for _, k in p): p for p, _ in walk(instance)}
        made += 1
        arrays = {n: np.array(get(instance, p), dtype=float) for n, p in held.items()}
        if sum(a.size for a in arrays.values()) > MANY and made < 4:
            continue  # a smaller one may come
        network.paths, network.weights = held, arrays
        yield from with_data(network, sizes, given)
    if made == 0 and first is not None:
        raise NoWitness(
            f"the constructor of {cls.__name__} raised {type(first).__name__}: {first}; --sizes states its numbers"
        )


def with_data(network: OfClass, sizes: dict[str, int], given: dict[str, Any] | None) -> Iterator[OfClass]:
    method = getattr(network.cls, network.method)
    params = [p for p in parameters(method) if p.name != "self"]
    needed = [
        p for p in params if p.default is p.empty or (p.default is None and normal(p.name) in ("y", "labels", "t"))
    ]
    needed = [p for p in needed if normal(p.name) not in (*RATE, *STRENGTH)]
    if given is not None:
        yield replace(network, data=given, told=f"{network.method}({', '.join(given)})")
        return
    for values, told in datas([p.name for p in needed], lengths_of(network.weights), sizes):
        yield replace(network, data=values, told=f"{network.method}({told})")


def lengths_of(weights: dict[str, Array]) -> list[int]:
    """The lengths of the weights' axes, those of the first layer first."""
    every = [s for w in weights.values() for s in (w.shape if w.ndim > 1 else w.shape[::-1])]
    return list(dict.fromkeys([*every, *(int(np.prod(w.shape[1:])) for w in weights.values() if w.ndim > 2)]))


def datas(names: list[str], lengths: list[int], sizes: dict[str, int]) -> Iterator[tuple[dict[str, Any], str]]:
    """Values for the arguments that are data, and what they are."""
    n = sizes.get("N", kinds.batch(lengths))
    rng = np.random.default_rng(0)
    if not names:
        return
    ways = [list(kinds.examples(lengths, n, rng))]
    if len(names) > 1:
        ways.append(list(kinds.labels(lengths, n, rng)))
    if len(names) > 2:  # a recurrence: sequences first, and few of the others
        ways = [sorted(ways[0], key=lambda k: "ind" not in k.told and "sequence" not in k.told)[:8], ways[1][-6:]]
        ways += [list(kinds.states(lengths, n, rng)) for _ in names[2:]]
    flipped = len(names) > 1 and normal(names[0]) in ("y", "t", "labels", "target", "targets", "ytrue")
    order = [names[1], names[0], *names[2:]] if flipped else names
    for chosen in itertools.product(*ways):
        told = ", ".join(f"{name} {k.told}" for name, k in zip(order, chosen, strict=True))
        yield {name: k.value for name, k in zip(order, chosen, strict=True)}, told
