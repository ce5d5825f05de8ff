"""Batch norm trains faster and at higher rates; whether it also reduces overfitting, as is often written, is measured.

Varied: a 64-32-32-32-10 network with and without batch norm, at rates from 0.02 to 3; batches of 2 and of 64.
Measured: the training loss over the epochs; the gap to the held-out loss; how far loss and gradient vary along the
gradient (smoothness); the distribution of each ReLU's input; running beside batch statistics; the loss of the same
examples in training mode (statistics of a batch of 2 to 64) and in evaluation (running ones).
Refuted by: a loss as low without it at the low rate, or a network without it that trains at the high rate.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

import torchref
from torchref.compare import Comparison
from torchref.compare.data import batches
from torchref.compare.datasets.bundled import digits
from torchref.compare.lockstep.smoothness import along_gradient
from torchref.compare.record.effects import batch_statistics, statistics_apart
from torchref.compare.record.pictures import running_statistics
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Across, Figures, Finding, Lesson, Trained, larger
from torchref.nn.module import Array

RATES = (0.02, 0.5, 1.0, 3.0)
LOW, GOOD, HIGH = 0.02, 0.5, 3.0
SIZES = (2, 4, 8, 16, 32, 64)  # batches whose statistics are used instead of the running ones
STEPS = (0.5, 1.0, 2.0, 4.0)  # lengths along the gradient, in learning rates: Santurkar et al. 2018
WATCHED = 512  # examples from one look at the layers' inputs to the next
EPOCHS = 8  # by which the rates are compared


def network(nn: Any, norm: bool) -> Any:
    """Three hidden layers, each with batch norm or none with it."""
    layers: list[Any] = []
    for inputs in (64, 32, 32):
        layers += [nn.Linear(inputs, 32), *([nn.BatchNorm1d(32)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 10))


def training(norm: bool, lr: float, batch_size: int = 64, epochs: int = EPOCHS) -> Comparison:
    """Digits, with or without batch norm, at this learning rate."""
    return Comparison(
        name="batch_norm",
        claim="",
        model=network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=lr),
        data=lambda: digits(0.7),
        variants={"norm" if norm else "plain": {"norm": norm}},
        epochs=epochs,
        batch_size=batch_size,
    )


def train(trained: Trained) -> None:
    """Epoch after epoch; now and then the layers are watched, and the loss along the gradient is looked at."""
    comparison, data = trained.comparison, trained.data
    every = min(WATCHED // comparison.batch_size, 32)  # steps
    for _ in range(comparison.epochs):
        for indices in batches(len(data.train_inputs), comparison.batch_size, trained.order):
            observe = trained.lockstep.steps % every == 0
            trained.step(data.train_inputs[indices], data.train_targets[indices], observe)
            if trained.stop:
                break
        trained.evaluate()
        if trained.stop:
            break


def watch(trained: Trained, step: Any) -> None:
    """What came into each ReLU; running beside batch statistics; loss and gradient along the gradient; both twins."""
    if step.numpy_seen is None:
        return
    twins = trained.lockstep.numpy_twin, trained.lockstep.torch_twin
    buffers = [twin.named_buffers() for twin in twins]
    for number, name in enumerate(names(trained, torchref.nn.ReLU), start=1):
        inputs = [seen.inputs[name] for seen in (step.numpy_seen, step.torch_seen)]
        trained.note(f"hidden {number}/into the activation/mean", *(float(x.mean()) for x in inputs))
        trained.note(f"hidden {number}/into the activation/spread", *(float(x.std(axis=0).mean()) for x in inputs))
        tag = f"hidden {number}/into the activation/entries"
        trained.kept.setdefault("inputs", []).append((tag, inputs[0].astype(np.float32), trained.lockstep.steps))
    for number, name in enumerate(names(trained, torchref.nn.BatchNorm1d), start=1):
        inputs = [seen.inputs[name] for seen in (step.numpy_seen, step.torch_seen)]
        running = [(held[f"{name}.running_mean"], held[f"{name}.running_var"]) for held in buffers]
        apart = [statistics_apart(x, *both) for x, both in zip(inputs, running, strict=True)]
        role = f"hidden {number}/after normalisation"
        trained.note(f"{role}/running mean - batch mean, in spreads", *(means for means, _ in apart))
        trained.note(f"{role}/log of running / batch variance", *(logs for _, logs in apart))
        statistics = trained.kept.setdefault(role, [])
        statistics.append((trained.lockstep.steps, batch_statistics(inputs[0]), running[0]))
    x, target = trained.data.train_inputs[:100], trained.data.train_targets[:100]
    rate = trained.lockstep.numpy_twin.optimizer.param_groups[0]["lr"]
    looks = [along_gradient(twin, x, target, [rate * step for step in STEPS]) for twin in twins]
    trained.note("smoothness/range of the loss along the gradient", *(look.loss_range for look in looks))
    trained.note("smoothness/range of the gradient's change along it", *(look.gradient_range for look in looks))
    trained.note("smoothness/largest change of the gradient per distance", *(look.smoothness for look in looks))


def names(trained: Trained, kind: Any) -> list[str]:
    """The layers of one kind, in order: their numbers are the same with and without batch norm."""
    return [name for name, layer in trained.model.named_children() if isinstance(layer, kind)]


def measure(trained: Trained) -> dict[str, float]:
    accuracy = trained.curve("accuracy/training")
    return {
        "loss": float(trained.curve("loss/training").mean()),
        "accuracy": float(accuracy[-1]),
        "early accuracy": float(accuracy[:EPOCHS][-1]),
        "early loss": float(trained.curve("loss/training")[:EPOCHS][-1]),
        "held-out accuracy": trained.last("accuracy/validation"),
        "gap": trained.last("loss/validation") - trained.last("loss/training"),
        "loss range": float(trained.curve("smoothness/range of the loss along the gradient").mean()),
        "gradient range": float(trained.curve("smoothness/range of the gradient's change along it").mean()),
        "sharpness": float(trained.curve("smoothness/largest change of the gradient per distance").mean()),
        **{f"modes, {size}": modes_apart(trained, size) for size in SIZES},
    }


def modes_apart(trained: Trained, size: int) -> float:
    """The loss of 256 examples in training mode, `size` at a time, minus their loss in evaluation mode."""
    x, target = trained.data.train_inputs[:256], trained.data.train_targets[:256]
    twin = copy.deepcopy(trained.lockstep.numpy_twin)  # its running statistics move
    evaluated = twin.evaluate(x, target)[1]
    parts = [slice(start, start + size) for start in range(0, len(x), size)]
    return float(np.mean([twin.loss(twin.model(x[part])[0], target[part])[0] for part in parts])) - evaluated


def judge(f: Figures) -> list[Finding]:
    plain, norm = f["plain, rate 0.02"], f["norm, rate 0.02"]
    good, good_norm, held_out = f["plain, rate 0.5"], f["norm, rate 0.5"], "held-out accuracy"
    two, many = good_norm["modes, 2"], good_norm["modes, 64"]
    trained_on_two = f["norm, rate 0.02, batches of 2"]
    return [
        larger("at a low rate its training loss is lower", plain["loss"], norm["loss"], by=0.1),
        larger("at a rate of 3 it trains", f["norm, rate 3.0"]["accuracy"], 0.6),
        larger("where the network without it does not", 0.5, f["plain, rate 3.0"]["accuracy"]),
        larger(
            "batches of 2: the loss in training mode is further above evaluation's than of 64", two, many, 0, "limit"
        ),
        larger("less overfitting: the gap is narrower", good["gap"], good_norm["gap"], role="beside"),
        larger("and held-out accuracy higher", good_norm[held_out], good[held_out], role="beside"),
        larger("the loss varies less along the gradient", good["loss range"], good_norm["loss range"], role="beside"),
        larger("the gradient, too", good["gradient range"], good_norm["gradient range"], role="beside"),
        larger("and less for the distance gone", good["sharpness"], good_norm["sharpness"], role="beside"),
        larger(
            "but at the low rate, where the network without it stays on a plateau, its loss varies less",
            norm["loss range"],
            plain["loss range"],
            role="beside",
        ),
        larger(
            "trained on batches of 2, too, the modes are further apart",
            abs(trained_on_two["modes, 2"]),
            abs(norm["modes, 64"]),
            role="beside",
        ),
    ]


def across(f: Figures) -> list[Across]:
    """Accuracy and loss over the rate, with and without; the two modes over the batch whose statistics are used."""

    def over_rates(figure: str) -> dict[str, list[tuple[str, Array]]]:
        return {kind: [(str(rate), f[f"{kind}, rate {rate}"][figure]) for rate in RATES] for kind in ("plain", "norm")}

    modes = {
        f"trained at rate {rate}": [(str(size), f[f"norm, rate {rate}"][f"modes, {size}"]) for size in SIZES]
        for rate in (LOW, GOOD)
    }
    after = f"after {EPOCHS} epochs"
    return [
        Across(
            f"figures/training {figure} by rate", "learning rate", f"{figure} {after}", over_rates(f"early {figure}")
        )
        for figure in ("accuracy", "loss")
    ] + [
        Across(
            "figures/modes by batch size", "examples in the batch", "loss in training mode minus evaluation mode", modes
        )
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """Each ReLU's input over time; running against batch statistics at three steps, a dot for each channel."""
    for tag, x, step in trained.kept["inputs"]:
        recorder.histogram("numpy", tag, x, step)
    for number, _ in enumerate(names(trained, torchref.nn.BatchNorm1d), start=1):
        role = f"hidden {number}/after normalisation"
        looks = trained.kept[role]
        for step, batch, running in (looks[i] for i in sorted({0, len(looks) // 3, len(looks) - 1})):
            title = f"hidden {number}: running and batch statistics at step {step}"
            recorder.image(
                "numpy", f"{role}/running and batch statistics", running_statistics(batch, running, title), step
            )


lesson = Lesson(
    name="batch_norm",
    claim=__doc__ or "",
    variants={
        **{
            f"{kind}, rate {rate}": training(kind == "norm", rate, epochs=16 if rate == GOOD else EPOCHS)
            for rate in RATES
            for kind in ("norm", "plain")  # one that learns comes first: its loss is TensorBoard's first picture
        },
        "norm, rate 0.02, batches of 2": training(True, LOW, batch_size=2, epochs=1),
    },
    measure=measure,
    judge=judge,
    control="plain, rate 0.5",
    train=train,
    watch=watch,
    show=show,
    across=across,
    cards=(
        "figures/training accuracy by rate",
        "loss/training",
        "figures/modes by batch size",
        "smoothness/range of the loss along the gradient",
    ),
    runs="rate (0.02|0.5|3.0)/|about",  # six settings: as many as TensorBoard has colours for
    colors="^((?:norm|plain), rate (?:0.02|0.5|3.0))/",
    quick=9,
    seeds=7,  # of nine variants: ten would take a minute
    tags={
        "smoothness/range of the loss along the gradient": "How far the loss varies along the gradient, over steps of "
        "0.5 to 4 learning rates (Santurkar et al. 2018). Low: a longer step is safe.",
        "smoothness/range of the gradient's change along it": "How far the gradient varies along itself. Low: it "
        "can be trusted for a longer step.",
        "smoothness/largest change of the gradient per distance": "The largest change of the gradient for the distance "
        "gone: the curvature along the gradient.",
    },
)
