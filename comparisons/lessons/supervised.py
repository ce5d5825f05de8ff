"""Inputs and desired outputs: from tumours whose kind is known a network learns to name the kind of new ones.

Varied: the desired outputs: the right ones, or the same ones shuffled among the tumours, so that they teach nothing.
Measured: accuracy on 171 tumours that were held out, beside always naming the more frequent kind.
Refuted by: accuracy no better than that, or as good from shuffled outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from comparisons.comparison import Comparison
from comparisons.data import Data
from comparisons.datasets.bundled import breast_cancer
from comparisons.lesson import Figures, Finding, Lesson, larger
from comparisons.lesson_training import Trained


def shuffled() -> Data:
    data: Any = breast_cancer()
    labels = np.random.default_rng(0).permutation(data.train_targets[:])
    return Data(data.train_inputs, labels, data.validation_inputs, data.validation_targets)


def training(data: Any) -> Comparison:
    return Comparison(
        name="supervised",
        claim="",
        model=lambda nn: nn.Sequential(nn.Linear(30, 16), nn.Tanh(), nn.Linear(16, 2)),
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
        data=data,
        epochs=10,
    )


def measure(trained: Trained) -> dict[str, float]:
    target = trained.data.validation_targets
    return {
        "accuracy": float(np.mean(trained.model.predict(trained.data.validation_inputs).argmax(axis=1) == target)),
        "most frequent": float(np.bincount(target).max() / len(target)),
    }


def judge(f: Figures) -> list[Finding]:
    right, wrong = f["right"], f["shuffled"]
    return [
        larger(
            "new tumours: better than naming the more frequent kind", right["accuracy"], right["most frequent"], 0.1
        ),
        larger("and than what shuffled outputs teach", right["accuracy"], wrong["accuracy"], by=0.1),
    ]


lesson = Lesson(
    name="supervised",
    claim=__doc__ or "",
    variants={"right": training(breast_cancer), "shuffled": training(shuffled)},
    measure=measure,
    judge=judge,
    control="shuffled",
    quick=10,
)
