"""Batch norm trains faster and at higher rates; whether it also reduces overfitting, as is often written, is measured.

Varied: a 64-32-32-32-10 network with and without batch norm, at a low, a good and a high rate; batches of 2 and of 64.
Measured: the training loss over the epochs; the gap to the held-out loss; how much the loss varies along the gradient
(smoothness); the loss of the same examples in training mode (batch statistics) and in evaluation (running ones).
Refuted by: a loss as low without it at the low rate, or a network without it that trains at the high rate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import torchref
from comparisons.comparison import Comparison
from comparisons.datasets.bundled import digits
from comparisons.lesson import Figures, Finding, Lesson, larger
from comparisons.lesson_training import Trained, gradients_of

LOW, GOOD, HIGH = 0.02, 0.5, 3.0
WATCHED = 8  # the step after which the layers' inputs are looked at, again and again


def network(nn: Any, norm: bool) -> Any:
    layers: list[Any] = []
    for inputs in (64, 32, 32):
        layers += [nn.Linear(inputs, 32), *([nn.BatchNorm1d(32)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 10))


def training(norm: bool, lr: float, batch_size: int = 64, epochs: int = 8) -> Comparison:
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


def watch(trained: Trained, step: Any) -> None:
    """The distribution of each ReLU's input, and the loss along the gradient, every eighth step."""
    steps = trained.lockstep.steps
    if steps % WATCHED:
        return
    signal = trained.data.train_inputs[:100]
    twin = trained.lockstep.numpy_twin
    for name, layer in trained.model.named_children():
        if isinstance(layer, torchref.nn.ReLU):
            trained.note(f"input of ReLU {name}/mean", float(signal.mean()))
            trained.note(f"input of ReLU {name}/spread", float(signal.std(axis=0).mean()))
        signal = layer.predict(signal)
    gradients = step.numpy_gradients
    slopes = np.sqrt(sum(float(np.sum(g * g)) for g in gradients.values()))
    trained.note("smoothness/gradient norm", float(slopes))
    if steps == WATCHED:
        trained.kept["variation"] = variation(twin, trained.data.train_inputs[:100], trained.data.train_targets[:100])
    for name, layer in trained.model.named_children():
        if isinstance(layer, torchref.nn.BatchNorm1d) and layer.running_mean is not None:
            trained.note(f"statistics {name}/running mean", float(abs(layer.running_mean).mean()))


def variation(twin: Any, x: Any, target: Any) -> float:
    """How far the loss, in training mode, lies from the straight line that the gradient promises, along the gradient.

    On a copy: at a step of 0.3 / |g| times the gradient, as a share of what the line promises.
    """
    model = network(torchref.nn, "norm" in str(type(twin.model[1])).lower()).to(np.float64)
    model.load_state_dict(twin.model.state_dict())
    gradients = gradients_of(model, twin.criterion, x, target)
    size = np.sqrt(sum(float(np.sum(g * g)) for g in gradients.values()))
    before = float(twin.criterion(model(x)[0], target)[0])
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data - 0.3 / size * gradients[name]
    promised = 0.3 * size
    return abs(float(twin.criterion(model(x)[0], target)[0]) - (before - promised)) / promised


def measure(trained: Trained) -> dict[str, float]:
    x, target = trained.data.train_inputs, trained.data.train_targets
    twin = trained.lockstep.numpy_twin
    evaluated = twin.evaluate(x[:256], target[:256])[1]  # before the running statistics move on
    losses = []
    size = trained.comparison.batch_size
    for start in range(0, min(len(x), 256), size):
        output, _ = trained.model(x[start : start + size])
        losses.append(float(twin.criterion(output, target[start : start + size])[0]))
    return {
        "loss": float(trained.curve("loss/training").mean()),
        "accuracy": trained.last("accuracy/training"),
        "held-out accuracy": trained.last("accuracy/validation"),
        "gap": trained.last("loss/validation") - trained.last("loss/training"),
        "variation": trained.kept.get("variation", np.nan),
        "modes": abs(float(np.mean(losses)) - evaluated),
    }


def judge(f: Figures) -> list[Finding]:
    plain, norm = f["plain, low"], f["norm, low"]
    good, modes, held_out = f["plain, good"], f["norm, good"]["modes"], "held-out accuracy"
    return [
        larger("at a low rate its training loss is lower", plain["loss"], norm["loss"], by=0.1),
        larger("at a rate of 3 it trains", f["norm, high"]["accuracy"], 0.6),
        larger("where the network without it does not", 0.5, f["plain, high"]["accuracy"]),
        larger("less overfitting: the gap is narrower", good["gap"], f["norm, good"]["gap"], role="instead"),
        larger("and held-out accuracy higher", f["norm, good"][held_out], good[held_out], role="instead"),
        larger("the loss bends less along the gradient", plain["variation"], norm["variation"], role="instead"),
        larger("batches of 2: training and evaluation mode differ more", f["norm, 2"]["modes"], modes, role="limit"),
    ]


lesson = Lesson(
    name="batch_norm",
    claim=__doc__ or "",
    variants={
        "plain, low": training(False, LOW),
        "norm, low": training(True, LOW),
        "plain, good": training(False, GOOD, epochs=25),
        "norm, good": training(True, GOOD, epochs=25),
        "plain, high": training(False, HIGH),
        "norm, high": training(True, HIGH),
        "norm, 2": training(True, LOW, batch_size=2, epochs=1),
    },
    measure=measure,
    judge=judge,
    control="plain, good",
    watch=watch,
    quick=9,
)
