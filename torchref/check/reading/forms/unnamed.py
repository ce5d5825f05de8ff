"""What no known name tells: which array of a class is the weight, which of its arrays is a gradient, what is a rate.

self.gewichte, self.poids, self.pesos       an array of the weight's shape, axes in whatever order
self.cambio                                 an array of the weight's shape that the backward has made
def atras(self, gradiente, tasa): ...       what a backward asks for beside its upstream gradient
self.pesos -= self.tasa * d                 the attribute that multiplies a step
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.reading.arguments import aliases, normal
from torchref.check.reading.forms.attributes import RESERVED, Place, held_data, members
from torchref.check.reading.forms.naming import stem
from torchref.check.reading.unused import Descent
from torchref.nn.module import Array

BEGINNINGS = {"running_mean": 0.0, "running_var": 1.0}  # what these are made of in a constructor


class Rate(float, Descent):
    """What a backward is handed beside its upstream gradient: a rate of 1, and an optimizer whose rate that is."""


def entries(instance: Any) -> Iterator[tuple[Place, str, Array]]:
    """The arrays of floats that an instance holds, in the order in which they were made."""
    for key, value in members(instance).items():
        inner = value.items() if isinstance(value, dict) else ()
        for place, name, held in (
            (("attribute", key), key, value),
            *((("dict", (key, k)), str(k), v) for k, v in inner),
        ):
            data = held_data(held)
            if data is not None and data.dtype.kind == "f" and data.ndim:
                yield place, name, data


def places_by_shape(
    op: Op, instance: Any, missing: Iterable[str], values: dict[str, Any], taken: Iterable[Any]
) -> dict[str, Place]:
    """Where an instance holds the arrays that no name tells: those of their shapes, in order."""
    known = {n for a in op.arguments for n in aliases(op, a.name)} | RESERVED
    there = list(entries(instance))
    names = {normal(name) for _, name, _ in there}
    free = [
        (place, data) for place, name, data in there
        if place not in taken and normal(name) not in known and not names & set(stem(name))
    ]  # fmt: skip
    found: dict[str, Place] = {}
    for name in missing:
        fitting = [(place, data) for place, data in free if same_lengths(data, values.get(name))]
        beginning = BEGINNINGS.get(name, op.argument(name).neutral)
        likely = [p for p, data in fitting if beginning is not None and (data == beginning).all()]
        if fitting:
            found[name] = (likely or [fitting[0][0]])[0]
            free = [(p, data) for p, data in free if p != found[name]]
    return found


def same_lengths(one: Array, other: Any) -> bool:
    """Whether two arrays have axes of the same lengths, in whatever order; those of length 1 aside."""
    if not isinstance(other, np.ndarray):
        return False
    return sorted(n for n in one.shape if n != 1) == sorted(n for n in other.shape if n != 1)


def made_since(instance: Any, before: dict[int, Any], shape: tuple[int, ...]) -> Array | None:
    """The one array of this shape that an instance holds now and did not before; None where there are several.

    Axes of length 1 aside: what keeps them is told so.
    """
    lengths = [n for n in shape if n != 1]
    held = (data for _, _, data in entries(instance) if id(data) not in before)
    new = [data for data in held if [n for n in data.shape if n != 1] == lengths]
    return new[0] if len(new) == 1 else None


def rates_of_steps(instance: Any, method: str) -> list[str]:
    """The numbers of an instance that multiply a step: self.w -= self.rate * dw, self.w = self.w - self.rate * dw."""
    try:
        source = inspect.getsource(getattr(type(instance), method))
    except (OSError, TypeError, AttributeError):
        return []
    read = re.findall(r"-=?\s*\(?self\.(\w+)\s*\*", source) + re.findall(r"-=[^\n]*\*\s*self\.(\w+)\s*$", source, re.M)
    return [n for n in dict.fromkeys(read) if isinstance(getattr(instance, n, None), float)]
