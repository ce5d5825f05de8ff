"""Tanh trains better than sigmoid in hidden layers because its mean is zero; through deep sigmoids gradients vanish.

Varied: the activation of 64-24-24-24-10; sigmoid less 1/2 (mean zero, sigmoid's slope);
seven hidden layers.
Measured: the mean training loss over the epochs; the first layer's first gradient as a share of the last layer's.
Beside it: at sigmoid's slope, 1/4, six epochs teach nothing, with a mean of zero or without. So the pair says little of
what a mean is worth at a slope of 1 (manual/decisions/verdicts-of-lessons.md has figures).
Refuted by: a sigmoid that trains as well as tanh, a centred sigmoid that trains no better than a sigmoid, or deep
sigmoids whose gradients are no smaller in front.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import torchref
from torchref.compare import Comparison
from torchref.compare.datasets.bundled import digits
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, larger
from torchref.nn.module import Array


class CentredSigmoid(torchref.nn.Module):
    """y = sigmoid(x) - 1/2. Backward: dx = dy s (1 - s)."""

    def forward(self, x: Array) -> Any:
        s, backward = torchref.nn.functional.sigmoid(x)
        return s - 0.5, backward


class TorchCentredSigmoid(torch.nn.Module):
    """The torch twin of `CentredSigmoid`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x) - 0.5


def network(nn: Any, activation: str, layers: int) -> Any:
    """`layers` hidden layers of 24 units, all with the same activation."""
    if activation == "centred sigmoid":
        make: Any = TorchCentredSigmoid if nn is torch.nn else CentredSigmoid
    else:
        make = getattr(nn, activation)
    stack: list[Any] = []
    for layer in range(layers):
        stack += [nn.Linear(24 if layer else 64, 24), make()]
    for linear in [*stack[::2], last := nn.Linear(24, 10)]:
        nn.init.xavier_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
    return nn.Sequential(*stack, last)


def hidden(activation: str, layers: int = 3) -> Comparison:
    """Digits, with this activation in every hidden layer."""
    return Comparison(
        name="activations",
        claim="",
        model=network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
        data=lambda: digits(0.6),
        variants={activation: {"activation": activation, "layers": layers}},
        epochs=6,
    )


def watch(trained: Trained, step: Any) -> None:
    if "share" not in trained.kept:
        norms = [float(np.linalg.norm(g)) for name, g in step.numpy_gradients.items() if "weight" in name]
        trained.kept["share"] = norms[0] / norms[-1]


def measure(trained: Trained) -> dict[str, float]:
    return {"loss": float(trained.curve("loss/training").mean()), "share": trained.kept["share"]}


def judge(f: Figures) -> list[Finding]:
    loss = {name: figures["loss"] for name, figures in f.items()}
    share = {name: figures["share"] for name, figures in f.items()}
    return [
        larger("tanh trains better than sigmoid", loss["sigmoid"], loss["tanh"], by=0.1),
        larger("seven layers: with sigmoid too", loss["sigmoid, 7"], loss["tanh, 7"], by=0.1),
        always("seven sigmoids leave under 1 % of the gradient in front", share["sigmoid, 7"] < 0.01),
        always("seven tanh leave over 10 %", share["tanh, 7"] > 0.1),
        larger("the mean is the reason: sigmoid - 1/2 gains over 0.05", loss["sigmoid"], loss["centred"], by=0.05),
        larger("the slope: tanh, 4 times as steep, beats it", loss["centred"], loss["tanh"], 0.1, "instead"),
        larger(
            "the slope gains more", loss["centred"] - loss["tanh"], loss["sigmoid"] - loss["centred"], role="instead"
        ),
        larger("ReLU, its mean not zero, beats both sigmoids", loss["centred"], loss["relu"], 0.1, "instead"),
    ]


lesson = Lesson(
    name="activations",
    claim=__doc__ or "",
    variants={
        "sigmoid": hidden("Sigmoid"),
        "centred": hidden("centred sigmoid"),
        "tanh": hidden("Tanh"),
        "relu": hidden("ReLU"),
        "leaky-relu": hidden("LeakyReLU"),
        "gelu": hidden("GELU"),
        "sigmoid, 7": hidden("Sigmoid", 7),
        "tanh, 7": hidden("Tanh", 7),
    },
    measure=measure,
    judge=judge,
    cards=("figures/loss", "loss/training", "figures/share"),
    control="tanh",
    watch=watch,
    quick=4,
)
