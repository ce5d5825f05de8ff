"""Work that grows: one layer at sizes from the first cache to main memory. What grows leaves the caches, and loses.

`GROWTH` has for each row what grows, and the workloads by size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.benchmarks.workloads import Pair, integers, layer, loss, normal


def sizes(make: Callable[[int], Pair], *values: int) -> dict[int, Callable[[], Pair]]:
    return {value: partial(make, value) for value in values}


def mlp(batch: int, width: int) -> Pair:
    def network(nn: Any) -> Any:
        return nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
        )

    return layer(network, normal(batch, width))


def convolution(channels: int, side: int, **options: Any) -> Pair:
    return layer(lambda nn: nn.Conv2d(channels, channels, 3, padding=1, **options), normal(8, channels, side, side))


def depthwise(channels: int) -> Pair:
    return convolution(channels, 32, groups=channels)


def lstm(length: int, hidden: int) -> Pair:
    return layer(lambda nn: nn.LSTM(hidden, hidden), normal(length, 32, hidden))


def encoder_layer(length: int) -> Pair:
    return layer(
        lambda nn: nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True), normal(4, length, 64)
    )


GROWTH: dict[str, dict[int, Callable[[], Pair]]] = {
    "width of an MLP": sizes(lambda n: mlp(64, n), 16, 64, 256, 1024, 2048),
    "batch of an MLP(256)": sizes(lambda n: mlp(n, 256), 1, 8, 64, 512, 4096),
    "side of a 3x3 convolution, 16 channels": sizes(lambda n: convolution(16, n), 8, 16, 32, 64, 128),
    "channels of a 3x3 convolution, 32x32": sizes(lambda n: convolution(n, 32), 1, 4, 16, 64, 256),
    "channels of a depthwise convolution, 32x32": sizes(depthwise, 8, 32, 128),
    "channels of a strided convolution, 32x32": sizes(lambda n: convolution(n, 32, stride=2), 4, 16, 64),
    "length of an LSTM(64)": sizes(lambda n: lstm(n, 64), 4, 16, 64, 256),
    "hidden size of an LSTM, 16 times": sizes(lambda n: lstm(16, n), 8, 32, 128, 512),
    "length of an encoder layer(64)": sizes(encoder_layer, 8, 64, 256, 1024),
    "rows of layer norm(256)": sizes(lambda n: layer(lambda nn: nn.LayerNorm(256), normal(n, 256)), 4, 64, 1024, 8192),
    "entries of GELU": sizes(lambda n: layer(lambda nn: nn.GELU(), normal(n)), 100, 10_000, 100_000, 1_000_000),
    "classes of cross-entropy, 256 rows": sizes(
        lambda n: loss(lambda nn: nn.CrossEntropyLoss(), normal(256, n), integers(n, 256)), 10, 100, 1000, 10_000
    ),
    "vocabulary of an embedding(64), 1024 indices": sizes(
        lambda n: layer(lambda nn: nn.Embedding(n, 64), integers(n, 1024)), 100, 10_000, 100_000
    ),
}
