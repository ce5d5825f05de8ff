# ruff: noqa  (written as students write)
"""Power pooling, resizing in every mode, a layer norm of channels, softmax over any axis."""

import numpy as np

from tests.check.corpus import right, wrong


def lp_forward(x, p, k, s):
    N, C, H, W = x.shape
    oh, ow = (H - k) // s + 1, (W - k) // s + 1
    out = np.zeros((N, C, oh, ow))
    for i in range(oh):
        for j in range(ow):
            out[:, :, i, j] = (x[:, :, i * s : i * s + k, j * s : j * s + k] ** p).sum((2, 3)) ** (1 / p)
    return out


@right("lp_pool2d(norm_type=2, kernel_size=2)")
def lp_two(x):
    y = lp_forward(x, 2, 2, 2)

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                w = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                dx[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += (dy / y)[:, :, i, j][..., None, None] * w
        return dx

    return y, backward


@right("lp_pool2d")
class LPPool:
    def __init__(self, norm_type, kernel_size, stride=None):
        self.p, self.k, self.s = norm_type, kernel_size, stride or kernel_size

    def forward(self, x):
        self.x = x
        self.y = lp_forward(x, self.p, self.k, self.s)
        return self.y

    def slope(self, w, y):
        return y ** (1 - self.p) * w ** (self.p - 1)

    def add(self, dx, where, value):
        dx[where] += value

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        k, s = self.k, self.s
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                where = (slice(None), slice(None), slice(i * s, i * s + k), slice(j * s, j * s + k))
                y, d = self.y[:, :, i, j][..., None, None], dy[:, :, i, j][..., None, None]
                self.add(dx, where, d * self.slope(self.x[where], y))
        return dx


@wrong("lp_pool2d", "local-derivative-missing", "input")
class LPPoolWithoutRoot(LPPool):
    def slope(self, w, y):
        return w ** (self.p - 1)


@wrong("lp_pool2d", "scale-forgotten", "input")
class LPPoolWithPower(LPPool):
    def slope(self, w, y):
        return self.p * y ** (1 - self.p) * w ** (self.p - 1)


@wrong("lp_pool2d", "wrong-sign", "input")
class LPPoolAbsolute(LPPool):
    def slope(self, w, y):
        return y ** (1 - self.p) * abs(w) ** (self.p - 1)


@wrong("lp_pool2d(norm_type=4, kernel_size=3, stride=2)", "overwritten-not-accumulated", "input")
class LPPoolOverwritten(LPPool):
    def __init__(self):
        super().__init__(4, 3, 2)

    def add(self, dx, where, value):
        dx[where] = value


@wrong("lp_pool1d(norm_type=2, kernel_size=3)", "wrong-reduction", "output")
def power_mean(x):
    n = x.shape[2] // 3
    w = x[:, :, : 3 * n].reshape(*x.shape[:2], n, 3)
    y = np.sqrt((w**2).mean(-1))

    def backward(dy):
        dx = np.zeros_like(x)
        dx[:, :, : 3 * n] = ((dy / y)[..., None] * w / 3).reshape(*x.shape[:2], 3 * n)
        return dx

    return y, backward


def linear_taps(n, out):
    src = np.maximum((np.arange(out) + 0.5) * n / out - 0.5, 0)
    lo = np.minimum(np.floor(src).astype(int), n - 1)
    hi = np.minimum(lo + 1, n - 1)
    return lo, hi, src - lo


def bilinear_parts(x, factor):
    H, W = x.shape[2:]
    y0, y1, ty = linear_taps(H, H * factor)
    x0, x1, tx = linear_taps(W, W * factor)
    ty = ty[:, None]
    return [
        (y0, x0, (1 - ty) * (1 - tx)),
        (y0, x1, (1 - ty) * tx),
        (y1, x0, ty * (1 - tx)),
        (y1, x1, ty * tx),
    ]


@right("interpolate(scale_factor=2, mode='bilinear')")
def bilinear(x):
    parts = bilinear_parts(x, 2)
    y = sum(x[:, :, r[:, None], c] * w for r, c, w in parts)

    def backward(dy):
        dx = np.zeros_like(x)
        for r, c, w in parts:
            np.add.at(dx, (slice(None), slice(None), r[:, None], c), dy * w)
        return dx

    return y, backward


@wrong("interpolate(scale_factor=2, mode='bilinear')", "scale-forgotten", "input")
def bilinear_unweighted(x):
    H, W = x.shape[2:]

    def matrix(n):
        lo, hi, t = linear_taps(n, 2 * n)
        m = np.zeros((2 * n, n))
        np.add.at(m, (np.arange(2 * n), lo), 1 - t)
        np.add.at(m, (np.arange(2 * n), hi), t)
        return m

    A, B = matrix(H), matrix(W)

    def backward(dy):
        return (A.T > 0) @ dy @ (B > 0)

    return A @ x @ B.T, backward


@wrong("interpolate(scale_factor=2, mode='bilinear')", "mean-instead-of-sum", "input")
def bilinear_averaged(x):
    H, W = x.shape[2:]

    def matrix(n):
        lo, hi, t = linear_taps(n, 2 * n)
        m = np.zeros((2 * n, n))
        np.add.at(m, (np.arange(2 * n), lo), 1 - t)
        np.add.at(m, (np.arange(2 * n), hi), t)
        return m

    A, B = matrix(H), matrix(W)

    def backward(dy):
        back = (A.T / A.sum(0)[:, None]) @ dy
        return back @ (B / B.sum(0))

    return A @ x @ B.T, backward


@wrong("interpolate(scale_factor=2, mode='bilinear', align_corners=True)", "forward-differs", "output")
def bilinear_of_the_other_corners(x):
    return bilinear(x)


@right("interpolate(size=4)")
def nearest_by_size(x):
    rows, columns = np.arange(4) * x.shape[2] // 4, np.arange(4) * x.shape[3] // 4

    def backward(dy):
        dx = np.zeros_like(x)
        np.add.at(dx, (slice(None), slice(None), rows[:, None], columns), dy)
        return dx

    return x[:, :, rows[:, None], columns], backward


@wrong("Upsample(scale_factor=3)", "overwritten-not-accumulated", "input")
def nearest_overwritten(x):
    rows, columns = np.arange(3 * x.shape[2]) // 3, np.arange(3 * x.shape[3]) // 3

    def backward(dy):
        dx = np.zeros_like(x)
        dx[:, :, rows[:, None], columns] = dy
        return dx

    return x[:, :, rows[:, None], columns], backward


@right("interpolate(scale_factor=2, mode='linear', align_corners=True)")
def stretched(x):
    n = x.shape[2]
    src = np.arange(2 * n) * (n - 1) / (2 * n - 1)
    m = np.maximum(1 - abs(src[:, None] - np.arange(n)), 0)
    return x @ m.T, lambda dy: dy @ m


class ChannelNorm:
    """ConvNeXt's layer norm, over the channels of an image."""

    def __init__(self, weight, bias, eps=1e-6):
        self.weight, self.bias, self.eps = weight, bias, eps

    def forward(self, x):
        mu = x.mean(1, keepdims=True)
        self.inv = 1 / np.sqrt(((x - mu) ** 2).mean(1, keepdims=True) + self.eps)
        self.xhat = (x - mu) * self.inv
        return self.xhat * self.weight[:, None, None] + self.bias[:, None, None]

    def mean(self, a):
        return a.mean(1, keepdims=True)

    def backward(self, dy):
        self.dweight = (dy * self.xhat).sum((0, 2, 3))
        self.dbias = dy.sum((0, 2, 3))
        d = dy * self.weight[:, None, None]
        return self.inv * (d - self.mean(d) - self.xhat * self.mean(d * self.xhat))


right("LayerNorm2d")(ChannelNorm)


@wrong("LayerNorm2d", "summed-over-wrong-axis", "input")
class ChannelNormOverTheImage(ChannelNorm):
    def mean(self, a):
        return a.mean((1, 2, 3), keepdims=True)


@wrong("LayerNorm2d", "statistics-as-constants", "input")
class ChannelNormOfConstants(ChannelNorm):
    def mean(self, a):
        return 0.0


@right("softmax(dim=1)")
def of_pixels(x):
    """classes of an image"""
    N, C, H, W = x.shape
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return p, lambda dy: p * (dy - (dy * p).sum(1, keepdims=True))


@wrong("softmax(dim=1)", "softmax-elementwise", "input")
def of_pixels_alone(x):
    N, C, H, W = x.shape
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return p, lambda dy: p * dy * (1 - p)


@right("log_softmax(dim=2)")
def of_steps(x):
    B, T, V = x.shape
    z = x - x.max(2, keepdims=True)
    y = z - np.log(np.exp(z).sum(2, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy.sum(2, keepdims=True)


@wrong("log_softmax(dim=2)", "softmax-wrong-axis", "input")
def of_steps_summed_over_all(x):
    B, T, V = x.shape
    z = x - x.max(2, keepdims=True)
    y = z - np.log(np.exp(z).sum(2, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy.sum()


@wrong("softmax(dim=-2)", "softmax-wrong-axis", "input")
def of_heads(x):
    B, H, T, D = x.shape
    e = np.exp(x - x.max(-2, keepdims=True))
    p = e / e.sum(-2, keepdims=True)
    return p, lambda dy: p * (dy - (dy * p).sum(-1, keepdims=True))
