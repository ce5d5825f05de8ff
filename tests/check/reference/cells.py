# ruff: noqa  (written as students write)
"""Cells, sequences and layers whose arguments have shapes that only their use tells."""

import numpy as np


def sig(z):
    return 1 / (1 + np.exp(-z))


def peephole_forward(x, h_old, c_old, V, R, bias):  # an LSTM's step with the gates in the order o, i, f, g
    n = h_old.shape[1]
    z = x.dot(V) + h_old.dot(R) + bias
    o, i, f = sig(z[:, :n]), sig(z[:, n : 2 * n]), sig(z[:, 2 * n : 3 * n])
    g = np.tanh(z[:, 3 * n :])
    c = i * g + f * c_old
    return o * np.tanh(c), c, (x, h_old, c_old, V, R, o, i, f, g, c)


def peephole_backward(dh, dc_after, cache):
    x, h_old, c_old, V, R, o, i, f, g, c = cache
    t = np.tanh(c)
    dc = dc_after + dh * o * (1 - t * t)
    dz = np.hstack((dh * t * o * (1 - o), dc * g * i * (1 - i), dc * c_old * f * (1 - f), dc * i * (1 - g * g)))
    return dz.dot(V.T), dz.dot(R.T), dc * f, x.T.dot(dz), h_old.T.dot(dz), dz.sum(0)


def peephole_cut_backward(dh, dc_after, cache):
    f = cache[7]
    dx, dh_old, _, dV, dR, db = peephole_backward(dh, dc_after, cache)
    return dx, dh_old, dc_after * f, dV, dR, db


peephole_cut_forward = peephole_forward


def elman_forward(steps, h0, A, B, b):  # the axis of time comes first
    states = [h0]
    for s in steps:
        states.append(np.tanh(s @ A + states[-1] @ B + b))
    return np.array(states[1:]), (steps, states, A, B)


def elman_backward(dstates, cache, carried=True):
    steps, states, A, B = cache
    dsteps, dA, dB, db = np.zeros_like(steps), np.zeros_like(A), np.zeros_like(B), np.zeros(A.shape[1])
    back = np.zeros_like(states[0])
    for k in reversed(range(len(steps))):
        dz = (dstates[k] + (back if carried else 0)) * (1 - states[k + 1] ** 2)
        dA, dB, db = dA + steps[k].T @ dz, dB + states[k].T @ dz, db + dz.sum(0)
        dsteps[k], back = dz @ A.T, dz @ B.T
    return dsteps, back, dA, dB, db


elman_cut_forward = elman_forward


def elman_cut_backward(dstates, cache):
    return elman_backward(dstates, cache, carried=False)


def columns_forward(A, W, b):  # an example is a column
    return W @ A + b, (A, W)


def columns_backward(dZ, cache):
    A, W = cache
    return W.T @ dZ, dZ @ A.T, dZ.sum(axis=1, keepdims=True)


def columns_mean_forward(A, W, b):
    return W @ A + b, (A, W)


def columns_mean_backward(dZ, cache):
    A, W = cache
    return W.T @ dZ, dZ @ A.T, dZ.sum(axis=1, keepdims=True) / A.shape[1]


def heads(x, Q, K, V, P):  # attention of three axes, with two heads
    n, t, d = x.shape
    cut = lambda m: m.reshape(n, t, 2, d // 2).swapaxes(1, 2)
    join = lambda m: m.swapaxes(1, 2).reshape(n, t, d)
    q, k, v = cut(x @ Q), cut(x @ K), cut(x @ V)
    s = q @ k.swapaxes(-1, -2) / np.sqrt(d // 2)
    p = np.exp(s)
    p = p / p.sum(-1, keepdims=True)
    y = join(p @ v)

    def backward(dout):
        dP = y.reshape(-1, d).T @ dout.reshape(n * t, -1)
        dy = cut(dout @ P.T)
        dp = dy @ v.swapaxes(-1, -2)
        ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(d // 2)
        dq, dk, dv = join(ds @ k), join(ds.swapaxes(-1, -2) @ q), join(p.swapaxes(-1, -2) @ dy)
        flat = x.reshape(-1, d).T
        dx = dq @ Q.T + dk @ K.T + dv @ V.T
        return dx, flat @ dq.reshape(-1, d), flat @ dk.reshape(-1, d), flat @ dv.reshape(-1, d), dP

    return y @ P, backward


def maps_norm_forward(x, gamma, beta, eps=1e-5):  # gamma and beta of shape (1, C, 1, 1)
    inv = 1 / np.sqrt(x.var(axis=(1, 2, 3), keepdims=True) + eps)
    x_hat = (x - x.mean(axis=(1, 2, 3), keepdims=True)) * inv
    return gamma * x_hat + beta, (x_hat, inv, gamma)


def maps_norm_backward(dy, cache):
    x_hat, inv, gamma = cache
    g = dy * gamma
    every = {"axis": (1, 2, 3), "keepdims": True}
    dx = inv * (g - g.mean(**every) - x_hat * (g * x_hat).mean(**every))
    over = {"axis": (0, 2, 3), "keepdims": True}
    return dx, (dy * x_hat).sum(**over), dy.sum(**over)


def drop_out_forward(x, keep=0.7):
    mask = np.random.RandomState(3).rand(*x.shape) < keep
    return x * mask / keep, mask


def drop_out_backward(dout, mask):
    return dout * mask


def slow_conv_forward(x, w, b, pad=1):
    n, c, h, v = x.shape
    f, _, k, m = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    y = np.zeros((n, f, h + 2 * pad - k + 1, v + 2 * pad - m + 1))
    for a in range(n):
        for o in range(f):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    y[a, o, i, j] = (xp[a, :, i : i + k, j : j + m] * w[o]).sum() + b[o]
    return y, (xp, w, pad)


def slow_conv_backward(dy, cache):
    xp, w, pad = cache
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    k, m = w.shape[2:]
    for a, o, i, j in np.ndindex(dy.shape):
        dw[o] += dy[a, o, i, j] * xp[a, :, i : i + k, j : j + m]
        dxp[a, :, i : i + k, j : j + m] += dy[a, o, i, j] * w[o]
    return dxp[:, :, pad:-pad, pad:-pad], dw, dy.sum((0, 2, 3))
