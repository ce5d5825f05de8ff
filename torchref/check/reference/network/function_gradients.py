"""The gradients that a function returns, by the weight that each belongs to."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal
from torchref.check.reading.forms.naming import stem
from torchref.check.reference.network.class_gradients import is_number
from torchref.check.reference.network.names import weight_of
from torchref.nn.module import Array


def gradients(rest: list[tuple[str, Any]], weights: dict[str, Array]) -> dict[str, Any]:
    """The gradients in `rest`, the (name, value) pairs that a function returned beside its loss, by weight.

    A name decides first. What has no name of a weight goes to the weights that are left, by shape and in order.
    """
    found: dict[str, Any] = {}
    without_name: list[Any] = []
    for name, value in rest:
        if isinstance(value, list | tuple) and len(value) == len(weights) and all(map(is_number, value)):
            found |= dict(zip(weights, value, strict=True))
        elif isinstance(value, dict):
            by_key = ((weight_of(str(key), weights), g) for key, g in value.items() if is_number(g))
            found |= {weight: g for weight, g in by_key if weight is not None}
        elif is_number(value):
            weight = _weight_of_return(name, weights)
            if weight is not None:
                found[weight] = value
            else:
                without_name.append(value)
    return found | _by_shape_of_the_rest(without_name, found, weights)


def _by_shape_of_the_rest(values: list[Any], named: dict[str, Any], weights: dict[str, Array]) -> dict[str, Any]:
    """Gradients without names: each belongs to the first weight of its shape that has none yet.

    One alone belongs to the only weight, whatever its shape: then the shape is the mistake.
    """
    found: dict[str, Any] = {}
    left = [w for w in weights if w not in named]
    for value in values:
        fitting = next((w for w in left if np.shape(value) == weights[w].shape), None)
        if fitting is not None:
            found[fitting] = value
            left.remove(fitting)
        elif len(left) == 1 and len(values) == 1 and not named:
            found[left.pop()] = value
    return found


def _weight_of_return(name: str, weights: dict[str, Array]) -> str | None:
    """The weight whose gradient a return statement calls `name`: dW1, grad_W1; dj_dw, dL_db, by what follows the d."""
    if not name:
        return None
    last = re.sub(r"^d_?", "", name.rpartition("_")[2])
    stems = (*stem(name), normal(last))
    return next((w for s in stems for w in weights if normal(w) == s), None)
