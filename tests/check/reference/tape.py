"""A small engine whose product sets a gradient that it must add to: a weight that is used twice loses one path."""

import numpy as np


class Value:
    def __init__(self, data, parents=()):
        self.data, self.parents = data, parents
        self.grad = np.zeros(np.shape(data))
        self._backward = lambda: None

    def __matmul__(self, other):
        out = Value(self.data @ other.data, (self, other))

        def _backward():
            self.grad = self.grad + out.grad @ other.data.T
            other.grad = self.data.T @ out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = np.tanh(self.data)
        out = Value(t, (self,))

        def _backward():
            self.grad = self.grad + (1 - t**2) * out.grad

        out._backward = _backward
        return out

    def order(self):
        return [v for p in self.parents for v in p.order()] + [self]

    def backward(self, seed):
        self.grad = self.grad + seed
        done = []
        for v in reversed(self.order()):
            if v not in done:
                v._backward()
            done.append(v)


def loss_and_grads(X, y, W):
    X, W = Value(X), Value(W)
    h = (X @ W).tanh()
    out = h @ W
    diff = out.data - y
    out.backward(diff)
    loss = 0.5 * np.sum(diff**2)
    return loss, W.grad
