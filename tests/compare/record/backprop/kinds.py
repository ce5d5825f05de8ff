"""Comparisons that train in a blink, with every kind of layer that the tab takes apart."""

from dataclasses import replace

import numpy as np

import torchref.nn
from tests.compare.tiny import tiny
from torchref import models
from torchref.compare import Data


def words():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 7, (30, 9))
    return Data(x[:24], x[:24, 2] % 3, x[24:], x[24:, 2] % 3)


def reader(nn, network):
    if network == "attention":
        sizes = {"vocabulary": 7, "length": 9, "width": 6, "heads": 2, "depth": 1, "classes": 3}
        return models.EncoderClassifier(**sizes) if nn is torchref.nn else models.torch_encoder_classifier(nn, **sizes)
    sizes = {"vocabulary": 7, "hidden": 5, "layers": 1, "classes": 3}
    ours = nn is torchref.nn
    return (
        models.RecurrentClassifier(network, **sizes)
        if ours
        else models.torch_recurrent_classifier(nn, network, **sizes)
    )


sequences = replace(
    tiny,
    name="sequences",
    data=words,
    model=reader,
    torch_model=reader,
    variants={name: {"network": name} for name in ("LSTM", "RNN", "attention")},
    epochs=1,
)


def pictures():
    rng = np.random.default_rng(2)
    x, labels = rng.standard_normal((20, 2, 6, 6)), rng.integers(0, 3, 20)
    return Data(x[:14], labels[:14], x[14:], labels[14:])


def convolutional(nn, groups):
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=1, padding=1, groups=groups),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.2),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 2, stride=1, padding=1, dilation=2),
        nn.Sigmoid(),
        nn.AvgPool2d(2, stride=1),
        nn.Flatten(),
        nn.LayerNorm(16),
        nn.Linear(16, 3),
    )


images = replace(
    tiny,
    name="images",
    data=pictures,
    model=convolutional,
    variants={"whole": {"groups": 1}, "grouped": {"groups": 2}},
    epochs=1,
    batch_size=7,
)
