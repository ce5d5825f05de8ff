"""Dropout switches off a random part of a layer in each training step and narrows the gap to the held-out loss.

Varied: the share p that is dropped, 0, 0.2, 0.5 and 0.8, behind 128 hidden neurons on 150 digits.
Measured: the gap between held-out and training loss; the share kept; the same masks in both twins; the mean of many
dropped outputs beside the undropped one (scaled in training); evaluation beside a layer that is not there (silent).
Refuted by: a gap as wide as without, another share or scale, an evaluation that changes.
Beside it: does the held-out accuracy rise? A narrow gap may also be bought with a worse fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import torchref
from comparisons.comparison import Comparison
from comparisons.data import Data
from comparisons.datasets.bundled import digits
from comparisons.lesson import Figures, Finding, Lesson, always, equal, larger, within
from comparisons.lesson_training import Trained
from comparisons.record import Recorder
from torchref.nn.random import set_rng

SHARES = (0.0, 0.2, 0.5, 0.8)


def few() -> Data:
    data: Any = digits()
    return Data(data.train_inputs[:150], data.train_targets[:150], data.validation_inputs, data.validation_targets)


def dropping(p: float) -> Comparison:
    return Comparison(
        name="dropout",
        claim="",
        model=lambda nn: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(p), nn.Linear(128, 10)),
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
        data=few,
        epochs=40,
        batch_size=50,
    )


def watch(trained: Trained, step: Any) -> None:
    """The share kept, and the loss of the same batch in training and in evaluation; now and then, for the curves."""
    if step.numpy_seen is None:
        return
    there = step.numpy_seen.inputs["2"] != 0
    masks = [seen.outputs["2"] != 0 for seen in (step.numpy_seen, step.torch_seen)]
    trained.note("dropout/kept share", *(float(mask.sum() / there.sum()) for mask in masks))
    trained.kept.setdefault("kept", []).append(float(masks[0].sum() / there.sum()))
    trained.kept.setdefault("same masks", []).append(np.array_equal(*masks))
    trained.kept["masks"] = masks


def train(trained: Trained) -> None:
    """Every example once an epoch; the first batch of each is looked at."""
    data, comparison = trained.data, trained.comparison
    for _ in range(comparison.epochs):
        order = trained.order.permutation(len(data.train_inputs))
        for number, batch in enumerate(np.split(order, 3)):
            x, target = data.train_inputs[batch], data.train_targets[batch]
            step = trained.step(x, target, observe=number == 0)
            if number == 0:
                evaluated = [twin.evaluate(x, target)[1] for twin in twins(trained)]
                trained.note("dropout/same batch, training", step.numpy_loss, step.torch_loss)
                trained.note("dropout/same batch, evaluation", *evaluated)
        trained.evaluate()
        if trained.stop:
            break


def twins(trained: Trained) -> tuple[Any, Any]:
    return trained.lockstep.numpy_twin, trained.lockstep.torch_twin


def measure(trained: Trained) -> dict[str, float]:
    model, x = trained.model, trained.data.validation_inputs[:40]
    hidden = model[1].predict(model[0].predict(x))
    set_rng(model, trained.rng)
    mean = np.mean([model[2](hidden)[0] for _ in range(200)], axis=0)
    without = torchref.nn.Sequential(model[0], model[1], model[3])
    return {
        "gap": trained.last("loss/validation") - trained.last("loss/training"),
        "held-out loss": trained.last("loss/validation"),
        "accuracy": trained.last("accuracy/validation"),
        "training loss": trained.last("loss/training"),
        "kept": float(np.mean(trained.kept["kept"])),
        "same masks": float(np.all(trained.kept["same masks"])),
        "scale": float(mean.sum() / hidden.sum()),
        "evaluation": float(np.abs(model.predict(x) - without.predict(x)).max()),
    }


def judge(f: Figures) -> list[Finding]:
    gap = {p: f[str(p)]["gap"] for p in SHARES}
    half, none = f["0.5"], f["0.0"]
    return [
        larger("p = 0.5 narrows the gap between held-out and training loss", gap[0.0], gap[0.5], by=0.01),
        larger("p = 0.8 narrows it more", gap[0.5], gap[0.8], role="beside"),
        within("p = 0.5 keeps half of the units", half["kept"], 0.47, 0.53),
        always("the same ones in both twins, in every step looked at", half["same masks"] > 0),
        within("what is kept is scaled, so that the mean is what it was", half["scale"], 0.97, 1.03),
        equal("in evaluation the layer is not there", half["evaluation"], 0.0),
        larger("part of that is a worse fit in training", half["training loss"], none["training loss"], role="limit"),
        larger("p = 0.5 is right more often on held-out data", half["accuracy"], none["accuracy"], role="beside"),
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """The masks of the last step looked at: examples from top to bottom, units from left to right."""
    for engine, mask in zip(("numpy", "torch"), trained.kept["masks"], strict=True):
        recorder.image(engine, "dropout/kept units", mask.astype(np.float64), trained.lockstep.steps)


lesson = Lesson(
    name="dropout",
    claim=__doc__ or "",
    variants={str(p): dropping(p) for p in SHARES},
    measure=measure,
    judge=judge,
    control="0.0",
    train=train,
    watch=watch,
    show=show,
    quick=9,
)
