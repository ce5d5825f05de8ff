# ruff: noqa  (written as students write)
"""A recurrence in a loop of training: a loop of steps goes forward, and another goes back."""

import numpy as np

rng = np.random.default_rng(3)
steps, size, hidden = 5, 4, 6
Wxh, Whh, Why = (
    rng.normal(size=(hidden, size)),
    0.3 * rng.normal(size=(hidden, hidden)),
    rng.normal(size=(size, hidden)),
)
bh, by = np.zeros((hidden, 1)), np.zeros((size, 1))
words = rng.integers(0, size, steps + 1)

for epoch in range(3):
    xs, hs, ps = {}, {-1: np.zeros((hidden, 1))}, {}
    loss = 0
    for t in range(steps):
        xs[t] = np.zeros((size, 1))
        xs[t][words[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        scores = Why @ hs[t] + by
        ps[t] = np.exp(scores) / np.sum(np.exp(scores))
        loss += -np.log(ps[t][words[t + 1], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros((hidden, 1))
    for t in reversed(range(steps)):
        dy = ps[t].copy()
        dy[words[t + 1]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dh = Why.T @ dy + dhnext
        dz = (1 - hs[t] ** 2) * dh
        dbh += dz
        dWxh += dz @ xs[t].T
        dWhh += dz @ hs[t - 1].T
        dhnext = Whh.T @ dz
    for w, dw in ((Wxh, dWxh), (Whh, dWhh), (Why, dWhy), (bh, dbh), (by, dby)):
        w -= 0.1 * dw
