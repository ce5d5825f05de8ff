"""Recurrent networks over symbols: a classifier and a language model, each with its torch twin."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref import nn
from torchref.nn.module import Array, Backward, Module


def recurrent_parts(network: Any, nn: Any, cell: str, inputs: int, hidden: int, layers: int, outputs: int) -> None:
    """`cell` is RNN, LSTM or GRU; `inputs` the size of the vocabulary."""
    network.embedding = nn.Embedding(inputs, hidden)
    network.recurrent = getattr(nn, cell)(hidden, hidden, layers, batch_first=True)
    network.head = nn.Linear(hidden, outputs)


class RecurrentClassifier(Module):
    """Symbols (N, T) -> logits (N, K): what the network holds in mind at the end decides.

    Backward: only the last state has a gradient; from there it runs back through time.
    """

    embedding: nn.Embedding
    recurrent: nn.RNNBase
    head: nn.Linear

    def __init__(self, cell: str = "LSTM", vocabulary: int = 17, hidden: int = 16, layers: int = 1, classes: int = 10):
        recurrent_parts(self, nn, cell, vocabulary, hidden, layers, classes)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        a, embedding_backward = self.embedding(x)  # (N, T, H)
        (states, _), recurrent_backward = self.recurrent(a)  # (N, T, H)
        y, head_backward = self.head(states[:, -1])

        def backward(dy: Array) -> None:
            dstates = np.zeros_like(states)
            dstates[:, -1] = head_backward(dy)
            embedding_backward(recurrent_backward((dstates, None)))

        return y, backward


def torch_recurrent_classifier(
    nn: Any, cell: str = "LSTM", vocabulary: int = 17, hidden: int = 16, layers: int = 1, classes: int = 10
) -> Any:
    """The torch twin of `RecurrentClassifier`."""

    class RecurrentClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            recurrent_parts(self, nn, cell, vocabulary, hidden, layers, classes)

        def forward(self, x: Any) -> Any:
            states, _ = self.recurrent(self.embedding(x))
            return self.head(states[:, -1])

    return RecurrentClassifier()


class RecurrentLanguageModel(Module):
    """Symbols (N, T) -> logits of each next symbol, (N, V, T): classes second, as the cross-entropy wants them."""

    embedding: nn.Embedding
    recurrent: nn.RNNBase
    head: nn.Linear

    def __init__(self, cell: str = "LSTM", vocabulary: int = 64, hidden: int = 32, layers: int = 1):
        recurrent_parts(self, nn, cell, vocabulary, hidden, layers, vocabulary)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        a, embedding_backward = self.embedding(x)  # (N, T, H)
        (states, _), recurrent_backward = self.recurrent(a)  # (N, T, H)
        logits, head_backward = self.head(states)  # (N, T, V)

        def backward(dy: Array) -> None:
            dstates = head_backward(dy.swapaxes(1, 2))
            embedding_backward(recurrent_backward((dstates, None)))

        return logits.swapaxes(1, 2), backward


def torch_recurrent_language_model(
    nn: Any, cell: str = "LSTM", vocabulary: int = 64, hidden: int = 32, layers: int = 1
) -> Any:
    """The torch twin of `RecurrentLanguageModel`."""

    class RecurrentLanguageModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            recurrent_parts(self, nn, cell, vocabulary, hidden, layers, vocabulary)

        def forward(self, x: Any) -> Any:
            states, _ = self.recurrent(self.embedding(x))
            return self.head(states).transpose(1, 2)

    return RecurrentLanguageModel()
