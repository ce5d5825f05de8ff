"""Weights that start at zero learn nothing, or stay symmetric, in a network of several layers; random ones do not.

Varied: how the weights of 64-32-32-10 (tanh) start: zero, one constant for all, random. And a single layer from zero.
Measured: validation accuracy, and whether the 32 neurons of the first layer ever differ.
Refuted by: a network that starts from zero or from a constant and does as well as one that starts from random weights.
Beside it: the scale matters. Xavier's keeps the signal of ten tanh layers alive, a hundredth of it does not.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from torchref.compare import Comparison
from torchref.compare.datasets import bundled
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, equal, larger

HIDDEN = 32


def network(nn: Any, start: str, layers: int, scale: float = 1.0) -> Any:
    """`layers` hidden layers of tanh on the digits; `start` says how the weights begin."""
    sizes = [64, *[HIDDEN] * layers, 10]
    stack: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        linear = nn.Linear(inputs, outputs)
        nn.init.zeros_(linear.bias)
        if start == "random":
            nn.init.xavier_uniform_(linear.weight, gain=scale)
        else:
            nn.init.constant_(linear.weight, {"zero": 0.0, "constant": 0.05}[start])
        stack += [linear, nn.Tanh()]
    return nn.Sequential(*stack[:-1])


def start(start: str, layers: int = 2, scale: float = 1.0) -> Comparison:
    """Digits, learned from weights that start so."""
    return Comparison(
        name="zero_initialization",
        claim="",
        model=network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.2),
        data=partial(bundled.digits, 0.7),  # few to train on
        variants={start: {"start": start, "layers": layers, "scale": scale}},
        epochs=8,
    )


def measure(trained: Trained) -> dict[str, float]:
    first = trained.model[0].weight.data  # (32, 64), or (10, 64) of a single layer
    return {
        "accuracy": trained.last("accuracy/validation"),
        "neurons differ": float(np.ptp(first, axis=0).max()),  # 0: all rows, that is all neurons, are equal
        "moved": float(np.abs(trained.model[0].weight.grad).max()),
    }


def judge(f: Figures) -> list[Finding]:
    accuracy = {name: figures["accuracy"] for name, figures in f.items()}
    return [
        larger("two hidden layers: random weights beat zero weights", accuracy["random"], accuracy["zero"], by=0.3),
        larger("random weights beat equal weights", accuracy["random"], accuracy["constant"], by=0.1),
        equal("from zero the first layer's gradient is zero: it never moves", f["zero"]["moved"], 0.0),
        equal("from a constant the neurons of a layer stay equal", f["constant"]["neurons differ"], 1e-9),
        always("from random weights they differ", f["random"]["neurons differ"] > 0.1),
        larger("a single layer learns from zero", accuracy["single-zero"], 0.8, role="limit"),
        larger("ten layers: Xavier's scale beats a hundredth of it", accuracy["deep"], accuracy["deep-tiny"], by=0.1),
    ]


lesson = Lesson(
    name="zero_initialization",
    claim=__doc__ or "",
    variants={
        "random": start("random"),
        "zero": start("zero"),
        "constant": start("constant"),
        "single-zero": start("zero", layers=0),
        "deep": replace(start("random", layers=10), epochs=8),
        "deep-tiny": start("random", layers=10, scale=0.01),
    },
    measure=measure,
    judge=judge,
    cards=("figures/accuracy", "accuracy/validation", "figures/neurons differ"),
    control="random",
)
