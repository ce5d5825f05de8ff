# ruff: noqa  (written as students write)
"""One slope for all, code for one vector, rows of positions, two upstream gradients, decay of the wrong quantity."""

import numpy as np

from tests.check.corpus import right, wrong


def prelu(sum_of):
    class PReLU:
        def __init__(self, alpha):
            self.alpha = alpha

        def forward(self, x):
            self.x = x
            return np.maximum(x, 0) + self.alpha * np.minimum(x, 0)

        def backward(self, dout):
            below = self.x <= 0
            self.dalpha = np.array([sum_of(dout[below], self.x[below], len(dout))])
            return np.where(below, self.alpha * dout, dout)

    return PReLU


one_slope = right("PReLU")(prelu(lambda d, x, n: np.sum(d * x)))
one_slope_mean = wrong("PReLU", "mean-instead-of-sum", "weight")(prelu(lambda d, x, n: np.sum(d * x) / n))
one_slope_without_x = wrong("PReLU", "local-derivative-missing", "weight")(prelu(lambda d, x, n: np.sum(d)))
one_slope_sign = wrong("PReLU", "wrong-sign", "weight")(prelu(lambda d, x, n: -np.sum(d * x)))


@right("prelu")
def prelu_scalar_gradient(x, a):
    def backward(dy):
        return np.where(x > 0, dy, a * dy), np.sum(dy * np.minimum(x, 0))

    return np.where(x > 0, x, a * x), backward


@right("prelu")
def prelu_per_channel(x, a):
    return np.where(x > 0, x, a * x), lambda dy: (np.where(x > 0, dy, a * dy), (dy * np.minimum(x, 0)).sum(0))


@right("sigmoid")
def sigmoid_from_out(grad, out):
    return (out - out**2) * grad


@wrong("sigmoid", "derivative-at-wrong-tensor", "input")
def sigmoid_of_out(grad, out):
    s = 1 / (1 + np.exp(-out))
    return s * (1 - s) * grad


@wrong("tanh", "derivative-at-wrong-tensor", "input")
def tanh_of_output(dout, output):
    return dout * (1 - np.tanh(output) ** 2)


@right("softmax")
def softmax_of_a_vector(x):
    e = np.exp(x - np.max(x))
    s = e / np.sum(e)
    return s, lambda dy: (np.diag(s) - np.outer(s, s)) @ dy


@wrong("softmax", "softmax-elementwise", "input")
def softmax_of_a_vector_diagonal(x):
    e = np.exp(x - np.max(x))
    s = e / np.sum(e)
    return s, lambda dy: np.diag(s - s * s) @ dy


@wrong("softmax", "softmax-wrong-axis", "output")
def softmax_of_everything(x):
    e = np.exp(x - np.max(x))
    s = e / np.sum(e)
    return s, lambda dy: s * (dy - np.sum(s * dy))


def conv(axis):
    class Conv:
        """A product of rows: one row for each position."""

        def __init__(self, W, b):
            self.W, self.b = W, b

        def forward(self, x):
            n, c, h, w = x.shape
            f, _, kh, kw = self.W.shape
            self.x, oh, ow = x, h - kh + 1, w - kw + 1
            windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), (2, 3))
            self.rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, -1)
            out = self.rows @ self.W.reshape(f, -1).T + self.b
            return out.reshape(n, oh, ow, f).transpose(0, 3, 1, 2)

        def backward(self, dout):
            f, _, kh, kw = self.W.shape
            oh, ow = dout.shape[2:]
            d = dout.transpose(0, 2, 3, 1).reshape(-1, f)
            self.db = np.sum(d, axis=axis)
            self.dW = (d.T @ self.rows).reshape(self.W.shape)
            dx = np.zeros_like(self.x)
            for i in range(kh):
                for j in range(kw):
                    dx[:, :, i : i + oh, j : j + ow] += np.einsum("nfij,fc->ncij", dout, self.W[:, :, i, j])
            return dx

    return Conv


conv_rows = right("conv2d")(conv(0))
conv_rows_axis = wrong("conv2d", "summed-over-wrong-axis", "bias")(conv(1))


@wrong("rnn", "summed-over-wrong-axis", "bias_ih")
def rnn_bias_axis(x, h0, Wx, Wh, b):
    hs = [h0]
    for xt in x:
        hs.append(np.tanh(xt @ Wx.T + hs[-1] @ Wh.T + b))

    def backward(dy):
        das, carry = np.zeros_like(dy), 0
        for t in range(len(x) - 1, -1, -1):
            das[t] = (dy[t] + carry) * (1 - hs[t + 1] ** 2)
            carry = das[t] @ Wh
        dWh = np.einsum("tnh,tnk->hk", das, np.array(hs[:-1]))
        return das @ Wx, carry, np.einsum("tnh,tnd->hd", das, x), dWh, das.sum((1, 2))

    return np.stack(hs[1:]), backward


@right("lstm_cell")
def lstm_cell_gradients(x, h_prev, c_prev, W_ih, W_hh, b_ih, b_hh, dh, dc, forget=1.0):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    i, f, g, o = np.split(x @ W_ih.T + h_prev @ W_hh.T + b_ih + b_hh, 4, axis=-1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    t = np.tanh(f * c_prev + i * g)
    dc = dc + dh * o * (1 - t * t)
    dz = np.hstack([dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dc * i * (1 - g * g), dh * t * o * (1 - o)])
    return dz @ W_ih, dz @ W_hh, forget * dc * f, dz.T @ x, dz.T @ h_prev, dz.sum(0), dz.sum(0)


@wrong("lstm_cell", "recurrence-truncated", "cx")
def lstm_cell_gradients_no_forget(x, h_prev, c_prev, W_ih, W_hh, b_ih, b_hh, dh, dc):
    return lstm_cell_gradients(x, h_prev, c_prev, W_ih, W_hh, b_ih, b_hh, dh, dc, 0.0)


@wrong("scaled_dot_product_attention(is_causal=True)", "wrong-mask", "value")
def attention_leaks_into_dv(q, k, v):
    length, d = q.shape[-2:]
    scores = q @ k.swapaxes(-1, -2) / d**0.5

    def softmax(s):
        e = np.exp(s - s.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    w = softmax(np.where(np.triu(np.ones((length, length), bool), 1), -np.inf, scores))

    def backward(do):
        dw = do @ v.swapaxes(-1, -2)
        ds = w * (dw - (w * dw).sum(-1, keepdims=True)) / d**0.5
        return ds @ k, ds.swapaxes(-1, -2) @ q, softmax(scores).swapaxes(-1, -2) @ do

    return w @ v, backward


@wrong("batch_norm", "scale-forgotten", "input")
def batch_norm_gamma_twice(x, gamma, beta, training=True, eps=1e-5):
    inv = 1 / np.sqrt(x.var(0) + eps)
    h = (x - x.mean(0)) * inv

    def backward(dout):
        dh = dout * gamma
        dx = inv * gamma * (dh - dh.mean(0) - h * (dh * h).mean(0))
        return dx, (dout * h).sum(0), dout.sum(0)

    return gamma * h + beta, backward


@wrong("layer_norm", "eps-or-bessel-misplaced", "input")
def layer_norm_bessel_without_eps(x, gamma, beta, eps=1e-5):
    c = x - x.mean(-1, keepdims=True)
    s = np.sqrt((c * c).mean(-1, keepdims=True) + eps)

    def backward(dout):
        h, d = c / s, dout * gamma
        dx = d - d.mean(-1, keepdims=True) - h * (d * h).mean(-1, keepdims=True)
        return dx / x.std(-1, ddof=1, keepdims=True), (dout * h).sum(0), dout.sum(0)

    return gamma * c / s + beta, backward


def rms_norm(power):
    def rms_norm(x, g, eps=1e-5):
        square = np.mean(x * x, axis=-1, keepdims=True)
        r = 1 / np.sqrt(square + eps)

        def backward(dout):
            d = dout * g
            dx = r * d - x * power(r, square, eps) * np.mean(d * x, axis=-1, keepdims=True)
            return dx, (dout * x * r).sum(axis=0)

        return x * r * g, backward

    return rms_norm


rms_right = right("rms_norm")(rms_norm(lambda r, square, eps: r**3))
rms_eps_outside = wrong("rms_norm", "eps-or-bessel-misplaced", "input")(
    rms_norm(lambda r, square, eps: r / (np.sqrt(square) + eps) ** 2)
)
rms_eps_forgotten = wrong("rms_norm", "eps-or-bessel-misplaced", "input")(rms_norm(lambda r, square, eps: square**-1.5))


def sgd(quantity, keep=lambda old, new: new):
    def sgd(param, grad, state, lr=1e-3, momentum=0.0, weight_decay=0.0):
        old = state.get("velocity")
        d = grad + weight_decay * quantity(param, old if old is not None else 0 * param, lr)
        v = d if old is None else momentum * old + d
        return param - lr * v, {"velocity": keep(old, v)}

    return sgd


sgd_right = right("SGD")(sgd(lambda w, v, lr: w))
sgd_velocity_decayed = wrong("SGD", "optimizer-decay", "param")(sgd(lambda w, v, lr: v))
sgd_square_decayed = wrong("SGD", "optimizer-decay", "param")(sgd(lambda w, v, lr: w**2))
sgd_decay_times_rate = wrong("SGD", "optimizer-decay", "param")(sgd(lambda w, v, lr: lr * w))
sgd_first_state_kept = wrong("SGD", "optimizer-state", "param")(
    sgd(lambda w, v, lr: w, lambda old, new: new if old is None else old)
)


@wrong("Adam", "optimizer-bias-correction", "param")
def adam_m_one_early(w, dw, config):
    c = config
    lr, eps = c.setdefault("learning_rate", 1e-3), c.setdefault("epsilon", 1e-8)
    b1, b2 = c.setdefault("beta1", 0.9), c.setdefault("beta2", 0.999)
    c["t"] = c.get("t", 0) + 1
    c["m"] = b1 * c.get("m", 0 * w) + (1 - b1) * dw
    c["v"] = b2 * c.get("v", 0 * w) + (1 - b2) * dw**2
    return w - lr * c["m"] / (1 - b1 ** (c["t"] + 1)) / (np.sqrt(c["v"] / (1 - b2 ** c["t"])) + eps), c
