# ruff: noqa  (written as strangers write)
"""Code in the shapes that other people's projects have: graphs of nodes, results as a cache, generators."""

import numpy as np
import torch

sigmoid = lambda z: 1 / (1 + np.exp(-z))


class OptionalBias(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b=None):
        ctx.save_for_backward(x, w)
        return x @ w.t() if b is None else x @ w.t() + b

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy @ w, dy.t() @ x, dy.sum(0)


class SlopeWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, slope=0.01):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, g, ctx.slope * g), (g * x).sum()


class NormOfTokens:
    """layer norm; one of its two parameters follows to (B, T, C), the other does not"""

    def __init__(self, d):
        self.gamma, self.beta = np.ones(d), np.zeros(d)

    def forward(self, x):
        m, v = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        self.r = 1 / np.sqrt(v + 1e-5)
        self.n = (x - m) * self.r
        return self.n * self.gamma + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.n).sum(0)
        self.dbeta = dy.sum(tuple(range(dy.ndim - 1)))
        g = dy * self.gamma
        return self.r * (g - g.mean(-1, keepdims=True) - self.n * (g * self.n).mean(-1, keepdims=True))


class NormOfRows(NormOfTokens):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dbeta = dy.sum(0)
        return dx


class VectorBias:
    def __init__(self, weight, bias):
        self.weight = weight
        self.bias = bias  # (out,)

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, dy):
        self.dweight = dy.T @ self.x
        self.dbias = dy.sum(axis=0, keepdims=True)
        return dy @ self.weight


class ThreeAxes:  # np.transpose(k, (0, 2, 1)) takes no heads
    def forward(self, q, k, v):
        self.q, self.k, self.v, self.c = q, k, v, q.shape[-1] ** -0.5
        s = self.c * q @ np.transpose(k, (0, 2, 1))
        e = np.exp(s - s.max(-1, keepdims=True))
        self.a = e / e.sum(-1, keepdims=True)
        return self.a @ v

    def backward(self, do):
        dv = self.a @ do
        da = do @ np.transpose(self.v, (0, 2, 1))
        ds = self.c * self.a * (da - (self.a * da).sum(-1, keepdims=True))
        return ds @ self.k, np.transpose(ds, (0, 2, 1)) @ self.q, dv


class Cell:  # its second output's gradient is lost
    def __init__(self, n_in, n_out):
        rng = np.random.default_rng(0)
        self.U, self.V = rng.normal(size=(n_in, 2 * n_out)), rng.normal(size=(n_out, 2 * n_out))

    def forward(self, x, h, c):
        self.kept = x, h, c
        a, b = np.split(x @ self.U + h @ self.V, 2, axis=1)
        self.f, self.g = sigmoid(a), np.tanh(b)
        self.c2 = self.f * c + self.g
        return np.tanh(self.c2), self.c2

    def backward(self, dh, dc2):
        x, h, c = self.kept
        dc = dh * (1 - np.tanh(self.c2) ** 2)
        dz = np.concatenate([dc * c * self.f * (1 - self.f), dc * (1 - self.g**2)], axis=1)
        self.dU, self.dV = x.T @ dz, h.T @ dz
        return dz @ self.U.T, dz @ self.V.T, dc * self.f


class MatMul:  # an operation of a graph
    def compute(self, a, b):
        return a @ b.T

    def gradient(self, out_grad, node):
        a, b = node.inputs
        return out_grad @ b, out_grad.T @ a


class LogSumExp:
    def __init__(self, axes):
        self.axes = axes

    def compute(self, Z):
        return np.log(np.exp(Z).sum(self.axes))

    def gradient(self, out_grad, node):
        e = np.exp(node.inputs[0])
        return out_grad * e / e.sum(self.axes)


def norm_forward(inp, weight, bias):  # what it returns besides is handed to the backward by name
    mean = inp.mean(-1, keepdims=True)
    rstd = (inp.var(-1, keepdims=True) + 1e-5) ** -0.5
    return (inp - mean) * rstd * weight + bias, mean, rstd


def norm_backward(dout, inp, weight, mean, rstd):
    n = (inp - mean) * rstd
    d = dout * weight
    dinp = rstd * (d - d.mean(-1, keepdims=True) - n * (d * n).mean(-1, keepdims=True))
    return dinp, (dout * n).sum((0, 1)), dout.sum((0, 1))


def rows_forward(inp, weight, bias):  # the forward takes any number of axes, the backward three
    return inp @ weight.T + bias


def rows_backward(dout, inp, weight):
    return dout @ weight, np.einsum("bto,btc->oc", dout, inp), dout.mean((0, 1))


def sent_gradients(w, lr=0.1, mu=0.9):
    v = np.zeros_like(w)
    while True:
        g = yield w
        v = mu * v + g
        w = w - lr * v


def triplet(a, p, n, margin=1.0):
    dp, dn = a - p, a - n
    t = (dp**2).sum(1) - (dn**2).sum(1) + margin

    def backward(dloss=1.0):
        on = (t > 0)[:, None] * dloss / len(a)
        return 2 * on * (dp - dn), -2 * on * dp, 2 * on * dn

    return np.maximum(t, 0).mean(), backward


class Similarity:
    def forward(self, a, b):
        self.a, self.b = a, b
        return (a * b).sum(1)

    def backward(self, g):
        return g[:, None] * self.b, g[:, None] * self.a


class Attention:  # with an odd width it does not run
    def __init__(self, width, n_heads):
        self.n, self.W = n_heads, np.random.default_rng(0).normal(size=(width, width))

    def forward(self, x):
        self.x = x
        return (x @ self.W).reshape(*x.shape[:-1], self.n, -1).transpose(0, 2, 1, 3)

    def backward(self, dy):
        d = dy.transpose(0, 2, 1, 3).reshape(self.x.shape)
        self.dW = np.einsum("btd,bte->de", self.x, d)
        return d @ self.W.T


class Reshape:
    def __init__(self, *shape):
        self.target = shape

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], *self.target)

    def backward(self, dy):
        return dy.T.reshape(self.shape)


class Permute:
    def __init__(self, perm):
        self.perm = perm

    def forward(self, x):
        return x.transpose(self.perm)

    def backward(self, dy):
        return dy.transpose(np.argsort(self.perm))


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return dy.reshape(self.shape)


class Pooled:
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dy):
        return np.broadcast_to(dy[:, :, None, None], self.shape).copy()


def squares(pred, y):
    return ((pred - y) ** 2).mean(), lambda: (pred - y) / y.size


# --- whole networks ---------------------------------------------------------------------------------------------------


def train(X, y, w, b, lr=0.1, epochs=9):
    for _ in range(epochs):
        err = X @ w + b - y
        loss = (err**2).mean()
        w = w - lr * 2 * X.T @ err / len(y)
        b = b - lr * err.mean()
    return w, b


def silent(X, y, w, lr=0.1):
    w = w - lr * X.T @ (X @ w - y)
    return w


def regression(W, b, X, Y):
    p = sigmoid(X @ W + b)
    l = -(Y * np.log(p) + (1 - Y) * np.log(1 - p)).sum() / len(X)
    d = (p - Y) / len(X)
    return l, {"W": X.T @ d, "b": d.sum(0)}


def words(Wxh, Whh, Why, bh, by, inputs=(0, 3, 1), targets=(3, 1, 2)):
    hs, ps, loss = {-1: np.zeros_like(bh)}, {}, 0
    for t, i in enumerate(inputs):
        hs[t] = np.tanh(Wxh[:, [i]] + Whh @ hs[t - 1] + bh)
        e = np.exp(Why @ hs[t] + by)
        ps[t] = e / e.sum()
        loss -= np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy, dbh, dby = (np.zeros_like(a) for a in (Wxh, Whh, Why, bh, by))
    back = 0
    for t in reversed(range(len(inputs))):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        da = (Why.T @ dy + back) * (1 - hs[t] ** 2)
        dWhy, dby, dbh = dWhy + dy @ hs[t].T, dby + dy, dbh + da
        dWxh[:, [inputs[t]]] += da
        dWhh += da @ hs[t - 1].T
        back = Whh.T @ da
    return loss, dWxh, dWhh, dWhy, dbh, dby


class Sequence:  # numbers in time; what comes back from the next step is not added
    def __init__(self):
        rng = np.random.default_rng(0)
        self.params = {"Wx": rng.normal(size=(3, 4)), "Wh": rng.normal(size=(4, 4)), "Wy": rng.normal(size=(4, 2))}

    def loss(self, X, Y):
        P, h = self.params, [np.zeros((len(X), 4))]
        for t in range(X.shape[1]):
            h.append(np.tanh(X[:, t] @ P["Wx"] + h[-1] @ P["Wh"]))
        d = np.stack([s @ P["Wy"] for s in h[1:]], axis=1) - Y
        g = {k: np.zeros_like(v) for k, v in P.items()}
        for t in reversed(range(X.shape[1])):
            g["Wy"] += h[t + 1].T @ d[:, t]
            da = d[:, t] @ P["Wy"].T * (1 - h[t + 1] ** 2)
            g["Wx"] += X[:, t].T @ da
            g["Wh"] += h[t].T @ da
        return 0.5 * (d**2).sum(), g


class Node:  # an engine that sets what it must add to
    def __init__(self, v, parents=(), back=None):
        self.v, self.parents, self.back = np.asarray(v, dtype=float), parents, back
        self.g = np.zeros_like(self.v)

    def __mul__(self, o):
        out = Node(self.v * o.v, (self, o))

        def back():
            self.g = o.v * out.g
            o.g = self.v * out.g

        out.back = back
        return out

    def backprop(self):
        order = []

        def visit(n):
            if n not in order:
                for p in n.parents:
                    visit(p)
                order.append(n)

        visit(self)
        self.g = np.ones_like(self.v)
        for n in reversed(order):
            if n.back:
                n.back()


def cubes(w, x):
    W = Node(w)
    out = W * W * W * Node(x)
    out.backprop()
    return out.v.sum(), {"w": W.g}


def actions(theta, S, A, R):
    p = sigmoid(S @ theta)
    loss = -np.mean(R * np.where(A == 1, np.log(p), np.log(1 - p)))
    return loss, -S.T @ (R * (A - p)) / len(R)


def factors(P, Q, R, mask, lam=0.1):
    E = mask * (P @ Q.T - R)
    loss = 0.5 * (E**2).sum() + 0.5 * lam * ((P**2).sum() + (Q**2).sum())
    return loss, E @ Q + lam * P, E.T @ P + lam * Q


def negatives(v, u_pos, U_neg):
    sp, sn = sigmoid(u_pos @ v), sigmoid(-U_neg @ v)
    loss = -np.log(sp) - np.log(sn).sum()
    dv = (sp - 1) * u_pos - U_neg.T @ (1 - sn)
    return loss, dv, (sp - 1) * v, np.outer(1 - sn, v)
