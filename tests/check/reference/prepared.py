# ruff: noqa  (written as students write)
"""A network of functions with a function that makes its weights: their shapes are those of the labels' one-hot."""

import numpy as np


def init_params():
    rng = np.random.default_rng(0)
    W1, b1 = rng.normal(size=(6, 8)), rng.normal(size=(6, 1))
    W2, b2 = rng.normal(size=(4, 6)), rng.normal(size=(4, 1))
    return W1, b1, W2, b2


def forward_prop(W1, b1, W2, b2, X):
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2 @ A1 + b2
    A2 = np.exp(Z2) / np.exp(Z2).sum(axis=0)
    return Z1, A1, Z2, A2


def one_hot(Y):
    found = np.zeros((Y.size, 4))
    found[np.arange(Y.size), Y] = 1
    return found.T


def compute_loss(A2, Y):
    return -np.sum(one_hot(Y) * np.log(A2)) / Y.size


def backward_prop(Z1, A1, Z2, A2, W1, W2, X, Y):
    m = Y.size
    dZ2 = A2 - one_hot(Y)
    dW2 = dZ2 @ A1.T / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = W2.T @ dZ2 * (Z1 > 0)
    dW1 = dZ1 @ X.T / m
    db1 = np.sum(dZ1) / m
    return dW1, db1, dW2, db2
