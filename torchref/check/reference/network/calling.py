"""Functions and methods are called one after the other: each is handed what there is under its names."""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.calls import Call, note
from torchref.check.reading.forms.naming import returned_names
from torchref.check.reference.network.names import RATE, STRENGTH, loss_place

STEP = 0.5  # the learning rate of a pass that updates: a power of two divides exactly
CACHES = ("cache", "caches", "memory", "tape", "ctx")
OUTPUT = re.compile(r"(a\d?|al|y_?hat|y_?pred\w*|pred\w*|out\w*|probs?|scores|logits|h\d?|z\d?|hypothesis|o|p)$", re.I)


def run_through(
    steps: list[Any], there: dict[str, Any], noted: bool = False
) -> tuple[Any, list[list[tuple[str, Any]]]]:
    """The loss, the first number that comes back; and what came back beside it, of each step.

    With `noted` the calls are kept for the report to the user.
    """
    loss: Any = None
    rest: list[list[tuple[str, Any]]] = []
    for f in steps:
        given = _called(f, there)
        if noted:
            note(Call(f.__name__, f, (), given))
        result = f(**given)
        items = list(result) if isinstance(result, tuple | list) else [result]
        names = returned_names(f)
        at = loss_place(items, names) if loss is None else None
        loss = items[at] if at is not None else loss
        rest.append([(n, v) for i, (n, v) in enumerate(_named(items, names)) if i != at])
        _keep(there, f, items, names)
    return loss, rest


@functools.lru_cache(maxsize=64)
def _arguments_of(function: Any) -> tuple[inspect.Parameter, ...]:
    """The parameters of a function, as its signature has them."""
    return tuple(parameters(function))


def _own_parameters(function: Any) -> tuple[inspect.Parameter, ...]:
    """The parameters of a function, or of a method without the instance: many calls ask for those of the same one."""
    method = getattr(function, "__func__", None)
    return _arguments_of(function) if method is None else _arguments_of(method)[1:]


def _called(function: Any, there: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a function, by name; what has none of these names gets what an earlier step has returned."""
    found: dict[str, Any] = {}
    by_name = {normal(k): k for k in there}
    results = [k for k in there if k.startswith("result ")]
    for p in _own_parameters(function):
        n = normal(p.name)
        if n in by_name:
            found[p.name] = there[by_name[n]]
        elif n in RATE:
            found[p.name] = STEP
        elif n in STRENGTH:
            found[p.name] = 0.3
        elif p.default is p.empty and results:
            found[p.name] = there[results.pop(0)]
    return found


def _keep(there: dict[str, Any], function: Any, items: list[Any], names: list[str]) -> None:
    """What a function has returned, under the names of its return statement and as results in order."""
    for name, value in _named(items, names):
        if name:
            there[name] = value
    for i, value in enumerate(items):
        inside = list(value.values()) if isinstance(value, dict) and len(items) == 1 else []
        last = inside[-1] if inside and isinstance(inside[-1], np.ndarray) else value  # a cache that ends in the output
        there.setdefault(f"result {function.__name__} {i}", last)
    caches = [v for v in items if isinstance(v, dict | tuple | list)]
    if caches and "cache" not in there:
        there["cache"] = there["caches"] = caches[-1]


def _named(items: list[Any], names: list[str]) -> list[tuple[str, Any]]:
    """What a function returned, each part with its name; all names are empty where their number is another."""
    return list(zip(names if len(names) == len(items) else [""] * len(items), items, strict=True))


def needed(steps: list[Any]) -> list[Any]:
    """The parameters that have to be handed over: those of all steps that no earlier one returns."""
    known: set[str] = set()
    found: dict[str, Any] = {}
    for i, f in enumerate(steps):
        for p in parameters(f):
            made = normal(p.name) in known or (i > 0 and (normal(p.name) in CACHES or OUTPUT.match(p.name)))
            if not made and p.name not in found and p.name != "self":
                found[p.name] = p
        known |= {normal(n) for n in returned_names(f) if n}
    return list(found.values())


def fresh(value: Any) -> Any:
    """A copy of what a pass may change in place: an array or a list. Anything else is returned itself."""
    return value.copy() if isinstance(value, np.ndarray | list) else value
