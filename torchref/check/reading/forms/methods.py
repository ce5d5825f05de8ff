"""Which two methods of a class go forward and back: by what they are called, else by what they keep and read.

    class Schicht:                              class Capa:
        def vorwaerts(self, x): ...                 def adelante(self, entrada): ...
        def rueckwaerts(self, dy): ...              def atras(self, gradiente, tasa): ...

Names are tried first, in any spelling: Forward, forward_pass. A class without them says it by what it does: the first
method that keeps something on `self` which a later one reads goes forward, and the later one goes back.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.class_names import BACKWARDS, FORWARDS
from torchref.check.reading.source import tree_of


@dataclass(frozen=True)
class Method:
    """What the source of a method shows."""

    name: str
    takes: int  # arguments that have to be handed over
    keeps: frozenset[str]  # attributes of self that it sets
    reads: frozenset[str]


def called_one_of(cls: Any, known: Iterable[str]) -> str | None:
    """The first method with one of these names, capitals and underscores aside."""
    names = [n for n in dir(cls) if n in known and callable(getattr(cls, n, None))]
    own = class_of(cls)
    spelled = {normal(n): n for n in dir(cls) if not n.startswith("_") and callable(getattr(cls, n, None))}
    for name in known:
        if name in names and (name != "__call__" or calls(own)):
            return name
        if normal(name) in spelled and name != "__call__":
            return spelled[normal(name)]
    return None


def forward_and_backward(cls: Any) -> tuple[str | None, str | None]:
    """The names of the two methods; None for what is not found."""
    forward, backward = called_one_of(cls, FORWARDS), called_one_of(cls, BACKWARDS)
    if forward is None or backward is None:
        return by_what_they_keep(class_of(cls), forward, backward) or (forward, backward)
    return forward, backward


def by_what_they_keep(cls: type, forward: str | None = None, backward: str | None = None) -> tuple[str, str] | None:
    """The first method that keeps what another reads, and that other; either may be known by its name."""
    every = methods_of(cls)
    firsts = [m for m in every if m.takes and forward in (None, m.name)]
    for ahead in firsts:
        after = [m for m in every if m is not ahead and backward in (None, m.name)]
        after.sort(key=lambda m: every.index(m) < every.index(ahead))
        found = next((m for m in after if m.reads & ahead.keeps), None)
        if found is not None:
            return ahead.name, found.name
    return None


def two_alike(cls: Any) -> tuple[str, str] | None:
    """The two methods of a class that has no others, if both take the same and neither reads what the other keeps."""
    every = methods_of(class_of(cls))
    if len(every) != 2 or by_what_they_keep(class_of(cls)) is not None:
        return None
    one, other = every
    return (one.name, other.name) if one.takes == other.takes > 0 else None


def class_of(cls: Any) -> type:
    """The class of an instance; a class itself."""
    return cls if inspect.isclass(cls) else type(cls)


def calls(cls: type) -> bool:
    """Whether the user's class, or a base of it, has a `__call__`."""
    return any("__call__" in vars(base) for base in cls.__mro__[:-1])


def methods_of(cls: type) -> tuple[Method, ...]:
    """The public methods, those of a base class first, in the order of the source; none where it cannot be read."""
    names = {n: None for base in reversed(cls.__mro__[:-1]) for n, m in vars(base).items() if is_method(n, m)}
    found = (method(cls, n) for n in names)
    return tuple(m for m in found if m is not None)


def is_method(name: str, member: Any) -> bool:
    """Whether a member of a class is a public method, or `__call__`."""
    held = isinstance(member, staticmethod | classmethod) or inspect.isfunction(member)
    return held and (not name.startswith("_") or name == "__call__")


def method(cls: type, name: str) -> Method | None:
    """What the source of a method says of it; None where it has no source."""
    function = getattr(cls, name)
    tree = tree_of(function)
    if tree is None:
        return None
    of_self = [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "self"
    ]
    keeps = frozenset(n.attr for n in of_self if isinstance(n.ctx, ast.Store))
    reads = frozenset(n.attr for n in of_self if isinstance(n.ctx, ast.Load))
    params = parameters(function)
    static = isinstance(inspect.getattr_static(cls, name), staticmethod | classmethod)
    takes = [p for p in (params if static else params[1:]) if p.default is p.empty]
    return Method(name, len(takes), keeps, reads)


def what_is_missing(cls: Any, forward: str | None, backward: str | None) -> str:
    """Why a class cannot be judged: which of the two methods is missing, and what it has instead."""
    own = class_of(cls)
    missing = " and ".join(repr(n) for n, found in (("forward", forward), ("backward", backward)) if found is None)
    there = ", ".join(m.name for m in methods_of(own)) or "none that could be read"
    return (
        f"the class {own.__name__} has no method {missing}; a class needs forward and backward. "
        f"Its methods are: {there}. Call them forward(x) and backward(dy), or name two functions as a pair"
    )
