"""The arrays that an instance holds, in lists, dictionaries and objects: where each stands, and what it is called."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from torchref.nn.module import Array

Path = tuple[tuple[str, Any], ...]  # steps from an instance to an array: ("a", attribute) or ("i", key)
NUMBER = re.compile(r"(b|bias|intercept|c|w|weight|theta)\d?_?$")  # what may be one plain number
LISTED = re.compile(r"(weights?|w|bias(es)?|b|grads?|gradients?)\d?$")  # what may be a list of plain numbers
DEEP = 4


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Array]]:
    """Every array of floats that an instance holds, in lists, dictionaries and objects of the user's own."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fc":
            yield path, value
        return
    if type(value) is float and path and NUMBER.match(str(path[-1][1])):
        yield path, np.asarray(value)
        return
    if isinstance(value, list) and path and LISTED.match(str(path[-1][1])) and value and all(map(_is_float, value)):
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


def _is_float(value: Any) -> bool:
    """Whether a value is a plain number, no whole one."""
    return isinstance(value, float | np.floating)


def get(value: Any, path: Path) -> Any:
    """What stands at `path`, seen from an instance."""
    for how, key in path:
        value = getattr(value, key) if how == "a" else value[key]
    return value


def put(instance: Any, path: Path, array: Any) -> None:
    """Write an array to `path` of an instance; an array without axes becomes a plain number."""
    how, key = path[-1]
    holder = get(instance, path[:-1])
    array = array[()] if isinstance(array, np.ndarray) and array.ndim == 0 else array
    if how == "a":
        setattr(holder, key, array)
    else:
        holder[key] = array


def _title(path: Path) -> str:
    """How a weight is called: by its key, with what holds it where that is a list or an object of its own."""
    *holders, (_, last) = path
    first = [str(k) for how, k in holders if how == "i" or str(k).lower() not in ("params", "parameters", "weights")]
    lists = isinstance(last, int)
    if lists:
        holder = next((str(k) for how, k in reversed(holders) if how == "a"), "w")
        return f"{holder}[{last}]"
    where = ".".join(first[-2:]) if any(how == "i" for how, _ in holders) and len(holders) > 1 else ""
    return f"{where}.{last}" if where else str(last)


def places(instance: Any) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """Where the arrays of an instance are, by their names; and where the same ones are held again."""
    first: dict[int, Path] = {}
    again: dict[int, list[Path]] = {}
    every = list(walk(instance))  # an array that was made of a list lives as long as its id counts
    for path, array in every:
        if id(array) in first:
            again.setdefault(id(array), []).append(path)
        else:
            first[id(array)] = path
    titles = [_title(p) for p in first.values()]
    whole = len(set(titles)) < len(titles)
    names = {k: ".".join(str(key) for _, key in p) if whole else _title(p) for k, p in first.items()}
    return {names[k]: p for k, p in first.items()}, {names[k]: ps for k, ps in again.items()}
