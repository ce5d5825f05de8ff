"""Layers that change their weights in their own backward, and keep no gradients.

    def backward(self, output_gradient, learning_rate):
        self.weights -= learning_rate * output_gradient @ self.input.T

The gradient is the change of the weight over the rate. The rate is 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal
from torchref.check.reading.forms.attributes import Place, get, held_data
from torchref.nn.module import Array

RATES = ("lr", "learningrate", "stepsize", "eta", "lrate")
RATE = 1.0


def is_rate(name: str) -> bool:
    """Whether a name is that of a learning rate."""
    return normal(name) in RATES


def held_weights(instance: Any, places: dict[str, Place]) -> dict[str, Array]:
    """Copies of the arrays that an instance holds."""
    found: dict[str, Array] = {}
    for name, at in places.items():
        data = held_data(get(instance, *at))
        if isinstance(data, np.ndarray) and data.dtype.kind == "f" and not name.startswith("running_"):
            found[name] = data.copy()
    return found


def changes(instance: Any, places: dict[str, Place], before: dict[str, Array]) -> dict[str, Array]:
    """What the backward has taken off the weights: their gradients, for a rate of 1."""
    after = held_weights(instance, {n: places[n] for n in before})
    return {
        n: (before[n] - w) / RATE
        for n, w in after.items()
        if w.shape == before[n].shape and not np.array_equal(w, before[n])
    }
