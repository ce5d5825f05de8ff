"""Inputs only: an autoencoder's code groups similar images, though it never sees a label.

Varied: an autoencoder 64-32-8-32-64 of the digits, trained, or with a learning rate of 0 (its random start).
Measured: how often a held-out digit's nearest neighbour, by its 8 numbers of code, shows the same digit; the error of
the reconstruction. The labels are looked at after training alone.
Refuted by: neighbours no more alike than those of the random start's code.
Beside it: are they more alike than by the 64 pixels themselves?
"""

from __future__ import annotations

from typing import Any

import numpy as np

from comparisons.comparison import Comparison
from comparisons.datasets.bundled import digit_images, digits
from comparisons.lesson import Figures, Finding, Lesson, larger
from comparisons.lesson_training import Trained
from comparisons.record import Recorder
from torchref.models.plain import autoencoder
from torchref.nn.module import Array


def coding(lr: float) -> Comparison:
    return Comparison(
        name="unsupervised",
        claim="",
        model=lambda nn: autoencoder(nn, code=8),
        loss=lambda nn: nn.MSELoss(),
        optimizer=lambda optim, parameters: optim.Adam(parameters, lr=lr),
        data=digit_images,
        epochs=12,
    )


def measure(trained: Trained) -> dict[str, float]:
    x = trained.data.validation_inputs
    labels: Any = digits().validation_targets[:]
    code = x
    for layer in list(trained.model)[:3]:
        code = layer.predict(code)
    return {
        "alike": alike(code, labels),
        "alike, pixels": alike(x, labels),
        "error": trained.last("loss/validation"),
    }


def alike(points: Array, labels: Array) -> float:
    """The share of points whose nearest other point has the same label."""
    squares = (points * points).sum(axis=1)
    apart = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(apart, np.inf)
    return float(np.mean(labels[apart.argmin(axis=1)] == labels))


def judge(f: Figures) -> list[Finding]:
    learned, random = f["learned"], f["random"]
    return [
        larger("the nearest neighbour by code is mostly the same digit (by chance: 0.1)", learned["alike"], 0.5),
        larger("more often than by the code of random weights", learned["alike"], random["alike"], by=0.02),
        larger("the reconstruction's error falls", random["error"], 2 * learned["error"]),
        larger("the pixels themselves group as well", learned["alike, pixels"], learned["alike"], role="limit"),
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """Above eight held-out digits, below them what comes back through the code."""
    x = trained.data.validation_inputs[:8]
    rows = [images.reshape(8, 8, 8).transpose(1, 0, 2).reshape(8, 64) for images in (x, trained.model.predict(x))]
    recorder.image("numpy", "reconstructions", np.kron(np.concatenate(rows), np.ones((6, 6))), trained.lockstep.steps)


lesson = Lesson(
    name="unsupervised",
    claim=__doc__ or "",
    variants={"learned": coding(0.01), "random": coding(0.0)},
    measure=measure,
    judge=judge,
    control="random",
    show=show,
    quick=8,
)
