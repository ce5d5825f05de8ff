"""A user's code is called: with its arguments by role, guarded, and seen if it changes what it was handed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from torchref.check.reading.arguments import Matching, parameters
from torchref.check.reading.config import Values
from torchref.check.reading.forms.calls import Call, note
from torchref.check.reading.unused import UNUSED

WATCH: ContextVar[Callable[..., Any] | None] = ContextVar("WATCH", default=None)  # calls a backward, and looks on


class CouldNotRun(Exception):
    """The user's code could not be run or understood; the message is for the user."""

    calls: Sequence[Call] = ()  # the calls that led here


class TimeOut(BaseException):
    """Raised inside the user's code when its time is up; no `except Exception` of the user's catches it."""


class UserError(CouldNotRun):
    """The user's code raised; `where` says in which part, `original` is the exception."""

    def __init__(self, where: str, original: BaseException) -> None:
        super().__init__(f"{where} raised {type(original).__name__}: {original}")
        self.where, self.original = where, original


@dataclass
class Run:
    """What one run of the user's code gave, still in the user's convention."""

    outputs: Values
    gradients: list[Values]  # one for each backward; "?" keys hold what could not be named
    changed: list[str] = field(default_factory=list)  # arguments that were changed in place
    extras: Values = field(default_factory=dict)
    handed: list[str] | None = None  # the outputs whose upstream gradients were handed over; None: all
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)  # shapes the user's own code gave its arrays
    updates: bool = False  # whether the backward itself changes the weights


class Snapshot:
    """Copies of the arrays handed over, to see afterwards which were changed."""

    def __init__(self, arrays: Values) -> None:
        self.arrays = {k: v for k, v in arrays.items() if isinstance(v, np.ndarray) and not k.startswith("running_")}
        self.copies = {k: v.copy() for k, v in self.arrays.items()}

    def changed(self) -> list[str]:
        return [
            k
            for k, v in self.arrays.items()
            if v.shape != self.copies[k].shape or not np.array_equal(v, self.copies[k], equal_nan=v.dtype.kind == "f")
        ]


def fresh(values: Values) -> Values:
    """The values, each array a copy."""
    return {k: (v.copy() if isinstance(v, np.ndarray) else v) for k, v in values.items()}


def guarded(where: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the user's code; what it raises is the user's, and says where."""
    if getattr(getattr(function, "__code__", None), "co_kwonlyargcount", 0):
        args, kwargs = _by_name(function, args, kwargs)
    note(Call(where, function, args, kwargs))
    try:
        watch = WATCH.get() if where in ("the backward", "the gradient function") else None
        return function(*args, **kwargs) if watch is None else watch(function, *args, **kwargs)
    except (KeyboardInterrupt, CouldNotRun, TimeOut, MemoryError):
        raise
    except BaseException as error:
        raise UserError(where, error) from error


def _by_name(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Values) -> tuple[tuple[Any, ...], Values]:
    """The arguments for a function that takes some by name alone: backward(self, *, dy)."""
    every = list(inspect.signature(function).parameters.values())
    if any(p.kind == p.VAR_POSITIONAL for p in every):
        return args, kwargs
    places = sum(p.kind != p.KEYWORD_ONLY for p in every)
    names = [p.name for p in every if p.kind == p.KEYWORD_ONLY and p.name not in kwargs]
    return args[:places], {**dict(zip(names, args[places:], strict=False)), **kwargs}


def call(
    function: Callable[..., Any],
    matching: Matching,
    values: Values,
    config: Any,
    where: str,
    special: Values | None = None,
) -> Any:
    """Call `function` with its parameters' values by role."""
    args: list[Any] = []
    kwargs: Values = {}
    special = special or {}
    positional = True
    plain = inspect.signature(function).parameters
    given = [p for p in parameters(function) if p.kind == p.POSITIONAL_ONLY and p.name not in plain]
    named = list(plain.values())
    at = next((i for i, p in enumerate(named) if p.kind == p.VAR_POSITIONAL), 0)
    for p in (*named[:at], *given, *named[at:]):  # what *args is unpacked into stands in its place
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        role = matching.roles.get(p.name)
        if role is None:
            positional = False
            continue
        value = special[role] if role in special else config() if role == "config" else values.get(role)
        if role.startswith("unused "):
            value = UNUSED[role.removeprefix("unused ")]
        if role == "training":
            value = (
                ("train" if values.get(role, True) else "test")
                if isinstance(p.default, str) or p.name == "mode"
                else value
            )
        if p.kind == p.POSITIONAL_ONLY or (positional and p.kind != p.KEYWORD_ONLY):
            args.append(value)
        else:
            kwargs[p.name] = value
    return guarded(where, function, *args, **kwargs)
