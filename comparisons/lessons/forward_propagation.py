"""A word as a one-hot vector times a matrix and as a row of a learned embedding: one function, one gradient.

Varied: letters of real text as one-hot vectors into a linear layer, as numbers into an embedding; digits as rows of
pixels into a linear layer, as images into a convolution whose kernel covers the image.
Measured: the largest difference of outputs and of all gradients when one is given the other's trained weights.
Refuted by: a difference beyond rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import torchref
from torchref.compare import Comparison, Data
from torchref.compare.data import split
from torchref.compare.datasets.bundled import digits, encode, help_text
from torchref.compare.teach import Figures, Finding, Lesson, Trained, equal, gradients_of
from torchref.nn.module import Array

WIDTH = 6


def letters() -> Data:
    """Each letter of a text, and the one after it."""
    symbols, _ = encode(help_text()[:2000])
    return split(symbols[:-1], symbols[1:], validation=0.5)


def symbols() -> int:
    """How many letters the text has."""
    return len(encode(help_text()[:2000])[1])


def one_hot(indices: Array) -> Array:
    """(N,) -> (N, V), a 1 at each letter's place."""
    return np.eye(symbols())[indices]


def one_hot_letters() -> Data:
    """The same letters, each as a one-hot vector."""
    data: Any = letters()
    inputs = one_hot(data.train_inputs[:]), one_hot(data.validation_inputs[:])
    return Data(inputs[0], data.train_targets, inputs[1], data.validation_targets)


def embedding(nn: Any) -> Any:
    """A letter's row of a table, and a linear layer."""
    return nn.Sequential(nn.Embedding(symbols(), WIDTH), nn.Linear(WIDTH, symbols()))


def matrix(nn: Any) -> Any:
    """A one-hot vector times a matrix, and the same linear layer."""
    return nn.Sequential(nn.Linear(symbols(), WIDTH, bias=False), nn.Linear(WIDTH, symbols()))


def convolution(nn: Any) -> Any:
    """Ten convolutions, each as large as the image."""
    return nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten())


def linear(nn: Any) -> Any:
    """A linear layer of all pixels."""
    return nn.Sequential(nn.Linear(64, 10))


def network(model: Any, data: Any) -> Comparison:
    """This network on these data."""
    return Comparison(
        name="forward_propagation",
        claim="",
        model=model,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.5),
        data=data,
        epochs=4,
    )


def measure(trained: Trained) -> dict[str, float]:
    """The trained network's weights in its counterpart, which is shown the same examples in its own form."""
    model, x, target = trained.model, trained.data.validation_inputs[:90], trained.data.validation_targets[:90]
    weights = [parameter.data for parameter in model.parameters()]
    first = weights[0]
    if isinstance(model[0], torchref.nn.Embedding):
        other, other_x, moved = matrix, one_hot(x), first.T  # (V, D) -> (D, V)
    elif isinstance(model[0], torchref.nn.Conv2d):
        other, other_x, moved = linear, x.reshape(-1, 64), first.reshape(10, 64)
    elif first.shape == (10, 64):
        other, other_x, moved = convolution, x.reshape(-1, 1, 8, 8), first.reshape(10, 1, 8, 8)
    else:
        other, other_x, moved = embedding, x.argmax(axis=1), first.T
    if trained.off:
        other_x = np.roll(other_x, 1, axis=0)  # each example in another's place
    counterpart = other(torchref.nn).to(np.float64)
    for parameter, values in zip(counterpart.parameters(), [moved, *weights[1:]], strict=True):
        parameter.data = values
    criterion = torchref.nn.CrossEntropyLoss()
    ours = list(gradients_of(model, criterion, x, target).values())
    theirs = list(gradients_of(counterpart, criterion, other_x, target).values())
    back = theirs[0].T if moved.shape == first.T.shape and moved.ndim == 2 else theirs[0].reshape(first.shape)
    pairs = zip(ours, [back.reshape(first.shape), *theirs[1:]], strict=True)
    return {
        "output": np.abs(model.predict(x) - counterpart.predict(other_x)).max(),
        "gradients": max(np.abs(a - b).max() for a, b in pairs),
    }


def judge(f: Figures) -> list[Finding]:
    pairs = {
        "one-hot": "one-hot times a matrix is a row of an embedding",
        "embedding": "and the embedding's rows are the matrix's columns",
        "pixels": "pixels in a row, or a kernel that covers the image",
        "image": "and back",
    }
    return [
        equal(f"{text}: {what}", f[name][figure], 1e-13)
        for name, text in pairs.items()
        for figure, what in (("output", "the same output"), ("gradients", "the same gradients"))
    ]


lesson = Lesson(
    name="forward_propagation",
    claim=__doc__ or "",
    variants={
        "one-hot": network(matrix, one_hot_letters),
        "embedding": network(embedding, letters),
        "pixels": network(linear, digits),
        "image": network(convolution, lambda: digits(images=True)),
    },
    measure=measure,
    judge=judge,
    page="text",
    cards=("figures/output", "figures/gradients", "loss/training"),
    control="embedding",
)
