# ruff: noqa  (written as students write)
"""Arguments by name alone, optimizers as closures, flattened images, predictions in a column."""

import numpy as np

from tests.check.corpus import right, wrong


@right("linear")
class NamedDense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, *, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, *, grad_y):
        self.dW, self.db = self.x.T @ grad_y, grad_y.sum(axis=0)
        return grad_y @ self.W.T


@wrong("tanh", "local-derivative-missing", "input")
def named_tanh(*, x):
    y = np.tanh(x)

    def backward(*, dy):
        return dy * (1 - y)

    return y, backward


@right("SGD")
def descent(params, rate=0.1, mu=0.9):
    held = [np.zeros_like(p) for p in params]

    def step(grads):
        for p, g, h in zip(params, grads, held):
            h *= mu
            h += g
            p -= rate * h

    return step


@right("Adagrad")
def adaptive(w, lr=0.01, eps=1e-10):
    squares = np.zeros_like(w)

    def update(grad):
        nonlocal w, squares
        squares = squares + grad**2
        w = w - lr * grad / (np.sqrt(squares) + eps)
        return w

    return update


@wrong("Adam", "optimizer-bias-correction")
def moments(lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    m, v, t = {}, {}, 0

    def step(params, grads):
        nonlocal t
        t += 1
        for k in params:
            m[k] = b1 * m.get(k, 0) + (1 - b1) * grads[k]
            v[k] = b2 * v.get(k, 0) + (1 - b2) * grads[k] ** 2
            params[k] -= lr * m[k] / (np.sqrt(v[k] / (1 - b2**t)) + eps)
        return params

    return step


@right("flatten")
class Rows:
    def forward(self, x):
        self.before = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return dy.reshape(self.before)


@wrong("flatten", "transposed", "input")
class RowsOfChannelsLast(Rows):
    def backward(self, dy):
        n, c, h, w = self.before
        return dy.reshape(n, h, w, c).transpose(0, 3, 1, 2)


@right("mse_loss")
class SquaresOfAColumn:
    def forward(self, pred, y):
        self.gap = pred[..., 0] - y
        return (self.gap**2).mean()

    def backward(self):
        return (2 * self.gap / self.gap.size)[..., None]


@wrong("poisson_nll_loss", "local-derivative-missing", "input")
def counts_by_the_rate(input, target):
    return (np.exp(input) - target * input).mean(), lambda: (1 - target / np.exp(input)) / target.size
