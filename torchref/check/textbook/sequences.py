"""Connectionist temporal classification: how likely a sequence of labels is, whenever each of them is said."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import WithBackward
from torchref.check.textbook.losses import log_softmax
from torchref.nn.module import Array


def spelled(t: Array, blank: int) -> Array:
    """the states of each target: a blank before, between and behind its labels"""
    states = np.full((len(t), 2 * t.shape[1] + 1), blank)
    states[:, 1::2] = t
    return states


def in_rows(t: Array, lengths: Array) -> Array:
    """the targets as rows: those that stand one behind the other are taken apart"""
    if t.ndim == 2:
        return t
    rows = np.zeros_like(t, shape=(len(lengths), lengths.max(initial=0)))
    for row, end, n in zip(rows, np.cumsum(lengths), lengths, strict=True):
        row[:n] = t[end - n : end]
    return rows


def behind(a: Array, k: int) -> Array:
    """each state's value k states further on"""
    moved = np.full_like(a, -np.inf)
    moved[:, k:] = a[:, :-k]
    return moved


def ahead(a: Array, k: int) -> Array:
    """each state's value k states before it"""
    return behind(a[:, ::-1], k)[:, ::-1]


def one_of(a: Array, b: Array, c: Array) -> Array:
    """log(exp a + exp b + exp c)"""
    return np.logaddexp(np.logaddexp(a, b), c)


def paths_to(y: Array, jumps: Array) -> Array:
    """alpha, for each time and state: the logarithm of what all paths that have come there are worth"""
    alpha = np.full_like(y, -np.inf)
    alpha[0, :, :2] = y[0, :, :2]
    for time in range(1, len(y)):
        a = alpha[time - 1]
        alpha[time] = y[time] + one_of(a, behind(a, 1), np.where(jumps, behind(a, 2), -np.inf))
    return alpha


def paths_from(y: Array, jumps: Array, ends: Array, frames: Array) -> Array:
    """beta, for each time and state: the logarithm of what all ways on from there to an end are worth"""
    last = np.where(ends, 0.0, -np.inf)
    beta = np.full_like(y, -np.inf)
    beta[-1] = last
    for time in range(len(y) - 2, -1, -1):
        b = beta[time + 1] + y[time + 1]
        onward = one_of(b, ahead(b, 1), ahead(np.where(jumps, b, -np.inf), 2))
        beta[time] = np.where((time < frames - 1)[:, None], onward, last)
    return beta


def ctc_loss(
    x: Array,
    t: Array,
    input_lengths: Array | None,
    target_lengths: Array | None,
    blank: int,
    reduction: str,
    zero_infinity: bool,
) -> WithBackward:
    """L = -log p(target), with p the sum over all paths of states that spell the target; x log probabilities (T, N, C).

    alpha and beta are the sums over the paths to a state and from it (Graves et al. 2006). With gamma the share of the
    paths that are in a state at a time, dx = (exp(x) - sum of gamma over the states of the class) dL.
    """
    scores = x if x.ndim == 3 else x[:, None]
    times, n, classes = scores.shape
    frames = np.full(n, times) if input_lengths is None else np.reshape(input_lengths, n)
    lengths = np.full(n, t.size // n) if target_lengths is None else np.reshape(target_lengths, n)
    labels = in_rows(t, lengths)
    log_p = log_softmax(scores, 2)  # log probabilities stay what they are
    states = spelled(labels, blank)
    y = log_p[:, np.arange(n)[:, None], states]
    at = np.arange(states.shape[1])
    jumps = (
        (at % 2 == 1) & (at > 1) & (states != np.roll(states, 2, 1))
    )  # over the blank between two labels that differ
    ends = (at == 2 * lengths[:, None]) | (at == 2 * lengths[:, None] - 1)
    alpha = paths_to(y, jumps)
    paths = np.where(ends, alpha[frames - 1, np.arange(n)], -np.inf)
    total = np.logaddexp.reduce(paths, axis=1)
    finite = total > -np.inf
    losses = np.where(finite, -total, 0.0 if zero_infinity else np.inf)
    share = np.maximum(lengths, 1) * n if reduction == "mean" else np.ones(n)
    rows = losses if x.ndim == 3 else losses[0]
    loss = (losses / share).sum() if reduction == "mean" else losses.sum() if reduction == "sum" else rows

    def backward(dloss: Array) -> tuple[Array, ...]:
        beta = paths_from(y, jumps, ends, frames)
        gamma = np.exp(alpha + beta - np.where(finite, total, np.inf)[:, None])  # of being in a state at a time
        occupied = (gamma[..., None] * (states[..., None] == np.arange(classes))).sum(2)
        heard = (np.arange(times)[:, None] < frames) & finite
        drows = dloss / share
        dscores = (np.exp(log_p) - occupied) * heard[..., None] * drows[:, None]
        dx = dscores.reshape(x.shape)
        return (dx,)

    return loss, backward
