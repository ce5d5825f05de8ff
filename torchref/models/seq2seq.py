"""An encoder-decoder with attention (Bahdanau et al. 2015; scores as in Luong et al. 2015), and its torch twin."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref import nn
from torchref.nn import functional as F
from torchref.nn.module import Array, Backward, Module


def seq2seq_parts(network: Any, nn: Any, vocabulary: int, hidden: int) -> None:
    """What both engines' `EncoderDecoder` is made of."""
    network.source_embedding = nn.Embedding(vocabulary, hidden)
    network.target_embedding = nn.Embedding(vocabulary, hidden)
    network.encoder = nn.GRU(hidden, hidden, batch_first=True)
    network.decoder = nn.GRU(hidden, hidden, batch_first=True)
    network.combine = nn.Linear(2 * hidden, hidden)
    network.tanh = nn.Tanh()
    network.head = nn.Linear(hidden, vocabulary)


class EncoderDecoder(Module):
    """Symbols (N, S + T), the source and what the decoder has written so far -> logits of its next, (N, V, T).

    The decoder begins with the encoder's last state; each of its states attends to all of the encoder's, and both
    together say the next symbol. Backward: the encoder's states have two gradients, from the attention and, the last,
    from the decoder's beginning.
    """

    source_embedding: nn.Embedding
    target_embedding: nn.Embedding
    encoder: nn.GRU
    decoder: nn.GRU
    combine: nn.Linear
    tanh: nn.Tanh
    head: nn.Linear

    def __init__(self, vocabulary: int = 9, hidden: int = 16, source_length: int = 6) -> None:
        self.source_length = source_length
        seq2seq_parts(self, nn, vocabulary, hidden)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        source, written = x[:, : self.source_length], x[:, self.source_length :]
        a, source_backward = self.source_embedding(source)  # (N, S, H)
        (memory, last), encoder_backward = self.encoder(a)  # (N, S, H), (1, N, H)
        b, target_backward = self.target_embedding(written)  # (N, T, H)
        (states, _), decoder_backward = self.decoder(b, last)  # (N, T, H)
        context, attention_backward = F.scaled_dot_product_attention(states, memory, memory)  # (N, T, H)
        c, combine_backward = self.combine(np.concatenate([states, context], axis=2))
        d, tanh_backward = self.tanh(c)
        logits, head_backward = self.head(d)  # (N, T, V)

        def backward(dy: Array) -> None:
            dpair = combine_backward(tanh_backward(head_backward(dy.swapaxes(1, 2))))  # (N, T, 2 H)
            dstates, dcontext = np.split(dpair, 2, axis=2)
            dquery, dkey, dvalue, _ = attention_backward(dcontext)
            db, dlast = decoder_backward((dstates + dquery, None))
            target_backward(db)
            source_backward(encoder_backward((dkey + dvalue, dlast)))

        return logits.swapaxes(1, 2), backward


def torch_encoder_decoder(nn: Any, vocabulary: int = 9, hidden: int = 16, source_length: int = 6) -> Any:
    """The torch twin of `EncoderDecoder`."""
    import torch

    class EncoderDecoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            seq2seq_parts(self, nn, vocabulary, hidden)

        def forward(self, x: Any) -> Any:
            source, written = x[:, :source_length], x[:, source_length:]
            memory, last = self.encoder(self.source_embedding(source))
            states, _ = self.decoder(self.target_embedding(written), last)
            context = nn.functional.scaled_dot_product_attention(states, memory, memory)
            combined = self.tanh(self.combine(torch.cat([states, context], dim=2)))
            return self.head(combined).transpose(1, 2)

    return EncoderDecoder()
