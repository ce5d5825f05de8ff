# ruff: noqa  (written as students write)
"""A value and its derivative, two functions of one file, named without a backward of their own."""

import numpy as np

from tests.check.corpus import right, wrong


@right("binary_cross_entropy")
def bce(y_true, y_pred):
    return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred))


def bce_prime(y_true, y_pred):
    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)


@wrong("mse_loss", "scale-forgotten", "input")
def cuadrados(y_real, y_pred):
    return np.mean((y_pred - y_real) ** 2)


def derivada_cuadrados(y_real, y_pred):
    return (y_pred - y_real) / y_real.size


@right("nll_loss")  # of probabilities, one-hot
def entropia(y_real, y_pred):
    return -np.sum(y_real * np.log(y_pred)) / len(y_pred)


def derivada_entropia(y_real, y_pred):
    return -(y_real / y_pred) / len(y_pred)


@right("sigmoid")
def sigmoide(x):
    return 1 / (1 + np.exp(-x))


def sigmoide_derivada(x):
    return sigmoide(x) * (1 - sigmoide(x))


@wrong("elu", "derivative-at-wrong-tensor", "input")
def esponencial(x):
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


def esponencial_prime(x):
    return np.where(x > 0, 1.0, x + 1)


@right("huber_loss")  # whose derivative has an option of its own
def glatt(y_true, y_pred, delta=1.0):
    err = y_true - y_pred
    small = np.abs(err) <= delta
    return np.mean(np.where(small, 0.5 * err**2, delta * (np.abs(err) - 0.5 * delta)))


def glatt_prime(y_true, y_pred, delta=1.0):
    err = y_true - y_pred
    return np.where(np.abs(err) <= delta, -err, -delta * np.sign(err)) / y_true.size


@right("tanh")  # with a switch, beside another function of the same arguments
def tangens(z, derivative=False):
    if derivative:
        return 1 - np.tanh(z) ** 2
    return np.tanh(z)


def relu(z, derivative=False):
    return (z > 0).astype(float) if derivative else np.maximum(0, z)


@wrong("tanh", "derivative-at-wrong-tensor", "input")
def hyperbolic(z, derivative=False):
    if derivative:
        return 1 - z**2
    return np.tanh(z)
