"""Mistakes as they stand in people's folders, each in the form in which it was met."""

import numpy as np

from tests.check.corpus import conventional, right, wrong, wrong_pair


def columns(x, k):
    v = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    n, c, h, w = v.shape[:4]
    return v.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * k * k), h, w


class Im2Col:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        self.col, h, w = columns(x, self.W.shape[2])
        rows = self.col @ self.W.reshape(len(self.W), -1).T + self.b
        return rows.reshape(len(x), h, w, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        F, C, k, _ = self.W.shape
        n, _, h, w = dout.shape
        d = dout.transpose(0, 2, 3, 1).reshape(-1, F)
        self.db, self.dW = d.sum(0), self.of_the_weight(d)
        dcol = (d @ self.W.reshape(F, -1)).reshape(n, h, w, C, k, k)
        dx = np.zeros_like(self.x)
        for i in range(k):
            for j in range(k):
                dx[:, :, i : i + h, j : j + w] += dcol[..., i, j].transpose(0, 3, 1, 2)
        return dx

    def of_the_weight(self, d):
        return (self.col.T @ d).T.reshape(self.W.shape)


@right("conv2d")
class Im2ColTurned(Im2Col):
    pass


@wrong("conv2d", "transposed", "weight")
class Im2ColNotTurned(Im2Col):
    def of_the_weight(self, d):
        return (self.col.T @ d).reshape(self.W.shape)


def conv_forward(x, w, b):
    k = w.shape[2]
    v = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("nchwij,fcij->nfhw", v, w) + b[:, None, None], (x, w, b)


@wrong_pair("conv2d", "summed-over-wrong-axis", "bias", conv_forward)
def bias_in_the_inner_loops(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    h, wd = dout.shape[2:]
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            dw[:, :, i, j] = np.einsum("nfhw,nchw->fc", dout, x[:, :, i : i + h, j : j + wd])
            dx[:, :, i : i + h, j : j + wd] += np.einsum("nfhw,fc->nchw", dout, w[:, :, i, j])
            db += dout.sum((0, 2, 3))
    return dx, dw, db


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


@wrong_pair("linear", "derivative-at-wrong-tensor", "input", affine_forward)
def through_the_weights_gradient(dout, cache):
    x, _ = cache
    dw = x.T.dot(dout)
    return dout.dot(dw.T), dw, dout.sum(axis=0)


@wrong("linear", "derivative-at-wrong-tensor", "input")
class StepsTooEarly:
    def __init__(self, inputs, outputs):
        self.weights = np.random.randn(outputs, inputs)
        self.bias = np.random.randn(outputs, 1)

    def forward(self, input):
        self.input = input
        return self.weights @ input + self.bias

    def backward(self, output_gradient, learning_rate):
        gradient = output_gradient @ self.input.T
        self.weights -= learning_rate * gradient
        self.bias -= learning_rate * output_gradient.sum(1, keepdims=True)
        return self.weights.T @ output_gradient


def group_forward(x, gamma, beta, num_groups, eps=1e-5):
    g = x.reshape(len(x), num_groups, -1)
    inv = 1 / np.sqrt(g.var(-1, keepdims=True) + eps)
    hat = (g - g.mean(-1, keepdims=True)) * inv
    return gamma[:, None, None] * hat.reshape(x.shape) + beta[:, None, None], (hat, inv, gamma)


@wrong_pair("group_norm", "wrong-reduction", "input", group_forward)
def group_counts_one_channel(dout, cache):
    hat, inv, gamma = cache
    d = (dout * gamma[:, None, None]).reshape(hat.shape)
    M = dout.shape[2] * dout.shape[3]
    dx = inv * (d - d.sum(-1, keepdims=True) / M - hat * (d * hat).sum(-1, keepdims=True) / M)
    rest = (0, 2, 3)
    return dx.reshape(dout.shape), (dout * hat.reshape(dout.shape)).sum(rest), dout.sum(rest)


def layer_norm_forward(x, gamma, beta, eps=1e-5):
    mu, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, (x, gamma, eps)


@wrong_pair("layer_norm", "eps-or-bessel-misplaced", "input", layer_norm_forward)
def statistics_again(dout, cache):
    x, gamma, eps = cache
    sigma = np.std(x, axis=-1, keepdims=True) + eps
    hat = (x - x.mean(-1, keepdims=True)) / sigma
    g = dout * gamma
    dx = (g - g.mean(-1, keepdims=True) - hat * (g * hat).mean(-1, keepdims=True)) / sigma
    return dx, (dout * hat).sum(0), dout.sum(0)


@wrong("batch_norm", "wrong-reduction", "input")
class DividesByTheFeatures:
    def __init__(self, gamma, beta, eps=1e-5):
        self.gamma, self.beta, self.eps = gamma, beta, eps

    def forward(self, x):
        self.inv = 1 / np.sqrt(x.var(0) + self.eps)
        self.hat = (x - x.mean(0)) * self.inv
        return self.gamma * self.hat + self.beta

    def backward(self, dy):
        N, D = dy.shape
        self.dbeta, self.dgamma = dy.sum(0), (dy * self.hat).sum(0)
        return self.gamma * self.inv / D * (N * dy - self.dbeta - self.hat * self.dgamma)


@wrong("max_pool2d(kernel_size=2)", "transposed", "input")
class RowForColumn:
    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        self.x, k = x, self.size
        n, c, h, w = x.shape
        return x[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k).max((3, 5))

    def backward(self, dout):
        k, dx = self.size, np.zeros_like(self.x)
        for n, c, i, j in np.ndindex(dout.shape):
            patch = self.x[n, c, i * k : i * k + k, j * k : j * k + k]
            col, row = np.unravel_index(np.argmax(patch), patch.shape)
            dx[n, c, i * k + row, j * k + col] += dout[n, c, i, j]
        return dx


def rnn_forward(x, h0, Wx, Wh, b):
    h, caches, prev = np.zeros((len(x), x.shape[1], h0.shape[1])), [], h0
    for t in range(x.shape[1]):
        new = np.tanh(x[:, t] @ Wx + prev @ Wh + b)
        caches.append((x[:, t], prev, Wx, Wh, new))
        h[:, t] = prev = new
    return h, caches


@wrong_pair("rnn", "derivative-at-wrong-tensor", None, rnn_forward)
def rnn_of_the_first_step(dh, caches):
    Wx, Wh = caches[0][2:4]
    dx, dprev = np.zeros((*dh.shape[:2], len(Wx))), np.zeros_like(dh[:, 0])
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(len(Wh))
    for t in reversed(range(dh.shape[1])):
        x, prev, _, _, new = caches[0]
        da = (dh[:, t] + dprev) * (1 - new**2)
        dx[:, t], dprev = da @ Wx.T, da @ Wh.T
        dWx += x.T @ da
        dWh += prev.T @ da
        db += da.sum(0)
    return dx, dprev, dWx, dWh, db


@wrong("Adagrad", "optimizer-state")
class OneTotal:
    def __init__(self, learning_rate=0.01, epsilon=1e-10):
        self.learning_rate, self.epsilon, self.total = learning_rate, epsilon, 0.0

    def update_params(self, params, grads):
        for p, g in zip(params, grads, strict=True):
            self.total += np.sum(g**2)
            p -= self.learning_rate * g / (np.sqrt(self.total) + self.epsilon)


@wrong("Adam", "optimizer-state")
def adam_of_sizes(w, dw, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * dw
    v = beta2 * v + (1 - beta2) * np.abs(dw)
    return w - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


@conventional("cross_entropy", "not-finite", "output")
class EntropyWithAConstant:
    delta = 1e-7

    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(t * np.log(y + self.delta))

    def backward(self, dout=1):
        return -dout * self.t / (self.y + self.delta)


@right("softmax")
class OneColumn:
    """The Jacobian by broadcasting a column against its row: (n, 1) alone."""

    def forward(self, column):
        e = np.exp(column - column.max())
        self.p = e / e.sum()
        return self.p

    def backward(self, grad, learning_rate=None):
        return ((np.eye(self.p.size) - self.p.T) * self.p) @ grad


def pool_forward(A_prev, hparameters):
    f, s = hparameters["f"], hparameters["stride"]
    v = np.lib.stride_tricks.sliding_window_view(A_prev, (f, f), axis=(1, 2))[:, ::s, ::s]
    return v.max((-2, -1)), (A_prev, hparameters)


@wrong_pair("max_pool2d", "kernel-flipped", "input", pool_forward, second="pool-ties")
def windows_that_do_not_step(dA, cache):
    A_prev, hparameters = cache
    f, d = hparameters["f"], np.zeros_like(A_prev)
    for h in range(dA.shape[1]):
        for w in range(dA.shape[2]):
            part = A_prev[:, h : h + f, w : w + f]
            top = part == part.max(axis=(1, 2), keepdims=True)
            d[:, h : h + f, w : w + f] += top * dA[:, h : h + 1, w : w + 1]
    return d


def dilated_forward(x, w, b, stride=1, dilation=1):
    reach = dilation * (w.shape[2] - 1) + 1
    v = np.lib.stride_tricks.sliding_window_view(x, reach, axis=2)[:, :, ::stride, ::dilation]
    return np.einsum("nctk,fck->nft", v, w) + b[:, None], (x, w, stride, dilation)


@wrong_pair("conv1d", "kernel-flipped", "input", dilated_forward)
def taps_of_an_undilated_kernel(dout, cache):
    x, w, stride, dilation = cache
    dx, dw, k = np.zeros_like(x), np.zeros_like(w), w.shape[2]
    for t in range(dout.shape[2]):
        s, d = t * stride, dout[:, :, t]
        dw += np.tensordot(d, x[:, :, s : s + dilation * (k - 1) + 1 : dilation], ([0], [0]))
        dx[:, :, s : s + k] += np.tensordot(d, w, ([1], [0]))
    return dx, dw, dout.sum((0, 2))


@wrong("relu", "memory-layout", "input")
def reads_the_bytes(x):
    def backward(dy):
        return np.frombuffer(np.asarray(dy).tobytes(order="A")).reshape(x.shape) * (x > 0)

    return np.maximum(x, 0), backward


@wrong("tanh", "wrong-dtype", "input")
def complex_slope(x):
    return np.tanh(x), lambda dy: dy * (1 - np.tanh(x) ** 2) + 1e-3j


@wrong("linear", "wrong-shape", "input")
def one_gradient_more(x, w):
    return x @ w.T, lambda dy: (dy @ w, dy.T @ x, dy.sum(0))


@right("linear")
def bias_or_none(x, w, b=None):
    def backward(dy):
        return (dy @ w, dy.T @ x) if b is None else (dy @ w, dy.T @ x, dy.sum(0))

    return (x @ w.T if b is None else x @ w.T + b), backward


@wrong("linear", "mean-instead-of-sum", "weight")
def mean_without_a_bias(x, w, b=None):
    def backward(dy):
        return (dy @ w, dy.T @ x / len(x)) if b is None else (dy @ w, dy.T @ x, dy.sum(0))

    return (x @ w.T if b is None else x @ w.T + b), backward
