# ruff: noqa: E501
"""The way back through softmax: alone, under the cross entropy, inside attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.check.intermediates.step import Step, step
from torchref.check.mistakes.base import softmax as stable
from torchref.nn.module import Array

P = "p s y probs prob softmax out output sm a probabilities"
DOT = "dot inner sum total rowsum rowdot summed weighted sumterm"


def softmax(v: Any, dy: Array) -> list[Step]:
    x = v.sign * v.input
    axis = -1 if v.dim is None else v.dim
    p = stable(x, axis)
    dot = (dy * p).sum(axis, keepdims=True)
    e, shifted = np.exp(x - x.max(axis, keepdims=True)), x - x.max(axis, keepdims=True)
    found = [
        step("p", "the softmax", P, "input", p, x, e, e.sum(axis, keepdims=True)),
        step("dy * p", "the upstream gradient times p", "dyp pdy weighted sdy dysum g gp", "input", dy * p, dot, dy),
        step("sum of dy * p", "dy * p summed along the row", DOT, "input", dot, dy * p, e.sum(axis, keepdims=True)),
        step("shifted", "x less its maximum", "shifted", "input", shifted),
    ]
    if p.ndim == 2 and axis in (-1, 1):
        jacobian = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])
        found.append(
            step(
                "Jacobian",
                "diag(p) - p p^T, for each row",
                "j jac jacobian",
                "input",
                jacobian,
                jacobian[-1],
                jacobian[0],
            )
        )
    return found  # fmt: skip


def log_softmax(v: Any, dy: Array) -> list[Step]:
    axis = -1 if v.dim is None else v.dim
    p = stable(v.input, axis)
    total = dy.sum(axis, keepdims=True)
    return [
        step("p", "the softmax", "p probs prob softmax sm s probabilities", "input", p, np.log(p), total),
        step("sum of dy", "dy summed along the row", "sum total rowsum dysum sumdy dsum s", "input", total, p),
    ]


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
