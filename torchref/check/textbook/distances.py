"""Distances of pairs and triples of vectors, and the losses that are made of them."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import WithBackward
from torchref.nn.module import Array


def length(v: Array) -> Array:
    """The length of each row, as a column."""
    return np.sqrt((v**2).sum(-1, keepdims=True))


def pairwise_distance(x1: Array, x2: Array, eps: float, keepdim: bool) -> WithBackward:
    """y = |d| along the last axis, with d = x1 - x2 + eps; dx1 = dy d / |d|, dx2 = -dx1."""
    difference = x1 - x2 + eps
    distance = length(difference)
    y = distance if keepdim else distance[..., 0]

    def backward(dy: Array) -> tuple[Array, ...]:
        ddistance = dy if keepdim else dy[..., None]
        dx1 = ddistance * difference / distance
        dx2 = -dx1
        return dx1, dx2

    return y, backward


def cosine_embedding_loss(x1: Array, x2: Array, t: Array, margin: float, reduction: str) -> WithBackward:
    """L = mean of 1 - c where t = 1, else max(c - margin, 0), with c = x1 . x2 / (|x1| |x2|).

    dc / dx1 = x2 / (|x1| |x2|) - c x1 / |x1|^2, and the same with 1 and 2 exchanged.
    """
    n1, n2 = length(x1), length(x2)
    cos = (x1 * x2).sum(-1, keepdims=True) / (n1 * n2)
    c = cos[..., 0]
    rows = np.where(t == 1, 1 - c, np.maximum(c - margin, 0))
    loss = rows.mean() if reduction == "mean" else rows.sum() if reduction == "sum" else rows

    def backward(dloss: Array) -> tuple[Array, ...]:
        drows = dloss / len(x1) if reduction == "mean" else dloss
        inside = c > margin
        slope = np.where(t == 1, -1, inside)
        dcos = (slope * drows)[..., None]
        dx1 = dcos * (x2 / (n1 * n2) - cos * x1 / n1**2)
        dx2 = dcos * (x1 / (n1 * n2) - cos * x2 / n2**2)
        return dx1, dx2

    return loss, backward


def triplet_margin_loss(
    anchor: Array, positive: Array, negative: Array, margin: float, eps: float, reduction: str
) -> WithBackward:
    """L = mean of max(|a - p| - |a - n| + margin, 0), rows of (N, D).

    d|v| / dv = v / |v|: inside the margin p gets -v / |v| of the positive, n gets v / |v| of the negative, a gets the
    difference.
    """
    to_positive = anchor - positive + eps
    to_negative = anchor - negative + eps
    d_positive, d_negative = length(to_positive), length(to_negative)
    slack = (d_positive - d_negative + margin)[..., 0]
    rows = np.maximum(slack, 0)
    loss = rows.mean() if reduction == "mean" else rows.sum() if reduction == "sum" else rows

    def backward(dloss: Array) -> tuple[Array, ...]:
        drows = dloss / len(anchor) if reduction == "mean" else dloss
        inside = slack > 0
        ddistance = (inside * drows)[..., None]
        positive_path = ddistance * to_positive / d_positive
        negative_path = ddistance * to_negative / d_negative
        danchor = positive_path - negative_path
        dpositive = -positive_path
        dnegative = negative_path
        return danchor, dpositive, dnegative

    return loss, backward
