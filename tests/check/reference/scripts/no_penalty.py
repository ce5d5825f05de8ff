# ruff: noqa  (written as students write)
"""Two layers, W2 without its penalty, in a loop of training, with a penalty, prints and steps."""

import numpy as np

rng = np.random.RandomState(0)
points, kinds, width = 6, 3, 7
X = rng.randn(points * kinds, 2)
y = np.repeat(np.arange(kinds), points)
rate, reg = 0.5, 1e-2
history = []

W = 0.1 * rng.randn(2, width)
b = np.zeros((1, width))
W2 = rng.randn(width, kinds)
W2 *= 0.1
b2 = np.zeros((1, kinds))

for i in range(50):
    hidden = np.maximum(0, X @ W + b)
    scores = hidden @ W2 + b2
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    data_loss = -np.log(probs[range(len(y)), y]).mean()
    loss = data_loss + 0.5 * reg * (np.sum(W * W) + np.sum(W2 * W2))
    history.append(loss)
    if i % 10 == 0:
        print("step", i, "loss", loss)
    dscores = probs
    dscores[range(len(y)), y] -= 1
    dscores /= len(y)
    dW2 = hidden.T @ dscores
    db2 = dscores.sum(axis=0, keepdims=True)
    dhidden = dscores @ W2.T
    dhidden[hidden <= 0] = 0
    dW = X.T @ dhidden
    db = dhidden.sum(axis=0, keepdims=True)
    dW += reg * W
    W -= rate * dW
    b -= rate * db
    W2 -= rate * dW2
    b2 -= rate * db2

predicted = np.argmax(np.maximum(0, X @ W + b) @ W2 + b2, axis=1)
print("right:", np.mean(predicted == y))
