"""A large network fits the training set and does poorly on held-out data.

Varied: 4, 16 or 256 hidden neurons on 100 digits of which a fifth is labelled wrong; 256 on 1,200 digits, all right.
Measured: training accuracy, the gap between held-out and training loss, held-out accuracy.
Refuted by: a large network that does not fit the training set, or that has no gap. And for "because it is large": by a
large network that is right on held-out data more often than a small one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare import Comparison, Data
from torchref.compare.datasets.bundled import digits
from torchref.compare.teach import Figures, Finding, Lesson, Trained, larger


def few() -> Data:
    """100 digits to train on, a fifth of them with a label drawn at random."""
    data: Any = digits()
    rng = np.random.default_rng(0)
    labels = data.train_targets[:100].copy()
    wrong = rng.random(100) < 0.2
    labels[wrong] = rng.integers(0, 10, wrong.sum())
    return Data(data.train_inputs[:100], labels, data.validation_inputs, data.validation_targets)


def training(hidden: int, data: Any = few, epochs: int = 70) -> Comparison:
    """Few digits, learned by this many hidden units."""
    return Comparison(
        name="overfitting",
        claim="",
        model=lambda nn: nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10)),
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
        data=data,
        epochs=epochs,
        batch_size=50,
    )


def measure(trained: Trained) -> dict[str, float]:
    return {
        "training accuracy": trained.last("accuracy/training"),
        "accuracy": trained.last("accuracy/validation"),
        "gap": trained.last("loss/validation") - trained.last("loss/training"),
    }


def judge(f: Figures) -> list[Finding]:
    large, small, enough = f["256"], f["16"], f["256, enough data"]
    return [
        larger("the large network fits the training set, wrong labels and all", large["training accuracy"], 0.98),
        larger("its loss on held-out data is far above that in training", large["gap"], 0.5),
        larger("with enough data the gap is small: not size alone", large["gap"], 5 * enough["gap"], role="limit"),
        larger(
            "and 16 neurons are right on held-out data no more often",
            large["accuracy"],
            small["accuracy"] - 0.02,
            role="limit",
        ),
    ]


lesson = Lesson(
    name="overfitting",
    claim=__doc__ or "",
    variants={
        "4": training(4),
        "16": training(16),
        "256": training(256),
        "256, enough data": training(256, digits, epochs=8),
    },
    measure=measure,
    judge=judge,
    cards=("figures/gap", "figures/training accuracy", "accuracy/validation"),
    control="256, enough data",
)
