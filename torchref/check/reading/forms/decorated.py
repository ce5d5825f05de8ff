"""Functions behind a decorator that does not use functools.wraps: what they take is what the wrapped function takes.

def logged(function):
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner
"""

from __future__ import annotations

import inspect
from typing import Any


def see_through(code: Any) -> None:
    """Set __wrapped__, as functools.wraps does, on a function, on both of a pair, or on the methods of a class."""
    if isinstance(code, tuple | list):
        functions = list(code)
    else:
        functions = [m for cls in code.__mro__ for m in vars(cls).values()] if inspect.isclass(code) else [code]
    for function in filter(inspect.isfunction, functions):
        kinds = {p.kind for p in inspect.signature(function).parameters.values()}
        wrapped = [c for c in map(content, function.__closure__ or ()) if inspect.isfunction(c)]
        if kinds == {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} and len(wrapped) == 1:
            function.__wrapped__ = wrapped[0]  # type: ignore[attr-defined]


def content(cell: Any) -> Any:
    """What a variable of an enclosing function holds; None before it holds anything."""
    try:
        return cell.cell_contents
    except ValueError:
        return None
