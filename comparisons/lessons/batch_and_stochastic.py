"""To the same loss: all examples per update take the most epochs, one example the most updates, a mini-batch neither.

Varied: how many of 540 digits one update sees: 540, 32, 1; each at the better of two learning rates.
Measured: updates, epochs and the seconds of the NumPy twin's steps until the training loss is below 0.4.
Refuted by: an order of the three that is another one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from torchref.compare import Comparison
from torchref.compare.datasets import bundled
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, larger

TARGET = 0.4
SIZES = {"all": (1000, 120), "mini-batch": (32, 20), "one": (1, 2)}  # examples in an update; epochs at most
RATES = {"all": (1.0, 3.0), "mini-batch": (0.3, 1.0), "one": (0.03, 0.1)}


def descent(examples: int, epochs: int, lr: float) -> Comparison:
    """Plain descent with this many examples in each update."""
    return Comparison(
        name="batch_and_stochastic",
        claim="",
        model=lambda nn: nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10)),
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=lr),
        data=partial(bundled.digits, 0.7),  # few to train on
        epochs=epochs,
        batch_size=examples,
    )


def watch(trained: Trained, step: Any) -> None:
    """Look at the whole training loss every tenth of an epoch, or after every update if there are fewer."""
    examples, steps = len(trained.data.train_inputs), trained.lockstep.steps
    every = max(1, examples // trained.comparison.batch_size // 10)
    if steps % every == 0:
        x, target = trained.data.train_inputs, trained.data.train_targets
        loss = trained.lockstep.numpy_twin.evaluate(x, target)[1]
        trained.note("loss/all examples", loss)
        trained.stop = trained.kept["reached"] = loss < TARGET


def measure(trained: Trained) -> dict[str, float]:
    updates = trained.lockstep.steps
    size = min(trained.comparison.batch_size, len(trained.data.train_inputs))
    return {
        "reached": float(trained.kept.get("reached", False)),
        "updates": updates,
        "epochs": updates * size / len(trained.data.train_inputs),
        "seconds": trained.lockstep.numpy_twin.seconds,
    }


def best(f: Figures, size: str) -> Any:
    """The figures at the rate that needs the fewest updates; a training that does not get there counts as endless."""
    costs = {
        lr: np.where(f[f"{size} {lr}"]["reached"] > 0, f[f"{size} {lr}"]["updates"], np.inf).mean()
        for lr in RATES[size]
    }
    return f[f"{size} {min(costs, key=lambda lr: costs[lr])}"]


def judge(f: Figures) -> list[Finding]:
    whole, mini, one = (best(f, size) for size in SIZES)
    return [
        always("all three get there", np.concatenate([each["reached"] for each in (whole, mini, one)]) > 0),
        larger("all examples: the most epochs", whole["epochs"], 3 * mini["epochs"]),
        larger("one example: the most updates", one["updates"], 3 * mini["updates"]),
        larger("one example: more updates than all examples need", one["updates"], 3 * whole["updates"]),
        larger("a mini-batch takes less time than single examples", one["seconds"], mini["seconds"]),
    ]


lesson = Lesson(
    name="batch_and_stochastic",
    claim=__doc__ or "",
    variants={
        f"{size} {lr}": descent(*SIZES[size], lr)  # the name says both
        for size in SIZES
        for lr in RATES[size]
    },
    measure=measure,
    judge=judge,
    cards=("figures/epochs", "figures/updates", "loss/all examples"),
    control="mini-batch 0.3",
    watch=watch,
    tags={
        "loss/all examples": "The loss of all examples, whatever the step has seen.",
    },
)
