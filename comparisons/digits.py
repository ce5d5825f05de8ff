"""Dropout and batch norm on handwritten digits: an MLP that overfits, and what helps it."""

from __future__ import annotations

from typing import Any

from torchref.compare import Comparison, Data
from torchref.compare.datasets import bundled
from torchref.compare.datasets.adapt import as_vectors


def digits() -> Data:
    """The 1,797 digits of 8 x 8 pixels (Alpaydin & Kaynak 1998) that ship with scikit-learn, scaled to 0..1.

    Only 30 % of them are trained on, so that a network of this size overfits within a minute.
    """
    return bundled.digits(validation=0.7)


def mlp(nn: Any, dropout: float, batch_norm: bool, inputs: int = 64, classes: int = 10) -> Any:
    """64-256-256-10 with ReLU; batch norm in front of each ReLU, dropout behind it."""
    layers = []
    for width in (inputs, 256):
        layers.append(nn.Linear(width, 256))
        if batch_norm:
            layers.append(nn.BatchNorm1d(256))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(256, classes))


comparison = Comparison(
    name="digits",
    claim="Dropout and batch norm on 1,797 handwritten digits: an MLP overfits; which of the two helps, and how",
    model=mlp,
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.07, momentum=0.9),
    data=digits,
    adapt=as_vectors,
    variants={
        "plain": {"dropout": 0.0, "batch_norm": False},
        "dropout": {"dropout": 0.5, "batch_norm": False},
        "batch-norm": {"dropout": 0.0, "batch_norm": True},
        "both": {"dropout": 0.5, "batch_norm": True},
    },
    epochs=50,
    batch_size=64,
)
