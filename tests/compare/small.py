"""The tiny comparison with more of everything, for the tests of the harness: it trains in a second."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.compare.tiny import tiny
from torchref.compare import Comparison, Data


def blobs() -> Data:
    """Three classes in five dimensions, 67 examples to train on and 31 held out."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 98)
    inputs = rng.standard_normal((98, 5)) + 1.5 * np.eye(3, 5)[labels]
    return Data(inputs[:67], labels[:67], inputs[67:], labels[67:])


def network(nn: Any, p: float = 0.3, batch_norm: bool = True) -> Any:
    layers = [nn.Linear(5, 11), *([nn.BatchNorm1d(11)] if batch_norm else []), nn.ReLU(), nn.Dropout(p)]
    return nn.Sequential(*layers, nn.Linear(11, 7), nn.Tanh(), nn.Linear(7, 3))


small = replace(  # loss and optimizer are the same
    tiny,
    name="small",
    claim="a network small enough to train in a test",
    model=network,
    data=blobs,
    variants={"plain": {"p": 0.0, "batch_norm": False}, "both": {"p": 0.3, "batch_norm": True}},
    epochs=3,
    batch_size=13,
    device="cpu",
)


def changed(**fields: Any) -> Comparison:
    return replace(small, **fields)
