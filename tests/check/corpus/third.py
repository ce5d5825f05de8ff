# ruff: noqa  (written as students write)
"""Odd corners: bare attributes, dictionaries, shape errors that only a square hides, naive numerics, two mistakes."""

from collections import namedtuple

import numpy as np

from tests.check.corpus import conventional, right, right_pair, wrong, wrong_pair


@right("linear")
class BareAttributes:
    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        self.dW = dy.T @ self.x
        self.db = dy.sum(0)
        return dy @ self.W


@right("linear")
class NoneAttributes:
    def __init__(self):
        self.weight = None
        self.bias = None
        self.grad_weight = None
        self.grad_bias = None
        self.saved = None

    def forward(self, x):
        self.saved = x
        return x @ self.weight.T + self.bias

    def backward(self, dy):
        self.grad_weight = dy.T @ self.saved
        self.grad_bias = dy.sum(axis=0)
        return dy @ self.weight


@right("linear")
class EmptyParams:
    def __init__(self):
        self.params = {}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        self.grads["b"] = dout.sum(0)
        return dout @ self.params["W"].T


@wrong("linear", "mean-instead-of-sum", "bias")
class EmptyParamsMean(EmptyParams):
    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        self.grads["b"] = dout.mean(0)
        return dout @ self.params["W"].T


@right("layer_norm")
class LayerNormBare:
    def forward(self, x):
        self.mu, self.s = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        self.h = (x - self.mu) / self.s
        return self.h * self.gamma + self.beta

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.h).sum(0), dy.sum(0)
        d = dy * self.gamma
        return (d - d.mean(-1, keepdims=True) - self.h * (d * self.h).mean(-1, keepdims=True)) / self.s


Grads = namedtuple("Grads", "dx dw db")


@right("linear")
def linear_namedtuple(x, w, b):
    return x @ w.T + b, lambda g: Grads(g @ w, g.T @ x, g.sum(0))


@right("linear")
def linear_other_order(x, w, b):
    def backward(dy):
        dw = dy.T @ x
        db = dy.sum(0)
        dx = dy @ w
        return dw, db, dx

    return x @ w.T + b, backward


@right("linear")
def linear_weights_first(W, x):
    return x @ W.T, lambda g: (g.T @ x, g @ W)


def fwd(x, w, b):
    return {"out": 0} and x @ w.T + b, {"x": x, "w": w}


@right_pair("linear", fwd)
def bwd(cache, dout):
    return {"dx": dout @ cache["w"], "dw": dout.T @ cache["x"], "db": dout.sum(0)}


@wrong_pair("linear", "transposed", "input", fwd)
def bwd_t(cache, dout):
    return {"dx": dout @ cache["w"].T, "dw": dout.T @ cache["x"], "db": dout.sum(0)}


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@wrong("scaled_dot_product_attention", "transposed", "value")
def attention_p(q, k, v):
    d = q.shape[-1]
    P = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(d))

    def backward(dO):
        dV = P @ dO
        dP = dO @ v.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True)) / np.sqrt(d)
        return dS @ k, dS.swapaxes(-1, -2) @ q, dV

    return P @ v, backward


@wrong("scaled_dot_product_attention", "softmax-wrong-axis")
def attention_axis(q, k, v):
    d = q.shape[-1]
    P = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(d))

    def backward(dO):
        dP = dO @ v.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-2, keepdims=True)) / np.sqrt(d)
        return dS @ k, dS.swapaxes(-1, -2) @ q, P.swapaxes(-1, -2) @ dO

    return P @ v, backward


@wrong("scaled_dot_product_attention", "attention-scale")
def attention_d(q, k, v):
    d = q.shape[-1]
    P = softmax(q @ k.swapaxes(-1, -2) / d)

    def backward(dO):
        dP = dO @ v.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True)) / d
        return dS @ k, dS.swapaxes(-1, -2) @ q, P.swapaxes(-1, -2) @ dO

    return P @ v, backward


@right("scaled_dot_product_attention")
def attention_causal_option(q, k, v, causal=False):
    d = q.shape[-1]
    S = q @ k.swapaxes(-1, -2) / np.sqrt(d)
    if causal:
        S = np.where(np.tril(np.ones(S.shape[-2:], bool)), S, -np.inf)
    P = softmax(S)

    def backward(dO):
        dP = dO @ v.swapaxes(-1, -2)
        dS = P * (dP - (dP * P).sum(-1, keepdims=True)) / np.sqrt(d)
        return dS @ k, dS.swapaxes(-1, -2) @ q, P.swapaxes(-1, -2) @ dO

    return P @ v, backward


@wrong("linear", "wrong-shape", "input")
def linear_flat(x, w):
    return x @ w.T, lambda g: ((g @ w).ravel(), g.T @ x)


@wrong("softmax", "wrong-shape")
def softmax_returns_vector(x):
    s = softmax(x)
    return s, lambda g: (s * (g - (g * s).sum(-1, keepdims=True))).sum(0)


@conventional("rms_norm", "not-finite")
def rms_no_eps(x, g):
    r = np.sqrt((x**2).mean(-1, keepdims=True))
    h = x / r
    return h * g, lambda d: ((d * g - h * (d * g * h).mean(-1, keepdims=True)) / r, (d * h).sum(0))


@conventional("cosine_similarity", "not-finite")
def cosine_no_eps(a, b):
    na, nb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    c = (a * b).sum(1) / (na * nb)
    return c, lambda d: (
        d[:, None] * (b / (na * nb)[:, None] - c[:, None] * a / (na**2)[:, None]),
        d[:, None] * (a / (na * nb)[:, None] - c[:, None] * b / (nb**2)[:, None]),
    )


@wrong("log_softmax", "not-finite")
def log_softmax_naive(x):
    s = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    return np.log(s), lambda g: g - s * g.sum(-1, keepdims=True)


@wrong("binary_cross_entropy_with_logits", "wrong-reduction", "input")
def bcel_batch(z, t):
    loss = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    return loss, lambda g=1.0: g * (1 / (1 + np.exp(-z)) - t) / len(z)


@wrong("binary_cross_entropy_with_logits", "not-finite", "output")
def bcel_naive(z, t):
    s = 1 / (1 + np.exp(-z))
    loss = -np.mean(t * np.log(s) + (1 - t) * np.log(1 - s))
    return loss, lambda g=1.0: g * (s - t) / z.size


@wrong("cross_entropy", "wrong-reduction", "input")
class CEK:
    def forward(self, x, t):
        self.p, self.t = softmax(x), t
        return -np.log(self.p[np.arange(len(t)), t]).mean()

    def backward(self):
        d = self.p.copy()
        d[np.arange(len(self.t)), self.t] -= 1
        return d / d.size


@wrong("cross_entropy", "wrong-reduction", "input")
class CEKernel(CEK):
    def backward(self, dout=1.0):
        d = self.p.copy()
        d[np.arange(len(self.t)), self.t] -= 1
        return dout * d


@wrong("cross_entropy", "local-derivative-missing", "input")
class CENoOnehot(CEK):
    def backward(self, dout=1.0):
        return dout * self.p / len(self.t)


@wrong("layer_norm", "wrong-sign", "bias", second="statistics-as-constants")
def layer_norm_two(x, gamma, beta):
    mu, s = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    h = (x - mu) / s
    return h * gamma + beta, lambda d: (d * gamma / s, (d * h).sum(0), -d.sum(0))


@wrong("layer_norm", "variance-path-missing", "input", second="mean-instead-of-sum")
def layer_norm_two_b(x, gamma, beta):
    mu, s = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    h = (x - mu) / s

    def backward(d):
        g = d * gamma
        return (g - g.mean(-1, keepdims=True)) / s, (d * h).mean(0), d.sum(0)

    return h * gamma + beta, backward


@wrong("batch_norm", "wrong-sign", "input")
def bn_sign(x, gamma, beta):
    mu, s = x.mean(0), np.sqrt(x.var(0) + 1e-5)
    h = (x - mu) / s

    def backward(d):
        g = d * gamma
        return (g - g.mean(0) + h * (g * h).mean(0)) / s, (d * h).sum(0), d.sum(0)

    return h * gamma + beta, backward


@wrong("batch_norm", "eps-or-bessel-misplaced", "input")
def bn_bessel_backward(x, gamma, beta, eps=1e-5):
    n = len(x)
    mu, s = x.mean(0), np.sqrt(x.var(0) + eps)
    h = (x - mu) / s

    def backward(d):
        g = d * gamma
        dvar = (g * (x - mu)).sum(0) * -0.5 * s**-3
        dmu = -g.sum(0) / s
        return g / s + dvar * 2 * (x - mu) / (n - 1) + dmu / n, (d * h).sum(0), d.sum(0)

    return h * gamma + beta, backward


@right("max_pool2d(kernel_size=2, stride=2)")
def pool_strided(x):
    n, c, h, w = x.shape
    win = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(2, 3))[:, :, ::2, ::2]
    flat = win.reshape(*win.shape[:4], 4)
    arg = flat.argmax(-1)

    def backward(dy):
        dx = np.zeros_like(x)
        i, j = np.meshgrid(np.arange(win.shape[2]), np.arange(win.shape[3]), indexing="ij")
        for a in range(n):
            for b in range(c):
                np.add.at(dx[a, b], (2 * i + arg[a, b] // 2, 2 * j + arg[a, b] % 2), dy[a, b])
        return dx

    return flat.max(-1), backward


@wrong("max_pool2d", "wrong-mask", "input")
def pool_as_average(x, kernel_size=2, stride=2):
    n, c, h, w = x.shape
    k = kernel_size
    ho, wo = (h - k) // stride + 1, (w - k) // stride + 1
    y = np.zeros((n, c, ho, wo))
    for i in range(ho):
        for j in range(wo):
            y[:, :, i, j] = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k].max((2, 3))

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(ho):
            for j in range(wo):
                dx[:, :, i * stride : i * stride + k, j * stride : j * stride + k] += dy[:, :, i, j, None, None]
        return dx

    return y, backward


@right("embedding(padding_idx=0)")
def embedding_padding(idx, W):
    def backward(dy):
        dW = np.zeros_like(W)
        np.add.at(dW, idx, dy)
        dW[0] = 0
        return dW

    return W[idx], backward


@wrong("embedding(padding_idx=0)", "wrong-mask", "weight")
def embedding_padding_forgotten(idx, W):
    def backward(dy):
        dW = np.zeros_like(W)
        np.add.at(dW, idx, dy)
        return dW

    return W[idx], backward


@right("embedding")
def embedding_onehot(tokens, table):
    O = np.eye(len(table))[tokens]
    return O @ table, lambda g: np.einsum("btv,btd->vd", O, g)


@wrong("dropout", "dropout-mask-or-scale", "input")
def dropout_dy(x, mask, p):
    return x * mask / (1 - p), lambda g: g / (1 - p)


@wrong("dropout", "dropout-mask-or-scale", "output")
def dropout_wrong_scale(x, p=0.5):
    m = np.random.rand(*x.shape) >= p
    return x * m / p, lambda g: g * m / p


@wrong("dropout", "dropout-mask-or-scale", "input")
def dropout_double(x, mask, p):
    m = mask / (1 - p)
    return x * m, lambda g: g * m / (1 - p)


@right("dropout(p=0.25)")
def dropout_fixed(x):
    m = np.random.rand(*x.shape) >= 0.25
    return x * m / 0.75, lambda g: g * m / 0.75


def lstm_parts(x, h, c, Wx, Wh, b):
    H = h.shape[1]
    a = x @ Wx + h @ Wh + b
    s = lambda z: 1 / (1 + np.exp(-z))
    return s(a[:, :H]), s(a[:, H : 2 * H]), s(a[:, 2 * H : 3 * H]), np.tanh(a[:, 3 * H :])


@wrong("lstm_cell", "derivative-at-wrong-tensor")
def lstm_step_c(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = lstm_parts(x, prev_h, prev_c, Wx, Wh, b)
    c = f * prev_c + i * g
    h = o * np.tanh(c)

    def backward(dh, dc):
        dc = dc + dh * o * (1 - c**2)
        da = np.hstack(
            [dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dh * np.tanh(c) * o * (1 - o), dc * i * (1 - g**2)]
        )
        return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(0)

    return h, c, backward


@wrong("lstm_cell", "local-derivative-missing")
def lstm_step_gate(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = lstm_parts(x, prev_h, prev_c, Wx, Wh, b)
    c = f * prev_c + i * g
    h = o * np.tanh(c)

    def backward(dh, dc):
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        da = np.hstack([dc * g * i * (1 - i), dc * prev_c, dh * np.tanh(c) * o * (1 - o), dc * i * (1 - g**2)])
        return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(0)

    return h, c, backward


@wrong("rnn_cell", "mean-instead-of-sum", "bias_ih")
def rnn_step_mean(x, h, Wx, Wh, b):
    n = np.tanh(x @ Wx + h @ Wh + b)

    def backward(dn):
        dz = dn * (1 - n**2)
        return dz @ Wx.T, dz @ Wh.T, x.T @ dz, h.T @ dz, dz.mean(0)

    return n, backward


@wrong("rnn_cell", "broadcast-axis-not-summed", "bias_ih")
def rnn_step_bias(x, h, Wx, Wh, b):
    n = np.tanh(x @ Wx + h @ Wh + b)

    def backward(dn):
        dz = dn * (1 - n**2)
        return dz @ Wx.T, dz @ Wh.T, x.T @ dz, h.T @ dz, dz

    return n, backward


@wrong("rnn_cell", "transposed", "weight_ih")
def rnn_step_weight(x, h, Wx, Wh, b):
    n = np.tanh(x @ Wx + h @ Wh + b)

    def backward(dn):
        dz = dn * (1 - n**2)
        return dz @ Wx.T, dz @ Wh.T, dz.T @ x, h.T @ dz, dz.sum(0)

    return n, backward


@right("gelu")
def gelu_either(x, approximate="none"):
    from scipy.special import erf

    c = 0.5 * (1 + erf(x / np.sqrt(2)))
    return x * c, lambda g: g * (c + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi))


@right("softmax(dim=0)")
def softmax0(x):
    e = np.exp(x - x.max(0))
    s = e / e.sum(0)
    return s, lambda g: s * (g - (g * s).sum(0))


@right("hardtanh(min_val=0, max_val=6)")
def clipped(x):
    return np.clip(x, 0, 6), lambda g: g * (x > 0) * (x < 6)


@wrong("mse_loss", "wrong-reduction", "input")
class MSEClass:
    def __call__(self, pred, target):
        self.pred, self.target = pred, target
        return ((pred - target) ** 2).mean()

    def backward(self):
        return self.pred - self.target


@right("mse_loss")
class MSECall:
    def __call__(self, pred, target):
        self.pred, self.target = pred, target
        return ((pred - target) ** 2).mean()

    def backward(self):
        return 2 * (self.pred - self.target) / self.pred.size


@right("dropout", arguments="x,mask,q=1-p")
def dropout_stated(x, mask, q):
    return x * mask / q, lambda g: g * mask / q


@right("linear", arguments="x=input,W=weight.T")
def linear_stated(x, W):
    return x @ W, lambda g: (g @ W.T, x.T @ g)


@right("dropout", arguments="dy,mask,q=1-p")
def dropout_stated_gradient(dy, mask, q):
    return dy * mask / q


@right("lstm_cell", arguments="x,h0,c0,Wx,Wh,b,gates=ifog")
def lstm_stated(x, h0, c0, Wx, Wh, b):
    i, f, o, g = lstm_parts(x, h0, c0, Wx, Wh, b)
    c = f * c0 + i * g
    h = o * np.tanh(c)

    def backward(dh, dc):
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        da = np.hstack(
            [dc * g * i * (1 - i), dc * c0 * f * (1 - f), dh * np.tanh(c) * o * (1 - o), dc * i * (1 - g**2)]
        )
        return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, h0.T @ da, da.sum(0)

    return h, c, backward
