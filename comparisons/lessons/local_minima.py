"""Descent can end in a local minimum; which one it reaches depends on the start, on noise and on momentum.

Varied: descent in a valley with two minima, the right one higher: exact, with noisy gradients, with momentum. 24 balls
start to the left of the barrier, 24 to its right, so far up that momentum carries over it.
Measured: the share of the balls of either side that end in the lower minimum.
Refuted by: a share that does not depend on the start, or that noise or momentum do not raise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import torchref
from torchref.compare import Comparison, Data
from torchref.compare.record.drawing import Figure, shaded
from torchref.compare.record.pictures import DARK_ORANGE, GREEN
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, larger
from torchref.nn.module import Array

BALLS = 48  # the first half starts on the left
TILT = 0.3


def height(w: Any) -> Any:
    """(w^2 - 1)^2 + 0.3 w: minima near -1 (-0.31) and 1 (0.29), a barrier near 0."""
    return (w * w - 1) ** 2 + TILT * w


class Valley(torchref.nn.Module):
    """The sum of the balls' heights, each tilted by its noise xi: sum height(w) + xi w."""

    def forward(self, w: Array, noise: Array) -> Any:
        loss = np.asanyarray((height(w) + noise * w).sum() / len(w))

        def backward() -> Array:
            dw: Array = (4 * w * (w * w - 1) + TILT + noise) / len(w)
            return dw

        return loss, backward


class TorchValley(torch.nn.Module):
    """The torch twin of `Valley`."""

    def forward(self, w: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = (height(w) + noise * w).sum() / len(w)
        return loss


def valley(nn: Any) -> Any:
    """The loss for both engines."""
    return TorchValley() if nn is torch.nn else Valley()


def still() -> Data:
    """A descent without noise."""
    return noise(0.0)


def noise(size: float) -> Data:
    """256 examples of an input of 1, so that the weights are the balls' places; the noise's mean is zero."""
    xi = np.random.default_rng(0).normal(0, size, (256, BALLS)) if size else np.zeros((256, BALLS))
    return Data(np.ones((256, 1)), xi - xi.mean(axis=0), np.ones((1, 1)), np.zeros((1, BALLS)))


def balls(nn: Any) -> Any:
    """A linear layer of one input that is 1: its weights are the places of the balls."""
    layer = nn.Linear(1, BALLS, bias=False)  # uniform in -1..1
    with torch.no_grad():
        places = layer.weight if nn is torch.nn else layer.weight.data
        places[: BALLS // 2] = -1.6 + 0.4 * places[: BALLS // 2]
        places[BALLS // 2 :] = 1.6 + 0.4 * places[BALLS // 2 :]
    return nn.Sequential(layer)


def descent(data: Any, momentum: float = 0.0) -> Comparison:
    """Balls that roll down the valley, with or without noise and momentum."""
    return Comparison(
        name="local_minima",
        claim="",
        model=balls,
        loss=valley,
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.02, momentum=momentum),
        data=data,
        epochs=1,
        batch_size=1,
    )


def watch(trained: Trained, step: Any) -> None:
    trained.kept.setdefault("path", []).append(trained.model[0].weight.data[:, 0].copy())


def measure(trained: Trained) -> dict[str, float]:
    lower = trained.model[0].weight.data[:, 0] < 0
    return {"from left": lower[: BALLS // 2].mean(), "from right": lower[BALLS // 2 :].mean()}


def judge(f: Figures) -> list[Finding]:
    exact = f["exact"]
    return [
        always("exact descent from the right ends in the higher minimum", exact["from right"] == 0),
        always("from the left in the lower one", exact["from left"] == 1),
        larger(
            "noise brings more balls from the right to the lower one", f["noise"]["from right"], exact["from right"]
        ),
        larger("so does momentum", f["momentum"]["from right"], exact["from right"]),
        larger("momentum can carry a ball out of the lower one too", 1, f["momentum"]["from left"], role="limit"),
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """The balls' paths over time, above the heights that they roll on."""
    path = np.array(trained.kept["path"])  # (steps, balls)
    sides = (("from the left", DARK_ORANGE), ("from the right", GREEN))
    legend = [("low", (255, 255, 255), "box"), ("high", (10, 20, 60), "box"), *((side, c, "thin") for side, c in sides)]
    figure = Figure("Where each ball is, step after step", legend=legend)
    axes = figure.axes(0, "", (0.0, float(len(path))), (-2.5, 2.5), "step", "place")
    heights = height(np.linspace(2.5, -2.5, 120))
    axes.cells(shaded(heights[:, None], float(heights.min()), float(heights.max())))
    axes.ticks()
    for ball in range(0, BALLS, 2):
        axes.line(list(range(len(path))), path[:, ball].tolist(), sides[ball >= BALLS // 2][1], 2)
    recorder.image("numpy", "paths", figure.pixels(), trained.lockstep.steps)


lesson = Lesson(
    name="local_minima",
    claim=__doc__ or "",
    variants={
        "exact": descent(still),
        "noise": descent(lambda: noise(15.0)),
        "momentum": descent(still, momentum=0.95),
    },
    measure=measure,
    judge=judge,
    cards=("figures/from left", "figures/from right", "loss/step"),
    control="exact",
    watch=watch,
    show=show,
    tags={
        "paths": "The place of each second ball over the steps; behind them the height: white is low. They end in one "
        "of the two white valleys.",
    },
)
