# ruff: noqa  (written as students write)
"""More ways of writing the same things: other names, other caches, explicit intermediates, other algebra."""

import numpy as np

from tests.check.corpus import conventional, right, right_pair, wrong, wrong_pair


@right("layer_norm")
def layernorm_bwd_llmc(dout, x, w, mean, rstd):
    norm = (x - mean) * rstd
    dbias = dout.sum(0)
    dweight = (dout * norm).sum(0)
    dnorm = dout * w
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= rstd
    return dx, dweight, dbias


@wrong("layer_norm", "statistics-as-constants", "input")
def layernorm_bwd_llmc_const(dout, x, w, mean, rstd):
    norm = (x - mean) * rstd
    dbias = dout.sum(0)
    dweight = (dout * norm).sum(0)
    dx = dout * w * rstd
    return dx, dweight, dbias


@right("batch_norm")
def bn_backward(dout, x_hat, gamma, std):
    d = dout * gamma
    dx = (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) / std
    dgamma = (dout * x_hat).sum(0)
    dbeta = dout.sum(0)
    return dx, dgamma, dbeta


@right("cross_entropy")
def ce_backward(probs, labels):
    d = probs.copy()
    d[np.arange(len(labels)), labels] -= 1
    return d / len(labels)


@wrong("cross_entropy", "wrong-reduction", "input")
def ce_backward_n(probs, labels):
    d = probs.copy()
    d[np.arange(len(labels)), labels] -= 1
    return d


@right("cross_entropy")
def ce_backward_y(y_hat, y):
    n = y.shape[0]
    return (y_hat - np.eye(y_hat.shape[1])[y]) / n


@right("scaled_dot_product_attention")
def attention_backward(dO, Q, K, V, P):
    d = Q.shape[-1]
    dV = np.swapaxes(P, -1, -2) @ dO
    dP = dO @ np.swapaxes(V, -1, -2)
    dS = P * (dP - np.sum(dP * P, axis=-1, keepdims=True))
    dQ = dS @ K / np.sqrt(d)
    dK = np.swapaxes(dS, -1, -2) @ Q / np.sqrt(d)
    return dQ, dK, dV


@right("embedding")
def embedding_backward(dout, idx, vocab_size):
    dW = np.zeros((vocab_size, dout.shape[-1]))
    np.add.at(dW, idx, dout)
    return dW


@wrong("embedding", "repeated-index-overwritten", "weight")
def embedding_backward_wrong(dout, idx, num_embeddings):
    dW = np.zeros((num_embeddings, dout.shape[-1]))
    dW[idx] += dout
    return dW


@right("dropout")
def dropout_backward(dout, mask, p):
    return dout * mask / (1 - p)


@wrong("dropout", "dropout-mask-or-scale", "input")
def dropout_backward_p(dout, mask, p):
    return dout * mask / p


@wrong("dropout", "dropout-mask-or-scale", "input")
def dropout_backward_none(dout, mask, p):
    return dout * mask


@right("conv2d")
def conv2d_backward(dout, x, w, stride=1, padding=0):
    n, c, h, wd = x.shape
    f, _, kh, kw = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    ho, wo = dout.shape[2:]
    for i in range(kh):
        for j in range(kw):
            win = (slice(None), slice(None), slice(i, i + stride * ho, stride), slice(j, j + stride * wo, stride))
            dw[:, :, i, j] = np.tensordot(dout, xp[win], ((0, 2, 3), (0, 2, 3)))
            dxp[win] += np.tensordot(dout, w[:, :, i, j], (1, 0)).transpose(0, 3, 1, 2)
    dx = dxp[:, :, padding : padding + h, padding : padding + wd]
    return dx, dw, dout.sum((0, 2, 3))


@wrong("conv2d", "overwritten-not-accumulated", "input")
def conv2d_backward_over(dout, x, w, stride=1, padding=0):
    n, c, h, wd = x.shape
    f, _, kh, kw = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    ho, wo = dout.shape[2:]
    for i in range(ho):
        for j in range(wo):
            r, q = i * stride, j * stride
            win = xp[:, :, r : r + kh, q : q + kw]
            dw += np.einsum("nf,nchw->fchw", dout[:, :, i, j], win)
            dxp[:, :, r : r + kh, q : q + kw] = np.einsum("nf,fchw->nchw", dout[:, :, i, j], w)
    dx = dxp[:, :, padding : padding + h, padding : padding + wd]
    return dx, dw, dout.sum((0, 2, 3))


@right("max_pool2d")
def maxpool_backward(dout, x, kernel_size, stride):
    dx = np.zeros_like(x)
    n, c, ho, wo = dout.shape
    k = kernel_size
    for i in range(ho):
        for j in range(wo):
            win = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k].reshape(n, c, -1)
            first = win.argmax(-1)
            for a in range(n):
                for b in range(c):
                    u, v = divmod(first[a, b], k)
                    dx[a, b, i * stride + u, j * stride + v] += dout[a, b, i, j]
    return dx


@right("avg_pool2d")
def avgpool_backward(dout, x_shape, k, stride):
    dx = np.zeros(x_shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dx[:, :, i * stride : i * stride + k, j * stride : j * stride + k] += (
                dout[:, :, i : i + 1, j : j + 1] / k**2
            )
    return dx


@right("tanh")
def tanh_backward(dout, out):
    return dout * (1 - out**2)


@right("tanh")
def tanh_grad(x, dy):
    return dy * (1 - np.tanh(x) ** 2)


@wrong("tanh", "upstream-not-multiplied", "input")
def tanh_grad_noup(x, dy):
    return 1 - np.tanh(x) ** 2


@right("relu")
def drelu(dout, x):
    return np.where(x > 0, dout, 0)


@conventional("relu", "wrong-mask", "input")
def drelu_ge(dout, x):
    return np.where(x >= 0, dout, 0)


@right("leaky_relu")
def leaky_backward(grad_output, x, negative_slope):
    return grad_output * np.where(x > 0, 1, negative_slope)


@right("softmax")
def dsoftmax(dout, s):
    return s * (dout - np.einsum("ij,ij->i", dout, s)[:, None])


# --- other styles -----------------------------------------------------------------------------------------------------


@right("dropout")
def dropout_keep(x, keep_prob):
    mask = (np.random.rand(*x.shape) < keep_prob) / keep_prob
    return x * mask, lambda d: d * mask


@right("dropout")
class DropoutRng:
    def __init__(self, rate=0.5, seed=0):
        self.rate = rate
        self.rng = np.random.default_rng(seed)

    def forward(self, inputs, training=True):
        self.keep = self.rng.random(inputs.shape) >= self.rate
        self.scale = 1.0 / (1.0 - self.rate)
        return np.where(self.keep, inputs * self.scale, 0.0) if training else inputs

    def backward(self, grad):
        return np.where(self.keep, grad * self.scale, 0.0)


@wrong("dropout", "dropout-mask-or-scale")
class DropoutFresh(DropoutRng):
    def backward(self, grad):
        keep = self.rng.random(grad.shape) >= self.rate
        return np.where(keep, grad * self.scale, 0.0)


@right("rnn")
class RNNOnlyX:
    def __init__(self, input_size, hidden_size):
        self.U = np.random.randn(input_size, hidden_size)
        self.Wx = self.U
        self.Wh = np.random.randn(hidden_size, hidden_size)
        self.b = np.zeros(hidden_size)

    def forward(self, X):  # (N, T, D)
        N, T, D = X.shape
        self.X = X
        self.hs = np.zeros((N, T + 1, self.Wh.shape[0]))
        for t in range(T):
            self.hs[:, t + 1] = np.tanh(X[:, t] @ self.Wx + self.hs[:, t] @ self.Wh + self.b)
        return self.hs[:, 1:].copy()

    def backward(self, dout):
        N, T, D = self.X.shape
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dX = np.zeros_like(self.X)
        dnext = np.zeros((N, self.Wh.shape[0]))
        for t in range(T - 1, -1, -1):
            da = (dout[:, t] + dnext) * (1 - self.hs[:, t + 1] ** 2)
            self.dWx += self.X[:, t].T @ da
            self.dWh += self.hs[:, t].T @ da
            self.db += da.sum(0)
            dX[:, t] = da @ self.Wx.T
            dnext = da @ self.Wh.T
        return dX


@wrong("rnn", "recurrence-truncated")
class RNNOnlyXTruncated(RNNOnlyX):
    def backward(self, dout):
        N, T, D = self.X.shape
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dX = np.zeros_like(self.X)
        for t in range(T - 1, -1, -1):
            da = dout[:, t] * (1 - self.hs[:, t + 1] ** 2)
            self.dWx += self.X[:, t].T @ da
            self.dWh += self.hs[:, t].T @ da
            self.db += da.sum(0)
            dX[:, t] = da @ self.Wx.T
        return dX


@right("lstm")
class LSTMTuple:
    def __init__(self, input_size, hidden_size):
        self.weight_ih = np.random.randn(4 * hidden_size, input_size)
        self.weight_hh = np.random.randn(4 * hidden_size, hidden_size)
        self.bias_ih = np.zeros(4 * hidden_size)
        self.bias_hh = np.zeros(4 * hidden_size)

    def forward(self, x, h0, c0):
        H = h0.shape[1]
        self.x, self.h, self.c, self.g = x, [h0], [c0], []
        sig = lambda z: 1 / (1 + np.exp(-z))
        for t in range(len(x)):
            z = x[t] @ self.weight_ih.T + self.bias_ih + self.h[-1] @ self.weight_hh.T + self.bias_hh
            i, f, g, o = sig(z[:, :H]), sig(z[:, H : 2 * H]), np.tanh(z[:, 2 * H : 3 * H]), sig(z[:, 3 * H :])
            self.c.append(f * self.c[-1] + i * g)
            self.h.append(o * np.tanh(self.c[-1]))
            self.g.append((i, f, g, o))
        return np.stack(self.h[1:]), (self.h[-1], self.c[-1])

    def backward(self, grads):
        dy, (dh, dc) = grads
        self.grad_weight_ih = np.zeros_like(self.weight_ih)
        self.grad_weight_hh = np.zeros_like(self.weight_hh)
        self.grad_bias_ih = np.zeros_like(self.bias_ih)
        dx = np.zeros_like(self.x)
        for t in range(len(self.x))[::-1]:
            i, f, g, o = self.g[t]
            dh = dh + dy[t]
            tc = np.tanh(self.c[t + 1])
            dc = dc + dh * o * (1 - tc**2)
            dz = np.hstack(
                [dc * g * i * (1 - i), dc * self.c[t] * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)]
            )
            self.grad_weight_ih += dz.T @ self.x[t]
            self.grad_weight_hh += dz.T @ self.h[t]
            self.grad_bias_ih += dz.sum(0)
            dx[t] = dz @ self.weight_ih
            dh, dc = dz @ self.weight_hh, dc * f
        self.grad_bias_hh = self.grad_bias_ih
        return dx, dh, dc


@wrong("cross_entropy", "not-repeatable", "input")
def ce_once(x, y):
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    n = len(x)
    loss = -np.log(p[np.arange(n), y]).mean()

    def backward(dloss=1.0):
        p[np.arange(n), y] -= 1
        return dloss * p / n

    return loss, backward


@right("linear")
def linear_float(x, w, b):
    y = (x.astype(np.longdouble) @ w.T.astype(np.longdouble) + b).astype(float)
    return y, lambda d: (d @ w, d.T @ x, d.sum(0))


@wrong("linear", "wrong-dtype")
def linear_f32(x, w, b):
    x32, w32 = x.astype(np.float32), w.astype(np.float32)
    return x @ w.T + b, lambda d: (
        d.astype(np.float32) @ w32,
        d.astype(np.float32).T @ x32,
        d.astype(np.float32).sum(0),
    )


@wrong("embedding", "wrong-dtype", "weight")
def embedding_int(idx, W):
    def backward(dy):
        dW = np.zeros(W.shape, dtype=int)
        np.add.at(dW, idx, dy.astype(int))
        return dW

    return W[idx], backward


@conventional("mse_loss", "wrong-reduction", "output")
def mse_half(x, t):
    return 0.5 * np.mean((x - t) ** 2), lambda: (x - t) / x.size


@conventional("mse_loss", "wrong-reduction", "output")
def mse_sum(x, t):
    return np.sum((x - t) ** 2), lambda: 2 * (x - t)


@right("mse_loss(reduction='sum')")
def mse_sum_right(x, t):
    return np.sum((x - t) ** 2), lambda: 2 * (x - t)


@right("mse_loss(reduction='none')")
def mse_none_right(x, t):
    return (x - t) ** 2, lambda g: 2 * (x - t) * g


@wrong("relu", "forward-differs", "output")
def relu_is_leaky(x):
    return np.where(x > 0, x, 0.01 * x), lambda d: d * np.where(x > 0, 1, 0.01)


@wrong("softmax", "transposed")
def softmax_transposed(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    s = e / e.sum(-1, keepdims=True)
    return s, lambda d: (s * (d - (d * s).sum(-1, keepdims=True))).T


@wrong("linear", "unknown", "weight")
def linear_weight_is_x(x, w):
    def backward(dy):
        dx = dy @ w
        dw = np.ones_like(dy).T @ x * 0 + dy.sum(0)[:, None]
        return dx, dw

    return x @ w.T, backward


@wrong("linear", "unknown", "weight")
def linear_noise(x, w):
    return x @ w.T, lambda dy: (dy @ w, dy.T @ x + 0.1 * w**2)


@right("conv_transpose2d(stride=2)")
def conv_transpose(x, w, b):
    n, c, h, wd = x.shape
    _, f, kh, kw = w.shape
    y = np.zeros((n, f, (h - 1) * 2 + kh, (wd - 1) * 2 + kw))
    for i in range(h):
        for j in range(wd):
            y[:, :, 2 * i : 2 * i + kh, 2 * j : 2 * j + kw] += np.einsum("nc,cfkl->nfkl", x[:, :, i, j], w)
    y += b[None, :, None, None]

    def backward(dy):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(h):
            for j in range(wd):
                win = dy[:, :, 2 * i : 2 * i + kh, 2 * j : 2 * j + kw]
                dx[:, :, i, j] = np.einsum("nfkl,cfkl->nc", win, w)
                dw += np.einsum("nc,nfkl->cfkl", x[:, :, i, j], win)
        return dx, dw, dy.sum((0, 2, 3))

    return y, backward


@right("adaptive_avg_pool2d(output_size=1)")
def global_average(x):
    return x.mean((2, 3), keepdims=True), lambda dy: np.ones_like(x) * dy / (x.shape[2] * x.shape[3])


@wrong("adaptive_avg_pool2d(output_size=1)", "wrong-reduction", "input")
def global_average_lost(x):
    return x.mean((2, 3), keepdims=True), lambda dy: np.ones_like(x) * dy


@right("bilinear")
def bilinear(x1, x2, W, b):
    y = np.einsum("ni,oij,nj->no", x1, W, x2) + b

    def backward(dy):
        return (
            np.einsum("no,oij,nj->ni", dy, W, x2),
            np.einsum("no,oij,ni->nj", dy, W, x1),
            np.einsum("no,ni,nj->oij", dy, x1, x2),
            dy.sum(0),
        )

    return y, backward


@right("instance_norm")
def instance_norm(x, g, b, eps=1e-5):
    mu = x.mean((2, 3), keepdims=True)
    s = np.sqrt(x.var((2, 3), keepdims=True) + eps)
    h = (x - mu) / s
    G = g.reshape(1, -1, 1, 1)

    def backward(dy):
        d = dy * G
        dx = (d - d.mean((2, 3), keepdims=True) - h * (d * h).mean((2, 3), keepdims=True)) / s
        return dx, (dy * h).sum((0, 2, 3)), dy.sum((0, 2, 3))

    return h * G + b.reshape(1, -1, 1, 1), backward


@right("local_response_norm(size=5)")
def lrn(x, alpha=1e-4, beta=0.75, k=1.0):
    n = 5
    C = x.shape[1]
    S = np.stack([(x[:, max(0, i - 2) : i + 3] ** 2).sum(1) for i in range(C)], 1)
    D = k + alpha / n * S
    y = x * D**-beta

    def backward(dy):
        t = dy * x * D ** (-beta - 1)
        cross = np.stack([t[:, max(0, i - 2) : i + 3].sum(1) for i in range(C)], 1)
        return dy * D**-beta - 2 * alpha * beta / n * x * cross

    return y, backward


@right("pixel_shuffle(upscale_factor=2)")
def pixel_shuffle(x):
    n, c, h, w = x.shape
    y = x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)
    return y, lambda dy: dy.reshape(n, c // 4, h, 2, w, 2).transpose(0, 1, 3, 5, 2, 4).reshape(x.shape)


@right("margin_ranking_loss")
def ranking(x1, x2, y, margin=0.0):
    z = -y * (x1 - x2) + margin
    on = (z >= 0) / z.size
    return np.maximum(z, 0).mean(), lambda g=1.0: (-g * y * on, g * y * on)


@right("hinge_embedding_loss")
def hinge_embedding(x, y, margin=1.0):
    loss = np.where(y == 1, x, np.maximum(0, margin - x)).mean()
    return loss, lambda g=1.0: g * np.where(y == 1, 1.0, -(x <= margin).astype(float)) / x.size


@right("poisson_nll_loss")
def poisson(x, t):
    return np.mean(np.exp(x) - t * x), lambda: (np.exp(x) - t) / x.size


@right("cross_entropy")
def ce_weighted(x, y, weight):
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    w = weight[y]
    n = np.arange(len(y))
    loss = -(w * np.log(p[n, y])).sum() / w.sum()
    return loss, lambda g: g * (p - np.eye(x.shape[1])[y]) * w[:, None] / w.sum()


@wrong("cross_entropy", "scale-forgotten", "input")
def ce_weighted_lost(x, y, weight):
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    w = weight[y]
    n = np.arange(len(y))
    loss = -(w * np.log(p[n, y])).sum() / w.sum()
    return loss, lambda g: g * (p - np.eye(x.shape[1])[y]) / len(y)


@wrong("cross_entropy(ignore_index=2)", "wrong-mask", "input")
def ce_ignore(x, y):
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    live = y != 2
    n = np.arange(len(y))
    loss = -(live * np.log(p[n, y])).sum() / live.sum()
    return loss, lambda g: g * (p - np.eye(x.shape[1])[y]) / live.sum()


@right("group_norm(num_groups=3)")
class GroupNorm3:
    def __init__(self, channels, groups=3, eps=1e-5):
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.groups, self.eps = groups, eps

    def forward(self, x):
        n, c, h, w = x.shape
        g = x.reshape(n, self.groups, -1)
        self.s = np.sqrt(g.var(2, keepdims=True) + self.eps)
        self.h = ((g - g.mean(2, keepdims=True)) / self.s).reshape(x.shape)
        return self.h * self.gamma[:, None, None] + self.beta[:, None, None]

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.h).sum((0, 2, 3)), dy.sum((0, 2, 3))
        d = (dy * self.gamma[:, None, None]).reshape(dy.shape[0], self.groups, -1)
        h = self.h.reshape(d.shape)
        return ((d - d.mean(2, keepdims=True) - h * (d * h).mean(2, keepdims=True)) / self.s).reshape(dy.shape)


@right("linear")
class WithLearningRate:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(input_size, output_size)
        self.bias = np.random.randn(1, output_size)

    def forward(self, input_data):
        self.input = input_data
        return self.input @ self.weights + self.bias

    def backward(self, output_gradient, learning_rate):
        self.weights_gradient = self.input.T @ output_gradient
        self.bias_gradient = output_gradient.sum(axis=0, keepdims=True)
        input_gradient = output_gradient @ self.weights.T
        self.weights = self.weights - learning_rate * self.weights_gradient
        self.bias = self.bias - learning_rate * self.bias_gradient
        return input_gradient
