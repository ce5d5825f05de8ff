# ruff: noqa: E501
"""Mistakes that once went under another name, or under none: pooling's divisors, widths, first states, autograd's rules."""

import numpy as np
import torch

from tests.check.corpus import right, right_made, right_pair, wrong, wrong_made


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# --- pooling ----------------------------------------------------------------------------------------------------------


def max_pool(divisor):
    def make():
        def max_pool(x, kernel_size=2, stride=2):
            n, c, h, w = x.shape
            k = kernel_size
            oh, ow = (h - k) // stride + 1, (w - k) // stride + 1
            y, where = np.zeros((n, c, oh, ow)), {}
            for i in range(oh):
                for j in range(ow):
                    window = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k].reshape(n, c, -1)
                    where[i, j], y[:, :, i, j] = window.argmax(-1), window.max(-1)

            def backward(dy):
                dx = np.zeros_like(x)
                for (i, j), a in where.items():
                    for q in range(n):
                        for r in range(c):
                            dx[q, r, i * stride + a[q, r] // k, j * stride + a[q, r] % k] += dy[q, r, i, j] / divisor(k)
                return dx

            return y, backward

        return max_pool

    return make


right_made("max_pool2d", max_pool(lambda k: 1))
wrong_made("max_pool2d", "wrong-reduction", "input", max_pool(lambda k: k * k))


def adaptive_average(own):
    def make():
        def adaptive(x, output_size=3):
            n, c, h, w = x.shape
            o = output_size
            ends = lambda i, size: (i * size // o, -(-(i + 1) * size // o))  # noqa: E731
            boxes = [(i, j, *ends(i, h), *ends(j, w)) for i in range(o) for j in range(o)]
            y = np.zeros((n, c, o, o))
            for i, j, a, b, e, f in boxes:
                y[:, :, i, j] = x[:, :, a:b, e:f].mean((2, 3))

            def backward(dy):
                dx = np.zeros_like(x)
                for i, j, a, b, e, f in boxes:
                    area = (b - a) * (f - e) if own else (h // o) * (w // o)
                    dx[:, :, a:b, e:f] += dy[:, :, i, j][:, :, None, None] / area
                return dx

            return y, backward

        return adaptive

    return make


right_made("adaptive_avg_pool2d", adaptive_average(True))
wrong_made("adaptive_avg_pool2d", "wrong-reduction", "input", adaptive_average(False))


# --- attention of several heads ---------------------------------------------------------------------------------------


def heads(forward_scale, backward_scale):
    def make():
        def attention(x, wq, wk, wv, wo, num_heads=2):
            t, n, e = x.shape
            d = e // num_heads
            cut = lambda z: z.reshape(t, n, num_heads, d).transpose(1, 2, 0, 3)  # noqa: E731
            join = lambda z: z.transpose(2, 0, 1, 3).reshape(t, n, e)  # noqa: E731
            q, k, v = (cut(x @ w.T) for w in (wq, wk, wv))
            p = softmax(q @ k.swapaxes(-1, -2) * forward_scale(d, e))
            z = join(p @ v)

            def backward(dy):
                dz = cut(dy @ wo)
                dp = dz @ v.swapaxes(-1, -2)
                ds = p * (dp - (dp * p).sum(-1, keepdims=True)) * backward_scale(d, e)
                dq, dk, dv = join(ds @ k), join(ds.swapaxes(-1, -2) @ q), join(p.swapaxes(-1, -2) @ dz)
                over = lambda g, a: np.einsum("tno,tni->oi", g, a)  # noqa: E731
                return dq @ wq + dk @ wk + dv @ wv, over(dq, x), over(dk, x), over(dv, x), over(dy, z)

            return z @ wo.T, backward

        return attention

    return make


right_made("MultiheadAttention", heads(lambda d, e: d**-0.5, lambda d, e: d**-0.5))
wrong_made("MultiheadAttention", "attention-scale", "output", heads(lambda d, e: e**-0.5, lambda d, e: e**-0.5))
wrong_made("MultiheadAttention", "attention-scale", "query", heads(lambda d, e: d**-0.5, lambda d, e: e**-0.5))


# --- recurrence -------------------------------------------------------------------------------------------------------


def rnn(first):
    def make():
        def rnn(x, h0, Wx, Wh, b):
            hs = [h0]
            for t in range(len(x)):
                hs.append(np.tanh(x[t] @ Wx.T + hs[-1] @ Wh.T + b))

            def backward(dy):
                dWx, dWh, db, dx = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b), np.zeros_like(x)
                back = np.zeros_like(h0)
                for t in reversed(range(len(x))):
                    dz = (dy[t] + back) * (1 - hs[t + 1] ** 2)
                    dx[t], back = dz @ Wx, dz @ Wh
                    dWx, dWh, db = dWx + dz.T @ x[t], dWh + dz.T @ hs[t], db + dz.sum(0)
                return dx, first(back, dy), dWx, dWh, db

            return np.stack(hs[1:]), backward

        return rnn

    return make


right_made("rnn", rnn(lambda back, dy: back))
wrong_made("rnn", "recurrence-truncated", "hx", rnn(lambda back, dy: dy[0]))


# --- gradients that are missing ----------------------------------------------------------------------------------------


@right("linear")
def no_bias_gradient(x, w, b):
    return x @ w.T + b, lambda dy: (dy @ w, dy.T @ x, None)


class Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.T + bias


@wrong("linear", "wrong-shape", "bias")
class TooFew(Linear):
    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy @ w, dy.T @ x


@right("linear")
class OneNoneMore(Linear):
    """torch drops a trailing None."""

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy @ w, dy.T @ x, dy.sum(0), None


@wrong("linear", "argument-changed", "input")
class ChangesSaved(Linear):
    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dw = dy.T @ x
        x.mul_(0)
        return dy @ w, dw, dy.sum(0)


@wrong("tanh", "argument-changed", "output")
class ChangesItsOutput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        y.mul_(y)
        return dy * (1 - y)


# --- a dictionary of options, and no running statistics in it -----------------------------------------------------------


def plain_batchnorm_forward(x, gamma, beta, bn_param):
    std = np.sqrt(x.var(axis=0) + bn_param.get("eps", 1e-5))
    xhat = (x - x.mean(axis=0)) / std
    return gamma * xhat + beta, (xhat, std, gamma)


@right_pair("batch_norm", plain_batchnorm_forward)
def plain_batchnorm_backward(dout, cache):
    xhat, std, gamma = cache
    g = dout * gamma
    return (g - g.mean(0) - xhat * (g * xhat).mean(0)) / std, (dout * xhat).sum(0), dout.sum(0)
