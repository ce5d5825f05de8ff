"""Squared error and cross-entropy have the same minimum and different gradients; cross-entropy does not stall.

Varied: the cost of a sigmoid neuron: squared error with 1/(2n), with 1/n, cross-entropy. It starts badly wrong (weights
of -2 times the right ones), as a network is that is sure of a mistake; targets are probabilities within its
reach.
Measured: the first gradient; the distance from the right weights at the end; the gradient of each cost at the right
weights, and at those of noisy labels.
Refuted by: squared error that comes as far, or a gradient at the minimum of the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import torchref
from torchref.compare import Comparison, Data
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, equal, gradients_of, larger
from torchref.nn.module import Array

RIGHT = np.array([[2.0, -1.0, 0.5]])


class HalfSquaredError(torchref.nn.Module):
    """sum (y - t)^2 / (2 n): the 1/2 takes away the 2 of the derivative."""

    def forward(self, y: Array, target: Array) -> Any:
        error = y - target

        def backward() -> Array:
            return error / error.size

        return np.asanyarray((error * error).sum() / (2 * error.size)), backward


class TorchHalfSquaredError(torch.nn.Module):
    """The torch twin of `HalfSquaredError`."""

    def forward(self, y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((y - target) ** 2).sum() / (2 * y.numel())


def half(nn: Any) -> Any:
    """The loss for both engines."""
    return TorchHalfSquaredError() if nn is torch.nn else HalfSquaredError()


def inputs() -> Array:
    """200 points of 3 coordinates."""
    return np.random.default_rng(0).standard_normal((200, 3))


def reachable() -> Data:
    """Targets that are exactly what the right weights give."""
    x = inputs()
    y = 1 / (1 + np.exp(-x @ RIGHT.T))
    return Data(x, y, x, y)


def model(nn: Any) -> Any:
    linear = nn.Linear(3, 1, bias=False)
    nn.init.normal_(linear.weight, std=0.3)
    wrong = -2 * RIGHT + (linear.weight.detach().numpy() if nn is torch.nn else linear.weight.data)
    if nn is torch.nn:
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(wrong))
    else:
        linear.weight.data = wrong
    return nn.Sequential(linear, nn.Sigmoid())


def cost(loss: Any, lr: float = 1.0) -> Comparison:
    """The same network and data, with this loss."""
    return Comparison(
        name="cost_functions",
        claim="",
        model=model,
        loss=loss,
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=lr),
        data=reachable,
        epochs=150,
        batch_size=200,
    )


def watch(trained: Trained, step: Any) -> None:
    trained.kept.setdefault("first", float(np.linalg.norm(step.numpy_gradients["0.weight"])))


def measure(trained: Trained) -> dict[str, float]:
    weight, criterion, x = trained.model[0].weight.data, trained.lockstep.numpy_twin.criterion, inputs()
    fresh = torchref.nn.Sequential(torchref.nn.Linear(3, 1, bias=False), torchref.nn.Sigmoid()).to(np.float64)
    fresh[0].weight.data = RIGHT if not trained.off else weight
    at_right = gradients_of(fresh, criterion, x, trained.data.train_targets)["0.weight"]
    labels = (trained.rng.random((200, 1)) < trained.data.train_targets).astype(np.float64)  # noisy: unreachable
    fresh[0].weight.data = logistic_fit(x, labels)
    at_fit = gradients_of(fresh, criterion, x, labels)["0.weight"]
    return {
        "first gradient": trained.kept["first"],
        "distance": float(np.linalg.norm(weight - RIGHT)),
        "gradient at the right weights": float(np.abs(at_right).max()),
        "gradient at cross-entropy's fit": float(np.abs(at_fit).max()),
        "weight": float(weight[0, 0]),
    }


def logistic_fit(x: Array, y: Array) -> Array:
    """The minimum of cross-entropy, by Newton's method."""
    w = np.zeros((1, 3))
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ w.T))
        w = w - np.linalg.solve((x * p * (1 - p)).T @ x, x.T @ (p - y)).T
    return w


def judge(f: Figures) -> list[Finding]:
    squared, entropy, halved = f["squared error"], f["cross-entropy"], f["half"]
    every = [figures["gradient at the right weights"] for figures in f.values()]
    unreachable = "noisy labels, which no weights reach: squared error's minimum is not cross-entropy's"
    return [
        equal("targets within reach: the right weights are the minimum of all", every, 1e-12),
        equal("1/(2n) at twice the rate is 1/n, step by step", halved["weight"] - squared["weight"], 1e-9),
        always(
            "where it is sure and wrong, cross-entropy's gradient is more than 3 times as large",
            entropy["first gradient"] > 3 * squared["first gradient"],
        ),
        larger(
            "after 150 steps squared error is over 10 times as far away", squared["distance"], 10 * entropy["distance"]
        ),
        always(unreachable, squared["gradient at cross-entropy's fit"] > 1e-4, role="limit"),
    ]


lesson = Lesson(
    name="cost_functions",
    claim=__doc__ or "",
    variants={
        "squared error": cost(lambda nn: nn.MSELoss()),
        "half": cost(half, lr=2.0),
        "cross-entropy": cost(lambda nn: nn.BCELoss()),
    },
    measure=measure,
    judge=judge,
    cards=("figures/first gradient", "figures/distance", "loss/training"),
    control="squared error",
    watch=watch,
)
