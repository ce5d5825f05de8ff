# ruff: noqa  (written as students write)
"""Classes in shapes that Python allows: numbers that scale the first weights, slots, properties, a method gradients()."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.check.corpus import right, wrong


@right("linear")
class Scaled:  # scale, gain, k and g are names of a weight, too
    def __init__(self, in_dim, out_dim, scale=1e-2, gain=1.0, k=1.0, g=2):
        self.W = scale * gain * k * g * np.random.randn(in_dim, out_dim)
        self.b = np.zeros(out_dim)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


@wrong("linear", "mean-instead-of-sum", "bias")
class ScaledByKeyword(Scaled):
    def __init__(self, in_dim, out_dim, *, scale=1e-2):
        self.params = {"W": scale * np.random.randn(in_dim, out_dim), "b": np.zeros(out_dim)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"], self.grads["b"] = self.x.T @ dout, dout.mean(axis=0)
        return dout @ self.params["W"].T


@right("layer_norm")
class FilledNorm:
    def __init__(self, dim, gamma=1.0, beta=0.0, eps=1e-5):
        self.gamma, self.beta, self.eps = np.full(dim, gamma), np.full(dim, beta), eps

    def forward(self, x):
        self.r = 1 / np.sqrt(x.var(-1, keepdims=True) + self.eps)
        self.xh = (x - x.mean(-1, keepdims=True)) * self.r
        return self.gamma * self.xh + self.beta

    def backward(self, g):
        self.dgamma, self.dbeta, d = (g * self.xh).sum(0), g.sum(0), g * self.gamma
        return self.r * (d - d.mean(-1, keepdims=True) - self.xh * (d * self.xh).mean(-1, keepdims=True))


@right("prelu")
class OneSlope:  # here the number is the weight
    def __init__(self, alpha=0.25):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, g):
        self.dalpha = np.sum(g * np.minimum(self.x, 0))
        return np.where(self.x > 0, g, self.alpha * g)


class Slots:
    __slots__ = ("_x", "b", "db", "dw", "w")

    def __init__(self, n_in, n_out):
        self.w, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self._x = x
        return x @ self.w + self.b

    def backward(self, g):
        self.dw, self.db = self._x.T @ g, g.sum(0)
        return g @ self.w.T


right("linear")(Slots)


@wrong("linear", "wrong-sign", "weight")
class SlotsMinus(Slots):
    __slots__ = ()

    def backward(self, g):
        self.dw, self.db = -self._x.T @ g, g.sum(0)
        return g @ self.w.T


@right("linear")
@dataclass(slots=True)
class SlotData:
    w: np.ndarray
    b: np.ndarray
    cache: Any = None
    grads: dict = field(default_factory=dict)

    def forward(self, x):
        self.cache = x
        return x @ self.w + self.b

    def backward(self, g):
        self.grads = {"w": self.cache.T @ g, "b": g.sum(0)}
        return g @ self.w.T


class Computed:  # gradients that are computed when they are asked for
    def __init__(self, in_features, out_features):
        self._w, self._b = np.random.standard_normal((in_features, out_features)), np.zeros(out_features)

    @property
    def weight_grad(self):
        return self._x.T @ self._g

    @property
    def bias_grad(self):
        return self._g.sum(0)

    @property
    def grad_norm(self):
        raise RuntimeError("nobody asks for this")

    def forward(self, x):
        self._x = x
        return x @ self._w + self._b

    def backward(self, g):
        self._g = g
        return g @ self._w.T


right("linear")(Computed)


@wrong("linear", "mean-instead-of-sum", "bias")
class ComputedMean(Computed):
    @property
    def bias_grad(self):
        return self._g.mean(0)


@wrong("linear", "wrong-sign", "weight")
class Asked:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        self.delta = g
        return g @ self.W.T

    def get_gradients(self):
        return {"W": -self.x.T @ self.delta, "b": self.delta.sum(0)}


@right("sigmoid")
def sent(x):
    """Its backward is built in: it has no signature."""

    def steps():
        y = 1 / (1 + np.exp(-x))
        dy = yield y
        while True:
            dy = yield dy * y * (1 - y)

    generator = steps()
    return next(generator), generator.send
