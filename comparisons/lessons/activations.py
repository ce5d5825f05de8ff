"""Tanh trains better than sigmoid in hidden layers because its mean is zero; through deep sigmoids gradients vanish.

Varied: the activation of 64-24-24-24-10, each at its best learning rate; seven hidden layers. Three pairs differ in
the mean alone: sigmoid and sigmoid - 1/2 (slope 1/4); sigmoid(4x), the steep one, and sigmoid(4x) - 1/2 (slope 1);
tanh + 1 and tanh (slope 1).
Measured: the mean training loss over the epochs; the first layer's first gradient as a share of the last layer's.
Refuted by: a sigmoid that trains as well as tanh, a pair that trains equally well, or deep sigmoids whose gradients are
no smaller in front.
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

# name: height, factor and less of `Squash`
SQUASHED = {
    "sigmoid, mean 0": (1, 1, 0.5),
    "steep sigmoid": (1, 4, 0),
    "steep sigmoid, mean 0": (1, 4, 0.5),
    "tanh, mean 1": (2, 2, 0),  # tanh(x) + 1 = 2 sigmoid(2 x)
}
PLAIN = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "ReLU", "leaky-relu": "LeakyReLU", "gelu": "GELU"}
# The best of 0.01, 0.03, 0.1, 0.3 and 1 (at a slope of 1/4: and 3) for each, in the mean over the seeds 100 to 109.
RATES = {
    "sigmoid": 0.03,
    "sigmoid, mean 0": 1.0,
    "steep sigmoid": 0.3,
    "steep sigmoid, mean 0": 0.3,
    "tanh": 0.1,
    "tanh, mean 1": 0.1,
    "relu": 0.1,
    "leaky-relu": 0.1,
    "gelu": 0.1,
}
RATES_OF_SEVEN = {"sigmoid": 0.03, "tanh": 0.1}


class Squash(torchref.nn.Module):
    """y = height s - less, with s = sigmoid(factor x). Its slope at 0 is height factor / 4.

    Backward: dx = dy height s (1 - s) factor, the chain rule through the three.
    """

    def __init__(self, height: float, factor: float, less: float) -> None:
        super().__init__()
        self.height, self.factor, self.less = height, factor, less

    def forward(self, x: Array) -> Any:
        s, sigmoid_backward = torchref.nn.functional.sigmoid(self.factor * x)

        def backward(dy: Array) -> Array:
            dx: Array = self.factor * sigmoid_backward(self.height * dy)
            return dx

        return self.height * s - self.less, backward


class TorchSquash(torch.nn.Module):
    """The torch twin of `Squash`."""

    def __init__(self, height: float, factor: float, less: float) -> None:
        super().__init__()
        self.height, self.factor, self.less = height, factor, less

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.height * torch.sigmoid(self.factor * x) - self.less


def network(nn: Any, activation: str, layers: int) -> Any:
    """`layers` hidden layers of 24 units, all with the same activation."""

    def activate() -> Any:
        if activation in PLAIN:
            return getattr(nn, PLAIN[activation])()
        return (TorchSquash if nn is torch.nn else Squash)(*SQUASHED[activation])

    stack: list[Any] = []
    for layer in range(layers):
        stack += [nn.Linear(24 if layer else 64, 24), activate()]
    for linear in [*stack[::2], last := nn.Linear(24, 10)]:
        nn.init.xavier_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
    return nn.Sequential(*stack, last)


def hidden(activation: str, layers: int = 3) -> Comparison:
    """Digits, with this activation in every hidden layer, at its best rate."""
    rate = (RATES if layers == 3 else RATES_OF_SEVEN)[activation]
    return Comparison(
        name="activations",
        claim="",
        model=network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=rate, momentum=0.9),
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
    centred, steep = loss["sigmoid, mean 0"], loss["steep sigmoid"]
    return [
        larger("tanh trains better than sigmoid", loss["sigmoid"], loss["tanh"], by=0.1),
        larger("in seven layers as well", loss["sigmoid, 7"], loss["tanh, 7"], by=0.1),
        always("seven sigmoids leave under 1 % of the gradient in front", share["sigmoid, 7"] < 0.01),
        always("seven tanh leave over 10 %", share["tanh, 7"] > 0.1),
        larger("the mean, at a slope of 1: tanh beats tanh + 1", loss["tanh, mean 1"], loss["tanh"], by=0.1),
        larger("sigmoid(4x) - 1/2 beats sigmoid(4x)", steep, loss["steep sigmoid, mean 0"], by=0.1),
        larger("the mean, at a slope of 1/4: sigmoid - 1/2 beats sigmoid", loss["sigmoid"], centred, by=0.1),
        larger("the slope counts for more: sigmoid(4x) beats sigmoid - 1/2", centred, steep, 0.1, "limit"),
        larger("ReLU, its mean not zero, beats sigmoid - 1/2", centred, loss["relu"], 0.1, "beside"),
    ]


lesson = Lesson(
    name="activations",
    claim=__doc__ or "",
    variants={
        **{activation: hidden(activation) for activation in RATES},
        **{f"{activation}, 7": hidden(activation, 7) for activation in RATES_OF_SEVEN},
    },
    measure=measure,
    judge=judge,
    cards=("figures/loss", "loss/training", "figures/share"),
    control="tanh",
    watch=watch,
    runs="sigmoid|tanh|about",  # eight settings: without those that are no part of the claim
    quick=4,
)
