# ruff: noqa  (written as students write)
"""Recurrences and attention: one weight for each gate, the last state alone, one x for all."""

import numpy as np

from tests.check.corpus import right_made, wrong_made


def rnn_kar_ok():
    class VanillaRNN:
        def __init__(self, Wxh, Whh, bh):
            self.params = {"Wxh": Wxh, "Whh": Whh, "bh": bh}
            self.grads = {}

        def forward(self, inputs, hprev):
            xs, hs = {}, {}
            hs[-1] = np.copy(hprev)
            for t in range(len(inputs)):
                xs[t] = inputs[t]
                hs[t] = np.tanh(xs[t] @ self.params["Wxh"].T + hs[t - 1] @ self.params["Whh"].T + self.params["bh"])
            self.xs, self.hs = xs, hs
            return np.stack([hs[t] for t in range(len(inputs))])

        def backward(self, dout):
            dWxh, dWhh, dbh = (np.zeros_like(self.params[k]) for k in ("Wxh", "Whh", "bh"))
            dhnext = np.zeros_like(self.hs[0])
            dxs = [None] * len(self.xs)
            for t in reversed(range(len(self.xs))):
                dh = dout[t] + dhnext
                dhraw = (1 - self.hs[t] * self.hs[t]) * dh
                dbh += dhraw.sum(0)
                dWxh += dhraw.T @ self.xs[t]
                dWhh += dhraw.T @ self.hs[t - 1]
                dxs[t] = dhraw @ self.params["Wxh"]
                dhnext = dhraw @ self.params["Whh"]
            self.grads = {"Wxh": dWxh, "Whh": dWhh, "bh": dbh}
            return np.stack(dxs), dhnext

    return VanillaRNN


right_made("RNN", rnn_kar_ok)


def rnn_noh0():
    def rnn_forward(x, Wx, Wh, b):
        """zero initial state, returns only the last hidden state"""
        T, N, D = x.shape
        h = np.zeros((N, Wh.shape[0]))
        hs = [h]
        for t in range(T):
            h = np.tanh(x[t] @ Wx + h @ Wh + b)
            hs.append(h)
        return h, (x, Wx, Wh, hs)

    def rnn_backward(dh, cache):
        x, Wx, Wh, hs = cache
        dx = np.zeros_like(x)
        dWx = np.zeros_like(Wx)
        dWh = np.zeros_like(Wh)
        db = np.zeros(Wh.shape[0])
        for t in range(len(x) - 1, -1, -1):
            da = dh * (1 - hs[t + 1] ** 2)
            dx[t] = da @ Wx.T
            dWx += x[t].T @ da
            dWh += hs[t].T @ da
            db += da.sum(0)
            dh = da @ Wh.T
        return dx, dWx, dWh, db

    return (rnn_forward, rnn_backward)


right_made("rnn", rnn_noh0)


def rnn_relu():
    def rnn(x, h0, W, U, b, nonlinearity="relu"):
        hs = [h0]
        for t in range(x.shape[0]):
            hs.append(np.maximum(x[t] @ W.T + hs[-1] @ U.T + b, 0))

        def backward(d):
            dh = 0
            dx = np.zeros_like(x)
            dW = np.zeros_like(W)
            dU = np.zeros_like(U)
            db = np.zeros_like(b)
            for t in range(x.shape[0])[::-1]:
                da = (d[t] + dh) * (hs[t + 1] > 0)
                dx[t] = da @ W
                dW += da.T @ x[t]
                dU += da.T @ hs[t]
                db += da.sum(0)
                dh = da @ U
            return dx, dh, dW, dU, db

        return np.array(hs[1:]), backward

    return rnn


right_made('rnn(nonlinearity="relu")', rnn_relu)


def lstm_class_ok():
    class LSTM:
        """separate weights per gate, right-multiplied; order f, i, o, g"""

        def __init__(self, input_size, hidden_size):
            r = lambda *s: np.random.randn(*s) * 0.1
            self.W_ih = r(4 * hidden_size, input_size)
            self.W_hh = r(4 * hidden_size, hidden_size)
            self.b_ih = r(4 * hidden_size)
            self.b_hh = r(4 * hidden_size)
            self.H = hidden_size

        def forward(self, x, h0=None, c0=None):
            T, N, _ = x.shape
            H = self.H
            h = np.zeros((N, H)) if h0 is None else h0
            c = np.zeros((N, H)) if c0 is None else c0
            self.x, self.steps, outs = x, [], []
            sig = lambda v: 0.5 * (1 + np.tanh(0.5 * v))
            for t in range(T):
                z = x[t] @ self.W_ih.T + self.b_ih + h @ self.W_hh.T + self.b_hh
                i, f, g, o = np.split(z, 4, axis=1)
                i, f, g, o = sig(i), sig(f), np.tanh(g), sig(o)
                cn = f * c + i * g
                self.steps.append((h, c, i, f, g, o, cn))
                c = cn
                h = o * np.tanh(c)
                outs.append(h)
            return np.array(outs), h, c

        def backward(self, dout, dhn=0, dcn=0):
            T = len(self.steps)
            dx = np.zeros_like(self.x)
            self.dW_ih = np.zeros_like(self.W_ih)
            self.dW_hh = np.zeros_like(self.W_hh)
            self.db_ih = np.zeros_like(self.b_ih)
            self.db_hh = np.zeros_like(self.b_hh)
            dh, dc = dhn, dcn
            for t in reversed(range(T)):
                h, c, i, f, g, o, cn = self.steps[t]
                tc = np.tanh(cn)
                dht = dout[t] + dh
                dct = dc + dht * o * (1 - tc * tc)
                dz = np.concatenate(
                    [dct * g * i * (1 - i), dct * c * f * (1 - f), dct * i * (1 - g * g), dht * tc * o * (1 - o)],
                    axis=1,
                )
                dx[t] = dz @ self.W_ih
                dh = dz @ self.W_hh
                dc = dct * f
                self.dW_ih += dz.T @ self.x[t]
                self.dW_hh += dz.T @ h
                self.db_ih += dz.sum(0)
                self.db_hh += dz.sum(0)
            return dx, dh, dc

    return LSTM


right_made("LSTM", lstm_class_ok)


def lstm_class_nof():
    class LSTM:
        """separate weights per gate, right-multiplied; order f, i, o, g"""

        def __init__(self, input_size, hidden_size):
            r = lambda *s: np.random.randn(*s) * 0.1
            self.W_ih = r(4 * hidden_size, input_size)
            self.W_hh = r(4 * hidden_size, hidden_size)
            self.b_ih = r(4 * hidden_size)
            self.b_hh = r(4 * hidden_size)
            self.H = hidden_size

        def forward(self, x, h0=None, c0=None):
            T, N, _ = x.shape
            H = self.H
            h = np.zeros((N, H)) if h0 is None else h0
            c = np.zeros((N, H)) if c0 is None else c0
            self.x, self.steps, outs = x, [], []
            sig = lambda v: 0.5 * (1 + np.tanh(0.5 * v))
            for t in range(T):
                z = x[t] @ self.W_ih.T + self.b_ih + h @ self.W_hh.T + self.b_hh
                i, f, g, o = np.split(z, 4, axis=1)
                i, f, g, o = sig(i), sig(f), np.tanh(g), sig(o)
                cn = f * c + i * g
                self.steps.append((h, c, i, f, g, o, cn))
                c = cn
                h = o * np.tanh(c)
                outs.append(h)
            return np.array(outs), h, c

        def backward(self, dout, dhn=0, dcn=0):
            T = len(self.steps)
            dx = np.zeros_like(self.x)
            self.dW_ih = np.zeros_like(self.W_ih)
            self.dW_hh = np.zeros_like(self.W_hh)
            self.db_ih = np.zeros_like(self.b_ih)
            self.db_hh = np.zeros_like(self.b_hh)
            dh, dc = dhn, dcn
            for t in reversed(range(T)):
                h, c, i, f, g, o, cn = self.steps[t]
                tc = np.tanh(cn)
                dht = dout[t] + dh
                dct = dc + dht * o * (1 - tc * tc)
                dz = np.concatenate(
                    [dct * g * i * (1 - i), dct * c * f * (1 - f), dct * i * (1 - g * g), dht * tc * o * (1 - o)],
                    axis=1,
                )
                dx[t] = dz @ self.W_ih
                dh = dz @ self.W_hh
                dc = dct
                self.dW_ih += dz.T @ self.x[t]
                self.dW_hh += dz.T @ h
                self.db_ih += dz.sum(0)
                self.db_hh += dz.sum(0)
            return dx, dh, dc

    return LSTM


wrong_made("LSTM", "recurrence-truncated", None, lstm_class_nof)


def lstm_gates():
    def lstm(x, h0, c0, Wi, Wf, Wo, Wg, Ui, Uf, Uo, Ug, bi, bf, bo, bg):
        s = lambda v: 1 / (1 + np.exp(-v))
        h, c = h0, c0
        tape = []
        out = []
        for t in range(x.shape[0]):
            i = s(x[t] @ Wi + h @ Ui + bi)
            f = s(x[t] @ Wf + h @ Uf + bf)
            o = s(x[t] @ Wo + h @ Uo + bo)
            g = np.tanh(x[t] @ Wg + h @ Ug + bg)
            c2 = f * c + i * g
            tape.append((h, c, i, f, o, g, c2))
            c = c2
            h = o * np.tanh(c)
            out.append(h)

        def backward(dout):
            dW = [np.zeros_like(w) for w in (Wi, Wf, Wo, Wg)]
            dU = [np.zeros_like(w) for w in (Ui, Uf, Uo, Ug)]
            db = [np.zeros_like(w) for w in (bi, bf, bo, bg)]
            dx = np.zeros_like(x)
            dh = 0
            dc = 0
            for t in reversed(range(len(tape))):
                hp, cp, i, f, o, g, c2 = tape[t]
                dh = dh + dout[t]
                dc = dc + dh * o * (1 - np.tanh(c2) ** 2)
                das = (dc * g * i * (1 - i), dc * cp * f * (1 - f), dh * np.tanh(c2) * o * (1 - o), dc * i * (1 - g**2))
                dhn = 0
                for k, (da, W, U) in enumerate(zip(das, (Wi, Wf, Wo, Wg), (Ui, Uf, Uo, Ug))):
                    dW[k] += x[t].T @ da
                    dU[k] += hp.T @ da
                    db[k] += da.sum(0)
                    dx[t] += da @ W.T
                    dhn = dhn + da @ U.T
                dh = dhn
                dc = dc * f
            return (dx, dh, dc, *dW, *dU, *db)

        return np.stack(out), backward

    return lstm


right_made("lstm", lstm_gates)


def lstm_gates_nodc():
    def lstm(x, h0, c0, Wi, Wf, Wo, Wg, Ui, Uf, Uo, Ug, bi, bf, bo, bg):
        s = lambda v: 1 / (1 + np.exp(-v))
        h, c = h0, c0
        tape = []
        out = []
        for t in range(x.shape[0]):
            i = s(x[t] @ Wi + h @ Ui + bi)
            f = s(x[t] @ Wf + h @ Uf + bf)
            o = s(x[t] @ Wo + h @ Uo + bo)
            g = np.tanh(x[t] @ Wg + h @ Ug + bg)
            c2 = f * c + i * g
            tape.append((h, c, i, f, o, g, c2))
            c = c2
            h = o * np.tanh(c)
            out.append(h)

        def backward(dout):
            dW = [np.zeros_like(w) for w in (Wi, Wf, Wo, Wg)]
            dU = [np.zeros_like(w) for w in (Ui, Uf, Uo, Ug)]
            db = [np.zeros_like(w) for w in (bi, bf, bo, bg)]
            dx = np.zeros_like(x)
            dh = 0
            dc = 0
            for t in reversed(range(len(tape))):
                hp, cp, i, f, o, g, c2 = tape[t]
                dh = dh + dout[t]
                dc = dh * o * (1 - np.tanh(c2) ** 2)
                das = (dc * g * i * (1 - i), dc * cp * f * (1 - f), dh * np.tanh(c2) * o * (1 - o), dc * i * (1 - g**2))
                dhn = 0
                for k, (da, W, U) in enumerate(zip(das, (Wi, Wf, Wo, Wg), (Ui, Uf, Uo, Ug))):
                    dW[k] += x[t].T @ da
                    dU[k] += hp.T @ da
                    db[k] += da.sum(0)
                    dx[t] += da @ W.T
                    dhn = dhn + da @ U.T
                dh = dhn
                dc = dc * f
            return (dx, dh, dc, *dW, *dU, *db)

        return np.stack(out), backward

    return lstm


wrong_made("lstm", "recurrence-truncated", None, lstm_gates_nodc)


def gru_cmu():
    def sigmoid(z):
        return 1.0 / (1.0 + np.exp(-z))

    class GRUCell:
        def __init__(self, input_size, hidden_size):
            H, D = hidden_size, input_size
            self.Wrx = np.random.randn(H, D)
            self.Wzx = np.random.randn(H, D)
            self.Wnx = np.random.randn(H, D)
            self.Wrh = np.random.randn(H, H)
            self.Wzh = np.random.randn(H, H)
            self.Wnh = np.random.randn(H, H)
            self.brx = np.random.randn(H)
            self.bzx = np.random.randn(H)
            self.bnx = np.random.randn(H)
            self.brh = np.random.randn(H)
            self.bzh = np.random.randn(H)
            self.bnh = np.random.randn(H)

        def forward(self, x, h_prev_t):
            self.x, self.hidden = x, h_prev_t
            h = h_prev_t
            self.r = sigmoid(x @ self.Wrx.T + self.brx + h @ self.Wrh.T + self.brh)
            self.z = sigmoid(x @ self.Wzx.T + self.bzx + h @ self.Wzh.T + self.bzh)
            self.q = h @ self.Wnh.T + self.bnh
            self.n = np.tanh(x @ self.Wnx.T + self.bnx + self.r * self.q)
            return (1 - self.z) * self.n + self.z * h

        def backward(self, delta):
            dn = delta * (1 - self.z) * (1 - self.n**2)
            dz = delta * (self.hidden - self.n) * self.z * (1 - self.z)
            dr = dn * self.q * self.r * (1 - self.r)
            dq = dn * self.r
            self.dWnx = dn.T @ self.x
            self.dbnx = dn.sum(0)
            self.dWnh = dq.T @ self.hidden
            self.dbnh = dq.sum(0)
            self.dWrx = dr.T @ self.x
            self.dbrx = dr.sum(0)
            self.dWrh = dr.T @ self.hidden
            self.dbrh = dr.sum(0)
            self.dWzx = dz.T @ self.x
            self.dbzx = dz.sum(0)
            self.dWzh = dz.T @ self.hidden
            self.dbzh = dz.sum(0)
            dx = dn @ self.Wnx + dr @ self.Wrx + dz @ self.Wzx
            dh = delta * self.z + dq @ self.Wnh + dr @ self.Wrh + dz @ self.Wzh
            return dx, dh

    return GRUCell


right_made("GRUCell", gru_cmu)


def gru_cmu_nodirect():
    def sigmoid(z):
        return 1.0 / (1.0 + np.exp(-z))

    class GRUCell:
        def __init__(self, input_size, hidden_size):
            H, D = hidden_size, input_size
            self.Wrx = np.random.randn(H, D)
            self.Wzx = np.random.randn(H, D)
            self.Wnx = np.random.randn(H, D)
            self.Wrh = np.random.randn(H, H)
            self.Wzh = np.random.randn(H, H)
            self.Wnh = np.random.randn(H, H)
            self.brx = np.random.randn(H)
            self.bzx = np.random.randn(H)
            self.bnx = np.random.randn(H)
            self.brh = np.random.randn(H)
            self.bzh = np.random.randn(H)
            self.bnh = np.random.randn(H)

        def forward(self, x, h_prev_t):
            self.x, self.hidden = x, h_prev_t
            h = h_prev_t
            self.r = sigmoid(x @ self.Wrx.T + self.brx + h @ self.Wrh.T + self.brh)
            self.z = sigmoid(x @ self.Wzx.T + self.bzx + h @ self.Wzh.T + self.bzh)
            self.q = h @ self.Wnh.T + self.bnh
            self.n = np.tanh(x @ self.Wnx.T + self.bnx + self.r * self.q)
            return (1 - self.z) * self.n + self.z * h

        def backward(self, delta):
            dn = delta * (1 - self.z) * (1 - self.n**2)
            dz = delta * (self.hidden - self.n) * self.z * (1 - self.z)
            dr = dn * self.q * self.r * (1 - self.r)
            dq = dn * self.r
            self.dWnx = dn.T @ self.x
            self.dbnx = dn.sum(0)
            self.dWnh = dq.T @ self.hidden
            self.dbnh = dq.sum(0)
            self.dWrx = dr.T @ self.x
            self.dbrx = dr.sum(0)
            self.dWrh = dr.T @ self.hidden
            self.dbrh = dr.sum(0)
            self.dWzx = dz.T @ self.x
            self.dbzx = dz.sum(0)
            self.dWzh = dz.T @ self.hidden
            self.dbzh = dz.sum(0)
            dx = dn @ self.Wnx + dr @ self.Wrx + dz @ self.Wzx
            dh = dq @ self.Wnh + dr @ self.Wrh + dz @ self.Wzh
            return dx, dh

    return GRUCell


wrong_made("GRUCell", "recurrence-truncated", "hx", gru_cmu_nodirect)


def gru_z_other():
    def gru_cell(x, h, w_ih, w_hh, b_ih, b_hh):
        H = h.shape[1]
        gi = x @ w_ih.T + b_ih
        gh = h @ w_hh.T + b_hh
        r = 1 / (1 + np.exp(-(gi[:, :H] + gh[:, :H])))
        z = 1 / (1 + np.exp(-(gi[:, H : 2 * H] + gh[:, H : 2 * H])))
        hn = gh[:, 2 * H :]
        n = np.tanh(gi[:, 2 * H :] + r * hn)
        out = h + z * (n - h)

        def backward(dout):
            dz = dout * (n - h) * z * (1 - z)
            dn = dout * z * (1 - n * n)
            dr = dn * hn * r * (1 - r)
            dgi = np.concatenate([dr, dz, dn], 1)
            dgh = np.concatenate([dr, dz, dn * r], 1)
            return dgi @ w_ih, dgh @ w_hh + dout * (1 - z), dgi.T @ x, dgh.T @ h, dgi.sum(0), dgh.sum(0)

        return out, backward

    return gru_cell


right_made("gru_cell", gru_z_other)


def gru_z_other_nodirect():
    def gru_cell(x, h, w_ih, w_hh, b_ih, b_hh):
        H = h.shape[1]
        gi = x @ w_ih.T + b_ih
        gh = h @ w_hh.T + b_hh
        r = 1 / (1 + np.exp(-(gi[:, :H] + gh[:, :H])))
        z = 1 / (1 + np.exp(-(gi[:, H : 2 * H] + gh[:, H : 2 * H])))
        hn = gh[:, 2 * H :]
        n = np.tanh(gi[:, 2 * H :] + r * hn)
        out = h + z * (n - h)

        def backward(dout):
            dz = dout * (n - h) * z * (1 - z)
            dn = dout * z * (1 - n * n)
            dr = dn * hn * r * (1 - r)
            dgi = np.concatenate([dr, dz, dn], 1)
            dgh = np.concatenate([dr, dz, dn * r], 1)
            return dgi @ w_ih, dgh @ w_hh, dgi.T @ x, dgh.T @ h, dgi.sum(0), dgh.sum(0)

        return out, backward

    return gru_cell


wrong_made("gru_cell", "recurrence-truncated", "hx", gru_z_other_nodirect)


def gru_cell_rder():
    def gru_cell(x, h, w_ih, w_hh, b_ih, b_hh):
        H = h.shape[1]
        gi = x @ w_ih.T + b_ih
        gh = h @ w_hh.T + b_hh
        r = 1 / (1 + np.exp(-(gi[:, :H] + gh[:, :H])))
        z = 1 / (1 + np.exp(-(gi[:, H : 2 * H] + gh[:, H : 2 * H])))
        hn = gh[:, 2 * H :]
        n = np.tanh(gi[:, 2 * H :] + r * hn)
        out = n + z * (h - n)

        def backward(dout):
            dz = dout * (h - n) * z * (1 - z)
            dn = dout * (1 - z) * (1 - n * n)
            dr = dn * r * (1 - r)
            dgi = np.concatenate([dr, dz, dn], 1)
            dgh = np.concatenate([dr, dz, dn * r], 1)
            return dgi @ w_ih, dgh @ w_hh + dout * z, dgi.T @ x, dgh.T @ h, dgi.sum(0), dgh.sum(0)

        return out, backward

    return gru_cell


wrong_made("gru_cell", "local-derivative-missing", None, gru_cell_rder)


def rnn_cs_sgn():
    def rnn_step_forward(x, prev_h, Wx, Wh, b):
        next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
        cache = (x, prev_h, Wx, Wh, next_h)
        return next_h, cache

    def rnn_step_backward(dnext_h, cache):
        x, prev_h, Wx, Wh, next_h = cache
        da = dnext_h * (1 - next_h**2)
        dx = da @ Wx.T
        dprev_h = -da @ Wh.T
        dWx = x.T @ da
        dWh = prev_h.T @ da
        db = da.sum(axis=0)
        return dx, dprev_h, dWx, dWh, db

    def rnn_forward(x, h0, Wx, Wh, b):
        N, T, D = x.shape
        H = h0.shape[1]
        h = np.zeros((N, T, H))
        cache = []
        prev = h0
        for t in range(T):
            prev, c = rnn_step_forward(x[:, t], prev, Wx, Wh, b)
            h[:, t] = prev
            cache.append(c)
        return h, cache

    def rnn_backward(dh, cache):
        N, T, H = dh.shape
        D = cache[0][0].shape[1]
        dx = np.zeros((N, T, D))
        dWx = np.zeros((D, H))
        dWh = np.zeros((H, H))
        db = np.zeros(H)
        dprev = np.zeros((N, H))
        for t in reversed(range(T)):
            dxt, dprev, dWxt, dWht, dbt = rnn_step_backward(dh[:, t] + dprev, cache[t])
            dx[:, t] = dxt
            dWx += dWxt
            dWh += dWht
            db += dbt
        return dx, dprev, dWx, dWh, db

    return (rnn_forward, rnn_backward)


wrong_made("rnn", "wrong-sign", None, rnn_cs_sgn)


def self_ok():
    class SelfAttention:
        """one x for q, k, v"""

        def forward(self, x):
            self.x = x
            d = x.shape[-1]
            s = x @ np.swapaxes(x, -1, -2) / np.sqrt(d)
            s = s - s.max(-1, keepdims=True)
            self.p = np.exp(s) / np.exp(s).sum(-1, keepdims=True)
            return self.p @ x

        def backward(self, dy):
            x, p = self.x, self.p
            d = x.shape[-1]
            T = lambda a: np.swapaxes(a, -1, -2)
            dp = dy @ T(x)
            ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(d)
            return T(p) @ dy + ds @ x + T(ds) @ x

    return SelfAttention


right_made("self_attention", self_ok)


def self_fork():
    class SelfAttention:
        """one x for q, k, v"""

        def forward(self, x):
            self.x = x
            d = x.shape[-1]
            s = x @ np.swapaxes(x, -1, -2) / np.sqrt(d)
            s = s - s.max(-1, keepdims=True)
            self.p = np.exp(s) / np.exp(s).sum(-1, keepdims=True)
            return self.p @ x

        def backward(self, dy):
            x, p = self.x, self.p
            d = x.shape[-1]
            T = lambda a: np.swapaxes(a, -1, -2)
            dp = dy @ T(x)
            ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(d)
            return T(p) @ dy + ds @ x

    return SelfAttention


wrong_made("self_attention", "overwritten-not-accumulated", None, self_fork)


def attnfn_dkover():
    def attention_grad(dout, q, k, v, scale=None):
        if scale is None:
            scale = q.shape[-1] ** -0.5
        B, H, T, d = q.shape
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        for b in range(B):
            for h in range(H):
                for t in range(T):
                    s = (k[b, h] @ q[b, h, t]) * scale
                    p = np.exp(s - s.max())
                    p /= p.sum()
                    dp = v[b, h] @ dout[b, h, t]
                    ds = (np.diag(p) - np.outer(p, p)) @ dp
                    dv[b, h] += np.outer(p, dout[b, h, t])
                    dq[b, h, t] = scale * (ds @ k[b, h])
                    dk[b, h] = scale * np.outer(ds, q[b, h, t])
        return dq, dk, dv

    return attention_grad


wrong_made("attention", "overwritten-not-accumulated", "key", attnfn_dkover)


def attnfn_dvover():
    def attention_grad(dout, q, k, v, scale=None):
        if scale is None:
            scale = q.shape[-1] ** -0.5
        B, H, T, d = q.shape
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        for b in range(B):
            for h in range(H):
                for t in range(T):
                    s = (k[b, h] @ q[b, h, t]) * scale
                    p = np.exp(s - s.max())
                    p /= p.sum()
                    dp = v[b, h] @ dout[b, h, t]
                    ds = (np.diag(p) - np.outer(p, p)) @ dp
                    dv[b, h] = np.outer(p, dout[b, h, t])
                    dq[b, h, t] = scale * (ds @ k[b, h])
                    dk[b, h] += scale * np.outer(ds, q[b, h, t])
        return dq, dk, dv

    return attention_grad


wrong_made("attention", "overwritten-not-accumulated", "value", attnfn_dvover)
