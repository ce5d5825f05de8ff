# ruff: noqa  (written as students write)
"""Attention and recurrences, held out when written: parameters under keys, the reset gate before the product."""

import numpy as np

from tests.check.corpus import right_made, wrong_made


def attnx_made():
    class AttnX:
        """one head, self attention, no biases"""

        def __init__(self, Wq, Wk, Wv, Wo):
            self.W = dict(q=Wq, k=Wk, v=Wv, o=Wo)
            self.grads = {}

        def forward(self, x):
            W = self.W
            self.x = x
            q, k, v = x @ W["q"].T, x @ W["k"].T, x @ W["v"].T
            s = np.matmul(q, k.transpose(0, 2, 1)) / np.sqrt(q.shape[2])
            a = np.exp(s - s.max(2, keepdims=True))
            a /= a.sum(2, keepdims=True)
            self.saved = q, k, v, a
            self.o = a @ v
            return self.o @ W["o"].T

        def backward(self, dy):
            W, x = self.W, self.x
            q, k, v, a = self.saved
            do = dy @ W["o"]
            da = do @ v.transpose(0, 2, 1)
            ds = a * (da - np.sum(a * da, axis=2, keepdims=True)) / np.sqrt(q.shape[2])
            dq, dk, dv = ds @ k, ds.transpose(0, 2, 1) @ q, a.transpose(0, 2, 1) @ do
            outer = lambda g, h: np.einsum("nto,nti->oi", g, h)
            self.dWq, self.dWk, self.dWv, self.dWo = outer(dq, x), outer(dk, x), outer(dv, x), outer(dy, self.o)
            return dq @ W["q"] + dk @ W["k"] + dv @ W["v"]

    return AttnX


right_made("multi_head_attention(num_heads=1)", attnx_made)


def attnx_w2_made():
    class AttnX:
        """one head, self attention, no biases"""

        def __init__(self, Wq, Wk, Wv, Wo):
            self.W = dict(q=Wq, k=Wk, v=Wv, o=Wo)
            self.grads = {}

        def forward(self, x):
            W = self.W
            self.x = x
            q, k, v = x @ W["q"].T, x @ W["k"].T, x @ W["v"].T
            s = np.matmul(q, k.transpose(0, 2, 1)) / np.sqrt(q.shape[2])
            a = np.exp(s - s.max(2, keepdims=True))
            a /= a.sum(2, keepdims=True)
            self.saved = q, k, v, a
            self.o = a @ v
            return self.o @ W["o"].T

        def backward(self, dy):
            W, x = self.W, self.x
            q, k, v, a = self.saved
            do = dy @ W["o"]
            da = do @ v.transpose(0, 2, 1)
            ds = a * (da - np.sum(a * da, axis=2, keepdims=True)) / np.sqrt(q.shape[2])
            dq, dk, dv = ds @ k, ds.transpose(0, 2, 1) @ q, a.transpose(0, 2, 1) @ do
            outer = lambda g, h: np.einsum("nto,nti->oi", g, h)
            self.dWq, self.dWk, self.dWv, self.dWo = outer(dq, x), outer(dk, x), outer(dv, x), outer(dy, self.o)
            return dv @ W["v"]

    return AttnX


wrong_made("multi_head_attention(num_heads=1)", "overwritten-not-accumulated", "query", attnx_w2_made)


def mha_made():
    class MHA:
        def __init__(self, Wq, Wk, Wv, Wo, bq, bk, bv, bo):
            self.Wq, self.Wk, self.Wv, self.Wo = Wq, Wk, Wv, Wo
            self.bq, self.bk, self.bv, self.bo = bq, bk, bv, bo
            self.heads = 2

        def split(self, a):
            N, T, E = a.shape
            return a.reshape(N, T, self.heads, E // self.heads).transpose(0, 2, 1, 3)

        def merge(self, a):
            N, H, T, d = a.shape
            return a.transpose(0, 2, 1, 3).reshape(N, T, H * d)

        def forward(self, x):
            self.x = x
            self.q, self.k, self.v = (
                self.split(x @ W.T + b) for W, b in ((self.Wq, self.bq), (self.Wk, self.bk), (self.Wv, self.bv))
            )
            s = self.q @ self.k.swapaxes(-1, -2) / np.sqrt(self.q.shape[-1])
            e = np.exp(s - s.max(-1, keepdims=True))
            self.p = e / e.sum(-1, keepdims=True)
            self.o = self.merge(self.p @ self.v)
            return self.o @ self.Wo.T + self.bo

        def backward(self, dy):
            x = self.x
            E = x.shape[-1]
            flat = lambda a: a.reshape(-1, a.shape[-1])
            self.dWo = flat(dy).T @ flat(self.o)
            self.dbo = flat(dy).sum(0)
            do = self.split(dy @ self.Wo)
            dv = self.p.swapaxes(-1, -2) @ do
            dp = do @ self.v.swapaxes(-1, -2)
            ds = self.p * (dp - np.sum(dp * self.p, axis=-1, keepdims=True)) / np.sqrt(self.q.shape[-1])
            dq, dk = ds @ self.k, ds.swapaxes(-1, -2) @ self.q
            dq, dk, dv = self.merge(dq), self.merge(dk), self.merge(dv)
            self.dWq, self.dWk, self.dWv = (flat(d).T @ flat(x) for d in (dq, dk, dv))
            self.dbq, self.dbk, self.dbv = (flat(d).sum(0) for d in (dq, dk, dv))
            return dq @ self.Wq + dk @ self.Wk + dv @ self.Wv

    return MHA


right_made("multi_head_attention(num_heads=2)", mha_made)


def mha_w3_made():
    class MHA:
        def __init__(self, Wq, Wk, Wv, Wo, bq, bk, bv, bo):
            self.Wq, self.Wk, self.Wv, self.Wo = Wq, Wk, Wv, Wo
            self.bq, self.bk, self.bv, self.bo = bq, bk, bv, bo
            self.heads = 2

        def split(self, a):
            N, T, E = a.shape
            return a.reshape(N, T, self.heads, E // self.heads).transpose(0, 2, 1, 3)

        def merge(self, a):
            N, H, T, d = a.shape
            return a.transpose(0, 2, 1, 3).reshape(N, T, H * d)

        def forward(self, x):
            self.x = x
            self.q, self.k, self.v = (
                self.split(x @ W.T + b) for W, b in ((self.Wq, self.bq), (self.Wk, self.bk), (self.Wv, self.bv))
            )
            s = self.q @ self.k.swapaxes(-1, -2) / np.sqrt(self.q.shape[-1])
            e = np.exp(s - s.max(-1, keepdims=True))
            self.p = e / e.sum(-1, keepdims=True)
            self.o = self.merge(self.p @ self.v)
            return self.o @ self.Wo.T + self.bo

        def backward(self, dy):
            x = self.x
            E = x.shape[-1]
            flat = lambda a: a.reshape(-1, a.shape[-1])
            self.dWo = flat(dy).T @ flat(self.o)
            self.dbo = flat(dy).mean(0)
            do = self.split(dy @ self.Wo)
            dv = self.p.swapaxes(-1, -2) @ do
            dp = do @ self.v.swapaxes(-1, -2)
            ds = self.p * (dp - np.sum(dp * self.p, axis=-1, keepdims=True)) / np.sqrt(self.q.shape[-1])
            dq, dk = ds @ self.k, ds.swapaxes(-1, -2) @ self.q
            dq, dk, dv = self.merge(dq), self.merge(dk), self.merge(dv)
            self.dWq, self.dWk, self.dWv = (flat(d).T @ flat(x) for d in (dq, dk, dv))
            self.dbq, self.dbk, self.dbv = (flat(d).sum(0) for d in (dq, dk, dv))
            return dq @ self.Wq + dk @ self.Wk + dv @ self.Wv

    return MHA


wrong_made("multi_head_attention(num_heads=2)", "mean-instead-of-sum", "out_proj_bias", mha_w3_made)


def mha_loop_w1_made():
    def mha_loop(x, Wq, Wk, Wv, Wo):
        """weights as (in, out), a loop over heads, no biases"""
        N, T, E = x.shape
        d = E // 2
        q, k, v = x @ Wq, x @ Wk, x @ Wv
        heads, P = [], []
        for h in range(2):
            sl = slice(h * d, (h + 1) * d)
            s = q[..., sl] @ k[..., sl].transpose(0, 2, 1) / np.sqrt(d)
            p = np.exp(s - s.max(-1, keepdims=True))
            p = p / p.sum(-1, keepdims=True)
            P.append(p)
            heads.append(p @ v[..., sl])
        o = np.concatenate(heads, -1)

        def backward(dy):
            do = dy @ Wo.T
            dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
            for h in range(2):
                sl = slice(h * d, (h + 1) * d)
                p = P[h]
                dv[..., sl] = p.transpose(0, 2, 1) @ do[..., sl]
                dp = do[..., sl] @ v[..., sl].transpose(0, 2, 1)
                ds = p * (dp - (p * dp).sum(-1, keepdims=True)) / np.sqrt(E)
                dq[..., sl] = ds @ k[..., sl]
                dk[..., sl] = ds.transpose(0, 2, 1) @ q[..., sl]
            w = lambda a, b: np.tensordot(a, b, ((0, 1), (0, 1)))
            return dq @ Wq.T + dk @ Wk.T + dv @ Wv.T, w(x, dq), w(x, dk), w(x, dv), w(o, dy)

        return o @ Wo, backward

    return mha_loop


wrong_made("multi_head_attention(num_heads=2)", "attention-scale", "query", mha_loop_w1_made)


def packed_mha_w3_made():
    def packed_mha(x, in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias, num_heads=3):
        """GPT's: packed q, k, v; causal"""
        B, T, C = x.shape
        hs = C // num_heads
        qkv = np.einsum("btc,kc->btk", x, in_proj_weight) + in_proj_bias
        q, k, v = (a.reshape(B, T, num_heads, hs) for a in np.split(qkv, 3, axis=2))
        att = np.einsum("bihc,bjhc->bhij", q, k) * hs**-0.5
        att = np.where(np.tri(T, dtype=bool), att, -np.inf)
        att = np.exp(att - att.max(-1, keepdims=True))
        att = att / att.sum(-1, keepdims=True)
        y = np.einsum("bhij,bjhc->bihc", att, v).reshape(B, T, C)

        def backward(dout):
            dwo = np.einsum("btk,btc->kc", dout, y)
            dbo = np.einsum("btk->k", dout)
            dy = (dout @ out_proj_weight).reshape(B, T, num_heads, hs)
            datt = np.einsum("bihc,bjhc->bhij", dy, v)
            dv = np.einsum("bhij,bihc->bjhc", att, dy)
            ds = att * (datt - np.einsum("bhij,bhij->bhi", att, datt)[..., None]) * hs**-0.5
            dq = np.einsum("bhij,bjhc->bihc", ds, k)
            dk = np.einsum("bhij,bihc->bjhc", ds, q)
            dqkv = np.concatenate([g.reshape(B, T, C) for g in (dq, dk, dv)], axis=2)
            dwi = np.einsum("btk,btc->kc", dqkv, x)
            return dqkv @ in_proj_weight, dwi, dqkv.mean((0, 1)), dwo, dbo

        return y @ out_proj_weight.T + out_proj_bias, backward

    return packed_mha


wrong_made(
    "multi_head_attention(num_heads=3, is_causal=True)", "mean-instead-of-sum", "in_proj_bias", packed_mha_w3_made
)


def gru_cho_made():
    def gru_cho(x, h_prev, W, U, b):
        """the paper's (and Keras 1's) reset gate: applied to h before the matrix product; order z r h, weights (in, out)"""
        H = h_prev.shape[1]
        sig = lambda t: 1 / (1 + np.exp(-t))
        xz = x @ W + b
        z = sig(xz[:, :H] + h_prev @ U[:, :H])
        r = sig(xz[:, H : 2 * H] + h_prev @ U[:, H : 2 * H])
        hh = np.tanh(xz[:, 2 * H :] + (r * h_prev) @ U[:, 2 * H :])
        out = z * h_prev + (1 - z) * hh

        def backward(dout):
            dhh = dout * (1 - z) * (1 - hh**2)
            dz = dout * (h_prev - hh) * z * (1 - z)
            drh = dhh @ U[:, 2 * H :].T
            dr = drh * h_prev * r * (1 - r)
            da = np.concatenate([dz, dr, dhh], axis=1)
            dh = dout * z + drh * r + dz @ U[:, :H].T + dr @ U[:, H : 2 * H].T
            dU = np.concatenate([h_prev.T @ dz, h_prev.T @ dr, (r * h_prev).T @ dhh], axis=1)
            return da @ W.T, dh, x.T @ da, dU, da.sum(0)

        return out, backward

    return gru_cho


right_made("gru_cell", gru_cho_made)


def gru_cho_w1_made():
    def gru_cho(x, h_prev, W, U, b):
        """the paper's (and Keras 1's) reset gate: applied to h before the matrix product; order z r h, weights (in, out)"""
        H = h_prev.shape[1]
        sig = lambda t: 1 / (1 + np.exp(-t))
        xz = x @ W + b
        z = sig(xz[:, :H] + h_prev @ U[:, :H])
        r = sig(xz[:, H : 2 * H] + h_prev @ U[:, H : 2 * H])
        hh = np.tanh(xz[:, 2 * H :] + (r * h_prev) @ U[:, 2 * H :])
        out = z * h_prev + (1 - z) * hh

        def backward(dout):
            dhh = dout * (1 - z) * (1 - hh**2)
            dz = dout * (h_prev - hh) * z * (1 - z)
            drh = dhh @ U[:, 2 * H :].T
            dr = drh * h_prev * r * (1 - r)
            da = np.concatenate([dz, dr, dhh], axis=1)
            dh = dout * z + drh * r + dz @ U[:, :H].T + dr @ U[:, H : 2 * H].T
            dU = np.concatenate([h_prev.T @ dz, h_prev.T @ dr, h_prev.T @ dhh], axis=1)
            return da @ W.T, dh, x.T @ da, dU, da.sum(0)

        return out, backward

    return gru_cho


wrong_made("gru_cell", "local-derivative-missing", "weight_hh", gru_cho_w1_made)


def gru_cho_w2_made():
    def gru_cho(x, h_prev, W, U, b):
        """the paper's (and Keras 1's) reset gate: applied to h before the matrix product; order z r h, weights (in, out)"""
        H = h_prev.shape[1]
        sig = lambda t: 1 / (1 + np.exp(-t))
        xz = x @ W + b
        z = sig(xz[:, :H] + h_prev @ U[:, :H])
        r = sig(xz[:, H : 2 * H] + h_prev @ U[:, H : 2 * H])
        hh = np.tanh(xz[:, 2 * H :] + (r * h_prev) @ U[:, 2 * H :])
        out = z * h_prev + (1 - z) * hh

        def backward(dout):
            dhh = dout * (1 - z) * (1 - hh**2)
            dz = dout * (h_prev - hh) * z * (1 - z)
            drh = dhh @ U[:, 2 * H :].T
            dr = drh * h_prev * r * (1 - r)
            da = np.concatenate([dz, dr, dhh], axis=1)
            dh = drh * r + dz @ U[:, :H].T + dr @ U[:, H : 2 * H].T
            dU = np.concatenate([h_prev.T @ dz, h_prev.T @ dr, (r * h_prev).T @ dhh], axis=1)
            return da @ W.T, dh, x.T @ da, dU, da.sum(0)

        return out, backward

    return gru_cho


wrong_made("gru_cell", "recurrence-truncated", "hx", gru_cho_w2_made)


def timelstm_w5_made():
    class TimeLSTM:
        """f g i o, as in the fish book's second volume"""

        def __init__(self, Wx, Wh, b):
            self.Wx, self.Wh, self.b = Wx, Wh, b

        def forward(self, xs, h, c):
            H = h.shape[1]
            sig = lambda a: 1 / (1 + np.exp(-a))
            self.mem, out = [], []
            for x in xs:
                A = x @ self.Wx + h @ self.Wh + self.b
                f, g, i, o = sig(A[:, :H]), np.tanh(A[:, H : 2 * H]), sig(A[:, 2 * H : 3 * H]), sig(A[:, 3 * H :])
                cn = f * c + g * i
                hn = o * np.tanh(cn)
                self.mem.append((x, h, c, f, g, i, o, cn))
                h, c = hn, cn
                out.append(h)
            return np.stack(out)

        def backward(self, dhs):
            self.dWx, self.dWh, self.db = (np.zeros_like(a) for a in (self.Wx, self.Wh, self.b))
            dx, dh, dc = [None] * len(dhs), 0, 0
            for t in range(len(dhs) - 1, -1, -1):
                x, h, c, f, g, i, o, cn = self.mem[t]
                dh = dh + dhs[t]
                tc = np.tanh(cn)
                ds = dc + dh * o * (1 - tc**2)
                dA = np.concatenate(
                    [ds * c * f * (f - 1), ds * i * (1 - g**2), ds * g * i * (1 - i), dh * tc * o * (1 - o)], 1
                )
                self.dWx += x.T @ dA
                self.dWh += h.T @ dA
                self.db += dA.sum(0)
                dx[t], dh, dc = dA @ self.Wx.T, dA @ self.Wh.T, ds * f
            return np.stack(dx), dh, dc

    return TimeLSTM


wrong_made("lstm", "wrong-sign", "input", timelstm_w5_made)


def mean_over_queries():
    def mean_over_queries(q, k, v):
        s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
        p = np.exp(s - s.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)

        def backward(g):
            dp = g @ v.swapaxes(-1, -2)
            ds = p * (dp - (p * dp).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
            return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g / p.shape[-2]

        return p @ v, backward

    return mean_over_queries


wrong_made("scaled_dot_product_attention", "mean-instead-of-sum", "value", mean_over_queries)
