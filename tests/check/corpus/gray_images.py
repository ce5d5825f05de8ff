# ruff: noqa  (written as students write)
"""Windows without an axis of channels: one gray image (H, W), one signal (L,), one kernel, filters last in the output."""

import numpy as np

from tests.check.corpus import right, right_pair, wrong, wrong_pair


def patches(picture, size):
    rows, cols = picture.shape
    for r in range(rows - size + 1):
        for c in range(cols - size + 1):
            yield r, c, picture[r : r + size, c : c + size]


@right("conv2d")
class GrayFilters:  # one gray image, the filters last in the output, a step in the backward
    def __init__(self, num_filters, size):
        self.size = size
        self.filters = np.random.randn(num_filters, size, size)

    def forward(self, picture):
        self.picture = picture
        rows, cols = picture.shape
        out = np.zeros((rows - self.size + 1, cols - self.size + 1, len(self.filters)))
        for r, c, p in patches(picture, self.size):
            out[r, c] = np.sum(p * self.filters, axis=(1, 2))
        return out

    def step(self, dout):
        d = np.zeros_like(self.filters)
        for r, c, p in patches(self.picture, self.size):
            d += dout[r, c][:, None, None] * p
        return d

    def backward(self, dout, learning_rate):
        self.filters -= learning_rate * self.step(dout)


@wrong("conv2d", "overwritten-not-accumulated", "weight")
class GrayFiltersLast(GrayFilters):
    def step(self, dout):
        for r, c, p in patches(self.picture, self.size):
            d = dout[r, c][:, None, None] * p
        return d


@right("conv2d")
class GrayPlanes:  # filters first, a bias of each, the gradient of the image
    def __init__(self, num_filters, size):
        self.filters = np.random.randn(num_filters, size, size)
        self.biases = np.zeros(num_filters)

    def forward(self, image):
        self.image, k = image, self.filters.shape[1]
        h, w = image.shape
        out = np.zeros((len(self.filters), h - k + 1, w - k + 1))
        for f, b in enumerate(self.biases):
            for i, j, p in patches(image, k):
                out[f, i, j] = (p * self.filters[f]).sum() + b
        return out

    def backward(self, dout):
        k = self.filters.shape[1]
        self.dfilters, self.dbiases = np.zeros_like(self.filters), dout.sum(axis=(1, 2))
        dimage = np.zeros_like(self.image)
        for f in range(len(self.filters)):
            for i, j, p in patches(self.image, k):
                self.dfilters[f] += dout[f, i, j] * p
                dimage[i : i + k, j : j + k] += dout[f, i, j] * self.filters[f]
        return dimage


def corr(X, K):
    h, w = K.shape
    rows, cols = X.shape[0] - h + 1, X.shape[1] - w + 1
    return np.array([[(X[i : i + h, j : j + w] * K).sum() for j in range(cols)] for i in range(rows)])


@right_pair("conv2d", corr)
def corr_backward(dY, X, K):
    h, w = K.shape
    padded = np.pad(dY, ((h - 1, h - 1), (w - 1, w - 1)))
    return corr(padded, K[::-1, ::-1]), corr(X, dY)


@wrong_pair("conv2d", "kernel-flipped", "input", corr)
def corr_backward_unflipped(dY, X, K):
    h, w = K.shape
    padded = np.pad(dY, ((h - 1, h - 1), (w - 1, w - 1)))
    return corr(padded, K), corr(X, dY)


@right("conv2d")
class OneKernel:  # the kernel's size is a pair, the bias one number in an array
    def __init__(self, kernel_size):
        self.weight = np.random.rand(*kernel_size)
        self.bias = np.zeros((1, 1))

    def forward(self, x):
        self.x = x
        return corr(x, self.weight) + self.bias

    def backward(self, dy):
        self.dweight, self.dbias = corr(self.x, dy), dy.sum(keepdims=True)
        return corr_backward(dy, self.x, self.weight)[0]


@right("conv1d")
class OneSignal:  # the bias is a plain number
    def __init__(self, size):
        self.w, self.b = np.random.randn(size), 0.0

    def forward(self, x):
        self.x = x
        return np.correlate(x, self.w, "valid") + self.b

    def backward(self, dy):
        self.dw, self.db = np.correlate(self.x, dy, "valid"), dy.sum()
        return np.convolve(dy, self.w)


@wrong("conv1d", "mean-instead-of-sum", "bias")
class OneSignalMean(OneSignal):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy.mean()
        return dx


@right("conv1d")
def signal(x, w):  # it runs with several filters, too, and goes back with one alone
    n, k = len(x), len(w)
    y = np.array([x[i : i + k] @ w for i in range(n - k + 1)])

    def backward(dy):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i, d in enumerate(dy):
            dx[i : i + k] += d * w
            dw += d * x[i : i + k]
        return dx, dw

    return y, backward


def signals(x, w, b):
    n, c, l = x.shape
    k = w.shape[2]
    cols = np.stack([x[:, :, i : i + k] for i in range(l - k + 1)], 1)
    return np.einsum("nlck,ock->nol", cols, w) + b, cols


@right("conv1d")
def bias_of_positions(x, w, b):  # with one filter it runs with a bias for each channel, too
    y, cols = signals(x, w, b)
    k = w.shape[2]

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(dy.shape[2]):
            dx[:, :, i : i + k] += np.einsum("no,ock->nck", dy[:, :, i], w)
        return dx, np.einsum("nol,nlck->ock", dy, cols), dy.sum(0)

    return y, backward


@right("conv1d")
class BiasOfPositions:  # its constructor asks for the length of the signal
    def __init__(self, in_channels, out_channels, kernel_size, length):
        self.W = np.random.randn(out_channels, in_channels, kernel_size)
        self.b = np.random.randn(out_channels, length - kernel_size + 1)

    def forward(self, x):
        y, self.back = bias_of_positions(x, self.W, self.b)
        return y

    def backward(self, dy):
        dx, self.dW, self.db = self.back(dy)
        return dx


@right("max_pool2d(kernel_size=2, stride=1)")
def pool(X, pool_size=(2, 2)):
    h, w = pool_size
    rows, cols = X.shape[0] - h + 1, X.shape[1] - w + 1
    Y = np.array([[X[i : i + h, j : j + w].max() for j in range(cols)] for i in range(rows)])

    def backward(dY):
        dX = np.zeros_like(X)
        for i in range(rows):
            for j in range(cols):
                window = X[i : i + h, j : j + w]
                a, b = np.unravel_index(window.argmax(), window.shape)
                dX[i + a, j + b] += dY[i, j]
        return dX

    return Y, backward


class Averages:
    def __init__(self, k=2):
        self.k = k

    def forward(self, x):
        self.shape, k = x.shape, self.k
        h, w = x.shape
        return x[: h // k * k, : w // k * k].reshape(h // k, k, w // k, k).mean(axis=(1, 3))

    def spread(self, dy):
        dx, k = np.zeros(self.shape), self.k
        h, w = dy.shape
        dx[: h * k, : w * k] = np.repeat(np.repeat(dy, k, 0), k, 1)
        return dx


@right("avg_pool2d")
class GrayAverages(Averages):
    def backward(self, dy):
        return self.spread(dy) / self.k**2


@wrong("avg_pool2d", "wrong-reduction", "input")
class GrayAveragesOneSide(Averages):
    def backward(self, dy):
        return self.spread(dy) / self.k


@right("rnn")
class OneSequence:  # the states stand in a dictionary of the instance, the first one under -1: it is no bias
    def __init__(self, input_size, hidden_size):
        self.n = hidden_size
        self.Wxh, self.Whh = np.random.randn(hidden_size, input_size), np.random.randn(hidden_size, hidden_size) * 0.3
        self.bh = np.zeros((hidden_size, 1))

    def forward(self, xs):
        self.xs, self.hs = xs, {-1: np.zeros((self.n, 1))}
        for t, x in enumerate(xs):
            self.hs[t] = np.tanh(self.Wxh @ x[:, None] + self.Whh @ self.hs[t - 1] + self.bh)
        return np.array([self.hs[t][:, 0] for t in range(len(xs))])

    def backward(self, dhs):
        self.dWxh, self.dWhh, self.dbh = (np.zeros_like(w) for w in (self.Wxh, self.Whh, self.bh))
        dxs, dnext = np.zeros_like(self.xs), 0.0
        for t in reversed(range(len(self.xs))):
            dz = (dhs[t][:, None] + dnext) * (1 - self.hs[t] ** 2)
            self.dbh += dz
            self.dWxh += dz @ self.xs[t][None]
            self.dWhh += dz @ self.hs[t - 1].T
            dxs[t] = (self.Wxh.T @ dz)[:, 0]
            dnext = self.Whh.T @ dz
        return dxs
