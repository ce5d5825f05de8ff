"""The arguments of a function that is a reference: which are arrays, which are options, and how it is called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from torchref.check.ops.record import Argument
from torchref.check.reading.arguments import ALIASES, normal
from torchref.check.reference.witness import NoWitness

OPTIONS: dict[str, Any] = {  # what an argument without a default is handed, if it is no array
    "eps": 1e-2, "epsilon": 1e-2, "stride": 2, "padding": 1, "dilation": 1, "groups": 1, "kernelsize": 2, "dim": -1,
    "axis": -1, "numheads": 2, "heads": 2, "nheads": 2, "training": True, "p": 0.3, "reg": 0.3, "alpha": 0.3,
    "slope": 0.3, "negativeslope": 0.3, "temperature": 1.7, "tau": 1.7, "reduction": "mean", "causal": True,
    "iscausal": True,
}  # fmt: skip
INTEGERS = ("idx", "index", "indices", "ids", "tokens", "labels", "targets", "target", "positions")


def _parameters(function: Callable[..., Any], label: str) -> list[inspect.Parameter]:
    """The parameters by which it can be called. Errors: NoWitness where it takes none, or what cannot be read."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise NoWitness(f"the arguments of {label} cannot be read; wrap it in a def that names them") from None
    named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not named:
        raise NoWitness(f"{label} names no argument; write def {label.rpartition(':')[2]}(x, ...)")
    return named


def arguments(
    function: Callable[..., Any], label: str, given: dict[str, Any], arrays: Collection[str] = ()
) -> tuple[Argument, ...]:
    """Its arguments as those of an operation: arrays without a default, options with one.

    `arrays` names what is an array for certain, whatever its name: p of a triplet (a, p, n), alpha of a PReLU.
    """
    found = []
    taken = {normal(p.name) for p in _parameters(function, label)}
    for p in _parameters(function, label):
        others = _own_aliases(p.name, taken)
        n = normal(p.name)
        if p.name in given:
            found.append(Argument(p.name, "option", given[p.name], given[p.name], True, others))
        elif p.default is not p.empty and p.default is not None:
            found.append(Argument(p.name, "option", p.default, p.default, True, others))
        elif n in OPTIONS and p.name not in arrays and (n != "p" or (p.name == "p" and len(taken) > 1)):
            found.append(Argument(p.name, "option", OPTIONS[n], OPTIONS[n], True, others))
        else:
            kind = "data" if n in INTEGERS else "array"
            found.append(Argument(p.name, kind, optional=p.default is None, aliases=others))
    unknown = [k for k in given if k not in {a.name for a in found}]
    if unknown:
        raise NoWitness(f"{label} has no argument {unknown[0]!r}; it takes {', '.join(a.name for a in found)}")
    return tuple(found)


def _own_aliases(name: str, taken: set[str]) -> tuple[str, ...]:
    """The names that people use for the same thing, but for those of the function's other arguments."""
    for role in ("weight", "bias", "input", "target"):
        group = (role, *ALIASES[role])
        if normal(name) in map(normal, group):
            return tuple(a for a in group if normal(a) not in taken and a != name)
    return ()


@functools.lru_cache
def _kinds(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    """The parameters of a function; many calls ask for those of the same one."""
    return tuple(inspect.signature(function).parameters.values())


def call(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    """`function` with its arguments by name, copied; what is absent keeps its default."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for p in _kinds(function):
        if p.name not in values or (values[p.name] is None and p.default is not p.empty):
            continue
        value = values[p.name]
        value = value.copy() if isinstance(value, np.ndarray) else value
        if p.kind == p.POSITIONAL_ONLY:
            args.append(value)
        else:
            kwargs[p.name] = value
    return function(*args, **kwargs)
