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
from torchref.check.reading.forms.methods import class_of, methods_of
from torchref.check.reading.source import text_of
from torchref.check.reference.network import data as kinds
from torchref.check.reference.network.calling import STEP, fresh, needed, run_through
from torchref.check.reference.network.class_gradients import by_shape, gradients_in, kept_gradient
from torchref.check.reference.network.class_methods import Orders, method_orders
from torchref.check.reference.network.data import as_compared, data_to_try, lengths_of
from torchref.check.reference.network.form import Passed
from torchref.check.reference.network.held_arrays import Path, get, places, put, walk
from torchref.check.reference.network.names import (
    LABELS,
    RATE,
    STRENGTH,
)
from torchref.check.reference.own import seeded, seeded_generators
from torchref.check.reference.witness import NoWitness
from torchref.nn.module import Array

WAYS = 1200  # data that is tried with one order of methods
LENGTHS = (5, 7, 3, 13, 4)  # what a constructor without defaults gets for its sizes, in order
SMALL = 12  # a default beyond it is made smaller, where all weights together are too many
MANY = 3000
EXAMPLES = ("x", "input", "inputs", "data", "xtrain", "trainx", "features")


def _unchanged(cls: Any) -> Any:
    """The class itself: it has a loss of its own."""
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
    description: str = ""
    extend: Callable[[Any], Any] = _unchanged  # adds a loss to a class that has none

    def code(self) -> list[Any]:
        return [self.cls]

    def goes_back(self) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self.extend(class_of(self.cls)), self.steps[-1])
        return method

    def with_weights(self, weights: dict[str, Array], left: dict[str, Array]) -> OfClass:  # noqa: ARG002 -- it keeps them
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
            if name not in found and (gradient := kept_gradient(path, kept)) is not None:
                found[name] = gradient
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


def _constructors(cls: Any, sizes: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Ways to call the constructor: with its defaults, with small numbers, with a list of them."""
    params = parameters(cls.__init__)[1:] if cls.__init__ is not object.__init__ else []
    stated = {p.name: sizes[k] for p in params for k in sizes if normal(k) == normal(p.name)}
    fixed = {p.name: 0.3 for p in params if normal(p.name) in STRENGTH} | {
        p.name: STEP for p in params if normal(p.name) in RATE
    }
    needed = [p for p in params if p.default is p.empty and p.name not in fixed]
    numbers = {p.name: n for p, n in zip(needed, LENGTHS * 3, strict=False)}
    yield {**numbers, **fixed, **stated}
    if len(needed) >= 2 and normal(needed[1].name) in LABELS:
        yield {**numbers, **_data_of_constructor(needed[0].name, needed[1].name), **fixed, **stated}
    for k in range(min(len(needed), 2)):
        yield {**numbers, needed[k].name: [5, 7, 3], **fixed, **stated}
        yield {**numbers, needed[k].name: [5, 7, 6, 1], **fixed, **stated}
    large = [p for p in params if isinstance(p.default, int) and not isinstance(p.default, bool) and p.default > SMALL]
    shrunk = {p.name: n for p, n in zip(large, LENGTHS * 3, strict=False)}
    pictures = {p.name: (3, 8, 8) for p in params if isinstance(p.default, tuple) and len(p.default) == 3}
    hidden = {p.name: [7, 6] for p in params if isinstance(p.default, list) and len(p.default) <= 2}
    if shrunk or pictures:
        yield {**numbers, **shrunk, **pictures, **hidden, **fixed, **stated}
        for k in range(min(len(needed), 2)):
            yield {**numbers, needed[k].name: [7, 6], **shrunk, **pictures, **hidden, **fixed, **stated}
        few = {p.name: min(p.default, 4) if "filter" in p.name else n for p, n in zip(large, LENGTHS * 3, strict=False)}
        yield {**numbers, **few, **pictures, **fixed, **stated}


def _data_of_constructor(x: str, y: str) -> dict[str, Any]:
    """Examples and labels for a constructor that asks for them."""
    rng = np.random.default_rng(0)
    n = kinds.batch(list(LENGTHS))
    return {x: rng.normal(size=(n, LENGTHS[0])), y: rng.integers(0, 2, (n, 1)) * 1.0}


def of_class(
    cls: Any,
    sizes: dict[str, int],
    given: dict[str, Any] | None,
    extend: Callable[[Any], Any] = _unchanged,
    orders: Orders | None = None,
) -> Iterator[OfClass]:
    """The ways to run the class, the likelier first. Errors: NoWitness where it cannot be made.

    `extend` adds methods to it, and `orders` names those that are called.
    """
    first: Exception | None = None
    made = 0
    for constructed in _constructors(cls, sizes) if inspect.isclass(cls) else ({},):
        network = OfClass(cls, constructed, (), 0, extend=extend)
        try:
            instance = seeded(functools.partial(network.instance, cls))
        except Exception as problem:  # noqa: BLE001 -- whatever the user's constructor raises on these numbers
            first = first or problem
            continue
        held, same = places(instance)
        made += 1
        if not held:
            continue
        arrays = {n: np.array(get(instance, p), dtype=float) for n, p in held.items()}
        if sum(a.size for a in arrays.values()) > MANY and made < 4:
            continue  # a smaller one may come
        for steps, with_loss in method_orders(cls) if orders is None else orders:
            there = replace(network, paths=held, same=same, weights=arrays, steps=steps, with_loss=with_loss)
            yield from _with_data(there, sizes, given)
    if made == 0 and first is not None:
        raise NoWitness(
            f"the constructor of {cls.__name__} raised {type(first).__name__}: {first}; --sizes states its numbers"
        )


def _with_data(network: OfClass, sizes: dict[str, int], given: dict[str, Any] | None) -> Iterator[OfClass]:
    """The network with data to call its methods on: the user's own, or every kind that may fit, the likelier first."""
    steps = [getattr(network.extend(network.cls), n) for n in network.steps]
    params = needed(steps)
    wanted = [p for p in params if p.default is p.empty or (p.default is None and normal(p.name) in LABELS)]
    wanted = [p for p in wanted if normal(p.name) not in (*RATE, *STRENGTH)]
    called = ", ".join(network.steps)
    names = [p.name for p in wanted] or _unset(network)
    if given is not None:
        yield replace(network, data=given, description=f"{called} on your inputs")
        return
    source = text_of(class_of(network.cls))
    for values, what in itertools.islice(data_to_try(names, lengths_of(network.weights), sizes), WAYS):
        yield replace(network, data=as_compared(values, source), description=f"{called} on {what}")


def _unset(network: OfClass) -> list[str]:
    """The examples and the labels that an instance keeps as attributes, and that nobody has set: self.X, self.y."""
    held = vars(network.instance(network.cls))
    empty = [k for k, v in held.items() if v is None]
    examples, labels = ([k for k in empty if normal(k) in names] for names in (EXAMPLES, LABELS))
    return [*examples[:1], *labels[:1]] if examples else []
