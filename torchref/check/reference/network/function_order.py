"""The functions of a file that make one pass: a forward, a cost, and the function that gives the gradients."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.naming import returned_names, stem
from torchref.check.reading.source import tree_of
from torchref.check.reference.network.calling import CACHES, OUTPUT, needed
from torchref.check.reference.network.names import GRADIENTS, LABELS, LOSSES, OF_LOSS

STRANGE = 2  # arguments of a cost that nothing else knows
BACK = re.compile(r"\w*(grad|back|deriv)\w*$", re.I)  # its name says that it returns no loss
COSTS = re.compile(r"\w*(cost|loss|objective|error)\w*$", re.I)
BOTH = [normal(n) for n in LOSSES if re.search("loss|cost", n)]  # what returns two things and is called so: loss first
FORWARDS = re.compile(r"\w*(forward|predict|hypothesis|feed)\w*$", re.I)


def source_of(functions: tuple[Callable[..., Any], ...]) -> str:
    """The source of the functions; empty where a function has none, as one that was typed in has not."""
    try:
        return "\n".join(inspect.getsource(f) for f in functions)
    except (OSError, TypeError):
        return ""


def function_orders(function: Callable[..., Any]) -> Iterator[tuple[Callable[..., Any], ...]]:
    """The function alone, and with a cost and a forward of its file before it; first what its names say."""
    forwards = forwards_of(function)
    costs = [f for f in others_in_its_file(function) if COSTS.match(f.__name__) and not BACK.match(f.__name__)]
    costs = [f for f in costs if _knows_its_arguments(f, [function, *forwards])]
    costs += [f for f in forwards if f not in costs and any(OF_LOSS.match(n) for n in returned_names(f) if n)]
    forwards = [f for f in forwards if f not in costs]
    kept = any(normal(p.name) in CACHES for p in parameters(function))
    alone = _returns_loss(function) and not kept
    if alone:
        yield (function,)
    both = [(cost, function) for cost in costs] if not kept else []
    several = [*both, *((f, c, function) for f, c in itertools.product(forwards, costs))]
    yield from sorted(several, key=lambda s: _unknown_arguments(s, function))
    if not alone and not kept:
        yield (function,)


def others_in_its_file(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The other functions of a function's file."""
    every = [v for v in scope_of(function).values() if inspect.isfunction(v)]
    return [f for f in every if f.__module__ == function.__module__ and f is not inspect.unwrap(function)]


def forwards_of(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The forwards that stand beside a function, the whole one first: it calls those of the layers."""
    found = [f for f in others_in_its_file(function) if FORWARDS.match(f.__name__) and not BACK.match(f.__name__)]
    return sorted(found, key=lambda f: -len(source_of((f,))))


def _knows_its_arguments(cost: Callable[..., Any], others: list[Callable[..., Any]]) -> bool:
    """Whether the others know what a cost asks for, an output and labels aside: else it is that of another network."""
    known = {normal(p.name) for f in others for p in parameters(f)}
    asked = [p for p in parameters(cost) if p.default is p.empty and not OUTPUT.match(p.name)]
    return sum(normal(p.name) not in known and normal(p.name) not in LABELS for p in asked) < STRANGE


def _returns_loss(function: Callable[..., Any]) -> bool:
    """Whether its names say that it returns a loss itself."""
    names = [n for n in returned_names(function) if n]
    named = any(OF_LOSS.match(n) for n in names)
    both = normal(function.__name__) in BOTH and len(returned_names(function)) > 1
    return (
        named
        or both
        or _returns_gradients_beside(function, names)
        or (not BACK.match(function.__name__) and bool(OF_LOSS.match(function.__name__)))
    )


def _returns_gradients_beside(function: Callable[..., Any], names: list[str]) -> bool:
    """Whether it returns something, and behind it gradients: return l, grads; return value, dW, db."""
    own = {normal(p.name) for p in parameters(function)}
    if own & {s for key in _keys_returned(function) for s in (normal(key), *stem(key))}:
        return True
    of_own = [bool(GRADIENTS.match(n)) or any(s in own for s in stem(n)) for n in names]
    return len(of_own) > 1 and not of_own[0] and all(of_own[1:]) and names[0].lower() not in own


def _keys_returned(function: Callable[..., Any]) -> list[str]:
    """The keys of a dictionary that is returned behind something else: return loss, {"W": dW, "b": db}."""
    tree = tree_of(function)
    if tree is None:
        return []
    values = [n.value for n in ast.walk(tree) if isinstance(n, ast.Return) and isinstance(n.value, ast.Tuple)]
    behind = [v.elts[1] for v in values if len(v.elts) == 2 and isinstance(v.elts[1], ast.Dict)]
    return [str(k.value) for d in behind for k in d.keys if isinstance(k, ast.Constant)]


def _unknown_arguments(steps: tuple[Callable[..., Any], ...], function: Callable[..., Any]) -> int:
    """How many arguments of the others mean nothing to the function that gives the gradients."""
    own = {normal(p.name) for p in parameters(function)}
    return sum(normal(p.name) not in own for p in needed(list(steps)))


def scope_of(function: Any) -> dict[str, Any]:
    """The variables of the file that a function stands in."""
    found: dict[str, Any] = inspect.unwrap(function).__globals__
    return found


def looks_like_network_function(function: Any) -> bool:
    """Whether a function gives a loss and gradients, or gradients whose cost stands beside it."""
    if not inspect.isfunction(function):
        return False
    with_cost = bool(BACK.match(function.__name__)) and any(len(s) > 1 for s in function_orders(function))
    return _returns_loss(function) or with_cost
