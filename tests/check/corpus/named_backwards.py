# ruff: noqa  (written as students write)
"""A forward with a cache, and its backward under another name: NAME_grad, NAME_vjp; or the backward named alone."""

import numpy as np

from tests.check.corpus import right, wrong


def sigma(z):
    return 1 / (1 + np.exp(-z))


@right("glu")
def gated(x):
    a, b = np.split(x, 2, axis=-1)
    s = sigma(b)
    return a * s, (a, s)


def gated_grad(g, saved):
    a, s = saved
    return np.concatenate([g * s, g * a * s * (1 - s)], axis=-1)


@wrong("hardswish", "local-derivative-missing", "input")
def hard_gate(x):  # its backward, hard_gate_bwd, leaves out a term of the product
    return x * np.clip(x + 3, 0, 6) / 6, x


def hard_gate_bwd(dout, x):
    return dout * np.where((x > -3) & (x < 3), (x + 3) / 6, x >= 3)


def dense(A, W, b):
    return A @ W + b, (A, W, b)


@right("linear")
def dense_backward(dZ, cache):
    A, W, b = cache
    return dZ @ W.T, A.T @ dZ, dZ.sum(axis=0)


def whole_forward(A, W, b):
    return A @ W + b, (A, W, b)


@wrong("linear", "mean-instead-of-sum", "bias")
def whole_backward(dZ, cache):
    A, W, b = cache
    return dZ @ W.T, A.T @ dZ, dZ.mean(axis=0)


def pooling_forward(A_prev, hparameters={"f": 2, "stride": 2}):
    m, h, w, c = A_prev.shape
    f, s = hparameters["f"], hparameters["stride"]
    rows, cols = 1 + (h - f) // s, 1 + (w - f) // s
    A = np.zeros((m, rows, cols, c))
    for i in range(rows):
        for j in range(cols):
            A[:, i, j] = A_prev[:, i * s : i * s + f, j * s : j * s + f].mean(axis=(1, 2))
    return A, (A_prev, hparameters)


@right("avg_pool2d(2)")
def pooling_backward(dA, cache):
    A_prev, hparameters = cache
    f, s = hparameters["f"], hparameters["stride"]
    dA_prev = np.zeros(A_prev.shape)
    for i in range(dA.shape[1]):
        for j in range(dA.shape[2]):
            dA_prev[:, i * s : i * s + f, j * s : j * s + f] += dA[:, i, j][:, None, None] / (f * f)
    return dA_prev


def cell_forward(xt, a_prev, c_prev, p):  # one matrix on [a, x] for each gate, columns, all in a dictionary named p
    both = np.vstack((a_prev, xt))
    f, i, o = (sigma(p["W" + k] @ both + p["b" + k]) for k in "fio")
    g = np.tanh(p["Wc"] @ both + p["bc"])
    c = f * c_prev + i * g
    return o * np.tanh(c), c, (both, c_prev, c, f, i, g, o, p)


def way_back(da, dc, cache):
    both, c_prev, c, f, i, g, o, p = cache
    dc = dc + da * o * (1 - np.tanh(c) ** 2)
    d = {"f": dc * c_prev * f * (1 - f), "i": dc * g * i * (1 - i), "c": dc * i * (1 - g**2)}
    d["o"] = da * np.tanh(c) * o * (1 - o)
    grads = {"dW" + k: v @ both.T for k, v in d.items()} | {"db" + k: v.sum(1, keepdims=True) for k, v in d.items()}
    dboth = sum(p["W" + k].T @ v for k, v in d.items())
    n = len(c_prev)
    return {**grads, "da_prev": dboth[:n], "dxt": dboth[n:]}, dc, f


@right("lstm_cell")
def cell_backward(da, dc, cache):
    Wf, Wi, Wo, Wc, bf, bi, bo, bc = (cache[-1][k] for k in ("Wf", "Wi", "Wo", "Wc", "bf", "bi", "bo", "bc"))
    grads, dc, f = way_back(da, dc, cache)
    return {**grads, "dc_prev": dc * f}


@right("prelu")
class SlopesOfChannels:  # (N, C, L)
    def __init__(self, channels):
        self.a = np.full(channels, 0.25)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a[None, :, None] * x)

    def spread(self, d):
        self.da = (d * self.x * (self.x <= 0)).sum(axis=(0, 2))
        return np.where(self.x > 0, d, self.a[None, :, None] * d)

    def backward(self, d):
        return self.spread(d)


@wrong("prelu", "mean-instead-of-sum", "weight")
class SlopesOfChannelsMean(SlopesOfChannels):
    def backward(self, d):
        dx = self.spread(d)
        self.da = (d * self.x * (self.x <= 0)).sum(axis=0).mean(axis=-1)
        return dx


@right("binary_cross_entropy")
class Entropy:  # its forward is called calculate
    def calculate(self, y_pred, y_true):
        p = np.clip(y_pred, 1e-7, 1 - 1e-7)
        return np.mean(-(y_true * np.log(p) + (1 - y_true) * np.log(1 - p)))

    def backward(self, y_pred, y_true):
        p = np.clip(y_pred, 1e-7, 1 - 1e-7)
        self.dinputs = -(y_true / p - (1 - y_true) / (1 - p)) / p.size
