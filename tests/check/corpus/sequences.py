# ruff: noqa  (written as students write)
"""Recurrent networks and attention."""

import numpy as np

from tests.check.corpus import right, right_pair, wrong, wrong_pair


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


@right_pair("rnn_cell", rnn_step_forward)
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h**2)
    dx = dz.dot(Wx.T)
    dprev_h = dz.dot(Wh.T)
    dWx = x.T.dot(dz)
    dWh = prev_h.T.dot(dz)
    db = dz.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


@wrong_pair("rnn_cell", "local-derivative-missing", None, rnn_step_forward)
def rnn_step_backward_slope(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h
    return dz.dot(Wx.T), dz.dot(Wh.T), x.T.dot(dz), prev_h.T.dot(dz), dz.sum(axis=0)


@wrong_pair("rnn_cell", "recurrence-truncated", "weight_hh", rnn_step_forward)
def rnn_step_backward_ht(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h**2)
    return dz.dot(Wx.T), dz.dot(Wh.T), x.T.dot(dz), next_h.T.dot(dz), dz.sum(axis=0)


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    cache, prev = [], h0
    for t in range(T):
        prev, c = rnn_step_forward(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        cache.append(c)
    return h, cache


@right_pair("rnn", rnn_forward)
def rnn_backward(dh, cache):
    N, T, H = dh.shape
    dx = np.zeros((N, T, cache[0][0].shape[1]))
    dWx, dWh, db = np.zeros_like(cache[0][2]), np.zeros_like(cache[0][3]), np.zeros(H)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev, a, b, c = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx += a
        dWh += b
        db += c
    return dx, dprev, dWx, dWh, db


@wrong_pair("rnn", "recurrence-truncated", None, rnn_forward)
def rnn_backward_no_next(dh, cache):
    N, T, H = dh.shape
    dx = np.zeros((N, T, cache[0][0].shape[1]))
    dWx, dWh, db = np.zeros_like(cache[0][2]), np.zeros_like(cache[0][3]), np.zeros(H)
    for t in reversed(range(T)):
        dx[:, t], dh0, a, b, c = rnn_step_backward(dh[:, t], cache[t])
        dWx += a
        dWh += b
        db += c
    return dx, dh0, dWx, dWh, db


@wrong_pair("rnn", "recurrence-truncated", None, rnn_forward)
def rnn_backward_no_sum(dh, cache):
    N, T, H = dh.shape
    dx = np.zeros((N, T, cache[0][0].shape[1]))
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev, dWx, dWh, db = rnn_step_backward(dh[:, t] + dprev, cache[t])
    return dx, dprev, dWx, dWh, db


@right("rnn")
def rnn_closure(x, h0, W_ih, W_hh, b_ih, b_hh):
    hs = [h0]
    for t in range(len(x)):
        hs.append(np.tanh(x[t] @ W_ih.T + b_ih + hs[-1] @ W_hh.T + b_hh))

    def backward(dy):
        dx = np.zeros_like(x)
        dW_ih, dW_hh, db = np.zeros_like(W_ih), np.zeros_like(W_hh), np.zeros_like(b_ih)
        dh = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dy[t] + dh) * (1 - hs[t + 1] ** 2)
            dx[t] = dz @ W_ih
            dW_ih += dz.T @ x[t]
            dW_hh += dz.T @ hs[t]
            db += dz.sum(0)
            dh = dz @ W_hh
        return dx, dh, dW_ih, dW_hh, db, db.copy()

    return np.stack(hs[1:]), backward


@wrong("rnn", "derivative-at-wrong-tensor")
def rnn_closure_z(x, h0, W_ih, W_hh, b_ih, b_hh):
    hs, zs = [h0], []
    for t in range(len(x)):
        zs.append(x[t] @ W_ih.T + b_ih + hs[-1] @ W_hh.T + b_hh)
        hs.append(np.tanh(zs[-1]))

    def backward(dy):
        dx = np.zeros_like(x)
        dW_ih, dW_hh, db = np.zeros_like(W_ih), np.zeros_like(W_hh), np.zeros_like(b_ih)
        dh = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dy[t] + dh) * (1 - zs[t] ** 2)
            dx[t] = dz @ W_ih
            dW_ih += dz.T @ x[t]
            dW_hh += dz.T @ hs[t]
            db += dz.sum(0)
            dh = dz @ W_hh
        return dx, dh, dW_ih, dW_hh, db, db.copy()

    return np.stack(hs[1:]), backward


@right("RNN")
class RNN:
    def __init__(self, input_size, hidden_size):
        self.Wxh = np.random.randn(hidden_size, input_size)
        self.Whh = np.random.randn(hidden_size, hidden_size)
        self.bh = np.zeros(hidden_size)

    def forward(self, x, h0):
        self.x, self.h = x, [h0]
        for t in range(x.shape[0]):
            self.h.append(np.tanh(x[t] @ self.Wxh.T + self.h[-1] @ self.Whh.T + self.bh))
        return np.array(self.h[1:])

    def backward(self, dout):
        self.dWxh, self.dWhh, self.dbh = np.zeros_like(self.Wxh), np.zeros_like(self.Whh), np.zeros_like(self.bh)
        dh, dx = 0, np.zeros_like(self.x)
        for t in range(len(self.x) - 1, -1, -1):
            dz = (dout[t] + dh) * (1 - self.h[t + 1] ** 2)
            self.dWxh += dz.T @ self.x[t]
            self.dWhh += dz.T @ self.h[t]
            self.dbh += dz.sum(0)
            dx[t] = dz @ self.Wxh
            dh = dz @ self.Whh
        self.dh0 = dh
        return dx


@wrong("RNN", "recurrence-truncated", "weight_hh")
class RNNht(RNN):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dWhh = np.zeros_like(self.Whh)
        dh = 0
        for t in range(len(self.x) - 1, -1, -1):
            dz = (dout[t] + dh) * (1 - self.h[t + 1] ** 2)
            self.dWhh += dz.T @ self.h[t + 1]
            dh = dz @ self.Whh
        return dx


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    c = f * prev_c + i * g
    h = o * np.tanh(c)
    return h, c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, c)


@right_pair("lstm_cell", lstm_step_forward)
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, c = cache
    t = np.tanh(c)
    dc = dnext_c + dnext_h * o * (1 - t * t)
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g * g)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(0)


@wrong_pair("lstm_cell", "recurrence-truncated", "cx", lstm_step_forward)
def lstm_step_backward_forget(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, c = cache
    t = np.tanh(c)
    dc = dnext_c + dnext_h * o * (1 - t * t)
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g * g)])
    return da @ Wx.T, da @ Wh.T, dc, x.T @ da, prev_h.T @ da, da.sum(0)


@wrong_pair("lstm_cell", "recurrence-truncated", None, lstm_step_forward)
def lstm_step_backward_nodc(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, c = cache
    t = np.tanh(c)
    dc = dnext_h * o * (1 - t * t)
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g * g)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(0)


@wrong_pair("lstm_cell", "local-derivative-missing", None, lstm_step_forward)
def lstm_step_backward_tanh(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, c = cache
    t = np.tanh(c)
    dc = dnext_c + dnext_h * o
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g * g)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(0)


def lstm_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h, c = h0, np.zeros_like(h0)
    out, cache = np.zeros((N, T, h0.shape[1])), []
    for t in range(T):
        h, c, k = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        out[:, t] = h
        cache.append(k)
    return out, cache


@right_pair("lstm", lstm_forward)
def lstm_backward(dh, cache):
    N, T, H = dh.shape
    dx = np.zeros((N, T, cache[0][0].shape[1]))
    dWx, dWh, db = 0, 0, 0
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev_h, dprev_c, a, b, c = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, cache[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    dh0 = dprev_h
    return dx, dh0, dWx, dWh, db


@wrong_pair("lstm", "recurrence-truncated", None, lstm_forward)
def lstm_backward_c(dh, cache):
    N, T, H = dh.shape
    dx = np.zeros((N, T, cache[0][0].shape[1]))
    dWx, dWh, db = 0, 0, 0
    dprev_h, zero = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev_h, _, a, b, c = lstm_step_backward(dh[:, t] + dprev_h, zero, cache[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    dh0 = dprev_h
    return dx, dh0, dWx, dWh, db


@right("lstm")
def lstm_torch(x, h0, c0, w_ih, w_hh, b_ih, b_hh):
    hs, cs, saved = [h0], [c0], []
    for xt in x:
        z = xt @ w_ih.T + b_ih + hs[-1] @ w_hh.T + b_hh
        zi, zf, zg, zo = np.split(z, 4, axis=1)
        i, f, g, o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
        saved.append((i, f, g, o))

    def backward(dy):
        dh, dc = np.zeros_like(h0), np.zeros_like(c0)
        dx = np.zeros_like(x)
        dwi, dwh, db = np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros_like(b_ih)
        for t in range(len(x))[::-1]:
            i, f, g, o = saved[t]
            tc = np.tanh(cs[t + 1])
            dh = dh + dy[t]
            dc = dc + dh * o * (1 - tc**2)
            dz = np.concatenate(
                [dc * g * i * (1 - i), dc * cs[t] * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)], axis=1
            )
            dx[t] = dz @ w_ih
            dwi += dz.T @ x[t]
            dwh += dz.T @ hs[t]
            db += dz.sum(0)
            dh, dc = dz @ w_hh, dc * f
        return dx, dh, dc, dwi, dwh, db, db

    return np.stack(hs[1:]), backward


@right("gru_cell")
def gru_step(x, h, w_ih, w_hh, b_ih, b_hh):
    ar, az, an = np.split(x @ w_ih.T + b_ih, 3, axis=1)
    br, bz, bn = np.split(h @ w_hh.T + b_hh, 3, axis=1)
    r, z = sigmoid(ar + br), sigmoid(az + bz)
    n = np.tanh(an + r * bn)
    y = (1 - z) * n + z * h

    def backward(dy):
        dn = dy * (1 - z) * (1 - n * n)
        dz = dy * (h - n) * z * (1 - z)
        dr = dn * bn * r * (1 - r)
        da, db = np.concatenate([dr, dz, dn], 1), np.concatenate([dr, dz, dn * r], 1)
        return da @ w_ih, db @ w_hh + dy * z, da.T @ x, db.T @ h, da.sum(0), db.sum(0)

    return y, backward


@wrong("gru_cell", "recurrence-truncated", "hx")
def gru_step_direct(x, h, w_ih, w_hh, b_ih, b_hh):
    ar, az, an = np.split(x @ w_ih.T + b_ih, 3, axis=1)
    br, bz, bn = np.split(h @ w_hh.T + b_hh, 3, axis=1)
    r, z = sigmoid(ar + br), sigmoid(az + bz)
    n = np.tanh(an + r * bn)
    y = (1 - z) * n + z * h

    def backward(dy):
        dn = dy * (1 - z) * (1 - n * n)
        dz = dy * (h - n) * z * (1 - z)
        dr = dn * bn * r * (1 - r)
        da, db = np.concatenate([dr, dz, dn], 1), np.concatenate([dr, dz, dn * r], 1)
        return da @ w_ih, db @ w_hh, da.T @ x, db.T @ h, da.sum(0), db.sum(0)

    return y, backward


# --- attention ------------------------------------------------------------------------------------------------------


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@right("scaled_dot_product_attention")
def attention(Q, K, V):
    d = Q.shape[-1]
    P = softmax(Q @ K.swapaxes(-1, -2) / np.sqrt(d))

    def backward(dO):
        dV = P.swapaxes(-1, -2) @ dO
        dP = dO @ V.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True)) / np.sqrt(d)
        return dS @ K, dS.swapaxes(-1, -2) @ Q, dV

    return P @ V, backward


@wrong("scaled_dot_product_attention", "attention-scale", "query")
def attention_noscale(Q, K, V):
    d = Q.shape[-1]
    P = softmax(Q @ K.swapaxes(-1, -2) / np.sqrt(d))

    def backward(dO):
        dV = P.swapaxes(-1, -2) @ dO
        dP = dO @ V.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True))
        return dS @ K, dS.swapaxes(-1, -2) @ Q, dV

    return P @ V, backward


@wrong("scaled_dot_product_attention", "attention-scale", "output")
def attention_noscale_both(q, k, v):
    P = softmax(q @ k.swapaxes(-1, -2))

    def backward(dO):
        dP = dO @ v.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True))
        return dS @ k, dS.swapaxes(-1, -2) @ q, P.swapaxes(-1, -2) @ dO

    return P @ v, backward


@wrong("scaled_dot_product_attention", "softmax-elementwise", "query")
def attention_elementwise(q, k, v):
    d = q.shape[-1]
    P = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(d))

    def backward(dO):
        dP = dO @ v.swapaxes(-1, -2)
        dS = P * (1 - P) * dP / np.sqrt(d)
        return dS @ k, dS.swapaxes(-1, -2) @ q, P.swapaxes(-1, -2) @ dO

    return P @ v, backward


@right("scaled_dot_product_attention(is_causal=True)")
def attention_causal(q, k, v):
    T, d = q.shape[-2:]
    s = q @ k.swapaxes(-1, -2) / np.sqrt(d)
    s = np.where(np.tril(np.ones((T, T))) == 0, -np.inf, s)
    P = softmax(s)

    def backward(dO):
        dP = dO @ v.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True)) / np.sqrt(d)
        return dS @ k, dS.swapaxes(-1, -2) @ q, P.swapaxes(-1, -2) @ dO

    return P @ v, backward


@right("scaled_dot_product_attention(is_causal=True)")
def attention_causal_1e9(q, k, v):
    T, d = q.shape[-2:]
    s = q @ k.swapaxes(-1, -2) / np.sqrt(d) - 1e9 * np.triu(np.ones((T, T)), 1)
    P = softmax(s)

    def backward(dO):
        dP = dO @ v.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True)) / np.sqrt(d)
        return dS @ k, dS.swapaxes(-1, -2) @ q, P.swapaxes(-1, -2) @ dO

    return P @ v, backward


@wrong("scaled_dot_product_attention(is_causal=True)", "wrong-mask")
def attention_leaks(q, k, v):
    T, d = q.shape[-2:]
    s = np.where(np.tril(np.ones((T, T)), 1) == 0, -np.inf, q @ k.swapaxes(-1, -2) / np.sqrt(d))
    P = softmax(s)

    def backward(dO):
        dP = dO @ v.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True)) / np.sqrt(d)
        return dS @ k, dS.swapaxes(-1, -2) @ q, P.swapaxes(-1, -2) @ dO

    return P @ v, backward


@right("scaled_dot_product_attention")
def attention_flat(Q, K, V, mask=None):
    d = Q.shape[1]
    S = Q @ K.T / d**0.5
    if mask is not None:
        S = np.where(mask, S, -1e30)
    P = softmax(S)

    def backward(dO):
        dP = dO @ V.T
        dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True)) / d**0.5
        return dS @ K, dS.T @ Q, P.T @ dO

    return P @ V, backward


@right("scaled_dot_product_attention")
class Attention:
    def forward(self, q, k, v, mask=None):
        self.q, self.k, self.v = q, k, v
        self.s = q.shape[-1] ** -0.5
        scores = np.einsum("bhid,bhjd->bhij", q, k) * self.s
        if mask is not None:
            scores = scores + np.where(mask, -1e9, 0)
        self.p = softmax(scores)
        return np.einsum("bhij,bhjd->bhid", self.p, v), self.p

    def backward(self, dy):
        dv = np.einsum("bhij,bhid->bhjd", self.p, dy)
        dp = np.einsum("bhid,bhjd->bhij", dy, self.v)
        ds = self.p * (dp - np.einsum("bhij,bhij->bhi", dp, self.p)[..., None])
        dq = np.einsum("bhij,bhjd->bhid", ds, self.k) * self.s
        dk = np.einsum("bhij,bhid->bhjd", ds, self.q) * self.s
        return dq, dk, dv


def attention_forward(q, k, v):
    P = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))
    return P @ v, (q, k, v, P)


@wrong_pair("scaled_dot_product_attention", "attention-scale", "key", attention_forward)
def attention_backward(dout, cache):
    q, k, v, P = cache
    dP = dout @ v.swapaxes(-1, -2)
    dS = P * (dP - (dP * P).sum(-1, keepdims=True))
    return dS @ k / np.sqrt(q.shape[-1]), dS.swapaxes(-1, -2) @ q, P.swapaxes(-1, -2) @ dout
