"""Networks that a Sequential can say: one definition for both engines, `nn` is torchref.nn or torch.nn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def logistic_regression(nn: Any, inputs: int, classes: int) -> Any:
    """One linear layer; with cross-entropy behind it (Cox 1958, for two classes)."""
    return nn.Sequential(nn.Linear(inputs, classes))


def mlp(nn: Any, sizes: Sequence[int], activation: str = "ReLU", dropout: float = 0.0, batch_norm: bool = False) -> Any:
    """sizes[0] inputs, hidden layers with `activation`, sizes[-1] outputs (Rumelhart, Hinton & Williams 1986).

    Batch norm stands in front of each activation, dropout behind it.
    """
    layers = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers.append(nn.Linear(inputs, outputs))
        if batch_norm:
            layers.append(nn.BatchNorm1d(outputs))
        layers.append(getattr(nn, activation)())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def lenet(nn: Any, channels: int = 1, side: int = 28, classes: int = 10, activation: str = "Tanh") -> Any:
    """Two convolutions with average pooling, then three linear layers, as LeNet-5 (LeCun et al. 1998).

    Images (N, channels, side, side), side a multiple of 4; padding keeps the size, so that small digits fit as well.
    """
    act = getattr(nn, activation)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2),  # (N, 6, S, S)
        act(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5, padding=2),  # (N, 16, S/2, S/2)
        act(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (side // 4) ** 2, 120),
        act(),
        nn.Linear(120, 84),
        act(),
        nn.Linear(84, classes),
    )


def autoencoder(nn: Any, inputs: int = 64, hidden: int = 32, code: int = 2) -> Any:
    """Through a bottleneck of `code` numbers and back, to outputs from 0 to 1 (Hinton & Salakhutdinov 2006)."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.Tanh(),
        nn.Linear(hidden, code),
        nn.Linear(code, hidden),
        nn.Tanh(),
        nn.Linear(hidden, inputs),
        nn.Sigmoid(),
    )


def convolutional_autoencoder(nn: Any, channels: int = 1, width: int = 8) -> Any:
    """Convolutions of stride 2 halve an image twice, transposed ones double it back (Zeiler et al. 2010).

    Images (N, channels, S, S), S a multiple of 4, to the same shape, from 0 to 1.
    """
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2, padding=1),  # (N, width, S/2, S/2)
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),  # (N, 2 width, S/4, S/4)
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),  # (N, width, S/2, S/2)
        nn.ReLU(),
        nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),  # (N, channels, S, S)
        nn.Sigmoid(),
    )


def policy_network(nn: Any, states: int = 4, hidden: int = 32, actions: int = 2) -> Any:
    """State -> logits of the actions: a policy pi(a | s) = softmax(logits)_a. See `PolicyGradientLoss`."""
    return nn.Sequential(nn.Linear(states, hidden), nn.Tanh(), nn.Linear(hidden, actions))
