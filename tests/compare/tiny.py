"""A comparison that trains in a blink, as a user's file: what the tests of the command line run."""

import numpy as np

from torchref.compare.comparison import Comparison
from torchref.compare.data import Data


def data():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((29, 5)), rng.integers(0, 3, 29)
    return Data(x[:18], labels[:18], x[18:], labels[18:])


def model(nn, p):
    return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Dropout(p), nn.Linear(7, 3))


tiny = Comparison(
    name="tiny",
    claim="a network of 20 neurons can be trained",
    model=model,
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.05, momentum=0.9),
    data=data,
    variants={"plain": {"p": 0.0}, "dropout": {"p": 0.3}},
    epochs=2,
    batch_size=6,
)
