"""Weights move against the gradient: where the slope is negative the weight grows, and the loss falls at every step.

Varied: linear regression on 309 patients, descent over all of them, over batches of 32, and with a rate of 0.
Measured: the share of weight changes that go against the slope, the share of steps at which the training loss falls,
and how much of what can be gained is gained.
Refuted by: a weight that moves along the gradient, or a loss that rises under a moderate rate.
Beside it: the picture of a ball is wrong, as a ball keeps rolling; and a batch's gradient does not lower the whole loss
at every step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare import Comparison
from torchref.compare.datasets.bundled import diabetes
from torchref.compare.record.pictures import landscape
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, epochs, larger
from torchref.nn.module import Array


def model(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(10, 1))


def descent(lr: float, batch_size: int, epochs: int, momentum: float = 0.0) -> Comparison:
    """A line through the table of diabetes, found by descent."""
    return Comparison(
        name="gradient_descent",
        claim="",
        model=model,
        loss=lambda nn: nn.MSELoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=lr, momentum=momentum),
        data=diabetes,
        epochs=epochs,
        batch_size=batch_size,
    )


def train(trained: Trained) -> None:
    """From the first weights on, so that all variants begin at one loss."""
    look(trained)
    epochs(trained)


def look(trained: Trained) -> None:
    """Keep where the weights are, and note the loss of all examples there."""
    trained.kept.setdefault("path", []).append(trained.model[0].weight.data[0].copy())
    x, target = trained.data.train_inputs, trained.data.train_targets
    twins = trained.lockstep.numpy_twin, trained.lockstep.torch_twin
    trained.note("loss/all examples", *(twin.evaluate(x, target)[1] for twin in twins))


def watch(trained: Trained, step: Any) -> None:
    """The weights' path, the loss along it, and whether each weight went against its slope."""
    look(trained)
    before, after = trained.kept["path"][-2:]
    slope = step.numpy_gradients["0.weight"][0]
    trained.kept.setdefault("against", []).append(np.mean((after - before) * slope < 0))


def measure(trained: Trained) -> dict[str, float]:
    loss = trained.curve("loss/all examples")
    lowest = least_squares(trained.data)
    return {
        "against the slope": float(np.mean(trained.kept["against"])),
        "share of steps that lower the loss": float(np.mean(np.diff(loss) < 0)),
        "share gained": float((loss[0] - loss[-1]) / (loss[0] - lowest)),
    }


def least_squares(data: Any) -> float:
    """The lowest mean squared error there is."""
    x = np.column_stack([data.train_inputs, np.ones(len(data.train_inputs))])
    residual = data.train_targets - x @ np.linalg.lstsq(x, data.train_targets, rcond=None)[0]
    return float(np.mean(residual**2))


def judge(f: Figures) -> list[Finding]:
    whole, batch, ball = f["all examples"], f["batches"], f["momentum"]
    falls = "share of steps that lower the loss"
    return [
        always("each weight moves against its slope, at every step", whole["against the slope"] == 1),
        always("the loss falls at every step", whole[falls] == 1),
        larger("until almost nothing is left to gain", whole["share gained"], 0.95),
        larger("a batch's gradient lowers the whole loss at fewer steps", whole[falls], batch[falls], 0.05, "limit"),
        larger("a ball, which has momentum, at times rolls uphill", whole[falls], ball[falls], 0.02, "limit"),
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """The path over the loss, in the plane of the two weights that move most."""
    path = np.array(trained.kept["path"])
    a, b = np.argsort(np.ptp(path, axis=0))[-2:]
    recorder.image("numpy", "path over the loss", surface(trained.data, path, a, b), trained.lockstep.steps)


def surface(data: Any, path: Array, a: int, b: int, size: int = 120) -> Array:
    """The loss over two weights (the others where the path ends), and the path."""
    low, high = path[:, [a, b]].min(axis=0) - 0.3, path[:, [a, b]].max(axis=0) + 0.3
    axes = [np.linspace(low[i], high[i], size) for i in range(2)]
    rest = data.train_inputs @ path[-1] - data.train_inputs[:, a] * path[-1, a] - data.train_inputs[:, b] * path[-1, b]
    y = rest + axes[0][:, None, None] * data.train_inputs[:, a] + axes[1][None, :, None] * data.train_inputs[:, b]
    loss = np.mean((y - data.train_targets[:, 0]) ** 2, axis=2)  # (size, size)
    title = "The mean squared error over two weights, and the path of the descent"
    ends = [(float(low[i]), float(high[i])) for i in range(2)]
    return landscape(loss.T[::-1], ends[0], ends[1], path[:, [a, b]], title, (f"weight {a}", f"weight {b}"))


lesson = Lesson(
    name="gradient_descent",
    claim=__doc__ or "",
    variants={
        "all examples": descent(0.1, 512, 120),
        "batches": descent(0.1, 32, 12),
        "momentum": descent(0.1, 512, 120, momentum=0.9),
        "standing still": descent(0.0, 512, 120),
    },
    measure=measure,
    judge=judge,
    cards=("loss/all examples", "figures/share gained", "figures/share of steps that lower the loss"),
    control="standing still",
    train=train,
    watch=watch,
    show=show,
    tags={
        "figures/share gained": "How much of what can be gained is gained: 0 at the first loss, 1 at the lowest loss "
        "that any line has (least squares).",
        "loss/all examples": "The mean squared error of all examples before the first step and after each, whatever "
        "the step has seen. All settings begin at the same weights; standing still has a learning rate of 0.",
        "path over the loss": "The loss over the two weights that move most, the others as at the end: white is low, "
        "blue high. The orange line is the path, from the black dot to the green one.",
    },
)
