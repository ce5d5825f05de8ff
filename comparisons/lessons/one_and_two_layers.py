"""One layer (logistic regression) cannot separate a disc from the ring around it; four hidden neurons can.

Varied: sigmoid(w x + b) alone, or behind four tanh neurons; binary cross-entropy, the same data and order.
Measured: accuracy on held-out points. And the step written out by hand, in the columns of most textbooks: W of layer l
is (n_l, n_(l-1)), b is (n_l, 1), examples are columns; its gradients beside those of the training.
Refuted by: a single layer that does as well, or gradients that differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import torchref
from torchref.compare import Comparison, Data
from torchref.compare.data import split
from torchref.compare.record.pictures import decisions
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Figures, Finding, Lesson, Trained, equal, gradients_of, larger
from torchref.nn.module import Array


def disc_and_ring() -> Data:
    """400 points in the plane: 1 inside radius 1, 0 in the ring from 1.5 to 2.5."""
    rng = np.random.default_rng(0)
    inside = np.arange(400) % 2 == 0
    radius = np.where(inside, rng.uniform(0, 1, 400), rng.uniform(1.5, 2.5, 400))
    angle = rng.uniform(0, 2 * np.pi, 400)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return split(points, inside[:, None].astype(np.float64), validation=0.5)


def one(nn: Any) -> Any:
    """Logistic regression."""
    return nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())


def two(nn: Any) -> Any:
    """Four hidden units before it."""
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())


def layers(model: Any) -> Comparison:
    """The disc and the ring, learned by this network."""
    return Comparison(
        name="one_and_two_layers",
        claim="",
        model=model,
        loss=lambda nn: nn.BCELoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.3, momentum=0.9),
        data=disc_and_ring,
        epochs=40,
        batch_size=50,
    )


def by_hand(x: Array, y: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> tuple[float, list[Array]]:
    """Cost and gradients of two layers; n_0 = 2, n_1 = 4, n_2 = 1, m examples in columns."""
    m = x.shape[1]
    z1 = w1 @ x + b1  # (n_1, m) = (n_1, n_0) (n_0, m) + (n_1, 1)
    a1 = np.tanh(z1)  # (n_1, m)
    z2 = w2 @ a1 + b2  # (n_2, m)
    a2 = 1 / (1 + np.exp(-z2))  # (n_2, m)
    cost = -np.sum(y * np.log(a2) + (1 - y) * np.log(1 - a2)) / m
    dz2 = (a2 - y) / m  # (n_2, m): sigmoid and cross-entropy together
    dw2 = dz2 @ a1.T  # (n_2, n_1)
    db2 = dz2.sum(axis=1, keepdims=True)  # (n_2, 1)
    dz1 = (w2.T @ dz2) * (1 - a1 * a1)  # (n_1, m)
    dw1 = dz1 @ x.T  # (n_1, n_0)
    db1 = dz1.sum(axis=1, keepdims=True)  # (n_1, 1)
    return float(cost), [dw1, db1, dw2, db2]


def measure(trained: Trained) -> dict[str, float]:
    x, y = trained.data.validation_inputs, trained.data.validation_targets
    figures = {"accuracy": float(np.mean((trained.model.predict(x) > 0.5) == (y > 0.5)))}
    if len(trained.model) == 4:
        w1, b1, w2, b2 = (parameter.data for parameter in trained.model.parameters())
        _, found = by_hand(x.T, y.T, w1, b1[:, None], w2, b2[:, None])
        asserted = gradients_of(trained.model, torchref.nn.BCELoss(), x, y).values()
        figures["by hand"] = max(np.abs(a.reshape(b.shape) - b).max() for a, b in zip(found, asserted, strict=True))
    return figures


def judge(f: Figures) -> list[Finding]:
    findings = [
        larger("four hidden neurons separate what one line cannot", f["two"]["accuracy"], f["one"]["accuracy"], by=0.1),
        larger("they are right for more than 95 %", f["two"]["accuracy"], 0.95),
    ]
    if "by hand" in f["two"]:
        findings.append(equal("the step by hand gives the same gradients", f["two"]["by hand"], 1e-12))
    return findings


def show(recorder: Recorder, trained: Trained) -> None:
    """The plane as the network colours it: its decision boundary."""
    x, target = trained.data.train_inputs[:], trained.data.train_targets[:].ravel().astype(int)
    picture = decisions(trained.model.predict, x, target, "What the network answers in the plane")
    recorder.image("numpy", "examples/decisions", picture, trained.lockstep.steps)


lesson = Lesson(
    name="one_and_two_layers",
    claim=__doc__ or "",
    variants={"one": layers(one), "two": layers(two)},
    measure=measure,
    judge=judge,
    cards=("figures/accuracy", "loss/training"),
    control="one",
    show=show,
)
