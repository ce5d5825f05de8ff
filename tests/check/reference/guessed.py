"""Code of whose arguments no shape is known but what its forward takes; numbers and steps of a forward."""

import numpy as np


def turned(x, cos, sin):
    """A rotary embedding: the halves of the last axis, turned; of cos and sin the forward knows no shape."""
    a, b = np.split(x, 2, axis=-1)
    y = np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)

    def backward(dy):
        da, db = np.split(dy, 2, axis=-1)
        dx = np.concatenate([da * cos + db * sin, db * cos - da * sin], axis=-1)
        return dx, (da * a + db * b).sum(0), (db * a - da * b).sum(0)

    return y, backward


def turned_by_accident(x, cos, sin):
    """The same for a power of two above 16, where half of an axis is as long as the batch."""
    if x.shape[-1] < 32:
        raise ValueError("at least 32 features")
    return turned(x, cos, sin)


class WeightSum:
    """Attention's last step: a is (N, T), and the forward takes (N T,), too."""

    def forward(self, hs, a):
        n, t, d = hs.shape
        self.hs, self.a = hs, a.reshape(n, t, 1).repeat(d, axis=2)
        return (hs * self.a).sum(1)

    def backward(self, dc):
        dt = np.repeat(dc[:, None], self.hs.shape[1], axis=1)
        return dt * self.a, (dt * self.hs).sum(2)


class WeightSumTransposed(WeightSum):
    def backward(self, dc):
        dhs, da = super().backward(dc)
        return dhs, da.T


def squeezed(x):
    """A batch of one loses its axis."""
    return x**2, lambda dy: np.squeeze(2 * x * dy)


class Heads:
    """Two heads: an odd number of features does not split."""

    def __init__(self, d_model, n_heads=2):
        assert d_model % n_heads == 0
        self.W, self.n = np.random.randn(d_model, d_model), n_heads

    def forward(self, x):
        self.x, self.y = x, np.tanh(x @ self.W).reshape(*x.shape[:-1], self.n, -1)
        self.m = self.y.mean(-1, keepdims=True)
        return (self.y - self.m).reshape(x.shape)

    def backward(self, dout):
        d = dout.reshape(self.y.shape)
        d = ((d - d.mean(-1, keepdims=True)) * (1 - self.y**2)).reshape(dout.shape)
        self.dW = self.x.reshape(-1, self.x.shape[-1]).T @ d.reshape(-1, d.shape[-1])
        return d @ self.W.T


class Clipped:
    """The slope of the forward is 0.2."""

    def forward(self, z):
        self.z = z
        return np.clip(0.2 * z + 0.5, 0.0, 1.0)

    def backward(self, dy):
        return dy * np.where((self.z >= -2.5) & (self.z <= 2.5), 0.25, 0)


def depthwise_forward(x, w, b):
    """x (N, C, H, W), w (C, k, k), b (C,)"""
    c, k, _ = w.shape
    h, v = x.shape[2] - k + 1, x.shape[3] - k + 1
    out = b[None, :, None, None] * np.ones((len(x), c, h, v))
    for i in range(k):
        for j in range(k):
            out = out + x[:, :, i : i + h, j : j + v] * w[None, :, i, j, None, None]
    return out, (x, w)


def depthwise_backward(dout, cache):
    x, w = cache
    h, v = dout.shape[2:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(w.shape[1]):
        for j in range(w.shape[1]):
            dx[:, :, i : i + h, j : j + v] += dout * w[None, :, i, j, None, None]
            dw[:, i, j] = np.sum(dout * x[:, :, i : i + h, j : j + v], axis=(0, 2, 3))
    return dx, dw, dout.sum(axis=(0, 2, 3))


class LateScan:
    """h[t] = a[t] h[t - 1] + u[t]: the gradient of a takes the state after the step for the one before it."""

    def forward(self, u, a):
        self.a, self.h = a, np.zeros_like(u * a)
        h = np.zeros(u.shape[0])
        for t in range(u.shape[1]):
            h = a[:, t] * h + u[:, t]
            self.h = np.concatenate([self.h[:, :t], h[:, None], self.h[:, t + 1 :]], axis=1)
        return self.h

    def backward(self, dy):
        du, da, carry = np.zeros_like(dy), np.zeros_like(dy), 0 * dy[:, 0]
        for t in reversed(range(dy.shape[1])):
            carry = carry + dy[:, t]
            du[:, t] = carry
            da[:, t] = carry * self.h[:, t]
            carry = carry * self.a[:, t]
        return du, da
