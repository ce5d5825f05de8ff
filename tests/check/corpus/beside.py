# ruff: noqa  (written as students write)
"""A value and its derivative, two functions of one file, named without a backward of their own."""

import numpy as np

from tests.check.corpus import right, wrong


@right("binary_cross_entropy")
def bce(y_true, y_pred):
    return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred))


def bce_prime(y_true, y_pred):
    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)


@wrong("mse_loss", "wrong-reduction", "input")
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
