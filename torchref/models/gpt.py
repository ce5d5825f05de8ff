"""A decoder in the manner of GPT-2 (Radford et al. 2019), and its torch twin.

Blocks with the norm in front, causal attention, GELU by its tanh formula, learned positions, and one matrix for both
ends: the rows that embed a symbol are also the weights that score it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref import nn
from torchref.nn import functional as F
from torchref.nn.module import Array, Backward, Module
from torchref.nn.random import Source


def attention_parts(attention: Any, nn: Any, width: int) -> None:
    """What both engines' attention is made of."""
    attention.qkv = nn.Linear(width, 3 * width)
    attention.proj = nn.Linear(width, width)


class CausalSelfAttention(Module):
    """Each position reads from itself and those before it: (N, T, D) -> (N, T, D), in `heads` parts of D / heads."""

    qkv: nn.Linear
    proj: nn.Linear

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        self.heads = heads
        self.p = dropout
        self.rng: Source | None = None
        attention_parts(self, nn, width)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        N, T, D = x.shape
        qkv, qkv_backward = self.qkv(x)  # (N, T, 3 D)
        q, k, v = qkv.reshape(N, T, 3, self.heads, D // self.heads).transpose(2, 0, 3, 1, 4)  # each (N, heads, T, d)
        p = self.p if self.training else 0.0
        a, attention_backward = F.scaled_dot_product_attention(q, k, v, None, p, is_causal=True, rng=self.rng)
        y, proj_backward = self.proj(a.transpose(0, 2, 1, 3).reshape(N, T, D))

        def backward(dy: Array) -> Array:
            da = proj_backward(dy).reshape(N, T, self.heads, D // self.heads).transpose(0, 2, 1, 3)
            dq, dk, dv, _ = attention_backward(da)
            dqkv = np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4).reshape(N, T, 3 * D)
            return qkv_backward(dqkv)

        return y, backward


def block_parts(block: Any, nn: Any, attention: Any, width: int, heads: int, dropout: float) -> None:
    """What both engines' block is made of."""
    block.norm1 = nn.LayerNorm(width)
    block.attention = attention(width, heads, dropout)
    block.dropout1 = nn.Dropout(dropout)
    block.norm2 = nn.LayerNorm(width)
    block.mlp = nn.Sequential(
        nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width), nn.Dropout(dropout)
    )


class Block(Module):
    """h = x + attention(norm(x)), y = h + mlp(norm(h)): what a block adds, and what it lets pass unchanged."""

    norm1: nn.LayerNorm
    attention: nn.Module
    dropout1: nn.Dropout
    norm2: nn.LayerNorm
    mlp: nn.Sequential

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        block_parts(self, nn, CausalSelfAttention, width, heads, dropout)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        a, norm1_backward = self.norm1(x)
        b, attention_backward = self.attention(a)
        c, dropout1_backward = self.dropout1(b)
        h = x + c
        d, norm2_backward = self.norm2(h)
        e, mlp_backward = self.mlp(d)

        def backward(dy: Array) -> Array:
            dh = dy + norm2_backward(mlp_backward(dy))
            return dh + norm1_backward(attention_backward(dropout1_backward(dh)))

        return h + e, backward


def gpt_parts(
    network: Any, nn: Any, block: Any, vocabulary: int, context: int, width: int, heads: int, depth: int, dropout: float
) -> None:
    """What both engines' `GPT` is made of."""
    network.token = nn.Embedding(vocabulary, width)
    network.position = nn.Embedding(context, width)
    network.dropout = nn.Dropout(dropout)
    network.blocks = nn.Sequential(*(block(width, heads, dropout) for _ in range(depth)))
    network.norm = nn.LayerNorm(width)
    network.head = nn.Linear(width, vocabulary, bias=False)
    network.head.weight = network.token.weight  # tied: one parameter, under two names
    initialize(network, nn, depth)


def initialize(network: Any, nn: Any, depth: int) -> None:
    """GPT-2's: N(0, 0.02), biases 0, norms 1; what is added to the residual stream, 2 depth times, / sqrt(2 depth)."""
    for name, parameter in network.named_parameters():
        if parameter.ndim == 2:
            adds = name.endswith(("attention.proj.weight", "mlp.2.weight"))
            nn.init.normal_(parameter.data, std=0.02 / math.sqrt(2 * depth) if adds else 0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter.data)


def decay_matrices(parameters: Any, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for the optimizer of either engine: matrices decay, biases and norms do not."""
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def warmup_cosine(warmup: int, steps: int) -> Any:
    """Factor of the learning rate at a step: up in a line over `warmup` steps, then down along half a cosine to 0."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return factor


class GPT(Module):
    """Symbols (N, T), T at most `context` -> logits of each next symbol, (N, V, T).

    Backward: the shared matrix gets two gradients, as the head's weight and as the embedding's rows; both are added to
    its one `grad`.
    """

    token: nn.Embedding
    position: nn.Embedding
    dropout: nn.Dropout
    blocks: nn.Sequential
    norm: nn.LayerNorm
    head: nn.Linear

    def __init__(
        self,
        vocabulary: int = 64,
        context: int = 32,
        width: int = 32,
        heads: int = 4,
        depth: int = 2,
        dropout: float = 0.0,
    ) -> None:
        gpt_parts(self, nn, Block, vocabulary, context, width, heads, depth, dropout)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        a, token_backward = self.token(x)  # (N, T, D)
        b, position_backward = self.position(np.arange(x.shape[1]))  # (T, D)
        c, dropout_backward = self.dropout(a + b)
        d, blocks_backward = self.blocks(c)
        e, norm_backward = self.norm(d)
        logits, head_backward = self.head(e)  # (N, T, V)

        def backward(dy: Array) -> None:
            dc = blocks_backward(norm_backward(head_backward(dy.swapaxes(1, 2))))
            da = dropout_backward(dc)
            position_backward(da.sum(axis=0))  # one row of positions serves every example
            token_backward(da)

        return logits.swapaxes(1, 2), backward


def torch_gpt(
    nn: Any,
    vocabulary: int = 64,
    context: int = 32,
    width: int = 32,
    heads: int = 4,
    depth: int = 2,
    dropout: float = 0.0,
) -> Any:
    """The torch twin of `GPT`."""
    import torch

    class CausalSelfAttention(nn.Module):
        def __init__(self, width: int, heads: int, dropout: float) -> None:
            super().__init__()
            self.heads, self.p = heads, dropout
            attention_parts(self, nn, width)

        def forward(self, x: Any) -> Any:
            N, T, D = x.shape
            q, k, v = self.qkv(x).reshape(N, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
            p = self.p if self.training else 0.0
            a = nn.functional.scaled_dot_product_attention(q, k, v, None, p, is_causal=True)
            return self.proj(a.transpose(1, 2).reshape(N, T, D))

    class Block(nn.Module):
        def __init__(self, width: int, heads: int, dropout: float) -> None:
            super().__init__()
            block_parts(self, nn, CausalSelfAttention, width, heads, dropout)

        def forward(self, x: Any) -> Any:
            h = x + self.dropout1(self.attention(self.norm1(x)))
            return h + self.mlp(self.norm2(h))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            gpt_parts(self, nn, Block, vocabulary, context, width, heads, depth, dropout)

        def forward(self, x: Any) -> Any:
            positions = torch.arange(x.shape[1], device=x.device)
            a = self.dropout(self.token(x) + self.position(positions))
            return self.head(self.norm(self.blocks(a))).transpose(1, 2)

    return GPT()
