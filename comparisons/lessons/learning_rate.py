"""A high learning rate jumps over the minimum, a low one needs many more steps; the edge on a bowl is 2 / lambda_max.

Varied: the rate of descent on linear regression, a bowl whose largest curvature lambda_max is known, as a share of
2 / lambda_max: 0.001, 0.1, 0.5, 0.98 and 1.02.
Measured: how far above the lowest loss the training ends, as a share of where it began.
Refuted by: convergence above the edge, divergence below it, or a low rate that is as fast.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from torchref.compare import Comparison, Data
from torchref.compare.datasets.bundled import breast_cancer
from torchref.compare.record.recorder import log10_difference
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, larger

SHARES = (0.001, 0.1, 0.5, 0.98, 1.02)
MEASURED = [0, 1, 4]


def measurements() -> Data:
    """Radius, texture and smoothness of each tumour (flat in no direction), and whether it is benign as -1 or 1."""
    data: Any = breast_cancer()
    x, held_out = data.train_inputs[:, MEASURED], data.validation_inputs[:, MEASURED]
    return Data(x, 2.0 * data.train_targets[:, None] - 1, held_out, 2.0 * data.validation_targets[:, None] - 1)


@cache
def edge() -> float:
    """2 / lambda_max of the Hessian 2/n X^T X of the mean squared error (X with a column of ones for the bias)."""
    data: Any = measurements()
    x = np.column_stack([data.train_inputs, np.ones(len(data.train_inputs))])
    return 2 / float(np.linalg.eigvalsh(2 / len(x) * x.T @ x).max())


def rate(share: float) -> Comparison:
    """Descent at this share of the largest learning rate that converges."""
    return Comparison(
        name="learning_rate",
        claim="",
        model=lambda nn: nn.Sequential(nn.Linear(3, 1)),
        loss=lambda nn: nn.MSELoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=share * edge()),
        data=measurements,
        epochs=300,
        batch_size=512,
    )


def lowest_loss(data: Any) -> float:
    """The mean squared error at the minimum, by least squares."""
    x = np.column_stack([data.train_inputs, np.ones(len(data.train_inputs))])
    return float(np.mean((data.train_targets - x @ np.linalg.lstsq(x, data.train_targets, rcond=None)[0]) ** 2))


def measure(trained: Trained) -> dict[str, float]:
    loss = trained.curve("loss/step") - lowest_loss(trained.data)
    reached = np.flatnonzero(loss < 0.1 * loss[0])
    return {"left": float(loss[-1] / loss[0]), "steps": float(reached[0]) if len(reached) else float(len(loss))}


def train(trained: Trained) -> None:
    """Every step sees all examples; evaluation now and then would only cost time."""
    lowest = lowest_loss(trained.data)
    for _ in range(trained.comparison.epochs):
        step = trained.step(trained.data.train_inputs, trained.data.train_targets)
        above = (log10_difference(loss - lowest) for loss in (step.numpy_loss, step.torch_loss))
        trained.note("above the minimum (log10)", *above)
        if trained.stop:
            break
    trained.evaluate()


def judge(f: Figures) -> list[Finding]:
    left = {share: f[str(share)]["left"] for share in SHARES}
    return [
        always("2 % above the edge the loss grows", left[1.02] > 1),
        always("2 % below it, it falls", left[0.98] < 0.5),
        larger(
            "a low rate (0.001 of the edge) takes over 10 times the steps", f["0.001"]["steps"], 10 * f["0.5"]["steps"]
        ),
        larger("and ends far from the minimum", left[0.001], left[0.5], by=0.05),
        always("between them lies a good one: half the edge ends lowest (to 1e-9)", left[0.5] <= left[0.1] + 1e-9),
    ]


lesson = Lesson(
    name="learning_rate",
    claim=__doc__ or "",
    variants={str(share): rate(share) for share in SHARES},
    measure=measure,
    judge=judge,
    cards=("above the minimum (log10)", "figures/steps"),
    control="0.5",
    train=train,
    tags={
        "above the minimum (log10)": "How far the loss lies above its lowest value, log10: a line that falls gains a "
        "constant factor with each step; one that rises has a rate that jumps over the minimum.",
    },
)
