"""Forwards that are not quite torch's: right where the gradient is that of the code's own forward."""

import math

import numpy as np

from tests.check.corpus import conventional, right, wrong

K = math.sqrt(2 / math.pi)


@conventional("gelu", "forward-differs", "output")
def gelu_by_a_sigmoid(x):
    s = 1 / (1 + np.exp(-1.702 * x))
    return x * s, lambda dy: dy * (s + 1.702 * x * s * (1 - s))


@wrong("gelu", "scale-forgotten", "input")
def gelu_by_a_sigmoid_inner_lost(x):
    s = 1 / (1 + np.exp(-1.702 * x))
    return x * s, lambda dy: dy * (s + x * s * (1 - s))


def inside(x):
    return np.tanh(K * (x + 0.044715 * x**3))


@wrong("gelu", "local-derivative-missing", "input")
def gelu_by_tanh_cube_lost(x):
    t = inside(x)
    return x / 2 * (1 + t), lambda dy: dy * ((1 + t) / 2 + x / 2 * (1 - t * t) * K * (1 + 0.044715 * x * x))


@wrong("gelu", "local-derivative-missing", "input")
def gelu_by_tanh_slope_lost(x):
    t = inside(x)
    return x / 2 * (1 + t), lambda dy: dy * (1 + t) / 2


@wrong("gelu", "forward-differs", "output")
def gelu_by_tanh_back_by_erf(x):
    from scipy.special import erf

    slope = (1 + erf(x / np.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    return x / 2 * (1 + inside(x)), lambda dy: dy * slope


@conventional("layer_norm", "forward-differs", "output")
def layer_norm_of_a_large_eps(x, gamma, beta):
    c = x - x.mean(-1, keepdims=True)
    s = np.sqrt((c**2).mean(-1, keepdims=True) + 0.05)
    h = c / s

    def backward(dy):
        dh = dy * gamma
        dx = (dh - dh.mean(-1, keepdims=True) - h * (dh * h).mean(-1, keepdims=True)) / s
        return dx, (dy * h).sum(0), dy.sum(0)

    return h * gamma + beta, backward


@conventional("avg_pool1d(kernel_size=3, stride=1, padding=0)", "wrong-reduction", "output")
def average_by_one_less(x):
    windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=2)

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(3):
            dx[:, :, i : i + dy.shape[2]] += dy / 2
        return dx

    return windows.sum(-1) / 2, backward


@right("batch_norm")
class StepsInItsBackward:
    """Keeps 0.99 of the old statistics, updates its own parameters: a step of training, not gone back in evaluation."""

    def __init__(self, momentum=0.99):
        self.momentum, self.eps, self.running_mean, self.running_var = momentum, 0.01, None, None

    def initialize(self, optimizer, width=7):
        self.gamma, self.beta, self.optimizer = np.ones(width), np.zeros(width), optimizer

    def forward_pass(self, X, training=True):
        if self.running_mean is None:
            self.running_mean, self.running_var = X.mean(0), X.var(0)
        mean, var = self.running_mean, self.running_var
        if training:
            mean, var = X.mean(0), X.var(0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        self.c, self.inverse = X - mean, 1 / np.sqrt(var + self.eps)
        return self.gamma * self.c * self.inverse + self.beta

    def backward_pass(self, g):
        gamma, h = self.gamma, self.c * self.inverse
        self.gamma = self.optimizer.update(self.gamma, (g * h).sum(0))
        self.beta = self.optimizer.update(self.beta, g.sum(0))
        return gamma * self.inverse * (g - g.mean(0) - h * (g * h).mean(0))


@right("Adadelta(rho=0.95)")
class AdadeltaWithoutARate:
    def __init__(self, rho=0.95, eps=1e-6):
        self.rho, self.eps, self.moved, self.square = rho, eps, None, None

    def update(self, w, g):
        if self.square is None:
            self.moved, self.square = np.zeros_like(w), np.zeros_like(w)
        self.square = self.rho * self.square + (1 - self.rho) * g**2
        step = np.sqrt(self.moved + self.eps) / np.sqrt(self.square + self.eps) * g
        self.moved = self.rho * self.moved + (1 - self.rho) * step**2
        return w - step


@right("SGD(lr=0.07)")
class DescentOfAFixedRate:
    def __init__(self):
        self.learning_rate = 0.07

    def update(self, w, g):
        return w - self.learning_rate * g


@wrong("RMSprop", "optimizer-state")
class MeanOfSizes:
    def __init__(self, lr=0.01, alpha=0.99, eps=1e-8):
        self.lr, self.alpha, self.eps, self.mean = lr, alpha, eps, 0

    def update(self, w, g):
        self.mean = self.alpha * self.mean + (1 - self.alpha) * np.abs(g)
        return w - self.lr * g / (np.sqrt(self.mean) + self.eps)
