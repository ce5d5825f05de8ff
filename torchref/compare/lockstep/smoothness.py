"""How smooth the loss is at the present weights: follow it, and its gradient, along the gradient's direction."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from torchref.compare.lockstep.twins import NumpyTwin, TorchTwin
from torchref.nn.module import Array
from torchref.nn.random import Tape
from torchref.twin.weights import to_tensor

__all__ = ["along_gradient"]


@dataclass
class Along:
    """Losses L(w - s g) at the steps s, with g the gradient at w, and how far the gradient there is from g."""

    losses: Array  # (S,)
    changes: Array  # |gradient(w - s g) - g|, (S,)
    distances: Array  # |s g|, (S,)

    @property
    def loss_range(self) -> float:
        """From the least to the greatest loss among the steps: how far a step's success depends on its length."""
        return float(self.losses.max() - self.losses.min())

    @property
    def gradient_range(self) -> float:
        """From the least to the greatest change of the gradient: how little it says about where it leads."""
        return float(self.changes.max() - self.changes.min())

    @property
    def smoothness(self) -> float:
        """The greatest change of the gradient for the distance gone: on a quadratic, its curvature along g."""
        return float(np.max(self.changes / self.distances)) if self.distances.all() else 0.0


def along_gradient(twin: NumpyTwin | TorchTwin, x: Array, target: Array, steps: Sequence[float]) -> Along:
    """Look along the gradient of the loss of (x, target), in training mode, as Santurkar et al. 2018 do.

    On a copy: weights, gradients and running statistics stay as they are. For networks that draw nothing.
    """
    twin = copy.deepcopy(twin)
    start = {name: weight.copy() for name, weight in twin.named_weights().items()}
    _, gradient = loss_and_gradient(twin, x, target)
    losses, changes = [], []
    for step in steps:
        for name, parameter in twin.parameters.items():
            moved = start[name] - step * gradient[name]
            parameter.data = moved if isinstance(twin, NumpyTwin) else to_tensor(moved, twin.device)
        loss, there = loss_and_gradient(twin, x, target)
        losses.append(loss)
        changes.append(size({name: there[name] - gradient[name] for name in gradient}))
    return Along(np.array(losses), np.array(changes), np.array(steps) * size(gradient))


def loss_and_gradient(twin: NumpyTwin | TorchTwin, x: Array, target: Array) -> tuple[float, dict[str, Array]]:
    """In training mode; a running statistic moves, but no training-mode loss depends on it."""
    loss = (twin.gradients(x, target, Tape([])) if isinstance(twin, NumpyTwin) else twin.gradients(x, target))[1]
    return float(loss), {name: g.copy() for name, g in twin.named_gradients().items() if g is not None}


def size(gradient: dict[str, Array]) -> float:
    """The Euclidean norm over all entries."""
    return float(np.sqrt(sum(float(np.sum(g * g)) for g in gradient.values())))
