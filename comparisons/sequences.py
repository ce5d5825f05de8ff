"""Classifiers of sequences: RNN, LSTM, GRU and a transformer encoder read handwritten digits pixel by pixel."""

from __future__ import annotations

from typing import Any

from torchref import models
from torchref.compare import Comparison
from torchref.compare.datasets import bundled


def numpy_network(nn: Any, network: str) -> Any:
    """All read 64 pixels of 17 shades, row by row."""
    return models.EncoderClassifier() if network == "encoder" else models.RecurrentClassifier(network)


def torch_network(nn: Any, network: str) -> Any:
    """The torch twin of `numpy_network`."""
    return (
        models.torch_encoder_classifier(nn) if network == "encoder" else models.torch_recurrent_classifier(nn, network)
    )


comparison = Comparison(
    name="sequences",
    claim="RNN, LSTM, GRU and a transformer encoder read handwritten digits pixel by pixel",
    model=numpy_network,
    torch_model=torch_network,
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.01),
    data=bundled.digits_as_symbols,
    variants={name.lower(): {"network": name} for name in ("RNN", "LSTM", "GRU", "encoder")},
    max_norm=1.0,
    epochs=4,
    batch_size=32,
)
