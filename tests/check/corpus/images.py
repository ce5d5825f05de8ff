# ruff: noqa  (written as students write)
"""Convolutions, pooling, dropout, embeddings."""

import numpy as np

from tests.check.corpus import conventional, right, right_pair, wrong, wrong_pair


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    Ho, Wo = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    xp = np.pad(x, ((0,), (0,), (pad,), (pad,)), mode="constant")
    out = np.zeros((N, F, Ho, Wo))
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    out[n, f, i, j] = (
                        np.sum(xp[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW] * w[f]) + b[f]
                    )
    return out, (x, w, b, conv_param)


@right_pair("conv2d", conv_forward_naive)
def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    r, c = i * stride, j * stride
                    dw[f] += xp[n, :, r : r + HH, c : c + WW] * dout[n, f, i, j]
                    dxp[n, :, r : r + HH, c : c + WW] += w[f] * dout[n, f, i, j]
    dx = dxp[:, :, pad : pad + H, pad : pad + W]
    return dx, dw, db


@wrong_pair("conv2d", "overwritten-not-accumulated", "input", conv_forward_naive)
def conv_backward_overwrite(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    r, c = i * stride, j * stride
                    dw[f] += xp[n, :, r : r + HH, c : c + WW] * dout[n, f, i, j]
                    dxp[n, :, r : r + HH, c : c + WW] = w[f] * dout[n, f, i, j]
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, dout.sum(axis=(0, 2, 3))


@wrong_pair("conv2d", "overwritten-not-accumulated", "weight", conv_forward_naive)
def conv_backward_overwrite_w(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    r, c = i * stride, j * stride
                    dw[f] = xp[n, :, r : r + HH, c : c + WW] * dout[n, f, i, j]
                    dxp[n, :, r : r + HH, c : c + WW] += w[f] * dout[n, f, i, j]
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, dout.sum(axis=(0, 2, 3))


@wrong_pair("conv2d", "kernel-flipped", "input", conv_forward_naive)
def conv_backward_flip(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            r, c = i * stride, j * stride
            dw += np.einsum("nchw,nf->fchw", xp[:, :, r : r + HH, c : c + WW], dout[:, :, i, j])
            dxp[:, :, r : r + HH, c : c + WW] += np.einsum("fchw,nf->nchw", w[:, :, ::-1, ::-1], dout[:, :, i, j])
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, dout.sum(axis=(0, 2, 3))


@wrong_pair("conv2d", "kernel-flipped", "input", conv_forward_naive)
def conv_backward_crop(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            r, c = i * stride, j * stride
            dw += np.einsum("nchw,nf->fchw", xp[:, :, r : r + HH, c : c + WW], dout[:, :, i, j])
            dxp[:, :, r : r + HH, c : c + WW] += np.einsum("fchw,nf->nchw", w, dout[:, :, i, j])
    return dxp[:, :, :H, :W], dw, dout.sum(axis=(0, 2, 3))


@wrong_pair("conv2d", "mean-instead-of-sum", "bias", conv_forward_naive)
def conv_backward_bias(dout, cache):
    dx, dw, db = conv_backward_naive(dout, cache)
    db = dout.mean(axis=(0, 2, 3))
    return dx, dw, db


@wrong_pair("conv2d", "broadcast-axis-not-summed", "bias", conv_forward_naive)
def conv_backward_bias2(dout, cache):
    dx, dw, db = conv_backward_naive(dout, cache)
    db = dout.sum(axis=0)
    return dx, dw, db


@wrong_pair("conv2d", "keepdims-left-on", "bias", conv_forward_naive)
def conv_backward_bias3(dout, cache):
    dx, dw, db = conv_backward_naive(dout, cache)
    db = dout.sum(axis=(0, 2, 3), keepdims=True)
    return dx, dw, db


def im2col(x, k, s, p):
    N, C, H, W = x.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    ho, wo = (H + 2 * p - k) // s + 1, (W + 2 * p - k) // s + 1
    cols = np.zeros((N, C, k, k, ho, wo))
    for i in range(k):
        for j in range(k):
            cols[:, :, i, j] = xp[:, :, i : i + s * ho : s, j : j + s * wo : s]
    return cols.transpose(0, 4, 5, 1, 2, 3).reshape(N * ho * wo, -1), ho, wo


def col2im(cols, shape, k, s, p, ho, wo):
    N, C, H, W = shape
    cols = cols.reshape(N, ho, wo, C, k, k).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * p + s - 1, W + 2 * p + s - 1))
    for i in range(k):
        for j in range(k):
            img[:, :, i : i + s * ho : s, j : j + s * wo : s] += cols[:, :, i, j]
    return img[:, :, p : p + H, p : p + W]


@right("conv2d")
class Conv:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.k, self.s, self.p = kernel_size, stride, padding
        self.W = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.b = np.zeros(out_channels)

    def forward(self, x):
        self.shape = x.shape
        self.cols, self.ho, self.wo = im2col(x, self.k, self.s, self.p)
        F = self.W.shape[0]
        y = self.cols @ self.W.reshape(F, -1).T + self.b
        return y.reshape(x.shape[0], self.ho, self.wo, F).transpose(0, 3, 1, 2)

    def backward(self, dout):
        F = self.W.shape[0]
        d = dout.transpose(0, 2, 3, 1).reshape(-1, F)
        self.dW = (d.T @ self.cols).reshape(self.W.shape)
        self.db = d.sum(0)
        return col2im(d @ self.W.reshape(F, -1), self.shape, self.k, self.s, self.p, self.ho, self.wo)


@right("conv2d")
class Convolution:  # the fish book
    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad
        self.x = self.col = self.col_W = self.dW = self.db = None

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N = x.shape[0]
        col, out_h, out_w = im2col(x, FH, self.stride, self.pad)
        col_W = self.W.reshape(FN, -1).T
        out = np.dot(col, col_W) + self.b
        out = out.reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)
        self.x, self.col, self.col_W, self.ho, self.wo = x, col, col_W, out_h, out_w
        return out

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.col.T, dout)
        self.dW = self.dW.transpose(1, 0).reshape(FN, C, FH, FW)
        return col2im(np.dot(dout, self.col_W.T), self.x.shape, FH, self.stride, self.pad, self.ho, self.wo)


@right("conv2d(stride=2, padding=1)")
def conv_fixed(x, w, b):
    out, cache = conv_forward_naive(x, w, b, {"stride": 2, "pad": 1})
    return out, lambda dy: conv_backward_naive(dy, cache)


@right("conv2d")
def conv_valid(x, kernel):
    n, c, h, w = x.shape
    f, _, kh, kw = kernel.shape
    ho, wo = h - kh + 1, w - kw + 1
    y = np.zeros((n, f, ho, wo))
    for i in range(kh):
        for j in range(kw):
            y += np.einsum("nchw,fc->nfhw", x[:, :, i : i + ho, j : j + wo], kernel[:, :, i, j])

    def backward(dy):
        dx, dk = np.zeros_like(x), np.zeros_like(kernel)
        for i in range(kh):
            for j in range(kw):
                dx[:, :, i : i + ho, j : j + wo] += np.einsum("nfhw,fc->nchw", dy, kernel[:, :, i, j])
                dk[:, :, i, j] = np.einsum("nfhw,nchw->fc", dy, x[:, :, i : i + ho, j : j + wo])
        return dx, dk

    return y, backward


@right("conv1d")
def conv1d(x, w, b, stride=1):
    n, c, length = x.shape
    f, _, k = w.shape
    lo = (length - k) // stride + 1
    windows = np.stack([x[:, :, i * stride : i * stride + k] for i in range(lo)], axis=2)

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(lo):
            dx[:, :, i * stride : i * stride + k] += np.einsum("nf,fck->nck", dy[:, :, i], w)
        return dx, np.einsum("nfl,nclk->fck", dy, windows), dy.sum((0, 2))

    return np.einsum("nclk,fck->nfl", windows, w) + b[:, None], backward


@wrong("conv1d", "kernel-flipped", "weight")
def conv1d_flipped(x, w, b, stride=1):
    y, back = conv1d(x, w, b, stride)

    def backward(dy):
        dx, dw, db = back(dy)
        return dx, dw[:, :, ::-1], db

    return y, backward


# --- pooling --------------------------------------------------------------------------------------------------------


def max_pool_forward_naive(x, pool_param):
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    ho, wo = 1 + (H - ph) // s, 1 + (W - pw) // s
    out = np.zeros((N, C, ho, wo))
    for i in range(ho):
        for j in range(wo):
            out[:, :, i, j] = x[:, :, i * s : i * s + ph, j * s : j * s + pw].max(axis=(2, 3))
    return out, (x, pool_param)


@right_pair("max_pool2d", max_pool_forward_naive)
def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    N, C, ho, wo = dout.shape
    for n in range(N):
        for c in range(C):
            for i in range(ho):
                for j in range(wo):
                    window = x[n, c, i * s : i * s + ph, j * s : j * s + pw]
                    a, b = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, i * s + a, j * s + b] += dout[n, c, i, j]
    return dx


@wrong_pair("max_pool2d", "pool-ties", "input", max_pool_forward_naive)
def max_pool_backward_ties(dout, cache):
    x, pool_param = cache
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    N, C, ho, wo = dout.shape
    for n in range(N):
        for c in range(C):
            for i in range(ho):
                for j in range(wo):
                    window = x[n, c, i * s : i * s + ph, j * s : j * s + pw]
                    mask = window == window.max()
                    dx[n, c, i * s : i * s + ph, j * s : j * s + pw] += mask * dout[n, c, i, j]
    return dx


@wrong_pair("max_pool2d", "overwritten-not-accumulated", "input", max_pool_forward_naive)
def max_pool_backward_over(dout, cache):
    x, pool_param = cache
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    N, C, ho, wo = dout.shape
    for n in range(N):
        for c in range(C):
            for i in range(ho):
                for j in range(wo):
                    window = x[n, c, i * s : i * s + ph, j * s : j * s + pw]
                    a, b = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, i * s + a, j * s + b] = dout[n, c, i, j]
    return dx


@right("max_pool2d")
class MaxPool2x2:
    def forward(self, x):
        n, c, h, w = x.shape
        self.shape = x.shape
        cut = x[:, :, : h // 2 * 2, : w // 2 * 2]
        win = cut.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
        self.arg = win.argmax(-1)
        return win.max(-1)

    def backward(self, dy):
        n, c, h, w = dy.shape
        d = np.zeros((n, c, h, w, 4))
        np.put_along_axis(d, self.arg[..., None], dy[..., None], axis=-1)
        dx = np.zeros(self.shape)
        dx[:, :, : 2 * h, : 2 * w] = d.reshape(n, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, 2 * h, 2 * w)
        return dx


@wrong("max_pool2d", "pool-ties", "input")
class MaxPoolRepeat:
    def __init__(self, pool_size=2):
        self.k = pool_size

    def forward(self, x):
        n, c, h, w = x.shape
        k = self.k
        self.x = x
        self.out = x[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k).max(axis=(3, 5))
        return self.out

    def backward(self, dy):
        k = self.k
        up = self.out.repeat(k, axis=2).repeat(k, axis=3)
        h, w = up.shape[2:]
        dx = np.zeros_like(self.x)
        dx[:, :, :h, :w] = (self.x[:, :, :h, :w] == up) * dy.repeat(k, axis=2).repeat(k, axis=3)
        return dx


@right("avg_pool2d")
def avg_pool(x, k=2, stride=2):
    n, c, h, w = x.shape
    ho, wo = (h - k) // stride + 1, (w - k) // stride + 1
    y = np.zeros((n, c, ho, wo))
    for i in range(ho):
        for j in range(wo):
            y[:, :, i, j] = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k].mean((2, 3))

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(ho):
            for j in range(wo):
                dx[:, :, i * stride : i * stride + k, j * stride : j * stride + k] += dy[:, :, i, j, None, None] / (
                    k * k
                )
        return dx

    return y, backward


@wrong("avg_pool2d", "wrong-reduction", "input")
def avg_pool_lost(x, k=2, stride=2):
    y, back = avg_pool(x, k, stride)
    return y, lambda dy: back(dy) * k * k


@wrong("avg_pool2d", "overwritten-not-accumulated", "input")
def avg_pool_over(x, k=2, stride=2):
    y, _ = avg_pool(x, k, stride)

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                dx[:, :, i * stride : i * stride + k, j * stride : j * stride + k] = dy[:, :, i, j, None, None] / (
                    k * k
                )
        return dx

    return y, backward


# --- dropout, embedding ---------------------------------------------------------------------------------------------


@right("dropout")
def dropout_mask(x, mask, p):
    return x * mask / (1 - p), lambda dy: dy * mask / (1 - p)


@right("dropout")
def dropout_draws(x, p=0.5):
    mask = np.random.rand(*x.shape) > p
    return x * mask / (1 - p), lambda dy: dy * mask / (1 - p)


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    else:
        out = x
    return out, (dropout_param, mask)


@right_pair("dropout", dropout_forward)
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    if dropout_param["mode"] == "train":
        dx = dout * mask
    else:
        dx = dout
    return dx


@wrong_pair("dropout", "dropout-mask-or-scale", "input", dropout_forward)
def dropout_backward_nomask(dout, cache):
    return dout


@wrong("dropout", "dropout-mask-or-scale", "input")
def dropout_noscale(x, mask, p):
    return x * mask / (1 - p), lambda dy: dy * mask


@conventional("dropout", "dropout-mask-or-scale", "output")
def dropout_noscale_both(x, p=0.5):
    mask = np.random.rand(*x.shape) > p
    return x * mask, lambda dy: dy * mask


@wrong("dropout", "dropout-mask-or-scale", "input")
def dropout_fresh(x, p=0.5):
    rng = np.random.default_rng(0)
    mask = rng.random(x.shape) > p

    def backward(dy):
        fresh = rng.random(x.shape) > p
        return dy * fresh / (1 - p)

    return x * mask / (1 - p), backward


@right("dropout")
class Dropout:
    def __init__(self, p=0.5):
        self.p = p
        self.training = True

    def forward(self, x):
        if not self.training:
            return x
        self.mask = np.random.binomial(1, 1 - self.p, size=x.shape) / (1 - self.p)
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


@wrong("dropout", "dropout-mask-or-scale", "input")
class DropoutP(Dropout):
    def forward(self, x):
        self.mask = np.random.binomial(1, 1 - self.p, size=x.shape)
        return x * self.mask / (1 - self.p)

    def backward(self, dy):
        return dy * self.mask / self.p


@right("embedding")
def embedding(idx, W):
    def backward(dy):
        dW = np.zeros_like(W)
        np.add.at(dW, idx, dy)
        return dW

    return W[idx], backward


@wrong("embedding", "repeated-index-overwritten", "weight")
def embedding_plus(idx, W):
    def backward(dy):
        dW = np.zeros_like(W)
        dW[idx] += dy
        return dW

    return W[idx], backward


def word_embedding_forward(x, W):
    return W[x], (x, W)


@right_pair("embedding", word_embedding_forward)
def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros(W.shape)
    np.add.at(dW, x, dout)
    return dW


@wrong_pair("embedding", "repeated-index-overwritten", "weight", word_embedding_forward)
def word_embedding_backward_over(dout, cache):
    x, W = cache
    dW = np.zeros(W.shape)
    for n in range(x.shape[0]):
        for t in range(x.shape[1]):
            dW[x[n, t]] = dout[n, t]
    return dW


@right("embedding")
class Embedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)
        return None


@right("embedding")
class EmbeddingSizes:
    def __init__(self, vocab_size, embed_dim):
        self.weight = np.random.randn(vocab_size, embed_dim)

    def forward(self, ids):
        self.ids = ids
        return self.weight[ids]

    def backward(self, grad_output):
        self.grad_weight = np.zeros_like(self.weight)
        for i, g in zip(self.ids.ravel(), grad_output.reshape(-1, grad_output.shape[-1])):
            self.grad_weight[i] += g


@right("upsample(scale_factor=2)")
def upsample(x):
    y = x.repeat(2, axis=2).repeat(2, axis=3)
    n, c, h, w = x.shape
    return y, lambda dy: dy.reshape(n, c, h, 2, w, 2).sum(axis=(3, 5))


@right("ConstantPad2d(pad=(2, 1, 1, 3))")
def pad(x):
    return np.pad(x, ((0, 0), (0, 0), (1, 3), (2, 1))), lambda dy: dy[:, :, 1:-3, 2:-1]


@right("prelu")
class SlopeOfAChannel:
    """one slope for each channel of an NCHW picture, and no rows"""

    def __init__(self, num_channels, init=0.25):
        self.alpha = np.full(num_channels, init)
        self.dalpha = None

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha.reshape(1, -1, 1, 1) * x)

    def backward(self, dout):
        a, neg = self.alpha.reshape(1, -1, 1, 1), self.x <= 0
        self.dalpha = np.sum(dout * self.x * neg, axis=(0, 2, 3))
        return np.where(neg, a * dout, dout)


@wrong("prelu", "broadcast-axis-not-summed", "weight")
class SlopeOfAChannelNotSummed(SlopeOfAChannel):
    def backward(self, dout):
        a, neg = self.alpha.reshape(1, -1, 1, 1), self.x <= 0
        self.dalpha = np.sum(dout * self.x * neg, axis=0)
        return np.where(neg, a * dout, dout)


@right("max_pool2d(kernel_size=2, stride=2, ceil_mode=True)")
def last_windows_hang_over(x):
    n, c, h, w = x.shape
    padded = np.full((n, c, -(-h // 2) * 2, -(-w // 2) * 2), -np.inf)
    padded[:, :, :h, :w] = x
    y = np.zeros((n, c, padded.shape[2] // 2, padded.shape[3] // 2))
    chosen = np.zeros(y.shape, int)
    for i, j in np.ndindex(y.shape[2:]):
        window = padded[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(n, c, 4)
        y[:, :, i, j], chosen[:, :, i, j] = window.max(2), window.argmax(2)

    def backward(dy):
        dx = np.zeros_like(padded)
        for a, b, i, j in np.ndindex(y.shape):
            k = chosen[a, b, i, j]
            dx[a, b, 2 * i + k // 2, 2 * j + k % 2] += dy[a, b, i, j]
        return dx[:, :, :h, :w]

    return y, backward


@wrong("max_pool2d(kernel_size=2, stride=2, ceil_mode=True)", "wrong-sign", "input")
def last_windows_turned(x):
    y, right_backward = last_windows_hang_over(x)
    return y, lambda dy: -right_backward(dy)


@wrong("prelu", "mean-instead-of-sum", "weight")
class SlopeOfASignalsChannel:
    """one slope for each channel of (batch, channels, time)"""

    def __init__(self, c):
        self.a = np.full(c, 0.25)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a[None, :, None] * x)

    def backward(self, g):
        self.da = np.where(self.x > 0, 0, g * self.x).mean((0, 2))
        return np.where(self.x > 0, g, self.a[None, :, None] * g)
