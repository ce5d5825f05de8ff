"""Losses of several labels at once."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import WithBackward, sigmoid
from torchref.nn.module import Array


def labels_of(t: Array, k: int) -> Array:
    """1 at the classes that a row of t names before its first -1, 0 elsewhere."""
    counted = np.cumprod(t >= 0, axis=1)
    return ((t[:, :, None] == np.arange(k)) * counted[:, :, None]).sum(1)


def multilabel_soft_margin_loss(x: Array, t: Array, weight: Array, reduction: str) -> WithBackward:
    """L = mean over the rows of sum_k w_k BCE(s_k, t_k) / K, with s = sigmoid(x); the slope is w (s - t)."""
    k = x.shape[1]
    s = sigmoid(x)
    entries = weight * (t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x))
    rows = entries.sum(1) / k
    loss = rows.mean() if reduction == "mean" else rows.sum() if reduction == "sum" else rows

    def backward(dloss: Array) -> tuple[Array, ...]:
        drows = dloss / len(x) if reduction == "mean" else dloss if reduction == "sum" else dloss[:, None]
        slope = s - t
        dx = slope * weight * drows / x.shape[1]
        return (dx,)

    return loss, backward


def multilabel_margin_loss(x: Array, t: Array, reduction: str) -> WithBackward:
    """L = mean over the rows of sum over labels j and other classes i of max(1 - x_j + x_i, 0) / K.

    Each pair inside the margin gives +1 to x_i and -1 to x_j.
    """
    k = x.shape[1]
    label = labels_of(t, k)
    pair = label[:, :, None] * (1 - label[:, None, :])  # a label, and a class that is none
    slack = pair * (1 - x[:, :, None] + x[:, None, :])
    rows = np.maximum(slack, 0).sum((1, 2)) / k
    loss = rows.mean() if reduction == "mean" else rows.sum() if reduction == "sum" else rows

    def backward(dloss: Array) -> tuple[Array, ...]:
        drows = dloss / len(x) if reduction == "mean" else dloss if reduction == "sum" else dloss[:, None]
        inside = slack > 0
        at_others = inside.sum(1)
        at_labels = inside.sum(2)
        slope = at_others - at_labels
        dx = slope * drows / x.shape[1]
        return (dx,)

    return loss, backward
