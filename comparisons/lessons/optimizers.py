"""Momentum, RMSprop and Adam reach a lower loss than plain descent in the same number of steps.

Varied: the optimizer, on the same network, start, data and order; each at several learning rates, its best one counts.
Measured: the mean training loss over the epochs. Refuted by: plain descent, at its best rate, that is as low.
Beside it: every optimizer at the same rate, as the claim is often shown, compares rates and not optimizers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.compare import Comparison
from torchref.compare.datasets.bundled import digits
from torchref.compare.teach import Figures, Finding, Lesson, Trained, larger

SAME = 0.01
OPTIMIZERS: dict[str, tuple[Any, tuple[float, ...]]] = {
    "plain": (lambda optim, parameters, lr: optim.SGD(parameters, lr=lr), (SAME, 0.3, 0.6, 1.0)),
    "momentum": (lambda optim, parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9), (SAME, 0.03, 0.1)),
    "RMSprop": (lambda optim, parameters, lr: optim.RMSprop(parameters, lr=lr), (0.001, 0.003, SAME)),
    "Adam": (lambda optim, parameters, lr: optim.Adam(parameters, lr=lr), (0.003, SAME, 0.03)),
}


def training(make: Any, lr: float) -> Comparison:
    """Digits, learned with this optimizer."""
    return Comparison(
        name="optimizers",
        claim="",
        model=lambda nn: nn.Sequential(nn.Linear(64, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 10)),
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: make(optim, parameters, lr),
        data=lambda: digits(0.6),
        epochs=5,
    )


def measure(trained: Trained) -> dict[str, float]:
    return {"loss": float(trained.curve("loss/training").mean())}


def judge(f: Figures) -> list[Finding]:
    best = {}
    for name, (_, rates) in OPTIMIZERS.items():
        losses = [f[f"{name} {lr}"]["loss"] for lr in rates]
        best[name] = min(losses, key=np.mean)
    others = [name for name in best if name != "plain"]
    same = {name: f[f"{name} {SAME}"]["loss"] for name in best}
    text = f"all at the rate {SAME}, as is often shown:"
    return [
        *(larger(f"each at its best rate: {name} is lower", best["plain"], best[name], by=0.01) for name in others),
        *(larger(f"{text} {name} is lower", same["plain"], same[name], role="instead") for name in others),
    ]


lesson = Lesson(
    name="optimizers",
    claim=__doc__ or "",
    variants={f"{name} {lr}": training(make, lr) for name, (make, rates) in OPTIMIZERS.items() for lr in rates},
    measure=measure,
    judge=judge,
    cards=("figures/loss", "loss/training"),
    control="momentum 0.03",
    quick=4,
    runs="plain (0.6|1.0)|momentum (0.03|0.1)|RMSprop (0.003|0.01)|Adam (0.003|0.01)|about",  # two rates of each
)
