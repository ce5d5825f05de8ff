"""Losses of a prediction and a target: entry by entry, and of classes."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import WithBackward, sigmoid
from torchref.nn.module import Array


def log_softmax(x: Array, axis: int) -> Array:
    """The logarithm of the softmax along an axis."""
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def log_clipped(p: Array) -> Array:
    """The logarithm, at least -100 as in torch."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p), -100)


def mse_loss(x: Array, t: Array, reduction: str) -> WithBackward:
    """L = mean of d^2, with d = x - t, n entries; dx = 2 d dL / n, dt = -dx."""
    difference = x - t
    entries = difference**2
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        dx = 2 * difference * dentries
        dt = -dx
        return dx, dt

    return loss, backward


def l1_loss(x: Array, t: Array, reduction: str) -> WithBackward:
    """L = mean of |d|, with d = x - t; dx = sign(d) dL / n, dt = -dx. Where d = 0 the slope is 0."""
    difference = x - t
    entries = np.abs(difference)
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        dx = np.sign(difference) * dentries
        dt = -dx
        return dx, dt

    return loss, backward


def smooth_l1_loss(x: Array, t: Array, beta: float, reduction: str) -> WithBackward:
    """L = mean of d^2 / (2 beta) where |d| < beta, else |d| - beta / 2; the slopes are d / beta and sign(d)."""
    difference = x - t
    distance = np.abs(difference)
    inside = distance < beta
    entries = np.where(inside, difference**2 / (2 * beta), distance - beta / 2)
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        slope = np.where(inside, difference / beta, np.sign(difference))
        dx = slope * dentries
        dt = -dx
        return dx, dt

    return loss, backward


def huber_loss(x: Array, t: Array, delta: float, reduction: str) -> WithBackward:
    """L = mean of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2); the slopes are d and delta sign(d)."""
    difference = x - t
    distance = np.abs(difference)
    inside = distance <= delta
    entries = np.where(inside, difference**2 / 2, delta * (distance - delta / 2))
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        slope = np.where(inside, difference, delta * np.sign(difference))
        dx = slope * dentries
        dt = -dx
        return dx, dt

    return loss, backward


def binary_cross_entropy(x: Array, t: Array, reduction: str) -> WithBackward:
    """L = mean of -(t log x + (1 - t) log(1 - x)), with x a probability.

    The slope is -t / x + (1 - t) / (1 - x) = (x - t) / (x (1 - x)). torch bounds the logarithms and the divisor.
    """
    entries = -(t * log_clipped(x) + (1 - t) * log_clipped(1 - x))
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        slope = (x - t) / np.maximum(x * (1 - x), 1e-12)
        dx = slope * dentries
        return (dx,)

    return loss, backward


def binary_cross_entropy_with_logits(x: Array, t: Array, pos_weight: Array | None, reduction: str) -> WithBackward:
    """L = mean of -(w t log s + (1 - t) log(1 - s)), with s = sigmoid(x) and w = pos_weight.

    s' = s (1 - s), so the slope is -w t (1 - s) + (1 - t) s; with w = 1 that is s - t.
    """
    s = sigmoid(x)
    if pos_weight is None:
        entries = t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
    else:
        entries = pos_weight * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        if pos_weight is None:
            slope = s - t
        else:
            slope = (1 - t) * s - pos_weight * t * (1 - s)
        dx = slope * dentries
        return (dx,)

    return loss, backward


def kl_div(x: Array, t: Array, log_target: bool, reduction: str) -> WithBackward:
    """L = mean of q (log q - x), with x = log p, and t = q or log q; dx = -q dL / n. batchmean: n = len(x)."""
    q = np.exp(t) if log_target else t
    log_q = np.log(np.maximum(q, 1e-300))  # 0 log 0 is 0
    entries = q * (log_q - x)
    n = len(x) if reduction == "batchmean" else x.size
    loss = entries if reduction == "none" else entries.sum() if reduction == "sum" else entries.sum() / n

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / n if reduction in ("mean", "batchmean") else dloss
        dx = -q * dentries
        return (dx,)

    return loss, backward


def hinge_embedding_loss(x: Array, t: Array, margin: float, reduction: str) -> WithBackward:
    """L = mean of x where t = 1, else max(margin - x, 0); the slopes are 1, and -1 where x <= margin."""
    entries = np.where(t == 1, x, np.maximum(margin - x, 0))
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        inside = x <= margin
        slope = np.where(t == 1, 1, -1 * inside)
        dx = slope * dentries
        return (dx,)

    return loss, backward


def soft_margin_loss(x: Array, t: Array, reduction: str) -> WithBackward:
    """L = mean of log(1 + exp(-t x)); the slope is -t exp(-t x) / (1 + exp(-t x)) = -t sigmoid(-t x)."""
    entries = np.logaddexp(0, -t * x)
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        dx = -t * sigmoid(-t * x) * dentries
        return (dx,)

    return loss, backward


def poisson_nll_loss(x: Array, t: Array, log_input: bool, eps: float, reduction: str) -> WithBackward:
    """L = mean of r - t log r, with the rate r = exp(x), or r = x; the slopes are exp(x) - t and 1 - t / (x + eps)."""
    entries = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        if log_input:
            slope = np.exp(x) - t
        else:
            slope = 1 - t / (x + eps)
        dx = slope * dentries
        return (dx,)

    return loss, backward


def gaussian_nll_loss(x: Array, t: Array, var: Array, full: bool, eps: float, reduction: str) -> WithBackward:
    """L = mean of (log v + d^2 / v) / 2, with d = x - t and v the variance.

    dx = d / v, dt = -dx, dv = (1 / v - d^2 / v^2) / 2, each times dL / n.
    """
    difference = x - t
    variance = np.maximum(var, eps)  # its gradient is as if it were not clamped
    constant = np.log(2 * np.pi) / 2 if full else 0
    entries = (np.log(variance) + difference**2 / variance) / 2 + constant
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        dx = difference / variance * dentries
        slope = (1 / variance - difference**2 / variance**2) / 2
        dvar = slope * dentries
        dt = -dx
        return dx, dvar, dt

    return loss, backward


def nll_loss(x: Array, t: Array, weight: Array, ignore_index: int, reduction: str) -> WithBackward:
    """L = -sum_n w_(t_n) x_(n, t_n) / sum_n w_(t_n), with x log probabilities (N, K), without rows of ignore_index.

    With share = w onehot: dx = -share dL / total.
    """
    onehot = (t[:, None] == np.arange(x.shape[1])) * 1.0
    counted = (t != ignore_index)[:, None] * 1.0
    share = onehot * weight * counted
    total = share.sum()
    rows = -(share * x).sum(1)
    loss = rows.sum() / total if reduction == "mean" else rows.sum() if reduction == "sum" else rows

    def backward(dloss: Array) -> tuple[Array, ...]:
        drows = dloss / total if reduction == "mean" else dloss if reduction == "sum" else dloss[:, None]
        dx = -share * drows
        return (dx,)

    return loss, backward


def cross_entropy(
    x: Array, t: Array, weight: Array | None, ignore_index: int, reduction: str, label_smoothing: float
) -> WithBackward:
    """L = -sum_n onehot_n . log p_n / N, with p = softmax(x) for each row of x (N, K).

    d log p_j / dx_k = [j = k] - p_k, so dx = (p - onehot) dL / N. With weights, ignored rows or smoothing each row has
    a share g instead of onehot: dx = (p sum(g) - g) dL / total.
    """
    k = x.shape[1]
    onehot = (t[:, None] == np.arange(k)) * 1.0
    log_p = log_softmax(x, 1)
    p = np.exp(log_p)
    if weight is None and ignore_index < 0 and label_smoothing == 0:
        total = len(x)
        rows = -(onehot * log_p).sum(1)
    else:
        class_weight = 1.0 if weight is None else weight
        counted = (t != ignore_index)[:, None] * 1.0
        goal = (1 - label_smoothing) * onehot + label_smoothing / k if label_smoothing else onehot
        total = (onehot * class_weight * counted).sum()
        share = goal * class_weight * counted
        rows = -(share * log_p).sum(1)
    loss = rows.sum() / total if reduction == "mean" else rows.sum() if reduction == "sum" else rows

    def backward(dloss: Array) -> tuple[Array, ...]:
        drows = dloss / total if reduction == "mean" else dloss if reduction == "sum" else dloss[:, None]
        if weight is None and ignore_index < 0 and label_smoothing == 0:
            dx = (p - onehot) * drows
        else:
            row_weight = share.sum(1, keepdims=True)
            dx = (p * row_weight - share) * drows
        return (dx,)

    return loss, backward


def multi_margin_loss(x: Array, t: Array, p: int, margin: float, reduction: str) -> WithBackward:
    """L = mean over the rows of sum_(k != t) max(margin - x_t + x_k, 0)^p / K, for x (N, K).

    Each class inside the margin gets p slack^(p - 1), and the target gets minus their sum.
    """
    k = x.shape[1]
    onehot = (t[:, None] == np.arange(k)) * 1.0
    right = (x * onehot).sum(1, keepdims=True)  # the logit of the target
    slack = np.maximum(margin - right + x, 0) * (1 - onehot)
    rows = (slack**p).sum(1) / k
    loss = rows.mean() if reduction == "mean" else rows.sum() if reduction == "sum" else rows

    def backward(dloss: Array) -> tuple[Array, ...]:
        drows = dloss / len(x) if reduction == "mean" else dloss if reduction == "sum" else dloss[:, None]
        others = p * slack ** (p - 1) * (slack > 0)
        own = others.sum(1, keepdims=True)
        slope = others - onehot * own
        dx = slope * drows / x.shape[1]
        return (dx,)

    return loss, backward


def margin_ranking_loss(x1: Array, x2: Array, t: Array, margin: float, reduction: str) -> WithBackward:
    """L = mean of max(margin - t (x1 - x2), 0); dx1 = -t dL / n inside the margin, dx2 = -dx1."""
    slack = margin - t * (x1 - x2)
    rows = np.maximum(slack, 0)
    loss = rows.mean() if reduction == "mean" else rows.sum() if reduction == "sum" else rows

    def backward(dloss: Array) -> tuple[Array, ...]:
        drows = dloss / len(x1) if reduction == "mean" else dloss
        inside = slack >= 0
        dx1 = -t * inside * drows
        dx2 = -dx1
        return dx1, dx2

    return loss, backward
