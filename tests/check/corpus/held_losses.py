# ruff: noqa  (written as students write)
"""Losses and norms, held out when written: the target's gradient, several labels, one path alone over the wrong axis."""

import numpy as np

from tests.check.corpus import right_made, wrong_made


def gnll_made():
    def gnll(input, target, var):
        d = input - target
        loss = 0.5 * (np.log(var) + d * d / var).mean()

        def backward(g=1.0):
            a = g * d / var / d.size
            return a, -a, g * 0.5 * (1 / var - d * d / var**2) / d.size

        return loss, backward

    return gnll


right_made("gaussian_nll_loss", gnll_made)


def gnll_w1_made():
    def gnll(input, target, var):
        d = input - target
        loss = 0.5 * (np.log(var) + d * d / var).mean()

        def backward(g=1.0):
            a = g * d / var
            return a, -a, g * 0.5 * (1 / var - d * d / var**2) / d.size

        return loss, backward

    return gnll


wrong_made("gaussian_nll_loss", "wrong-reduction", "input", gnll_w1_made)


def mlsm_made():
    def mlsm(x, y):
        s = 1 / (1 + np.exp(-x))
        loss = -(y * np.log(s) + (1 - y) * np.log(1 - s)).mean()
        return loss, lambda g=1.0: g * (s - y) / x.size

    return mlsm


right_made("multilabel_soft_margin_loss", mlsm_made)


def mlsm_w1_made():
    def mlsm(x, y):
        s = 1 / (1 + np.exp(-x))
        loss = -(y * np.log(s) + (1 - y) * np.log(1 - s)).mean()
        return loss, lambda g=1.0: g * (s - y) / len(x)

    return mlsm


wrong_made("multilabel_soft_margin_loss", "wrong-reduction", "input", mlsm_w1_made)


def l1_w3_made():
    def l1(pred, target):
        s = np.sign(pred - target) / pred.size
        return np.abs(pred - target).sum() / pred.size, lambda g: (g * s, g * s)

    return l1


wrong_made("l1_loss", "wrong-sign", "target", l1_w3_made)


def mse_half_made():
    def mse_half(y_pred, y_true):
        d = (y_pred - y_true).ravel()

        def backward(dloss):
            g = (2 * dloss * d).reshape(y_pred.shape)
            return g, -g

        return d @ d, backward

    return mse_half


right_made("mse_loss(reduction='sum')", mse_half_made)


def cosemb_w2_made():
    def cosemb(x1, x2, y):
        eps = 1e-12
        m = (x1 * x2).sum(1)
        a, b = (x1**2).sum(1) + eps, (x2**2).sum(1) + eps
        c = m / np.sqrt(a * b)
        loss = np.where(y == 1, 1 - c, np.maximum(c - 0.3, 0)).mean()

        def backward(dloss=1.0):
            w = np.where(y == 1, -1.0, (c > 0.3).astype(float)) * dloss
            r = (w / np.sqrt(a * b))[:, None]
            return r * (x2 - (m / a)[:, None] * x1), r * (x1 - (m / b)[:, None] * x2)

        return loss, backward

    return cosemb


wrong_made("cosine_embedding_loss(margin=0.3)", "wrong-reduction", "input1", cosemb_w2_made)


def triplet_w3_made():
    def triplet(anchor, positive, negative, margin=1.0):
        u, v = anchor - positive + 1e-6, anchor - negative + 1e-6
        du, dv = np.sqrt((u * u).sum(1)), np.sqrt((v * v).sum(1))
        h = du - dv + margin
        loss = np.maximum(h, 0).mean()

        def backward(g=1.0):
            on = (g * (h > 0) / len(h))[:, None]
            gu, gv = on * u, on * v / dv[:, None]
            return gu - gv, -gu, gv

        return loss, backward

    return triplet


wrong_made("triplet_margin_loss", "local-derivative-missing", "positive", triplet_w3_made)


def ce_ignore_w1_made():
    def ce_ignore(logits, target):
        keep = target != 2
        z = logits - logits.max(1, keepdims=True)
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        n = keep.sum()
        loss = -np.log(p[keep, target[keep]]).sum() / n

        def backward(dloss):
            g = p.copy()
            g[keep, target[keep]] -= 1
            return dloss * g / n

        return loss, backward

    return ce_ignore


wrong_made("cross_entropy(ignore_index=2)", "wrong-mask", "input", ce_ignore_w1_made)


def linear_back_made():
    def linear_back(dout, x, w):
        dx = np.dot(dout, w)
        dw = np.tensordot(dout, x, axes=(0, 0))
        db = np.einsum("ij->j", dout)
        return dx, dw, db

    return linear_back


right_made("linear", linear_back_made)


def linear_back_w1_made():
    def linear_back(dout, x, w):
        dx = np.dot(dout, w)
        dw = np.tensordot(dout, x, axes=(0, 0))
        db = -np.einsum("ij->j", dout)
        return dx, dw, db

    return linear_back


wrong_made("linear", "wrong-sign", "bias", linear_back_w1_made)


def ln_two_w4_made():
    def ln_two(x, gamma, beta, eps=1e-5):
        mu, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        inv = 1 / np.sqrt(var + eps)
        xn = (x - mu) * inv

        def backward(dy):
            dxn = gamma * dy
            return (
                inv * (dxn - dxn.mean(0, keepdims=True) - xn * (dxn * xn).mean(1, keepdims=True)),
                (dy * xn).sum(0),
                dy.sum(0),
            )

        return gamma * xn + beta, backward

    return ln_two


wrong_made("layer_norm", "summed-over-wrong-axis", "input", ln_two_w4_made)


def ln_32_w5_made():
    def ln_32(x, g, b, eps=1e-5):
        """float64 inside, cast back at the end"""
        X = x.astype(np.float64)
        c = X - X.mean(-1, keepdims=True)
        s2 = np.mean(c**2, -1, keepdims=True) + eps
        h = c / np.sqrt(s2)

        def backward(dout):
            d = dout.astype(np.float64) * g
            dx = (d - d.mean(-1, keepdims=True)) / np.sqrt(s2) - c * np.mean(d * c, -1, keepdims=True) / (
                s2 - eps
            ) ** 1.5
            return dx.astype(x.dtype), (dout * h).sum(0).astype(x.dtype), dout.sum(0)

        return (h * g + b).astype(x.dtype), backward

    return ln_32


wrong_made("layer_norm", "eps-or-bessel-misplaced", "input", ln_32_w5_made)


def tanhshrink_f_w1_made():
    def tanhshrink_f(x):
        return x - np.tanh(x), lambda dy: dy * x**2

    return tanhshrink_f


wrong_made("tanhshrink", "derivative-at-wrong-tensor", "input", tanhshrink_f_w1_made)
