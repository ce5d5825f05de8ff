# ruff: noqa  (written as students write)
"""Layers with a switch: training or evaluation, affine, bias. Each is right or wrong on one side of it alone."""

import numpy as np

from tests.check.corpus import right, wrong


@right("BatchNorm1d")
class Switched:
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
        self.eps, self.momentum, self.affine = eps, momentum, affine
        self.gamma = np.ones(num_features) if affine else None
        self.beta = np.zeros(num_features) if affine else None
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        self.training = True

    def forward(self, x):
        if self.training:
            self.mu, self.var = x.mean(0), x.var(0)
            n = len(x)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * self.mu
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * self.var * n / (n - 1)
        else:
            self.mu, self.var = self.running_mean, self.running_var
        self.s = np.sqrt(self.var + self.eps)
        self.xh = (x - self.mu) / self.s
        return self.gamma * self.xh + self.beta if self.affine else self.xh

    def backward(self, dy):
        if self.affine:
            self.dgamma, self.dbeta = (dy * self.xh).sum(0), dy.sum(0)
            dy = dy * self.gamma
        return self.through(dy) / self.s if self.training else dy / self.s

    def through(self, d):
        return d - d.mean(0) - self.xh * (d * self.xh).mean(0)


@wrong("BatchNorm1d", "statistics-as-constants")
class SwitchedOneWay(Switched):
    """It goes back through the running statistics, too."""

    def backward(self, dy):
        if self.affine:
            self.dgamma, self.dbeta = (dy * self.xh).sum(0), dy.sum(0)
            dy = dy * self.gamma
        return self.through(dy) / self.s


@wrong("BatchNorm1d", "statistics-as-constants")
class ModeWord(Switched):
    """The switch is a word, and the mistake the same."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        del self.training
        self.mode = "train"

    def forward(self, x):
        self.training = self.mode == "train"
        y = super().forward(x)
        del self.training
        return y

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.xh).sum(0), dy.sum(0)
        return self.through(dy * self.gamma) / self.s


@wrong("BatchNorm1d", "unknown")
class WithoutAffine(Switched):
    def backward(self, dy):
        if not self.affine:
            dy = dy * 1.5
        return super().backward(dy)


@right("LayerNorm")
class ElementwiseAffine:
    def __init__(self, dim, eps=1e-5, elementwise_affine=True):
        self.eps, self.affine = eps, elementwise_affine
        self.weight, self.bias = np.ones(dim), np.zeros(dim)

    def forward(self, x):
        self.s = np.sqrt(x.var(-1, keepdims=True) + self.eps)
        self.xh = (x - x.mean(-1, keepdims=True)) / self.s
        return self.weight * self.xh + self.bias if self.affine else self.xh

    def backward(self, dy):
        self.dweight, self.dbias = (dy * self.xh).sum(0), dy.sum(0)
        return self.through(dy * self.weight if self.affine else dy)

    def through(self, d):
        return (d - d.mean(-1, keepdims=True) - self.xh * (d * self.xh).mean(-1, keepdims=True)) / self.s


@wrong("LayerNorm", "scale-forgotten")
class ElementwiseAffineForgotten(ElementwiseAffine):
    def backward(self, dy):
        self.dweight, self.dbias = (dy * self.xh).sum(0), dy.sum(0)
        return self.through(dy * self.weight) if self.affine else self.through(dy) * self.s


@right("Linear")
class BiasOrNone:
    def __init__(self, n_in, n_out, bias=True):
        self.W = np.random.randn(n_out, n_in)
        self.b = np.zeros(n_out) if bias else None

    def forward(self, x):
        self.x = x
        return x @ self.W.T if self.b is None else x @ self.W.T + self.b

    def backward(self, dy):
        self.dW = dy.T @ self.x
        self.db = None if self.b is None else dy.sum(0)
        return dy @ self.W


@wrong("Linear", "absent-argument")
class BiasNeeded(BiasOrNone):
    def backward(self, dy):
        self.dW = dy.T @ self.x
        self.db = dy.sum(0).reshape(self.b.shape)
        return dy @ self.W
