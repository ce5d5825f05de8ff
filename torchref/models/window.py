"""A fully connected language model (Bengio et al. 2003): the next symbol from a window of the last; its torch twin."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref import nn
from torchref.nn.module import Array, Backward, Module


def window_parts(network: Any, nn: Any, vocabulary: int, window: int, width: int, hidden: int) -> None:
    """What both engines' `WindowLanguageModel` is made of."""
    network.embedding = nn.Embedding(vocabulary + 1, width)  # one more: what stands in front of the beginning
    network.layers = nn.Sequential(
        nn.Linear(window * width, hidden), nn.Tanh(), nn.Linear(hidden, vocabulary)
    )  # the same for every place


class WindowLanguageModel(Module):
    """Symbols (N, T) -> logits of each next symbol, (N, V, T), each from the last `window` symbols alone.

    Backward: a symbol stands in up to `window` windows; its row of the embedding gets the sum of their gradients.
    """

    embedding: nn.Embedding
    layers: nn.Sequential

    def __init__(self, vocabulary: int = 64, window: int = 5, width: int = 8, hidden: int = 64) -> None:
        self.vocabulary, self.window = vocabulary, window
        window_parts(self, nn, vocabulary, window, width, hidden)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        N, T = x.shape
        padded = np.pad(x, ((0, 0), (self.window - 1, 0)), constant_values=self.vocabulary)
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.window, axis=1)  # (N, T, W)
        a, embedding_backward = self.embedding(windows)  # (N, T, W, D)
        logits, layers_backward = self.layers(a.reshape(N, T, -1))  # (N, T, V)

        def backward(dy: Array) -> None:
            embedding_backward(layers_backward(dy.swapaxes(1, 2)).reshape(a.shape))

        return logits.swapaxes(1, 2), backward


def torch_window_language_model(
    nn: Any, vocabulary: int = 64, window: int = 5, width: int = 8, hidden: int = 64
) -> Any:
    """The torch twin of `WindowLanguageModel`."""

    class WindowLanguageModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            window_parts(self, nn, vocabulary, window, width, hidden)

        def forward(self, x: Any) -> Any:
            padded = nn.functional.pad(x, (window - 1, 0), value=vocabulary)
            windows = padded.unfold(1, window, 1)  # (N, T, W)
            return self.layers(self.embedding(windows).flatten(2)).transpose(1, 2)

    return WindowLanguageModel()
