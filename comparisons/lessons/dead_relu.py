"""Where a ReLU's input is negative its derivative is zero (not undefined): units die; with a leaky ReLU they learn on.

Varied: ReLU or leaky ReLU, behind biases that start at -1, so that most units are silent for every example; and ReLU
behind biases of 0. Measured: the share of units silent for every training example, the gradients that reach
their weights, and the training loss. Refuted by: a silent unit with a gradient, or ReLU as low as leaky ReLU.
Beside it: at 0 alone a ReLU has no derivative; torch and this library take 0 there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import torchref
from torchref.compare import Comparison
from torchref.compare.datasets.bundled import digits
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, equal, gradients_of, larger

HIDDEN = 32


def network(nn: Any, activation: str, bias: float) -> Any:
    """One hidden layer, whose biases all start at `bias`."""
    first = nn.Linear(64, HIDDEN)
    nn.init.constant_(first.bias, bias)
    return nn.Sequential(first, (nn.LeakyReLU(0.1) if activation == "LeakyReLU" else nn.ReLU()), nn.Linear(HIDDEN, 10))


def training(activation: str, bias: float) -> Comparison:
    """Digits, with this activation and start."""
    return Comparison(
        name="dead_relu",
        claim="",
        model=network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
        data=lambda: digits(0.6),
        variants={activation: {"activation": activation, "bias": bias}},
        epochs=8,
    )


def measure(trained: Trained) -> dict[str, float]:
    x, target = trained.data.train_inputs, trained.data.train_targets
    z = trained.model[0].predict(x)  # (N, 32)
    silent = (z < 0).all(axis=0)
    gradients = gradients_of(trained.model, torchref.nn.CrossEntropyLoss(), x, target)["0.weight"]
    _, backward = torchref.nn.functional.relu(np.array([-2.0, -1e-300, 0.0, 2.0]))
    return {
        "silent": silent.mean(),
        "gradient of silent units": np.abs(gradients[silent]).max(initial=0.0),
        "slope": np.abs(backward(np.ones(4)) - [0, 0, 0, 1]).max(),
        "loss": trained.last("loss/training"),
    }


def judge(f: Figures) -> list[Finding]:
    relu, leaky, usual = f["relu"], f["leaky-relu"], f["relu, bias 0"]
    return [
        equal("the slope at -2 and at -1e-300 is 0, at 2 it is 1 (and at 0, by convention, 0)", relu["slope"], 0.0),
        larger("ReLU: most units are silent for every example, to the end", relu["silent"], 0.5),
        equal("and get no gradient at all: they cannot come back", relu["gradient of silent units"], 0.0),
        always("leaky ReLU's silent units do get one", leaky["gradient of silent units"] > 1e-9),
        larger("and its loss is lower", relu["loss"], leaky["loss"], by=0.05),
        larger("from biases of 0 most ReLUs live", 0.5, usual["silent"], role="limit"),
    ]


lesson = Lesson(
    name="dead_relu",
    claim=__doc__ or "",
    variants={
        "relu": training("ReLU", -1.0),
        "leaky-relu": training("LeakyReLU", -1.0),
        "relu, bias 0": training("ReLU", 0.0),
    },
    measure=measure,
    judge=judge,
    cards=("figures/silent", "figures/gradient of silent units", "loss/training"),
    control="relu, bias 0",
)
