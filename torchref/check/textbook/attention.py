"""Scaled dot-product attention, alone and with several heads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.check.textbook.common import SeveralWithBackward
from torchref.nn.module import Array


def softmax(scores: Array) -> Array:
    """The softmax along the last axis."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def scaled_dot_product_attention(
    q: Array, k: Any, v: Any, attn_mask: Array | None, is_causal: bool, scale: float | None
) -> SeveralWithBackward:
    """y = P V with P = softmax(S) along the keys and S = Q K^T / sqrt(d), for Q (..., T, d) and K, V (..., S, d).

    dV = P^T dy, dP = dy V^T, dS = P (dP - sum(dP P)) by softmax's derivative, dQ = dS K / sqrt(d), dK = dS^T Q /
    sqrt(d). Hidden keys have the score -inf. If k is None, x is query, key and value, and dx is the sum of the
    three.
    """
    key, value = (q, q) if k is None else (k, v)  # one x is all three
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = q @ key.swapaxes(-1, -2) * factor
    allowed: Any = np.ones(scores.shape[-2:], bool)
    if is_causal:
        allowed = np.tri(*scores.shape[-2:], dtype=bool)
    if attn_mask is not None:
        allowed = allowed & attn_mask
    P = softmax(np.where(allowed, scores, -np.inf))
    y = P @ value

    def backward(dy: Array) -> tuple[Array, ...]:
        dP = dy @ value.swapaxes(-1, -2)
        row_sum = (dP * P).sum(axis=-1, keepdims=True)
        dS = P * (dP - row_sum) * factor
        dv = P.swapaxes(-1, -2) @ dy
        dk = dS.swapaxes(-1, -2) @ q
        dq = dS @ key
        dx = dq + dk + dv if k is None else dq
        return dx, dk, dv

    return (y, P), backward


def heads(a: Array, h: int) -> Array:
    """(T, N, E) as h heads, (N, h, T, E / h)"""
    return a.reshape(*a.shape[:2], h, -1).transpose(1, 2, 0, 3)


def joined(a: Array) -> Array:
    """(N, h, T, d), the heads side by side: (T, N, h d)"""
    return a.transpose(2, 0, 1, 3).reshape(a.shape[2], a.shape[0], -1)


def product(da: Array, x: Array) -> Array:
    """da^T x over all steps and samples, for the weight in x @ weight.T"""
    return da.reshape(-1, da.shape[-1]).T @ x.reshape(-1, x.shape[-1])


def multi_head_attention(
    query: Array,
    key: Array | None,
    value: Array | None,
    in_proj_weight: Any,
    in_proj_bias: Any,
    q_proj_weight: Any,
    k_proj_weight: Any,
    v_proj_weight: Any,
    q_proj_bias: Array,
    k_proj_bias: Array,
    v_proj_bias: Array,
    out_proj_weight: Array,
    out_proj_bias: Array,
    attn_mask: Array | None,
    num_heads: int,
    is_causal: bool,
) -> SeveralWithBackward:
    """Attention of h heads between four linear layers; query (T, N, E), key and value (S, N, E).

    z = heads joined, y = z W_o^T + b_o. The backward is that of the output layer, of attention in each head, and of the
    three projections, in this order.
    """
    x_k = query if key is None else key  # attention of one x with itself
    x_v = query if value is None else value
    if in_proj_weight is not None:
        if in_proj_bias is None:
            in_proj_bias = np.zeros(len(in_proj_weight))
        w_q, w_k, w_v = np.split(in_proj_weight, 3)
        b_q, b_k, b_v = np.split(in_proj_bias, 3)
    else:
        w_q, w_k, w_v = q_proj_weight, k_proj_weight, v_proj_weight
        b_q, b_k, b_v = q_proj_bias, k_proj_bias, v_proj_bias
    q = heads(query @ w_q.T + b_q, num_heads)
    k = heads(x_k @ w_k.T + b_k, num_heads)
    v = heads(x_v @ w_v.T + b_v, num_heads)
    factor = 1 / math.sqrt(q.shape[-1])
    scores = q @ k.swapaxes(-1, -2) * factor
    allowed: Any = np.ones(scores.shape[-2:], bool)
    if is_causal:
        allowed = np.tri(*scores.shape[-2:], dtype=bool)
    if attn_mask is not None:
        allowed = allowed & attn_mask
    P = softmax(np.where(allowed, scores, -np.inf))
    z = joined(P @ v)
    y = z @ out_proj_weight.T + out_proj_bias

    def backward(dy: Array) -> tuple[Array, ...]:
        dz = heads(dy @ out_proj_weight, num_heads)
        dP = dz @ v.swapaxes(-1, -2)
        row_sum = (dP * P).sum(axis=-1, keepdims=True)
        dS = P * (dP - row_sum) * factor
        dv = P.swapaxes(-1, -2) @ dz
        dk = dS.swapaxes(-1, -2) @ q
        dq = dS @ k
        da_q, da_k, da_v = joined(dq), joined(dk), joined(dv)
        dquery = da_q @ w_q
        dkey = da_k @ w_k
        dvalue = da_v @ w_v
        dx = dquery + dkey + dvalue if key is None else dquery
        dw_q = product(da_q, query)
        dw_k = product(da_k, x_k)
        dw_v = product(da_v, x_v)
        db_q = da_q.sum((0, 1))
        db_k = da_k.sum((0, 1))
        db_v = da_v.sum((0, 1))
        dw_in = np.concatenate((dw_q, dw_k, dw_v))
        db_in = np.concatenate((db_q, db_k, db_v))
        dw_out = product(dy, z)
        db_out = dy.sum((0, 1))
        return dx, dkey, dvalue, dw_in, db_in, dw_q, dw_k, dw_v, db_q, db_k, db_v, dw_out, db_out

    return (y, P), backward
