"""A transformer encoder that classifies a sequence of symbols (Vaswani et al. 2017), and its torch twin."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref import nn
from torchref.nn.module import Array, Backward, Module


def encoder_parts(
    network: Any,
    nn: Any,
    vocabulary: int,
    length: int,
    width: int,
    heads: int,
    depth: int,
    classes: int,
    dropout: float,
) -> None:
    """What both engines' `EncoderClassifier` is made of."""
    network.token = nn.Embedding(vocabulary, width)
    network.position = nn.Embedding(length, width)
    layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, batch_first=True)
    network.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
    network.head = nn.Linear(width, classes)


class EncoderClassifier(Module):
    """Symbols (N, T) -> logits (N, K): every position sees every other, and their mean decides.

    Backward: the mean hands each of the T positions one T-th of its gradient.
    """

    token: nn.Embedding
    position: nn.Embedding
    encoder: nn.TransformerEncoder
    head: nn.Linear

    def __init__(
        self,
        vocabulary: int = 17,
        length: int = 64,
        width: int = 16,
        heads: int = 2,
        depth: int = 2,
        classes: int = 10,
        dropout: float = 0.0,
    ) -> None:
        encoder_parts(self, nn, vocabulary, length, width, heads, depth, classes, dropout)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        a, token_backward = self.token(x)  # (N, T, D)
        b, position_backward = self.position(np.arange(x.shape[1]))  # (T, D)
        c, encoder_backward = self.encoder(a + b)  # (N, T, D)
        y, head_backward = self.head(c.mean(axis=1))

        def backward(dy: Array) -> None:
            dmean = head_backward(dy)  # (N, D)
            dc = np.repeat(dmean[:, None] / c.shape[1], c.shape[1], axis=1)  # (N, T, D)
            da = encoder_backward(dc)
            position_backward(da.sum(axis=0))
            token_backward(da)

        return y, backward


def torch_encoder_classifier(
    nn: Any,
    vocabulary: int = 17,
    length: int = 64,
    width: int = 16,
    heads: int = 2,
    depth: int = 2,
    classes: int = 10,
    dropout: float = 0.0,
) -> Any:
    """The torch twin of `EncoderClassifier`."""
    import torch

    class EncoderClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            encoder_parts(self, nn, vocabulary, length, width, heads, depth, classes, dropout)

        def forward(self, x: Any) -> Any:
            positions = torch.arange(x.shape[1], device=x.device)
            return self.head(self.encoder(self.token(x) + self.position(positions)).mean(dim=1))

    return EncoderClassifier()
