# ruff: noqa  (written as students write)
"""Multi-head attention."""

import numpy as np

from tests.check.corpus import right, wrong


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@right("multi_head_attention")
class SelfAttention:
    def __init__(self, embed_dim, num_heads):
        self.h, self.d = num_heads, embed_dim // num_heads
        self.W_q, self.W_k, self.W_v, self.W_o = (np.random.randn(embed_dim, embed_dim) for _ in range(4))

    def split(self, a):
        N, T, E = a.shape
        return a.reshape(N, T, self.h, self.d).transpose(0, 2, 1, 3)

    def merge(self, a):
        N, H, T, d = a.shape
        return a.transpose(0, 2, 1, 3).reshape(N, T, H * d)

    def forward(self, x):
        self.x = x
        self.q, self.k, self.v = self.split(x @ self.W_q), self.split(x @ self.W_k), self.split(x @ self.W_v)
        self.p = softmax(self.q @ self.k.swapaxes(-1, -2) / np.sqrt(self.d))
        self.o = self.merge(self.p @ self.v)
        return self.o @ self.W_o

    def backward(self, dy):
        E = dy.shape[-1]
        flat = lambda a: a.reshape(-1, E)
        self.dW_o = flat(self.o).T @ flat(dy)
        do = self.split(dy @ self.W_o.T)
        dv = self.p.swapaxes(-1, -2) @ do
        dp = do @ self.v.swapaxes(-1, -2)
        ds = self.p * (dp - (dp * self.p).sum(-1, keepdims=True)) / np.sqrt(self.d)
        dq, dk = self.merge(ds @ self.k), self.merge(ds.swapaxes(-1, -2) @ self.q)
        dv = self.merge(dv)
        self.dW_q, self.dW_k, self.dW_v = (
            flat(self.x).T @ flat(dq),
            flat(self.x).T @ flat(dk),
            flat(self.x).T @ flat(dv),
        )
        return dq @ self.W_q.T + dk @ self.W_k.T + dv @ self.W_v.T


@wrong("MultiheadAttention", "attention-scale")
class SelfAttentionScale(SelfAttention):
    def backward(self, dy):
        d, self.d = self.d, self.d
        E = dy.shape[-1]
        flat = lambda a: a.reshape(-1, E)
        self.dW_o = flat(self.o).T @ flat(dy)
        do = self.split(dy @ self.W_o.T)
        dv = self.merge(self.p.swapaxes(-1, -2) @ do)
        dp = do @ self.v.swapaxes(-1, -2)
        ds = self.p * (dp - (dp * self.p).sum(-1, keepdims=True))
        dq, dk = self.merge(ds @ self.k), self.merge(ds.swapaxes(-1, -2) @ self.q)
        self.dW_q, self.dW_k, self.dW_v = (
            flat(self.x).T @ flat(dq),
            flat(self.x).T @ flat(dk),
            flat(self.x).T @ flat(dv),
        )
        return dq @ self.W_q.T + dk @ self.W_k.T + dv @ self.W_v.T


@wrong("MultiheadAttention", "overwritten-not-accumulated")
class SelfAttentionOver(SelfAttention):
    def backward(self, dy):
        super().backward(dy)
        E = dy.shape[-1]
        do = self.split(dy @ self.W_o.T)
        return self.merge(self.p.swapaxes(-1, -2) @ do) @ self.W_v.T


@right("multi_head_attention(num_heads=4)")
def mha(x, Wq, Wk, Wv, Wo):
    T, N, E = x.shape
    h = 4
    d = E // h
    sp = lambda a: a.reshape(T, N, h, d).transpose(1, 2, 0, 3)
    me = lambda a: a.transpose(2, 0, 1, 3).reshape(T, N, E)
    q, k, v = sp(x @ Wq.T), sp(x @ Wk.T), sp(x @ Wv.T)
    p = softmax(np.einsum("nhid,nhjd->nhij", q, k) / d**0.5)
    o = me(p @ v)

    def backward(dy):
        dWo = np.einsum("tno,tni->oi", dy, o)
        do = sp(dy @ Wo)
        dp = do @ v.swapaxes(-1, -2)
        ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / d**0.5
        dq, dk, dv = me(ds @ k), me(ds.swapaxes(-1, -2) @ q), me(p.swapaxes(-1, -2) @ do)
        g = lambda a: np.einsum("tno,tni->oi", a, x)
        return dq @ Wq + dk @ Wk + dv @ Wv, g(dq), g(dk), g(dv), dWo

    return o @ Wo.T, backward
