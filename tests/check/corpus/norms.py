# ruff: noqa  (written as students write)
"""Batch norm, layer norm and their kin."""

import numpy as np

from tests.check.corpus import conventional, conventional_pair, right, right_pair, wrong, wrong_pair


def batchnorm_forward(x, gamma, beta, bn_param):
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mu = x.mean(axis=0)
        var = x.var(axis=0)
        std = np.sqrt(var + eps)
        x_hat = (x - mu) / std
        out = gamma * x_hat + beta
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var * N / (N - 1)
        cache = (x, mu, var, std, gamma, x_hat)
    else:
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
        cache = None
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


@right_pair("batch_norm", batchnorm_forward)
def batchnorm_backward(dout, cache):
    x, mu, var, std, gamma, x_hat = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx_hat = dout * gamma
    dstd = -np.sum(dx_hat * (x - mu), axis=0) / std**2
    dvar = 0.5 * dstd / std
    dx1 = dx_hat / std + 2 * (x - mu) * dvar / N
    dmu = -np.sum(dx1, axis=0)
    dx2 = dmu / N
    return dx1 + dx2, dgamma, dbeta


@right_pair("batch_norm", batchnorm_forward)
def batchnorm_backward_alt(dout, cache):
    x, mu, var, std, gamma, x_hat = cache
    N = len(x)
    dgamma = np.einsum("nd,nd->d", dout, x_hat)
    dbeta = dout.sum(0)
    dx = gamma / (N * std) * (N * dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


@wrong_pair("batch_norm", "statistics-as-constants", "input", batchnorm_forward)
def batchnorm_backward_const(dout, cache):
    x, mu, var, std, gamma, x_hat = cache
    return dout * gamma / std, (dout * x_hat).sum(0), dout.sum(0)


@wrong_pair("batch_norm", "statistics-as-constants", "input", batchnorm_forward)
def batchnorm_backward_nomean(dout, cache):
    x, mu, var, std, gamma, x_hat = cache
    d = dout * gamma
    return (d - x_hat * (d * x_hat).mean(0)) / std, (dout * x_hat).sum(0), dout.sum(0)


@wrong_pair("batch_norm", "variance-path-missing", "input", batchnorm_forward)
def batchnorm_backward_novar(dout, cache):
    x, mu, var, std, gamma, x_hat = cache
    d = dout * gamma
    return (d - d.mean(0)) / std, (dout * x_hat).sum(0), dout.sum(0)


@wrong_pair("batch_norm", "scale-forgotten", "input", batchnorm_forward)
def batchnorm_backward_nogamma(dout, cache):
    x, mu, var, std, gamma, x_hat = cache
    d = dout
    return (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) / std, (dout * x_hat).sum(0), dout.sum(0)


@wrong_pair("batch_norm", "mean-instead-of-sum", "weight", batchnorm_forward, second="mean-instead-of-sum")
def batchnorm_backward_means(dout, cache):
    x, mu, var, std, gamma, x_hat = cache
    d = dout * gamma
    return (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) / std, (dout * x_hat).mean(0), dout.mean(0)


@wrong_pair("batch_norm", "eps-or-bessel-misplaced", "input", batchnorm_forward)
def batchnorm_backward_ddof(dout, cache):
    x, mu, var, std, gamma, x_hat = cache
    d = dout * gamma
    s = np.sqrt(x.var(0, ddof=1) + std**2 - var)
    return (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) / s, (dout * x_hat).sum(0), dout.sum(0)


@wrong_pair("batch_norm", "derivative-at-wrong-tensor", "weight", batchnorm_forward)
def batchnorm_backward_x(dout, cache):
    x, mu, var, std, gamma, x_hat = cache
    d = dout * gamma
    return (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) / std, (dout * x).sum(0), dout.sum(0)


def batchnorm_forward_biased(x, gamma, beta, bn_param):
    eps, momentum = bn_param["eps"], bn_param["momentum"]
    mu, var = x.mean(0), x.var(0)
    x_hat = (x - mu) / np.sqrt(var + eps)
    bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mu
    bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * var
    return gamma * x_hat + beta, (None, mu, var, np.sqrt(var + eps), gamma, x_hat)


@conventional_pair("batch_norm", "running-statistics", "running_var", batchnorm_forward_biased)
def batchnorm_backward_biased(dout, cache):
    _, mu, var, std, gamma, x_hat = cache
    d = dout * gamma
    return (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) / std, (dout * x_hat).sum(0), dout.sum(0)


@right("batch_norm")
class BatchNorm1d:
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.gamma = np.ones(num_features)
        self.beta = np.zeros(num_features)
        self.eps, self.momentum = eps, momentum
        self.running_mean = np.zeros(num_features)
        self.running_var = np.ones(num_features)
        self.training = True

    def forward(self, x):
        if not self.training:
            return self.gamma * (x - self.running_mean) / np.sqrt(self.running_var + self.eps) + self.beta
        mu, var = x.mean(0), x.var(0)
        self.std = np.sqrt(var + self.eps)
        self.xhat = (x - mu) / self.std
        n = len(x)
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mu
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma = (dout * self.xhat).sum(0)
        self.dbeta = dout.sum(0)
        d = dout * self.gamma
        return (d - d.mean(0) - self.xhat * (d * self.xhat).mean(0)) / self.std


@conventional("batch_norm", "running-statistics", "running_var")
class BatchNormBiased(BatchNorm1d):
    def forward(self, x):
        old = self.running_var
        y = super().forward(x)
        self.running_var = (1 - self.momentum) * old + self.momentum * x.var(0)
        return y


@wrong("batch_norm", "running-statistics", "running_mean")
class BatchNormMomentum(BatchNorm1d):
    def forward(self, x):
        om, ov = self.running_mean, self.running_var
        y = super().forward(x)
        self.running_mean = self.momentum * om + (1 - self.momentum) * x.mean(0)
        self.running_var = self.momentum * ov + (1 - self.momentum) * x.var(0, ddof=1)
        return y


@right("batch_norm")
class BatchNormOtherMomentum:
    def __init__(self, dim, eps=1e-5, momentum=0.9):
        self.gamma, self.beta = np.ones((1, dim)), np.zeros((1, dim))
        self.eps, self.momentum = eps, momentum
        self.running_mean, self.running_var = np.zeros((1, dim)), np.ones((1, dim))

    def forward(self, x, training=True):
        mu = x.mean(axis=0, keepdims=True)
        self.xc = x - mu
        var = (self.xc**2).mean(axis=0, keepdims=True)
        self.istd = 1 / np.sqrt(var + self.eps)
        n = x.shape[0]
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var * n / (n - 1)
        return self.gamma * self.xc * self.istd + self.beta

    def backward(self, g):
        xh = self.xc * self.istd
        self.dgamma = (g * xh).sum(axis=0, keepdims=True)
        self.dbeta = g.sum(axis=0, keepdims=True)
        d = g * self.gamma
        return self.istd * (d - d.mean(0) - xh * (d * xh).mean(0))


@conventional("batch_norm", "eps-or-bessel-misplaced")
def batch_norm_ddof(x, gamma, beta, eps=1e-5):
    mu, std = x.mean(0), np.sqrt(x.var(0, ddof=1) + eps)
    xh = (x - mu) / std

    def backward(dy):
        d = dy * gamma
        return (d - d.mean(0) - xh * (d * xh).sum(0) / (len(x) - 1)) / std, (dy * xh).sum(0), dy.sum(0)

    return gamma * xh + beta, backward


@wrong("batch_norm", "eps-or-bessel-misplaced")
def batch_norm_eps(x, gamma, beta, eps=1e-5):
    mu, std = x.mean(0), np.sqrt(x.var(0)) + eps
    xh = (x - mu) / std

    def backward(dy):
        d = dy * gamma
        return (d - d.mean(0) - xh * (d * xh).mean(0)) / std, (dy * xh).sum(0), dy.sum(0)

    return gamma * xh + beta, backward


@right("batch_norm")
def batch_norm_plain(x, g, b, eps=1e-5):
    n = x.shape[0]
    mu = np.sum(x, 0) / n
    c = x - mu
    v = np.sum(c * c, 0) / n
    i = (v + eps) ** -0.5

    def backward(dy):
        dxh = dy * g
        dv = np.sum(dxh * c, 0) * -0.5 * (v + eps) ** -1.5
        dmu = np.sum(-dxh * i, 0) + dv * np.mean(-2 * c, 0)
        dx = dxh * i + dv * 2 * c / n + dmu / n
        return dx, np.sum(dy * c * i, 0), np.sum(dy, 0)

    return g * c * i + b, backward


@right("BatchNorm2d")
def spatial(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=(0, 2, 3), keepdims=True)
    v = x.var(axis=(0, 2, 3), keepdims=True)
    xh = (x - mu) / np.sqrt(v + eps)
    g = gamma[None, :, None, None]

    def backward(dy):
        dg = (dy * xh).sum(axis=(0, 2, 3))
        db = dy.sum(axis=(0, 2, 3))
        d = dy * g
        dx = (d - d.mean(axis=(0, 2, 3), keepdims=True) - xh * (d * xh).mean(axis=(0, 2, 3), keepdims=True)) / np.sqrt(
            v + eps
        )
        return dx, dg, db

    return g * xh + beta[None, :, None, None], backward


@wrong("BatchNorm2d", "broadcast-axis-not-summed", "bias")
def spatial_bias(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=(0, 2, 3), keepdims=True)
    v = x.var(axis=(0, 2, 3), keepdims=True)
    xh = (x - mu) / np.sqrt(v + eps)
    g = gamma[None, :, None, None]

    def backward(dy):
        dgamma = (dy * xh).sum(axis=(0, 2, 3))
        dbeta = dy.sum(axis=0)
        d = dy * g
        dx = (d - d.mean(axis=(0, 2, 3), keepdims=True) - xh * (d * xh).mean(axis=(0, 2, 3), keepdims=True)) / np.sqrt(
            v + eps
        )
        return dx, dgamma, dbeta

    return g * xh + beta[None, :, None, None], backward


# --- layer norm -----------------------------------------------------------------------------------------------------


@right("layer_norm")
def layer_norm(x, weight, bias, eps=1e-5):
    mu = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(x.var(-1, keepdims=True) + eps)
    xh = (x - mu) * rstd

    def backward(dy):
        dxh = dy * weight
        dx = rstd * (dxh - dxh.mean(-1, keepdims=True) - xh * (dxh * xh).mean(-1, keepdims=True))
        return dx, (dy * xh).sum(0), dy.sum(0)

    return xh * weight + bias, backward


@right("LayerNorm")
def layer_norm_loops(x, gamma, beta):
    y, xh, std = np.zeros_like(x), np.zeros_like(x), np.zeros(len(x))
    for n in range(len(x)):
        mu = sum(x[n]) / len(x[n])
        var = sum((v - mu) ** 2 for v in x[n]) / len(x[n])
        std[n] = np.sqrt(var + 1e-5)
        xh[n] = (x[n] - mu) / std[n]
        y[n] = gamma * xh[n] + beta

    def backward(dy):
        dx = np.zeros_like(x)
        dgamma, dbeta = np.zeros_like(gamma), np.zeros_like(beta)
        for n in range(len(x)):
            d = dy[n] * gamma
            dx[n] = (d - d.mean() - xh[n] * np.dot(d, xh[n]) / len(d)) / std[n]
            dgamma += dy[n] * xh[n]
            dbeta += dy[n]
        return dx, dgamma, dbeta

    return y, backward


@wrong("layer_norm", "statistics-as-constants", "input")
def layer_norm_const(x, weight, bias, eps=1e-5):
    mu = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(x.var(-1, keepdims=True) + eps)
    xh = (x - mu) * rstd
    return xh * weight + bias, lambda dy: (dy * weight * rstd, (dy * xh).sum(0), dy.sum(0))


@wrong("layer_norm", "scale-forgotten", "input")
def layer_norm_gamma_after(x, weight, bias, eps=1e-5):
    mu = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(x.var(-1, keepdims=True) + eps)
    xh = (x - mu) * rstd

    def backward(dy):
        dx = weight * rstd * (dy - dy.mean(-1, keepdims=True) - xh * (dy * xh).mean(-1, keepdims=True))
        return dx, (dy * xh).sum(0), dy.sum(0)

    return xh * weight + bias, backward


@wrong("layer_norm", "summed-over-wrong-axis", "input")
def layer_norm_axis(x, weight, bias, eps=1e-5):
    mu = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(x.var(-1, keepdims=True) + eps)
    xh = (x - mu) * rstd

    def backward(dy):
        d = dy * weight
        dx = rstd * (d - d.mean(0) - xh * (d * xh).mean(0))
        return dx, (dy * xh).sum(0), dy.sum(0)

    return xh * weight + bias, backward


@wrong("layer_norm", "summed-over-wrong-axis", "output")
def layer_norm_batch(x, weight, bias, eps=1e-5):
    mu = x.mean(0, keepdims=True)
    rstd = 1 / np.sqrt(x.var(0, keepdims=True) + eps)
    xh = (x - mu) * rstd

    def backward(dy):
        d = dy * weight
        return rstd * (d - d.mean(0) - xh * (d * xh).mean(0)), (dy * xh).sum(0), dy.sum(0)

    return xh * weight + bias, backward


@wrong("layer_norm", "summed-over-wrong-axis", "bias")
def layer_norm_bias_axis(x, weight, bias, eps=1e-5):
    y, back = layer_norm(x, weight, bias, eps)

    def backward(dy):
        dx, dw, _ = back(dy)
        db = dy.sum(-1)
        return dx, dw, db

    return y, backward


@right("layer_norm")
class LayerNorm:
    def __init__(self, normalized_shape, eps=1e-5):
        self.gamma = np.ones(normalized_shape)
        self.beta = np.zeros(normalized_shape)
        self.eps = eps

    def forward(self, x):
        self.mu = x.mean(axis=-1, keepdims=True)
        self.var = x.var(axis=-1, keepdims=True)
        self.x_hat = (x - self.mu) / np.sqrt(self.var + self.eps)
        return self.gamma * self.x_hat + self.beta

    def backward(self, dy):
        D = dy.shape[-1]
        self.dgamma = np.sum(dy * self.x_hat, axis=0)
        self.dbeta = np.sum(dy, axis=0)
        dxh = dy * self.gamma
        return (
            (1 / D)
            / np.sqrt(self.var + self.eps)
            * (D * dxh - dxh.sum(-1, keepdims=True) - self.x_hat * (dxh * self.x_hat).sum(-1, keepdims=True))
        )


@wrong("layer_norm", "variance-path-missing", "input")
class LayerNormNoVar(LayerNorm):
    def backward(self, dy):
        self.dgamma = np.sum(dy * self.x_hat, axis=0)
        self.dbeta = np.sum(dy, axis=0)
        dxh = dy * self.gamma
        return (dxh - dxh.mean(-1, keepdims=True)) / np.sqrt(self.var + self.eps)


@wrong("layer_norm", "keepdims-left-on", "weight")
class LayerNormKeep(LayerNorm):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dgamma = np.sum(dy * self.x_hat, axis=0, keepdims=True)
        return dx


@wrong("layer_norm", "eps-or-bessel-misplaced", "output")
class LayerNormEps(LayerNorm):
    def forward(self, x):
        self.mu = x.mean(axis=-1, keepdims=True)
        self.var = x.var(axis=-1, keepdims=True)
        self.x_hat = (x - self.mu) / (np.sqrt(self.var) + self.eps)
        return self.gamma * self.x_hat + self.beta


def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mu = x.mean(1, keepdims=True)
    std = np.sqrt(x.var(1, keepdims=True) + eps)
    xh = (x - mu) / std
    return gamma * xh + beta, (xh, std, gamma)


@right_pair("layer_norm", layernorm_forward)
def layernorm_backward(dout, cache):
    xh, std, gamma = cache
    dgamma = np.sum(dout * xh, axis=0)
    dbeta = np.sum(dout, axis=0)
    d = dout * gamma
    dx = (d - d.mean(1, keepdims=True) - xh * (d * xh).mean(1, keepdims=True)) / std
    return dx, dgamma, dbeta


@wrong_pair("layer_norm", "mean-instead-of-sum", "input", layernorm_forward)
def layernorm_backward_sums(dout, cache):
    xh, std, gamma = cache
    d = dout * gamma
    dx = (d - d.sum(1, keepdims=True) - xh * (d * xh).sum(1, keepdims=True)) / std
    return dx, np.sum(dout * xh, axis=0), np.sum(dout, axis=0)


@right("layer_norm")
def layer_norm_backward(dy, x, gamma):
    mu = x.mean(-1, keepdims=True)
    std = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    xh = (x - mu) / std
    d = dy * gamma
    dx = (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True)) / std
    dgamma = (dy * xh).sum(0)
    dbeta = dy.sum(0)
    return dx, dgamma, dbeta


# --- rms, group, normalize ------------------------------------------------------------------------------------------


@right("rms_norm")
def rms_norm(x, g, eps=1e-6):
    r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    xh = x * r

    def backward(dy):
        d = dy * g
        return r * (d - xh * (d * xh).mean(-1, keepdims=True)), (dy * xh).sum(0)

    return xh * g, backward


@wrong("rms_norm", "statistics-as-constants", "input")
def rms_norm_const(x, g, eps=1e-6):
    r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    xh = x * r
    return xh * g, lambda dy: (r * dy * g, (dy * xh).sum(0))


@wrong("rms_norm", "scale-forgotten", "input")
def rms_norm_gamma(x, g, eps=1e-6):
    r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    xh = x * r
    return xh * g, lambda dy: (r * (dy - xh * (dy * xh).mean(-1, keepdims=True)), (dy * xh).sum(0))


@right("group_norm")
def group_norm(x, gamma, beta, G, eps=1e-5):
    N, C, H, W = x.shape
    xg = x.reshape(N, G, C // G, H, W)
    mu = xg.mean(axis=(2, 3, 4), keepdims=True)
    std = np.sqrt(xg.var(axis=(2, 3, 4), keepdims=True) + eps)
    xh = ((xg - mu) / std).reshape(N, C, H, W)
    g, b = gamma.reshape(1, C, 1, 1), beta.reshape(1, C, 1, 1)

    def backward(dy):
        d = (dy * g).reshape(xg.shape)
        h = xh.reshape(xg.shape)
        dx = (d - d.mean(axis=(2, 3, 4), keepdims=True) - h * (d * h).mean(axis=(2, 3, 4), keepdims=True)) / std
        return dx.reshape(x.shape), (dy * xh).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))

    return xh * g + b, backward


@wrong("group_norm(num_groups=2)", "statistics-as-constants", "input")
class GroupNorm:
    def __init__(self, num_groups, num_channels, eps=1e-5):
        self.G, self.eps = num_groups, eps
        self.weight, self.bias = np.ones(num_channels), np.zeros(num_channels)

    def forward(self, x):
        n, c, h, w = x.shape
        xg = x.reshape(n, self.G, -1)
        self.std = np.sqrt(xg.var(-1, keepdims=True) + self.eps)
        self.xh = ((xg - xg.mean(-1, keepdims=True)) / self.std).reshape(x.shape)
        return self.xh * self.weight[:, None, None] + self.bias[:, None, None]

    def backward(self, dy):
        self.grad_weight = (dy * self.xh).sum((0, 2, 3))
        self.grad_bias = dy.sum((0, 2, 3))
        d = (dy * self.weight[:, None, None]).reshape(dy.shape[0], self.G, -1)
        return (d / self.std).reshape(dy.shape)


@right("normalize")
def l2_normalize(x):
    n = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    y = x / n

    def backward(dy):
        return (dy - y * (dy * y).sum(1, keepdims=True)) / n

    return y, backward


@wrong("normalize", "statistics-as-constants", "input")
def l2_normalize_const(x):
    n = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return x / n, lambda dy: dy / n


@conventional("normalize", "not-finite")
def l2_normalize_zero(x):
    n = np.linalg.norm(x, axis=1, keepdims=True)
    y = x / n
    return y, lambda dy: (dy - y * (dy * y).sum(1, keepdims=True)) / n


@right("cosine_similarity")
def cosine(a, b, eps=1e-8):
    na, nb = np.maximum(np.linalg.norm(a, axis=1), eps), np.maximum(np.linalg.norm(b, axis=1), eps)
    c = (a * b).sum(1) / (na * nb)

    def backward(d):
        da = d[:, None] * (b / (na * nb)[:, None] - c[:, None] * a / (na**2)[:, None])
        db = d[:, None] * (a / (na * nb)[:, None] - c[:, None] * b / (nb**2)[:, None])
        return da, db

    return c, backward


@wrong("cosine_similarity", "statistics-as-constants", "x1")
def cosine_const(x1, x2, eps=1e-8):
    n = np.maximum(np.linalg.norm(x1, axis=1), eps) * np.maximum(np.linalg.norm(x2, axis=1), eps)
    return (x1 * x2).sum(1) / n, lambda d: (d[:, None] * x2 / n[:, None], d[:, None] * x1 / n[:, None])


def sequences_norm_forward(inp, weight, bias):
    mean = inp.mean(axis=-1, keepdims=True)
    rstd = (((inp - mean) ** 2).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5
    return (inp - mean) * rstd * weight + bias, (inp, weight, mean, rstd)


@wrong_pair("layer_norm", "broadcast-axis-not-summed", "weight", sequences_norm_forward)
def sequences_norm_backward(dout, cache):  # (B, T, C): the bias is summed as it must be, the weight is not
    inp, weight, mean, rstd = cache
    norm = (inp - mean) * rstd
    dnorm = dout * weight
    dinp = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    return dinp * rstd, (dout * norm).sum(0), dout.sum((0, 1))
