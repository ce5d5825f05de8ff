# ruff: noqa: E501
"""The way back through softmax: under the cross entropy, inside attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.check.intermediates.step import Step, step
from torchref.check.mistakes.base import softmax as stable
from torchref.nn.module import Array

DOT = "dot inner sum total rowsum rowdot summed weighted sumterm"


def cross_entropy(v: Any, dy: Array) -> list[Step]:
    if v.label_smoothing or v.weight is not None or v.ignore_index >= 0 or v.input.ndim != 2:
        return []
    n, k = v.input.shape
    p = stable(v.input, 1)
    onehot = np.eye(k)[v.target]
    e = np.exp(v.input - v.input.max(1, keepdims=True))
    mean = {"mean": n}.get(v.reduction, 1)
    dlog = -onehot / mean * dy
    logits = (p - onehot) / mean * (dy[:, None] if np.ndim(dy) else dy)
    dp = np.where(onehot > 0, -1 / p, 0) / mean * dy if not np.ndim(dy) else p
    return [
        step("p", "the softmax of the logits", "p probs prob softmax sm probabilities yhat s", "input", p, p - onehot, e, logits),
        step("log p", "the logarithm of the softmax", "logp logprobs logsoftmax logprob ls", "input", np.log(p)),
        step("one-hot", "the targets as rows of 0 and 1", "onehot t targetonehot y1h yonehot", "input", onehot),
        step("dlog p", "the gradient of log p: -onehot / N", "dlogp dlogprobs dlogsoftmax dlogprob", "input", dlog, dlog * mean, dlog / dy, dlog / dy * mean),
        step("dp", "the gradient of p: -onehot / (p N)", "dp dprobs dprob dsoftmax", "input", dp, dp * mean, dp / dy, logits, logits / dy, logits / dy * mean),
    ]  # fmt: skip


def attention(v: Any, dy: Array) -> list[Step]:
    q, k, value = v.query, v.key, v.value
    scale = 1 / math.sqrt(q.shape[-1]) if v.scale is None else v.scale
    product = q @ k.swapaxes(-1, -2)
    allowed = np.ones(product.shape[-2:], bool)
    scores = product * scale
    if v.is_causal:
        allowed = np.tri(product.shape[-2], product.shape[-1], 0, bool)
    if v.attn_mask is not None and v.attn_mask.dtype == bool:
        allowed = allowed & v.attn_mask
    elif v.attn_mask is not None:
        scores = scores + v.attn_mask
    masked = np.where(allowed, scores, -np.inf)
    p = stable(masked, -1)
    dp = dy @ value.swapaxes(-1, -2)
    dot = (dp * p).sum(-1, keepdims=True)
    ds = p * (dp - dot)
    both = "query key"
    return [
        step("P", "softmax(Q K^T / sqrt(d))", "p a attn weights probs w att attention attnweights alpha s", f"{both} value", p, scores, product, masked, ds, ds * scale),
        step("dP", "the gradient of the weights: dy V^T", "dp da dattn dweights dprobs datt dattention dattnweights dw dalpha", both, dp, np.where(allowed, dp, 0), ds, ds * scale),
        step("row sums of dP * P", "dP * P summed along each row", f"{DOT} delta d rowdelta", both, dot, dp * p),
        step("dS", "the gradient of the scores: P * (dP - row sums of dP * P)", "ds dscores dscore dlogits dz dsc dscaled dqk dsraw draw", both, ds, ds * scale, ds / scale, dp, p),
    ]  # fmt: skip
