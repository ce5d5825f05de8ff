# ruff: noqa  (written as students write)
"""Still more: no affine parameters, running statistics returned, derivatives without an upstream, static methods."""

import numpy as np

from tests.check.corpus import conventional, right, right_pair, wrong, wrong_pair


@right("layer_norm")
def layer_norm_plain(x):
    mu, s = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    h = (x - mu) / s
    return h, lambda d: (d - d.mean(-1, keepdims=True) - h * (d * h).mean(-1, keepdims=True)) / s


@wrong("layer_norm", "statistics-as-constants", "input")
def layer_norm_plain_const(x):
    mu, s = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return (x - mu) / s, lambda d: d / s


def bn(x, gamma, beta, running_mean, running_var, momentum, eps, unbiased=True):
    n = len(x)
    mu, var = x.mean(0), x.var(0)
    s = np.sqrt(var + eps)
    h = (x - mu) / s
    rm = (1 - momentum) * running_mean + momentum * mu
    rv = (1 - momentum) * running_var + momentum * (var * n / (n - 1) if unbiased else var)

    def backward(d):
        g = d * gamma
        return (g - g.mean(0) - h * (g * h).mean(0)) / s, (d * h).sum(0), d.sum(0)

    return h * gamma + beta, rm, rv, backward


@right("batch_norm")
def batch_norm_returns(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5):
    return bn(x, gamma, beta, running_mean, running_var, momentum, eps)


@conventional("batch_norm", "running-statistics", "running_var")
def batch_norm_returns_biased(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5):
    out, new_running_mean, new_running_var, backward = bn(
        x, gamma, beta, running_mean, running_var, momentum, eps, False
    )
    return out, new_running_mean, new_running_var, backward


@right("batch_norm")
def batch_norm_in_place(x, running_mean, running_var, weight, bias, training=True, momentum=0.1, eps=1e-5):
    y, rm, rv, back = bn(x, weight, bias, running_mean, running_var, momentum, eps)
    running_mean[:] = rm
    running_var[:] = rv

    def backward(dy):
        dx, dw, db = back(dy)
        return dx, dw, db

    return y, backward


@wrong("batch_norm", "running-statistics")
def batch_norm_in_place_momentum(x, running_mean, running_var, weight, bias, training=True, momentum=0.1, eps=1e-5):
    y, rm, rv, back = bn(x, weight, bias, running_mean, running_var, 1 - momentum, eps)
    running_mean[:] = rm
    running_var[:] = rv
    return y, back


@right("batch_norm(training=False)")
def batch_norm_eval(x, running_mean, running_var, weight, bias, eps=1e-5):
    s = np.sqrt(running_var + eps)
    h = (x - running_mean) / s
    return h * weight + bias, lambda d: (d * weight / s, (d * h).sum(0), d.sum(0))


@right("relu")
def relu_derivative(x):
    return (x > 0).astype(float)


@right("sigmoid")
def sigmoid_prime(z):
    s = 1 / (1 + np.exp(-z))
    return s * (1 - s)


@right("binary_cross_entropy")
def bce_grad(y_pred, y_true):
    return (y_pred - y_true) / (y_pred * (1 - y_pred) + 1e-12) / y_true.size


@wrong("binary_cross_entropy", "wrong-reduction", "input")
def bce_grad_n(y_pred, y_true):
    return (y_pred - y_true) / (y_pred * (1 - y_pred)) / len(y_true)


@right("cross_entropy")
def softmax_crossentropy_backward(logits, y):
    e = np.exp(logits - logits.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    p[range(len(y)), y] -= 1
    return p / len(y)


@right("huber_loss(delta=0.5)")
def huber_half(x, t):
    d = x - t
    a = np.abs(d)
    loss = np.where(a <= 0.5, d**2 / 2, 0.5 * (a - 0.25)).mean()
    return loss, lambda: np.clip(d, -0.5, 0.5) / d.size


@right("linear")
def linear_list(x, w, b):
    return [x @ w.T + b, lambda g: [g @ w, g.T @ x, g.sum(0)]]


class Cache:
    pass


def forward_object(x, w, b):
    c = Cache()
    c.x, c.w = x, w
    return x @ w.T + b, c


@right_pair("linear", forward_object)
def backward_object(grad, c):
    return grad @ c.w, grad.T @ c.x, grad.sum(0)


@wrong_pair("linear", "overwritten-not-accumulated", "weight", forward_object)
def backward_object_last(grad, c):
    dw = np.zeros_like(c.w)
    for i in range(len(c.x)):
        dw = np.outer(grad[i], c.x[i])
    return grad @ c.w, dw, grad.sum(0)


@right("gru")
class GRU:
    def __init__(self, input_size, hidden_size):
        self.W_ih = np.random.randn(3 * hidden_size, input_size)
        self.W_hh = np.random.randn(3 * hidden_size, hidden_size)
        self.b_ih = np.zeros(3 * hidden_size)
        self.b_hh = np.zeros(3 * hidden_size)

    def forward(self, x, h0):
        sig = lambda z: 1 / (1 + np.exp(-z))
        self.x, self.h, self.s = x, [h0], []
        for t in range(len(x)):
            a = np.split(x[t] @ self.W_ih.T + self.b_ih, 3, axis=1)
            b = np.split(self.h[-1] @ self.W_hh.T + self.b_hh, 3, axis=1)
            r, z = sig(a[0] + b[0]), sig(a[1] + b[1])
            n = np.tanh(a[2] + r * b[2])
            self.s.append((r, z, n, b[2]))
            self.h.append((1 - z) * n + z * self.h[-1])
        return np.stack(self.h[1:])

    def backward(self, dy):
        self.dW_ih, self.dW_hh = np.zeros_like(self.W_ih), np.zeros_like(self.W_hh)
        self.db_ih, self.db_hh = np.zeros_like(self.b_ih), np.zeros_like(self.b_hh)
        dx, dh = np.zeros_like(self.x), 0
        for t in reversed(range(len(self.x))):
            r, z, n, bn_ = self.s[t]
            h = self.h[t]
            dh = dh + dy[t]
            dn = dh * (1 - z) * (1 - n * n)
            dz = dh * (h - n) * z * (1 - z)
            dr = dn * bn_ * r * (1 - r)
            da, db = np.hstack([dr, dz, dn]), np.hstack([dr, dz, dn * r])
            self.dW_ih += da.T @ self.x[t]
            self.dW_hh += db.T @ h
            self.db_ih += da.sum(0)
            self.db_hh += db.sum(0)
            dx[t] = da @ self.W_ih
            dh = dh * z + db @ self.W_hh
        return dx, dh


@wrong("gru", "recurrence-truncated")
class GRUTruncated(GRU):
    def backward(self, dy):
        self.dW_ih, self.dW_hh = np.zeros_like(self.W_ih), np.zeros_like(self.W_hh)
        self.db_ih, self.db_hh = np.zeros_like(self.b_ih), np.zeros_like(self.b_hh)
        dx, dh = np.zeros_like(self.x), 0
        for t in reversed(range(len(self.x))):
            r, z, n, bn_ = self.s[t]
            h = self.h[t]
            dh = dh + dy[t]
            dn = dh * (1 - z) * (1 - n * n)
            dz = dh * (h - n) * z * (1 - z)
            dr = dn * bn_ * r * (1 - r)
            da, db = np.hstack([dr, dz, dn]), np.hstack([dr, dz, dn * r])
            self.dW_ih += da.T @ self.x[t]
            self.dW_hh += db.T @ h
            self.db_ih += da.sum(0)
            self.db_hh += db.sum(0)
            dx[t] = da @ self.W_ih
            dh = db @ self.W_hh
        return dx, dh


@wrong("lstm", "recurrence-truncated")
def lstm_no_forget(x, h0, c0, w_ih, w_hh, b):
    sig = lambda z: 1 / (1 + np.exp(-z))
    hs, cs, saved = [h0], [c0], []
    for xt in x:
        zi, zf, zg, zo = np.split(xt @ w_ih.T + hs[-1] @ w_hh.T + b, 4, axis=1)
        i, f, g, o = sig(zi), sig(zf), np.tanh(zg), sig(zo)
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
        saved.append((i, f, g, o))

    def backward(dy):
        dh, dc = np.zeros_like(h0), np.zeros_like(c0)
        dx, dwi, dwh, db = np.zeros_like(x), np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros_like(b)
        for t in range(len(x))[::-1]:
            i, f, g, o = saved[t]
            tc = np.tanh(cs[t + 1])
            dh = dh + dy[t]
            dc = dc + dh * o * (1 - tc**2)
            dz = np.hstack([dc * g * i * (1 - i), dc * cs[t] * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)])
            dx[t] = dz @ w_ih
            dwi += dz.T @ x[t]
            dwh += dz.T @ hs[t]
            db += dz.sum(0)
            dh = dz @ w_hh
        return dx, dh, dc, dwi, dwh, db

    return np.stack(hs[1:]), backward


@wrong("conv2d", "wrong-sign", "input")
def conv_sign(x, w):
    n, c, h, wd = x.shape
    f, _, k, l = w.shape
    ho, wo = h - k + 1, wd - l + 1
    win = np.lib.stride_tricks.sliding_window_view(x, (k, l), axis=(2, 3))
    y = np.einsum("nchwkl,fckl->nfhw", win, w)

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(k):
            for j in range(l):
                dx[:, :, i : i + ho, j : j + wo] -= np.einsum("nfhw,fc->nchw", dy, w[:, :, i, j])
        return dx, np.einsum("nchwkl,nfhw->fckl", win, dy)

    return y, backward


@wrong("conv2d", "forward-differs", "output")
def conv_true(x, w):
    n, c, h, wd = x.shape
    f, _, k, l = w.shape
    ho, wo = h - k + 1, wd - l + 1
    w2 = w[:, :, ::-1, ::-1]
    win = np.lib.stride_tricks.sliding_window_view(x, (k, l), axis=(2, 3))
    y = np.einsum("nchwkl,fckl->nfhw", win, w2)

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(k):
            for j in range(l):
                dx[:, :, i : i + ho, j : j + wo] += np.einsum("nfhw,fc->nchw", dy, w2[:, :, i, j])
        return dx, np.einsum("nchwkl,nfhw->fckl", win, dy)[:, :, ::-1, ::-1]

    return y, backward


@right("conv2d")
def conv_full(x, w):
    """dx by a full correlation with the turned kernel: the textbook's way."""
    f, c, k, l = w.shape
    win = np.lib.stride_tricks.sliding_window_view(x, (k, l), axis=(2, 3))
    y = np.einsum("nchwkl,fckl->nfhw", win, w)

    def backward(dy):
        p = np.pad(dy, ((0, 0), (0, 0), (k - 1, k - 1), (l - 1, l - 1)))
        pw = np.lib.stride_tricks.sliding_window_view(p, (k, l), axis=(2, 3))
        dx = np.einsum("nfhwkl,fckl->nchw", pw, w[:, :, ::-1, ::-1])
        return dx, np.einsum("nchwkl,nfhw->fckl", win, dy)

    return y, backward


@wrong("conv2d", "kernel-flipped", "input")
def conv_full_unflipped(x, w):
    f, c, k, l = w.shape
    win = np.lib.stride_tricks.sliding_window_view(x, (k, l), axis=(2, 3))
    y = np.einsum("nchwkl,fckl->nfhw", win, w)

    def backward(dy):
        p = np.pad(dy, ((0, 0), (0, 0), (k - 1, k - 1), (l - 1, l - 1)))
        pw = np.lib.stride_tricks.sliding_window_view(p, (k, l), axis=(2, 3))
        return np.einsum("nfhwkl,fckl->nchw", pw, w), np.einsum("nchwkl,nfhw->fckl", win, dy)

    return y, backward


@wrong("max_pool2d", "pool-ties")
class MaxPoolAll:
    def __init__(self, pool_h, pool_w, stride=2):
        self.ph, self.pw, self.s = pool_h, pool_w, stride

    def forward(self, x):
        n, c, h, w = x.shape
        self.x = x
        ho, wo = (h - self.ph) // self.s + 1, (w - self.pw) // self.s + 1
        self.out = np.zeros((n, c, ho, wo))
        for i in range(ho):
            for j in range(wo):
                self.out[:, :, i, j] = x[
                    :, :, i * self.s : i * self.s + self.ph, j * self.s : j * self.s + self.pw
                ].max((2, 3))
        return self.out

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                sl = (
                    slice(None),
                    slice(None),
                    slice(i * self.s, i * self.s + self.ph),
                    slice(j * self.s, j * self.s + self.pw),
                )
                dx[sl] += (self.x[sl] == self.out[:, :, i : i + 1, j : j + 1]) * dy[:, :, i : i + 1, j : j + 1]
        return dx


@right("dropout")
class InvertedDropout:
    def __init__(self, keep_prob=0.8):
        self.keep_prob = keep_prob

    def forward(self, A):
        self.D = np.random.rand(*A.shape) < self.keep_prob
        return A * self.D / self.keep_prob

    def backward(self, dA):
        return dA * self.D / self.keep_prob


@wrong("dropout", "dropout-mask-or-scale")
class InvertedDropoutLost(InvertedDropout):
    def backward(self, dA):
        return dA * self.D


@right("cross_entropy")
class CEOneHot:
    def forward(self, y_pred, y_true):
        e = np.exp(y_pred - y_pred.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        self.y_true = y_true
        return -np.sum(y_true * np.log(self.p + 1e-15)) / y_true.shape[0]

    def backward(self):
        return (self.p - self.y_true) / self.y_true.shape[0]


@wrong("cross_entropy", "wrong-reduction", "input")
class CEOneHotLost(CEOneHot):
    def backward(self):
        return self.p - self.y_true


@wrong("rms_norm", "mean-instead-of-sum", "weight")
def rms_mean(x, weight, eps=1e-6):
    r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    h = x * r

    def backward(dy):
        d = dy * weight
        return r * (d - h * (d * h).mean(-1, keepdims=True)), (dy * h).mean(0)

    return h * weight, backward


@wrong("tanh", "not-repeatable")
def tanh_once(x):
    t = np.tanh(x)
    state = [1.0]

    def backward(dy):
        state[0] *= 0.5
        return dy * (1 - t**2) * (2 * state[0])

    return t, backward
