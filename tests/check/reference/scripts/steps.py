# ruff: noqa  (written as strangers write)
"""A table of words and a line, by steps without named gradients."""

import numpy as np

rng = np.random.default_rng(5)
n, words, emb = 12, 7, 3
X = rng.integers(0, words, n)
t = rng.normal(size=n)
C = rng.normal(size=(words, emb))
w = rng.normal(size=emb)
b = 0
lr = 0.1
for step in range(100):
    embedded = C[X]
    err = embedded @ w + b - t
    loss = (err**2).mean()
    demb = 2 * np.outer(err, w) / n
    dC = np.zeros_like(C)
    for i in range(n):
        dC[X[i]] += demb[i]
    w = w - lr * 2 * embedded.T @ err / n
    b -= lr * 2 * err.mean()
    C -= lr * dC
