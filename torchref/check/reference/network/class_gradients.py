"""The gradients of a class: returned by name, in a list or by shape, or kept by the instance beside its weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal
from torchref.check.reference.network.held_arrays import Path
from torchref.check.reference.network.names import (
    GRADIENTS,
    weight_of,
)
from torchref.nn.module import Array

BESIDE = ("grad", "grads", "gradient", "gradients")


def gradients_in(name: str, value: Any, paths: dict[str, Path]) -> dict[str, Any]:
    """The gradients in one thing that was returned: an array, or a dictionary or a list of arrays."""
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, v in value.items():
            if isinstance(v, list | tuple):  # {"W": [dW1, dW2]}
                found |= {n: g for n, g in _in_list(str(key), v, paths).items() if n not in found}
                continue
            weight = weight_of(str(key), paths) or next((n for n, p in paths.items() if p[-1][1] == key), None)
            if weight is not None and is_number(v):
                found[weight] = v
        return found
    if isinstance(value, list | tuple):
        return _in_list(name, value, paths)
    weight = weight_of(name, paths) if is_number(value) else None
    return {weight: value} if weight is not None else {}


def _in_list(name: str, value: Any, paths: dict[str, Path]) -> dict[str, Any]:
    """A list of gradients beside a list of weights: nabla_w beside weights."""
    lists: dict[Any, list[str]] = {}
    for n, p in paths.items():
        if len(p) > 1 and p[-1][0] == "i" and isinstance(p[-1][1], int):
            lists.setdefault(p[:-1], []).append(n)
    fitting = [ns for ns in lists.values() if len(ns) == len(value)]
    called = [
        ns for ns in fitting if weight_of(name, [str(paths[ns[0]][-2][1])]) or _shares_a_letter(name, paths[ns[0]])
    ]
    chosen = next(iter(called or fitting), None)
    if chosen is None or not all(is_number(v) for v in value):
        return {}
    return dict(zip(chosen, value, strict=True))


def _shares_a_letter(name: str, path: Path) -> bool:
    """nabla_w and weights, db and biases."""
    return bool(name) and normal(name)[-1] == str(path[-2][1]).lower()[:1]


def by_shape(returned: list[Any], weights: dict[str, Array]) -> dict[str, Any]:
    """Arrays without names: each belongs to the weight of its shape, in order."""
    found: dict[str, Any] = {}
    for value in returned:
        shape = np.shape(value) if is_number(value) else None
        name = next((n for n, w in weights.items() if n not in found and w.shape == shape), None)
        if name is None:
            return {}
        found[name] = value
    return found


def is_number(value: Any) -> bool:
    """Whether a value can be a gradient: an array or a number, and no bool."""
    return isinstance(value, np.ndarray | np.generic | float | int) and not isinstance(value, bool)


def kept_gradient(path: Path, kept: dict[Path, Array]) -> Any:
    """The array that the instance keeps under the name of this weight's gradient: beside it, in grads, at its place."""
    key = str(path[-1][1])

    def called(other: Path) -> bool:
        return isinstance(other[-1][1], str) and other[-1][1] != key and weight_of(other[-1][1], [key]) is not None

    def in_grads(other: Path) -> bool:  # grads["W1"]
        same = other[-1] == path[-1] or str(other[-1][1]) == key or called(other)
        return len(other) > 1 and GRADIENTS.match(str(other[-2][1])) is not None and same

    def in_place(other: Path) -> bool:  # self.dW[1] beside self.W[1]
        same = len(other) == len(path) > 1 and other[-1] == path[-1] and other[:-2] == path[:-2]
        return same and other[-2] != path[-2] and weight_of(str(other[-2][1]), [str(path[-2][1])]) is not None

    def beside(other: Path) -> bool:  # neuron["grad"] beside neuron["weights"]
        return len(other) > 1 and other[:-1] == path[:-1] and normal(str(other[-1][1])) in BESIDE

    ways = (
        lambda o: o[:-1] == path[:-1] and called(o),
        in_grads,
        in_place,
        lambda o: len(o) == 1 and called(o),
        beside,
    )
    for fits in ways:
        found = next((a for other, a in kept.items() if fits(other)), None)
        if found is not None:
            return found
    return None
