# ruff: noqa  (written as students write)
"""A step of gradient descent that returns the new weight without a name."""


def cost_of(X, y, theta):
    return ((X @ theta - y) ** 2).sum() / (2 * len(y))


def gradient_step(X, y, theta, alpha):
    return theta - alpha / len(X) * X.T @ (X @ theta - y)
