"""Functions behind a decorator without functools.wraps."""

import numpy as np

from torchref.check.api import Asked, judge_as


def logged(function):
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


@logged
def tanh(x):
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - y**2)


@logged
def tanh_grad_lost(x):
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - y)


class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    @logged
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    @logged
    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(0)
        return dy @ self.W.T


def test_what_is_decorated_is_seen_through():
    """Catches a function or a method that is called with nothing, because its decorator says (*args, **kwargs)."""
    assert judge_as(tanh, Asked("tanh"), "tanh").verdict == "right"
    assert judge_as(tanh_grad_lost, Asked("tanh"), "tanh").verdict == "wrong"
    assert judge_as(Dense, Asked("linear"), "Dense").verdict == "right"
