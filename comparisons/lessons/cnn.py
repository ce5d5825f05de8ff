"""Convolutional networks for images: of equal size, one beats a fully connected network, the more so on moved images.

Varied: two convolutions (1,898 weights), or two fully connected layers (2,130), on the digits.
Measured: accuracy on held-out digits, as they are, and moved by one pixel to any side.
Refuted by: a fully connected network that is as good on either.
The learning rate is the best for either network: of 0.003, 0.01, 0.02, 0.03 and 0.06, on other seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare import Comparison
from torchref.compare.datasets.bundled import digits
from torchref.compare.record.pictures import weights
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, larger


def convolutional(nn: Any) -> Any:
    """Two convolutions, each with its pooling, and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),  # (N, 8, 8, 8)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 8, 4, 4)
        nn.Conv2d(8, 16, 3, padding=1),  # (N, 16, 4, 4)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 2, 2)
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def connected(nn: Any) -> Any:
    """Three linear layers with as many weights."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 10))


def training(model: Any) -> Comparison:
    """Images of digits, learned by this network."""
    return Comparison(
        name="cnn",
        claim="",
        model=model,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.03),
        data=lambda: digits(0.6, images=True),
        epochs=10,
    )


def measure(trained: Trained) -> dict[str, float]:
    x, target = trained.data.validation_inputs, trained.data.validation_targets
    moved = [np.roll(x, by, axis) for axis in (2, 3) for by in (-1, 1)]
    return {
        "weights": trained.weights,
        "accuracy": float(np.mean(trained.model.predict(x).argmax(axis=1) == target)),
        "moved": float(np.mean([trained.model.predict(m).argmax(axis=1) == target for m in moved])),
    }


def judge(f: Figures) -> list[Finding]:
    cnn, mlp = f["cnn"], f["mlp"]
    mlp_lost, lost = mlp["accuracy"] - mlp["moved"], cnn["accuracy"] - cnn["moved"]
    return [
        always("the sizes are equal to 15 %", np.abs(cnn["weights"] / mlp["weights"] - 1) < 0.15),
        larger("held-out digits: the convolutional network is right more often", cnn["accuracy"], mlp["accuracy"]),
        larger("moved by a pixel as well", cnn["moved"], mlp["moved"]),
        larger("and loses less by the move", mlp_lost, lost),
        larger("though it loses too: it is not blind to where things are", lost, 0.02, role="limit"),
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """The weights of the first layer: filters of 3 x 3, or 8 x 8 weights into each neuron."""
    first = next(parameter.data for parameter in trained.model.parameters())
    side = 3 if first.ndim == 4 else 8
    picture = weights(first.reshape(-1, side, side), f"The first layer's weights, {side} x {side} each")
    recorder.image("numpy", "first layer/weights as images", picture, trained.lockstep.steps)


lesson = Lesson(
    name="cnn",
    claim=__doc__ or "",
    variants={"cnn": training(convolutional), "mlp": training(connected)},
    measure=measure,
    judge=judge,
    cards=("figures/accuracy", "figures/moved", "accuracy/validation"),
    control="mlp",
    show=show,
    quick=4,
)
