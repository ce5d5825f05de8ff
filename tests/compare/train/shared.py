"""Comparisons for several processes, as a user's file: SHARED in the environment says which one."""

import os

import numpy as np
import torch

from torchref.compare import Comparison, Data

EXAMPLES = {"unequal": 43}  # to train on, in batches of 8: the last one has 3
BATCH_NORM = ("batch norm", "one")


def data():
    rng = np.random.default_rng(int(os.environ.get("DATA", "0")))
    x, labels = rng.standard_normal((64, 5)), rng.integers(0, 3, 64)
    if kind == "tokens":
        labels[rng.random(64) < 0.3] = -100
        labels[::4] = 1  # every share has one that counts
        labels[1:4] = -100
    count = EXAMPLES.get(kind, 48)
    return Data(x[:count], labels[:count], x[48:], labels[48:])


def model(nn, p):
    norm = [nn.BatchNorm1d(7)] if kind in BATCH_NORM else [nn.SyncBatchNorm(7)] if kind == "synced" else []
    return nn.Sequential(nn.Linear(5, 7), *norm, nn.Tanh(), nn.Dropout(p), nn.Linear(7, 3))


class Own(torch.nn.Sequential):
    """A class that is none of torch's: whether it draws at random is not known before it has run."""


kind = os.environ.get("SHARED", "equal")
OTHERS = {"torch alone": model, "own class": lambda nn, p: Own(*model(nn, p))}
shared = Comparison(
    name="shared",
    claim="a batch is shared by several processes",
    model=None if kind == "torch alone" else model,
    torch_model=OTHERS.get(kind),
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.05, momentum=0.9),
    data=data,
    variants={"default": {"p": 0.3 if kind == "dropout" else 0.0}},
    epochs=2,
    batch_size=4 if kind == "one" else 8,
    max_norm=0.5 if kind == "equal" else None,
    accumulate=2 if kind == "parts" else 1,
    dtype="float32" if kind == "float32" else "float64",
    device="cpu",
)
