# ruff: noqa  (written as students write)
"""One entry of an axis alone, a branch without its derivative at a kink's other side, a coefficient too many."""

import numpy as np

from tests.check.corpus import wrong, wrong_pair


@wrong("linear", "overwritten-not-accumulated", "weight")
class LastStepAlone:
    """y = x W + b on (batch, time, features); a loop over time assigns"""

    def __init__(self, d_in, d_out):
        self.params = [np.random.standard_normal((d_in, d_out)), np.zeros(d_out)]
        self.grads = [None, None]

    def __call__(self, x):
        self.x = x
        return np.einsum("btd,dk->btk", x, self.params[0]) + self.params[1]

    def backward(self, g):
        for t in range(self.x.shape[1]):
            self.grads[0] = self.x[:, t].T @ g[:, t]
        self.grads[1] = g.sum(axis=(0, 1))
        return np.einsum("btk,dk->btd", g, self.params[0])


def depthwise_forward(x, w):
    """x (N, 3, H, W), w (3, 1, k, k), odd k, same padding"""
    k, r = w.shape[-1], w.shape[-1] // 2
    xp = np.pad(x, ((0, 0), (0, 0), (r, r), (r, r)))
    H, W = x.shape[2:]
    y = sum(xp[:, :, a : a + H, b : b + W] * w[:, 0, a, b][:, None, None] for a in range(k) for b in range(k))
    return y, (xp, w, r)


@wrong_pair("conv2d(groups=3, padding=1)", "overwritten-not-accumulated", "weight", depthwise_forward)
def depthwise_backward(dy, cache):
    xp, w, r = cache
    H, W = dy.shape[2:]
    dw, dxp = np.zeros_like(w), np.zeros_like(xp)
    for a in range(w.shape[2]):
        for b in range(w.shape[3]):
            dw[:, 0, a, b] = (xp[:, :, a : a + H, b : b + W] * dy)[0].sum(axis=(1, 2))
            dxp[:, :, a : a + H, b : b + W] += dy * w[:, 0, a, b][:, None, None]
    return dxp[:, :, r : r + H, r : r + W], dw


@wrong("elu", "local-derivative-missing", "input")
class NoExponential:
    """the branch passes alpha, and 0 belongs to the other branch"""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def __call__(self, x):
        self.x = x
        return np.where(x >= 0.0, x, self.alpha * (np.exp(x) - 1))

    def gradient(self, grad):
        return grad * np.where(self.x >= 0.0, 1.0, self.alpha)


@wrong("tanh", "scale-forgotten", "input")
def a_coefficient_too_many(x):
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - 0.6 * y**2)
