"""Entries of softmax and attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn import functional as F
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import entry


@entry("_softmax")
def softmax(x: Array, dim: int, half_to_float: bool = False) -> tuple[Array, Backward]:
    return F.softmax(x, dim)


@entry("_log_softmax")
def log_softmax(x: Array, dim: int, half_to_float: bool = False) -> tuple[Array, Backward]:
    return F.log_softmax(x, dim)


@entry("_safe_softmax")
def safe_softmax(x: Array, dim: int, dtype: Any = None) -> tuple[Array, Backward]:
    """Softmax, but 0 where all of a row is -inf. Backward: as for softmax, which is linear in y: 0 in such a row."""
    hidden = np.all(x == -np.inf, axis=dim, keepdims=True)
    y, softmax_backward = F.softmax(np.where(hidden, 0.0, x), dim)

    def backward(dy: Array) -> Array:
        return np.where(hidden, 0.0, softmax_backward(dy))

    return np.where(hidden, 0.0, y), backward


@entry("_scaled_dot_product_flash_attention_for_cpu")
def flash_attention(
    query: Array,
    key: Array,
    value: Array,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Array | None = None,
    scale: float | None = None,
) -> tuple[tuple[Array], Backward]:
    """Its second output, the logarithm of the softmax's denominator, is for torch's own backward alone."""
    if dropout_p:
        raise NotImplementedError("a fused kernel hides its draws; use torch.nn.attention.sdpa_kernel(SDPBackend.MATH)")
    y, attention_backward = F.scaled_dot_product_attention(query, key, value, attn_mask, 0.0, is_causal, scale=scale)

    def backward(doutputs: tuple[Array | None, ...]) -> Any:
        return attention_backward(doutputs[0])

    return (y,), backward


@entry("_scaled_dot_product_flash_attention")
def flash_attention_on_cuda(
    query: Array,
    key: Array,
    value: Array,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> tuple[tuple[Array], Backward]:
    return flash_attention(query, key, value, dropout_p, is_causal, scale=scale)


@entry("_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention")
def efficient_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_bias: Array | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> tuple[tuple[Array], Backward]:
    return flash_attention(query, key, value, dropout_p, is_causal, attn_mask=attn_bias, scale=scale)
