"""Dropout and batch norm on handwritten digits: an MLP that overfits, and what helps it."""

from __future__ import annotations

from typing import Any

from comparisons.comparison import Comparison
from comparisons.data import Data, split


def digits() -> Data:
    """The 1,797 digits of 8 x 8 pixels (Alpaydin & Kaynak 1998) that ship with scikit-learn, scaled to 0..1.

    Only 30 % of them are trained on, so that a network of this size overfits within a minute.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return split(images / 16, labels.astype("int64"), validation=0.7)


def mlp(nn: Any, dropout: float, batch_norm: bool) -> Any:
    """64-256-256-10 with ReLU; batch norm in front of each ReLU, dropout behind it."""
    layers = []
    for inputs in (64, 256):
        layers.append(nn.Linear(inputs, 256))
        if batch_norm:
            layers.append(nn.BatchNorm1d(256))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(256, 10))


comparison = Comparison(
    name="digits",
    claim="Dropout and batch norm on 1,797 handwritten digits: an MLP overfits; which of the two helps, and how",
    model=mlp,
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.05, momentum=0.9),
    data=digits,
    variants={
        "plain": {"dropout": 0.0, "batch_norm": False},
        "dropout": {"dropout": 0.5, "batch_norm": False},
        "batch-norm": {"dropout": 0.0, "batch_norm": True},
        "both": {"dropout": 0.5, "batch_norm": True},
    },
    epochs=30,
    batch_size=32,
)
