"""Repeat until the error is minimal: the training error falls on, while on held-out data an earlier stop does better.

Varied: a network of 128 hidden neurons on 150 digits of which a quarter is labelled wrong; trained to the end, and
stopped where the loss on a validation part is lowest (patience: 8 epochs).
Measured: the loss on a third part, which chose nothing. Refuted by: a last epoch that does as well there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare import Comparison, Data
from torchref.compare.datasets.bundled import digits
from torchref.compare.teach import Figures, Finding, Lesson, Trained, larger
from torchref.compare.train.evaluate import evaluate

EPOCHS, PATIENCE, CHOOSES = 60, 8, 300  # the first 300 held-out digits choose when to stop; the rest judge


def few_and_noisy() -> Data:
    """150 digits to train on, a quarter of them with a label drawn at random."""
    data: Any = digits()
    rng = np.random.default_rng(0)
    labels = data.train_targets[:150].copy()
    wrong = rng.random(150) < 0.25
    labels[wrong] = rng.integers(0, 10, wrong.sum())
    return Data(data.train_inputs[:150], labels, data.validation_inputs, data.validation_targets)


def measure(trained: Trained) -> dict[str, float]:
    chooses, judges, training = (trained.curve(f"loss/{part}") for part in ("chooses", "judges", "training"))
    best, stop = 0, len(chooses) - 1
    for epoch, loss in enumerate(chooses):
        if loss < chooses[best]:
            best = epoch
        elif epoch - best >= PATIENCE:
            stop = epoch
            break
    if trained.off:
        best = len(chooses) - 1
    return {
        "stopped": judges[best],
        "to the end": judges[-1],
        "training, stopped": training[best],
        "training, to the end": training[-1],
        "epochs": stop + 1,
        "choosing part": chooses[best],
    }


def watch(trained: Trained, step: Any) -> None:
    """At the end of each epoch: the loss on the part that chooses, and on the part that judges."""
    per_epoch = -(-len(trained.data.train_inputs) // trained.comparison.batch_size)
    if trained.lockstep.steps % per_epoch == 0:
        x, target = trained.data.validation_inputs, trained.data.validation_targets
        twins = trained.lockstep.numpy_twin, trained.lockstep.torch_twin
        for part, where in (("chooses", slice(0, CHOOSES)), ("judges", slice(CHOOSES, 500))):
            ours, theirs = (evaluate(twin, x[where], target[where])[0] for twin in twins)
            trained.note(f"loss/{part}", ours, theirs)


def judge(f: Figures) -> list[Finding]:
    a = f["early stopping"]
    return [
        larger("the training loss falls on after the stop", a["training, stopped"], a["training, to the end"], by=0.1),
        larger("the third part: the early stop has the lower loss", a["to the end"], a["stopped"], by=0.05),
        larger("and it takes fewer epochs", np.full_like(a["epochs"], EPOCHS), a["epochs"]),
    ]


lesson = Lesson(
    name="stopping",
    claim=__doc__ or "",
    variants={
        "early stopping": Comparison(
            name="stopping",
            claim="",
            model=lambda nn: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)),
            loss=lambda nn: nn.CrossEntropyLoss(),
            optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
            data=few_and_noisy,
            epochs=EPOCHS,
            batch_size=50,
        )
    },
    measure=measure,
    judge=judge,
    cards=("loss/training", "loss/judges", "figures/stopped", "figures/to the end"),
    control="early stopping",
    watch=watch,
    tags={
        "loss/chooses": "The loss on the held-out examples that choose when to stop. It falls, then rises.",
        "loss/judges": "The loss on other held-out examples, which judge the choice.",
    },
)
