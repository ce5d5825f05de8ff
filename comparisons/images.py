"""Convolutional networks on images: LeNet and a small residual network with batch norm (own images with --data)."""

from __future__ import annotations

from typing import Any

from torchref import models
from torchref.compare import Comparison, Data
from torchref.compare.datasets import bundled
from torchref.compare.datasets.adapt import as_images


def digits() -> Data:
    """1,797 handwritten digits of 8 x 8 pixels, 30 % of them held out."""
    return bundled.digits(images=True)


def numpy_network(nn: Any, network: str, channels: int = 1, side: int = 8, classes: int = 10) -> Any:
    """LeNet for sides that are a multiple of 4; the residual network for any."""
    return models.lenet(nn, channels, side, classes) if network == "lenet" else models.ResNet(channels, classes)


def torch_network(nn: Any, network: str, channels: int = 1, side: int = 8, classes: int = 10) -> Any:
    """The torch twin of `numpy_network`."""
    return (
        models.lenet(nn, channels, side, classes) if network == "lenet" else models.torch_resnet(nn, channels, classes)
    )


comparison = Comparison(
    name="images",
    claim="LeNet (1998) and a residual network with batch norm (2015) on images: which learns faster, and how equal",
    model=numpy_network,
    torch_model=torch_network,
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.05, momentum=0.9),
    data=digits,
    adapt=as_images,
    variants={"lenet": {"network": "lenet"}, "resnet": {"network": "resnet"}},
    epochs=5,
    batch_size=32,
)
