# ruff: noqa  (written as students write)
"""Values of the user's own that hold an array and its gradient: a small engine, functions of such values."""

import numpy as np

from tests.check.corpus import right, wrong


class Value:
    def __init__(self, data, _children=()):
        self.data = np.asarray(data, dtype=np.float64)
        self.grad = np.zeros_like(self.data)
        self._backward = lambda: None
        self._prev = set(_children)

    def tanh(self):
        out = Value(np.tanh(self.data), (self,))

        def _backward():
            self.grad += (1 - out.data**2) * out.grad

        out._backward = _backward
        return out

    def backward(self):
        self.grad = np.ones_like(self.data)


@right("relu")
def ramp(x):
    out = Value(np.maximum(x.data, 0), (x,))

    def _backward():
        x.grad += (out.data > 0) * out.grad

    out._backward = _backward
    return out


@right("sigmoid")
def of_three_steps(x):
    half = Value(x.data / 2, (x,))

    def first():
        x.grad += half.grad / 2

    half._backward = first
    t = half.tanh()
    out = Value((1 + t.data) / 2, (t,))

    def last():
        t.grad += out.grad / 2

    out._backward = last
    return out


@wrong("softmax", "softmax-elementwise", "input")
def softmax(x):
    e = np.exp(x.data - x.data.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    out = Value(p, (x,))

    def _backward():
        x.grad += p * (1 - p) * out.grad

    out._backward = _backward
    return out


class Function:
    def __call__(self, input):
        output = Value(self.forward(input.data))
        self.input, self.output = input, output
        return output


@right("softplus")
class Softplus(Function):
    def forward(self, x):
        return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)

    def backward(self, gy):
        return gy / (1 + np.exp(-self.input.data))


@right("tanh")
class Tanh(Function):
    def forward(self, x):
        return np.tanh(x)

    def backward(self, gy):
        return gy * (1 - self.output.data**2)


@wrong("tanh", "derivative-at-wrong-tensor", "input")
class TanhOfInput(Function):
    def forward(self, x):
        return np.tanh(x)

    def backward(self, gy):
        return gy * (1 - self.input.data**2)
