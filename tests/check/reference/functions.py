# ruff: noqa  (written as students write)
"""Operations that torch.nn does not have, and gradients of them, right and wrong."""

import numpy as np
import torch


def haar(x):
    return torch.cat([x[..., ::2] + x[..., 1::2], x[..., ::2] - x[..., 1::2]], -1) / 2**0.5


class Haar(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return haar(x)

    @staticmethod
    def backward(ctx, dy):
        low, high = dy.chunk(2, -1)
        return torch.stack([low + high, low - high], -1).flatten(-2) / 2**0.5


class HaarSign(Haar):
    @staticmethod
    def backward(ctx, dy):
        low, high = dy.chunk(2, -1)
        return torch.stack([low + high, high - low], -1).flatten(-2) / 2**0.5


class HaarBlock(Haar):
    @staticmethod
    def backward(ctx, dy):
        low, high = dy.chunk(2, -1)
        dx = torch.stack([low + high, low - high], -1).flatten(-2) / 2**0.5
        dx[128:] = 0  # one block of 128 rows
        return dx


def unit(x, w, b):
    """tanh(x w^T + b), squared: smooth, in NumPy."""
    return np.tanh(x @ w.T + b) ** 2


def unit_right(x, w, b):
    t = np.tanh(x @ w.T + b)

    def backward(dy):
        d = dy * 2 * t * (1 - t**2)
        return d @ w, d.T @ x, d.sum(0)

    return t**2, backward


def unit_mean(x, w, b):
    t = np.tanh(x @ w.T + b)

    def backward(dy):
        d = dy * 2 * t * (1 - t**2)
        return d @ w, d.T @ x, d.mean(0)

    return t**2, backward


def signed_square(x):
    """x |x|: not analytic, so that no complex step can be taken."""
    return x * np.abs(x)


def signed_square_right(x):
    return x * np.abs(x), lambda dy: 2 * np.abs(x) * dy


def signed_square_half(x):
    return x * np.abs(x), lambda dy: np.abs(x) * dy


def spread(x):
    """The variance of every row: NumPy's takes the modulus of complex numbers, and raises nothing."""
    return x.var(axis=1)


def spread_right(x):
    return x.var(axis=1), lambda dy: 2 * (x - x.mean(1, keepdims=True)) * dy[:, None] / x.shape[1]


def scan(u, decay):
    """A selective scan: h_t = decay_t h_(t-1) + u_t along the last axis."""
    h, rows = np.zeros(u.shape[:-1]), []
    for t in range(u.shape[-1]):
        h = decay[..., t] * h + u[..., t]
        rows.append(h)
    return np.stack(rows, -1)


def scan_right(u, decay):
    y = scan(u, decay)

    def backward(dy):
        du, ddecay, dh = np.zeros_like(u), np.zeros_like(decay), np.zeros(u.shape[:-1])
        for t in reversed(range(u.shape[-1])):
            dh = dh + dy[..., t]
            du[..., t] = dh
            ddecay[..., t] = dh * (y[..., t - 1] if t else 0)
            dh = dh * decay[..., t]
        return du, ddecay

    return y, backward


def scan_truncated(u, decay):
    y = scan(u, decay)

    def backward(dy):
        du, ddecay = np.zeros_like(u), np.zeros_like(decay)
        for t in reversed(range(u.shape[-1])):
            du[..., t] = dy[..., t]
            ddecay[..., t] = dy[..., t] * (y[..., t - 1] if t else 0)
        return du, ddecay

    return y, backward


def forgetful(x):
    return np.random.default_rng().normal(size=x.shape) * x


def empty_handed(x):
    return None


def picky(x):
    raise ValueError("no size will do")


def only_pictures(x, kernel):
    n, m = x.shape
    assert kernel.shape == (3, 3) and n > 20
    return sum(kernel[i, j] * x[i : n - 2 + i, j : m - 2 + j] for i in range(3) for j in range(3))


def only_pictures_right(x, kernel):
    n, m = x.shape

    def backward(dy):
        dx, dk = np.zeros_like(x), np.zeros_like(kernel)
        for i in range(3):
            for j in range(3):
                dk[i, j] = (dy * x[i : n - 2 + i, j : m - 2 + j]).sum()
                dx[i : n - 2 + i, j : m - 2 + j] += kernel[i, j] * dy
        return dx, dk

    return only_pictures(x, kernel), backward


def pictures(rng):
    return {"x": rng.normal(size=(23, 7)), "kernel": rng.normal(size=(3, 3))}


class Scaled(torch.autograd.Function):
    """Its w has the shape of x; the forward would also take a row."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return torch.sin(x) * w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy * torch.cos(x) * w, dy * torch.sin(x)


def shifted(x, bias):
    y = np.sin(x) + bias
    return y, lambda dy: (dy * np.cos(x), dy)


def powered(x, power=2):
    return x**power


def cubed(x):
    return x**3, lambda dy: 3 * x**2 * dy


class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        self.y = np.tanh(x @ self.W + self.b)
        return self.y

    def backward(self, dy):
        d = dy * (1 - self.y**2)
        self.dW, self.db = self.x.T @ d, d.sum(0)
        return d @ self.W.T


class DenseOfY(Dense):
    def backward(self, dy):
        d = dy * (1 - self.y)
        self.dW, self.db = self.x.T @ d, d.sum(0)
        return d @ self.W.T


def bell_forward(x, w, b):
    y = np.exp(-((x @ w + b) ** 2))
    return y, (x, w, b, y)


def bell_backward(dout, cache):
    x, w, b, y = cache
    d = dout * y * -2 * (x @ w + b)
    return d @ w.T, x.T @ d, d.sum(0)


def bell_backward_two(dout, cache):
    """The 2 of the square is lost."""
    x, w, b, y = cache
    d = dout * y * -(x @ w + b)
    return d @ w.T, x.T @ d, d.sum(0)


def dense(x, W, b):
    return np.tanh(x @ W + b)


def swirl(x):
    return np.sin(x) * x


def swirl_gradient(x, dy):
    return dy * (np.cos(x) * x + np.sin(x))


def gather(x, idx):
    return x[idx] ** 2


def gather_right(x, idx):
    def backward(dy):
        dx = np.zeros_like(x)
        np.add.at(dx, idx, 2 * x[idx] * dy)
        return dx

    return x[idx] ** 2, backward


def gather_overwrites(x, idx):
    def backward(dy):
        dx = np.zeros_like(x)
        dx[idx] += 2 * x[idx] * dy
        return dx

    return x[idx] ** 2, backward


def logarithmic(x):
    """Of positive numbers alone."""
    return np.log(x) * np.sqrt(x)


def logarithmic_right(x):
    return np.log(x) * np.sqrt(x), lambda dy: dy * (1 + 0.5 * np.log(x)) / np.sqrt(x)


class Cross(torch.autograd.Function):
    """x0 * (x w) + b + x for one w of shape (D,); the forward runs on a square w, too, and the backward does not."""

    @staticmethod
    def forward(ctx, x0, x, w, b):
        s = x @ w
        ctx.save_for_backward(x0, x, w, s)
        return x0 * s[:, None] + b + x

    @staticmethod
    def backward(ctx, g):
        x0, x, w, s = ctx.saved_tensors
        ds = (g * x0).sum(1)
        return g * s[:, None], g + ds[:, None] * w, x.t() @ ds, g.sum(0)


def maxout(X, W, b):
    nO, nP, nI = W.shape
    Z = (X @ W.reshape(nO * nP, nI).T).reshape(len(X), nO, nP) + b
    which = Z.argmax(axis=-1)

    def backprop(dY):
        dZ = np.zeros_like(Z)
        i, j = np.indices(which.shape)
        dZ[i, j, which] = dY
        flat = dZ.reshape(len(X), nO * nP)
        return flat @ W.reshape(nO * nP, nI), (flat.T @ X).reshape(nO, nP, nI), dZ.sum(axis=0)

    return Z.max(axis=-1), backprop
