# ruff: noqa  (written as students write)
"""Pairs whose second name is no English word, and arrays whose names are those of sizes."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tests.check.corpus import right, wrong


@right("softplus")
def softplus_avanti(x):
    return np.logaddexp(0, x), (x,)


def softplus_indietro(dsalita, cache):
    (x,) = cache
    return dsalita / (1 + np.exp(-x))


@wrong("silu", "local-derivative-missing", "input")
def silu_avanti(x):
    s = 1 / (1 + np.exp(-x))
    return x * s, (x, s)


def silu_indietro(dsalita, cache):
    x, s = cache
    return dsalita * s


@right("conv2d")
class FaltungMitFeldern:
    def __init__(self, filters, bias):
        self.filters, self.bias = filters, bias

    def forward(self, x):
        self.shape, self.win = x.shape, sliding_window_view(x, self.filters.shape[2:], axis=(2, 3))
        return np.einsum("nchwij,fcij->nfhw", self.win, self.filters) + self.bias[None, :, None, None]

    def backward(self, delta):
        self.grad_filters = np.einsum("nchwij,nfhw->fcij", self.win, delta)
        self.grad_bias = delta.sum(axis=(0, 2, 3))
        dx, (h, w) = np.zeros(self.shape), delta.shape[2:]
        for i, j in np.ndindex(*self.filters.shape[2:]):
            dx[:, :, i : i + h, j : j + w] += np.einsum("nfhw,fc->nchw", delta, self.filters[:, :, i, j])
        return dx


@wrong("rnn", "recurrence-truncated", "input")
class StatesByNumber:  # a dictionary of states, the first under -1
    def __init__(self, n_in, n_hid):
        self.W_xh, self.W_hh = np.random.randn(n_hid, n_in) * 0.1, np.random.randn(n_hid, n_hid) * 0.1
        self.b_h = np.zeros(n_hid)

    def forward(self, xs):
        self.xs, self.hs = xs, {-1: np.zeros((xs.shape[1], self.b_h.size))}
        for t, x in enumerate(xs):
            self.hs[t] = np.tanh(x @ self.W_xh.T + self.hs[t - 1] @ self.W_hh.T + self.b_h)
        return np.stack([self.hs[t] for t in range(len(xs))])

    def backward(self, dhs):
        self.dW_xh, self.dW_hh = np.zeros_like(self.W_xh), np.zeros_like(self.W_hh)
        self.db_h, dxs = np.zeros_like(self.b_h), np.zeros_like(self.xs)
        for t in reversed(range(len(self.xs))):
            draw = (1 - self.hs[t] ** 2) * dhs[t]
            self.db_h += draw.sum(0)
            self.dW_xh += draw.T @ self.xs[t]
            self.dW_hh += draw.T @ self.hs[t - 1]
            dxs[t] = draw @ self.W_xh
        return dxs
