# ruff: noqa  (written as students write)
"""What no wrong formula explains and one change of the code does; and shapes of code that were misread once."""

from functools import partial

import numpy as np

from tests.check.corpus import conventional, right, right_pair, wrong, wrong_pair

# --- one change ---------------------------------------------------------------------------------------------------------


@wrong("silu", "wrong-sign", "input")
class SiLUSign:
    def forward(self, inputs):
        self.inputs = inputs
        self.s = 1.0 / (1.0 + np.exp(-inputs))
        return inputs * self.s

    def backward(self, dvalues):
        return dvalues * self.s * (1 - self.inputs * (1 - self.s))


@wrong("silu", "derivative-at-wrong-tensor", "input")
class SiLUOutput:
    def forward(self, x):
        self.sig = 0.5 * (np.tanh(0.5 * x) + 1)
        self.output = x * self.sig
        return self.output

    def backward(self, dvalues):
        return dvalues * (self.output + self.output * (1 - self.output))


@wrong("silu", "derivative-at-wrong-tensor", "input")
def silu_grad(x, y, dout):
    s = 1 / (1 + np.exp(-y))
    return dout * (y + s * (1 - y))


@wrong("softplus", "wrong-sign", "input")
def softplus_backward(grad_output, x, *, beta=1.0):
    return grad_output / (1.0 + np.exp(beta * x))


@wrong("hardswish", "scale-forgotten", "input")
def hardswish(x):
    gate = np.clip(x + 3, 0, 6) / 6

    def backward(dout):
        dgate = ((x > -3) & (x < 3)) * 1.0
        return dout * gate + dout * x * dgate

    return x * gate, backward


GELU_SCALE = np.sqrt(2.0 / np.pi)


def gelu_forward(inp):
    th = np.tanh(GELU_SCALE * (inp + 0.044715 * inp * inp * inp))
    return 0.5 * inp * (1.0 + th), (inp, th)


@wrong_pair("gelu(approximate='tanh')", "scale-forgotten", "input", gelu_forward)
def gelu_backward(dout, cache):
    x, th = cache
    sech = 1.0 - th * th
    return (0.5 * (1.0 + th) + x * 0.5 * sech * (1.0 + 3.0 * 0.044715 * x * x)) * dout


@wrong("softmax", "upstream-not-multiplied", "input")
def softmax_through_the_division(x):
    z = np.exp(x - x.max(-1, keepdims=True))
    y = z / z.sum(-1, keepdims=True)

    def backward(dy):
        total = z.sum(-1, keepdims=True)
        dtotal = -(dy * z).sum(-1, keepdims=True) / total**2
        return (1 / total + dtotal) * z

    return y, backward


@wrong("cross_entropy", "softmax-wrong-axis", "input")
def cross_entropy_steps(logits, Yb):
    n = logits.shape[0]
    norm = logits - logits.max(1, keepdims=True)
    counts = np.exp(norm)
    total = counts.sum(1, keepdims=True)
    loss = -(norm - np.log(total))[range(n), Yb].mean()

    def backward():
        dlogits = counts / counts.sum(0, keepdims=True)
        dlogits[range(n), Yb] -= 1
        dlogits /= n
        return dlogits

    return loss, backward


@wrong("linear", "overwritten-not-accumulated", "input")
def linear_loops(x, weight, bias):
    n, d_in = x.shape
    d_out = weight.shape[0]

    def backward(dy):
        dx, dw, db = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(d_out)
        for i in range(n):
            for o in range(d_out):
                db[o] += dy[i, o]
                for k in range(d_in):
                    dx[i, k] = dy[i, o] * weight[o, k]
                    dw[o, k] += dy[i, o] * x[i, k]
        return dx, dw, db

    return x @ weight.T + bias, backward


@wrong("batch_norm", "summed-over-wrong-axis", "input")
class BatchNormOverFeatures:
    def __init__(self, num_features, eps=1e-5):
        self.eps = eps
        self.weight, self.bias = np.ones(num_features), np.zeros(num_features)

    def forward(self, x):
        self.rstd = 1.0 / np.sqrt(x.var(axis=0) + self.eps)
        self.xhat = (x - x.mean(axis=0)) * self.rstd
        return self.xhat * self.weight + self.bias

    def backward(self, dy):
        self.dweight, self.dbias = (dy * self.xhat).sum(0), dy.sum(0)
        g = dy * self.weight * self.rstd
        return g - g.mean(axis=1, keepdims=True) - self.xhat * (g * self.xhat).mean(axis=0)


def bn_forward(x, gamma, beta, eps=1e-5):
    r = 1 / np.sqrt(x.var(0) + eps)
    h = (x - x.mean(0)) * r
    return gamma * h + beta, (h, r, gamma)


@wrong_pair("batch_norm", "summed-over-wrong-axis", "input", bn_forward)
def bn_backward(dout, cache):
    h, r, gamma = cache
    g = dout * gamma
    return r * (g - g.mean(0) - h * (g * h).mean(1)), (dout * h).sum(0), dout.sum(0)


def fc_forward(x, w, b):
    return x @ w.T + b, (x, w)


@wrong_pair("linear", "transposed", "weight", fc_forward)
def fc_backward(dout, cache):
    x, w = cache
    dx = dout @ w
    dw = dout.T @ x.T
    return dx, dw, dout.sum(0)


class Conv:
    def __init__(self, weight, bias):
        self.kernels, self.biases = weight, bias

    def forward(self, input):
        from scipy.signal import correlate2d

        self.input = input
        return np.stack(
            [
                [
                    sum(correlate2d(i, k, "valid") for i, k in zip(im, ks)) + b
                    for ks, b in zip(self.kernels, self.biases)
                ]
                for im in input
            ]
        )


@right("conv2d")
class ConvScipy(Conv):
    def backward(self, dy):
        from scipy.signal import convolve2d, correlate2d

        self.dW, ig = np.zeros(self.kernels.shape), np.zeros(self.input.shape)
        for n, i, j in np.ndindex(len(self.input), *self.kernels.shape[:2]):
            self.dW[i, j] += correlate2d(self.input[n, j], dy[n, i], "valid")
            ig[n, j] += convolve2d(dy[n, i], self.kernels[i, j], "full")
        self.db = dy.sum(axis=(0, 2, 3))
        return ig


@wrong("conv2d", "kernel-flipped", "weight")
class ConvScipyFlipped(Conv):
    def backward(self, dy):
        from scipy import signal

        self.dW, ig = np.zeros(self.kernels.shape), np.zeros(self.input.shape)
        for n, i, j in np.ndindex(len(self.input), *self.kernels.shape[:2]):
            self.dW[i, j] += signal.convolve2d(self.input[n, j], dy[n, i], "valid")
            ig[n, j] += signal.convolve2d(dy[n, i], self.kernels[i, j], "full")
        self.db = dy.sum(axis=(0, 2, 3))
        return ig


# --- names and places ---------------------------------------------------------------------------------------------------


def named_forward(hprebn, bngain, bnbias):
    n = hprebn.shape[0]
    bndiff = hprebn - 1 / n * hprebn.sum(0, keepdims=True)
    bnvar = 1 / n * (bndiff**2).sum(0, keepdims=True)
    bnvar_inv = (bnvar + 1e-5) ** -0.5
    bnraw = bndiff * bnvar_inv
    return bngain * bnraw + bnbias, (bnraw, bngain, bnvar_inv)


@right_pair("batch_norm", named_forward)
def named_backward(dhpreact, cache):
    bnraw, bngain, bnvar_inv = cache
    n = dhpreact.shape[0]
    g = n * dhpreact - dhpreact.sum(0) - bnraw * (dhpreact * bnraw).sum(0)
    return bngain * bnvar_inv / n * g, (bnraw * dhpreact).sum(0), dhpreact.sum(0)


@wrong_pair("batch_norm", "keepdims-left-on", "bias", named_forward)
def named_backward_keepdims(dhpreact, cache):
    bnraw, bngain, bnvar_inv = cache
    n = dhpreact.shape[0]
    g = n * dhpreact - dhpreact.sum(0) - bnraw * (dhpreact * bnraw).sum(0)
    return bngain * bnvar_inv / n * g, (bnraw * dhpreact).sum(0), dhpreact.sum(0, keepdims=True)


@right("relu6")
class StaticReLU6:
    @staticmethod
    def forward(x):
        return x.clip(0, 6), x

    @staticmethod
    def backward(dout, cache):
        x = cache
        return dout * np.logical_and(x > 0, x < 6)


@wrong("relu6", "wrong-mask", "input")
class StaticReLU6Open:
    @staticmethod
    def forward(x):
        return x.clip(0, 6), x

    @staticmethod
    def backward(dout, cache):
        return dout * (cache > 0)


@right("relu")
class ContextReLU:
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.maximum(x, 0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x > 0)


@conventional("relu", "wrong-mask", "input")
class ContextReLUTies:
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.maximum(x, 0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x >= 0)


def star_forward(*args, **kwargs):
    (x,) = args
    return np.maximum(x, 0), (x, kwargs)


@right_pair("relu", star_forward)
def star_backward(*args):
    dout, (x, _) = args
    return np.where(x > 0, dout, 0.0)


@right("cross_entropy")
class StarLoss:
    def __call__(self, logits, y_onehot):
        z = logits - logits.max(axis=1, keepdims=True)
        self.y, self.p = y_onehot, np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return -(y_onehot * (z - np.log(np.exp(z).sum(axis=1, keepdims=True)))).sum(axis=1).mean()

    def forward(self, *args):
        return self(*args)

    def backward(self):
        return (self.p - self.y) / self.y.shape[0]


def per_channel_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    g = x.reshape(N, G, -1)
    std = np.sqrt(g.var(2, keepdims=True) + gn_param.get("eps", 1e-5))
    h = (g - g.mean(2, keepdims=True)) / std
    return gamma * h.reshape(x.shape) + beta, (G, std, h, gamma)


@right_pair("group_norm", per_channel_forward)
def per_channel_backward(dout, cache):
    G, std, h, gamma = cache
    d = (dout * gamma).reshape(h.shape)
    dx = (d - d.mean(2, keepdims=True) - h * (d * h).mean(2, keepdims=True)) / std
    dgamma = (dout * h.reshape(dout.shape)).sum(axis=(0, 2, 3), keepdims=True)
    return dx.reshape(dout.shape), dgamma, dout.sum(axis=(0, 2, 3), keepdims=True)


@wrong_pair("group_norm", "mean-instead-of-sum", "bias", per_channel_forward)
def per_channel_backward_mean(dout, cache):
    G, std, h, gamma = cache
    d = (dout * gamma).reshape(h.shape)
    dx = (d - d.mean(2, keepdims=True) - h * (d * h).mean(2, keepdims=True)) / std
    dgamma = (dout * h.reshape(dout.shape)).sum(axis=(0, 2, 3), keepdims=True)
    return dx.reshape(dout.shape), dgamma, dout.mean(axis=(0, 2, 3), keepdims=True)


@wrong("linear", "upstream-not-multiplied", "input")
class DenseLeavesAll:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(np.ones_like(dvalues), self.weights.T)


class PReLU:
    def __init__(self, a):
        self.a = a

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a * x)


@right("prelu")
class PReLUNamedA(PReLU):
    def backward(self, dy):
        self.da = np.sum(dy * self.x * (self.x <= 0), axis=0)
        return np.where(self.x <= 0, self.a * dy, dy)


@wrong("prelu", "mean-instead-of-sum", "weight")
class PReLUNamedAMean(PReLU):
    def backward(self, dy):
        self.da = np.mean(dy * self.x * (self.x <= 0), axis=0)
        return np.where(self.x <= 0, self.a * dy, dy)


@right("hinge_embedding_loss")
def hinge_strict(x, y, margin=1.0):
    active = margin - x > 0
    loss = np.where(y == 1, x, np.where(active, margin - x, 0)).mean()
    return loss, lambda g=1.0: g * ((y == 1) * 1.0 - ((y == -1) & active)) / x.size


@right("margin_ranking_loss")
def ranking_strict(x1, x2, y, margin=0.0):
    z = -y * (x1 - x2) + margin
    on = (z > 0) / z.size
    return np.maximum(z, 0).mean(), lambda dl=1.0: (-y * on * dl, y * on * dl)


@right("softplus")
def softplus_partial(x):
    def back(out, dy):
        return dy * (1 - np.exp(-out))

    out = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return out, partial(back, out)


def params_forward(x, parameters):
    return x @ parameters["W1"] + parameters["b1"], (x, parameters)


@right_pair("linear", params_forward)
def params_backward(dout, cache):
    x, parameters = cache
    return dout @ parameters["W1"].T, {"W1": x.T @ dout, "b1": dout.sum(0)}


@wrong_pair("linear", "mean-instead-of-sum", "bias", params_forward)
def params_backward_mean(dout, cache):
    x, parameters = cache
    return dout @ parameters["W1"].T, {"W1": x.T @ dout, "b1": dout.mean(0)}


# --- recurrences --------------------------------------------------------------------------------------------------------


def rnn_cell_forward(xt, a_prev, Wax, Waa, ba):
    a_next = np.tanh(np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba)
    return a_next, (a_next, a_prev, xt, Wax, Waa)


def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, Wax, Waa = cache
    dtanh = (1 - a_next**2) * da_next
    return Wax.T @ dtanh, Waa.T @ dtanh, dtanh @ xt.T, dtanh @ a_prev.T, dtanh.sum(1, keepdims=True)


right_pair("rnn_cell", rnn_cell_forward)(rnn_cell_backward)


def columns_forward(x, a0, Wax, Waa, ba):
    caches, a, a_next = [], np.zeros((len(Wax), *x.shape[1:])), a0
    for t in range(x.shape[2]):
        a_next, cache = rnn_cell_forward(x[:, :, t], a_next, Wax, Waa, ba)
        a[:, :, t] = a_next
        caches.append(cache)
    return a, caches


def through_columns(da, caches, follow):
    dx, dWax, dWaa, dba, da_prev = [], 0, 0, 0, np.zeros(da.shape[:2])
    for t in reversed(range(da.shape[2])):
        dxt, da_prev, dw, du, db = rnn_cell_backward(da[:, :, t] + follow * da_prev, caches[t])
        dx.insert(0, dxt)
        dWax, dWaa, dba = dWax + dw, dWaa + du, dba + db
    return np.stack(dx, 2), da_prev, dWax, dWaa, dba


@right_pair("rnn", columns_forward)
def columns_backward(da, caches):
    dx, da0, dWax, dWaa, dba = through_columns(da, caches, 1)
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


@wrong_pair("rnn", "recurrence-truncated", None, columns_forward)
def columns_backward_truncated(da, caches):
    dx, da0, dWax, dWaa, dba = through_columns(da, caches, 0)
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


class TimeRNN:
    """Its first state is None until the forward sets it to zeros."""

    def __init__(self, Wx, Wh, b, stateful=False):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.h, self.stateful = None, stateful

    def forward(self, xs):
        Wx, Wh, b = self.params
        if not self.stateful or self.h is None:
            self.h = np.zeros((len(xs), len(Wh)))
        self.xs, self.hs = xs, [self.h]
        for t in range(xs.shape[1]):
            self.h = np.tanh(xs[:, t] @ Wx + self.h @ Wh + b)
            self.hs.append(self.h)
        return np.stack(self.hs[1:], 1)


@right("rnn")
class TimeRNNRight(TimeRNN):
    def backward(self, dhs):
        Wx, Wh, b = self.params
        self.grads = [np.zeros_like(p) for p in self.params]
        dxs, dh = np.empty_like(self.xs), 0
        for t in reversed(range(dhs.shape[1])):
            da = (dhs[:, t] + dh) * (1 - self.hs[t + 1] ** 2)
            self.grads[0] += self.xs[:, t].T @ da
            self.grads[1] += self.hs[t].T @ da
            self.grads[2] += da.sum(0)
            dxs[:, t], dh = da @ Wx.T, da @ Wh.T
        return dxs


@wrong("rnn", "recurrence-truncated", None)
class TimeRNNTruncated(TimeRNN):
    def backward(self, dhs):
        Wx, Wh, b = self.params
        self.grads = [np.zeros_like(p) for p in self.params]
        dxs = np.empty_like(self.xs)
        for t in reversed(range(dhs.shape[1])):
            da = dhs[:, t] * (1 - self.hs[t + 1] ** 2)
            self.grads[0] += self.xs[:, t].T @ da
            self.grads[1] += self.hs[t].T @ da
            self.grads[2] += da.sum(0)
            dxs[:, t] = da @ Wx.T
        return dxs
