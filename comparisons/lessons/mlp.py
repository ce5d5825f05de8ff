"""Fully connected networks for simple tasks: a hidden layer does better than lines, where lines are not enough.

Varied: two layers with a ReLU between them, or the same two layers without it: equal size, yet no more than lines
(logistic or linear regression). Four tasks: digits, tumours and wines to be named, the progression of diabetes.
Measured: accuracy on held-out examples, for diabetes the squared error. Each seed holds out other examples.
Refuted by: lines that are as good on the digits, or a task to be named that the hidden layer does not master (90 %).
Beside it: where lines are enough, does the hidden layer add anything?
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare import Comparison
from torchref.compare.data import split
from torchref.compare.datasets import bundled
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Figures, Finding, Lesson, Trained, epochs, larger
from torchref.compare.train.end import record_wrong

TASKS = {  # data, inputs, outputs, epochs
    "digits": (bundled.digits, 64, 10, 8),
    "tumours": (bundled.breast_cancer, 30, 2, 12),
    "wines": (bundled.wine, 13, 3, 12),
    "diabetes": (bundled.diabetes, 10, 1, 12),
}


def network(nn: Any, inputs: int, outputs: int, activation: bool) -> Any:
    """Two linear layers, with a ReLU between them or with nothing."""
    between = [nn.ReLU()] if activation else []
    return nn.Sequential(nn.Linear(inputs, 32), *between, nn.Linear(32, outputs))


def training(task: str, activation: bool) -> Comparison:
    """One of the tasks, with a hidden layer that bends or does not."""
    data, inputs, outputs, count = TASKS[task]
    return Comparison(
        name="mlp",
        claim="",
        model=lambda nn: network(nn, inputs, outputs, activation),
        loss=lambda nn: nn.MSELoss() if task == "diabetes" else nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(
            parameters, lr=0.01 if task == "diabetes" else 0.05, momentum=0.9
        ),
        data=data,
        epochs=count,
        batch_size=32,
    )


def train(trained: Trained) -> None:
    """On examples of the seed's own choice: which ones are held out is chance, too."""
    parts = trained.data
    inputs = np.concatenate([parts.train_inputs, parts.validation_inputs])
    targets = np.concatenate([parts.train_targets, parts.validation_targets])
    trained.data = bundled.standardized(split(inputs, targets, 0.3, trained.comparison.seed))
    epochs(trained)
    task = trained.variant.partition(",")[0]
    tag = "accuracy/validation" if "accuracy/validation" in trained.curves else "loss/validation"
    trained.curves[f"{task}: {tag.partition('/')[0]}, held out"] = trained.curves[tag]


def measure(trained: Trained) -> dict[str, float]:
    output, target = trained.model.predict(trained.data.validation_inputs), trained.data.validation_targets
    return {
        "accuracy": float(np.mean(output.argmax(axis=1) == target)),
        "error": float(np.mean((output - target) ** 2)) if target.ndim == 2 else np.nan,
        "weights": trained.weights,
    }


def judge(f: Figures) -> list[Finding]:
    def accuracy(task: str, kind: str) -> Any:
        return f[f"{task}, {kind}"]["accuracy"]

    error = {kind: f[f"diabetes, {kind}"]["error"] for kind in ("hidden", "lines")}
    return [
        larger("digits: right more often with the ReLU", accuracy("digits", "hidden"), accuracy("digits", "lines")),
        *(larger(f"{task}: it masters them", accuracy(task, "hidden"), 0.9) for task in ("digits", "tumours", "wines")),
        *(
            larger(
                f"{task}: lines are as good, to one in a hundred",
                accuracy(task, "lines"),
                accuracy(task, "hidden"),
                by=-0.01,
                role="limit",
            )
            for task in ("tumours", "wines")
        ),
        larger("diabetes: its error is no lower", error["hidden"], error["lines"], by=-0.02, role="limit"),
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """The held-out digits that are named wrong; in the projector, all of them as the last layer sees them."""
    x, target = trained.data.validation_inputs, trained.data.validation_targets
    if x.shape[1] != 64:
        return
    signal = x
    for layer in list(trained.model)[:-1]:
        signal = layer.predict(signal)
    record_wrong(recorder, trained.model.predict(x), x.reshape(-1, 8, 8), target, trained.lockstep.steps)
    pictures = np.clip((x.reshape(-1, 8, 8) + 1) / 3, 0, 1)
    recorder.embedding("numpy", "digits: last layer's input", signal, target, np.kron(pictures, np.ones((1, 4, 4))))


CARDS = (*(f"{task}: accuracy, held out" for task in ("digits", "tumours", "wines")), "diabetes: loss, held out")

lesson = Lesson(
    name="mlp",
    claim=__doc__ or "",
    variants={f"{task}, {kind}": training(task, kind == "hidden") for task in TASKS for kind in ("hidden", "lines")},
    measure=measure,
    judge=judge,
    control="digits, lines",
    train=train,
    show=show,
    seeds=20,
    quick=8,
    cards=CARDS,
    colors="(hidden|lines)",
    tags={
        tag: f"{tag}, after each epoch: a curve with hidden layers, and one with straight lines alone." for tag in CARDS
    },
)
