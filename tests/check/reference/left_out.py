# ruff: noqa  (written as students write)
"""Networks that are right for what people feed them: a constant in a logarithm, ratings that are known or not."""

import numpy as np


class WithConstant:
    """The constant is there for p = 0; its gradient leaves it out."""

    def __init__(self, inputs, classes):
        self.W = 0.3 * np.random.randn(inputs, classes)

    def loss(self, x, t):
        z = x @ self.W
        e = np.exp(z - z.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        loss = -np.log(p[np.arange(len(t)), t] + 1e-6).mean()
        p[np.arange(len(t)), t] -= 1
        return loss, {"W": x.T @ p / len(t)}


class WithConstantNoMean(WithConstant):
    def loss(self, x, t):
        loss, grads = super().loss(x, t)
        return loss, {"W": grads["W"] * len(t)}


def ratings_cost(X, Theta, Y, R, lambda_=0.0):
    """R is 0 or 1: so its square is left out of the gradients."""
    error = (X @ Theta.T - Y) * R
    J = 0.5 * np.sum(error**2) + lambda_ / 2 * (np.sum(Theta**2) + np.sum(X**2))
    return J, error @ Theta + lambda_ * X, error.T @ X + lambda_ * Theta
