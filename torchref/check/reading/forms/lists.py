"""Code in plain Python, without NumPy: its matrices are lists of lists.

def relu_forward(x):
    return [[max(0.0, v) for v in row] for row in x], x
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

LIBRARIES = ("numpy", "torch", "cupy", "jax", "autograd")


def for_lists(function: Any) -> bool:
    """Whether a function loops over its arguments, in a file that knows no arrays."""
    if not inspect.isfunction(function):
        return False
    known = {v.__name__ for v in function.__globals__.values() if inspect.ismodule(v)}
    try:
        source = inspect.getsource(function)
    except OSError:
        return False
    return not known & set(LIBRARIES) and "import numpy" not in source and re.search(r"\bfor\b", source) is not None


def on_lists(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function on arrays: it is handed lists, and what it returns becomes arrays; so does its backward."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return _as_arrays(function(*map(_as_lists, args), **{k: _as_lists(v) for k, v in kwargs.items()}))

    return called


def _as_lists(value: Any) -> Any:
    """An array as a list; each part of a cache so."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple):
        return tuple(map(_as_lists, value))
    return {k: _as_lists(v) for k, v in value.items()} if type(value) is dict else value


def _as_arrays(value: Any) -> Any:
    """A list of numbers, or of such lists, as an array; each part of what is returned so."""
    if isinstance(value, list):
        kind = _kind(value)
        return np.array(value) if kind in ("f", "i", "b") else [_as_arrays(v) for v in value]
    if isinstance(value, tuple):
        return tuple(map(_as_arrays, value))
    if type(value) is dict:
        return {k: _as_arrays(v) for k, v in value.items()}
    return on_lists(value) if inspect.isfunction(value) else value


def _kind(value: list[Any]) -> str:
    """The kind of number that nested lists hold; of ragged ones and others no kind."""
    try:
        return np.array(value).dtype.kind
    except ValueError:
        return ""
