# ruff: noqa  (written as students write)
"""Layers for one row alone, for as many features behind as before, for (N, T, D); a step that has no rate."""

import numpy as np

from tests.check.corpus import right, right_pair, wrong, wrong_pair


@right("linear")
class OneRow:
    def __init__(self, input_size, output_size):
        self.weights = np.random.rand(input_size, output_size) - 0.5
        self.bias = np.random.rand(1, output_size) - 0.5

    def forward_propagation(self, input_data):
        self.input = input_data
        return np.dot(self.input, self.weights) + self.bias

    def backward_propagation(self, output_error, learning_rate):
        input_error = np.dot(output_error, self.weights.T)
        weights_error = np.dot(self.input.T, output_error)
        self.weights -= learning_rate * weights_error
        self.bias -= learning_rate * output_error
        return input_error


@wrong("linear", "transposed", "input")
class SquareLayer:
    def __init__(self, razmer):
        self.vesa = np.random.randn(razmer, razmer)
        self.smeshchenie = np.random.randn(razmer)

    def forward(self, vhod):
        self.vhod = vhod
        return np.dot(vhod, self.vesa) + self.smeshchenie

    def backward(self, dvyhod):
        self.dvesa = np.dot(self.vhod.T, dvyhod)
        self.dsmeshchenie = np.sum(dvyhod, axis=0)
        return np.dot(dvyhod, self.vesa)


def layernorm_forward(inp, weight, bias):
    mean = inp.mean(axis=-1, keepdims=True)
    rstd = (((inp - mean) ** 2).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5
    return (inp - mean) * rstd * weight + bias, (inp, weight, mean, rstd)


@right_pair("layer_norm", layernorm_forward)
def layernorm_of_sequences(dout, cache):
    inp, weight, mean, rstd = cache
    norm = (inp - mean) * rstd
    dnorm = dout * weight
    dinp = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    return dinp * rstd, (dout * norm).sum((0, 1)), dout.sum((0, 1))


@wrong_pair("layer_norm", "statistics-as-constants", "input", layernorm_forward)
def layernorm_of_sequences_constant(dout, cache):
    inp, weight, mean, rstd = cache
    norm = (inp - mean) * rstd
    return dout * weight * rstd, (dout * norm).sum((0, 1)), dout.sum((0, 1))


@right("Adadelta")
def adadelta_without_rate(w, dw, state, rho=0.9, eps=1e-6):
    eg = state.get("Eg", np.zeros_like(w))
    ex = state.get("Ex", np.zeros_like(w))
    eg = rho * eg + (1 - rho) * dw**2
    dx = np.sqrt(ex + eps) / np.sqrt(eg + eps) * dw
    ex = rho * ex + (1 - rho) * dx**2
    return w - dx, {"Eg": eg, "Ex": ex}
