"""Autoencoders of patches of photographs: through 32 numbers and back, fully connected or with convolutions."""

from __future__ import annotations

from functools import partial
from typing import Any

from torchref import models
from torchref.compare import Comparison
from torchref.compare.datasets import bundled


def network(nn: Any, network: str) -> Any:
    """Patches (N, 1, 8, 8) to the same shape."""
    if network == "convolutional":
        return models.convolutional_autoencoder(nn, 1, 4)
    return nn.Sequential(nn.Flatten(), *models.autoencoder(nn, 64, 48, 32), nn.Unflatten(1, (1, 8, 8)))


comparison = Comparison(
    name="autoencoders",
    claim="patches of photographs through 32 numbers and back, fully connected or with convolutions",
    model=network,
    loss=lambda nn: nn.MSELoss(),
    optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.005),
    data=partial(bundled.photo_patches, 8, 1_000),
    variants={"connected": {"network": "connected"}, "convolutional": {"network": "convolutional"}},
    epochs=15,
    batch_size=32,
)
