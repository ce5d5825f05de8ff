# ruff: noqa  (written as students write)
"""Layers and activations in the shapes of libraries and courses: late parameters, updates at once, joined matrices."""

import numpy as np

from tests.check.corpus import conventional, right, right_pair, wrong, wrong_pair


# activations and losses with a local derivative


@right("softplus")
class SmoothRamp:
    def fn(self, z):
        return np.logaddexp(0, z)

    def grad(self, z, **kwargs):
        return 1 / (1 + np.exp(-z))


@wrong("softplus", "local-derivative-missing", "input")
class SmoothRampTwice(SmoothRamp):
    def grad(self, z, **kwargs):
        s = 1 / (1 + np.exp(-z))
        return s * (1 - s)


@right("sigmoid")
class OfItsOutput:
    @staticmethod
    def function(v):
        return 1 / (1 + np.exp(-v))

    @staticmethod
    def derivative(a):
        return a - a * a


@conventional("mse_loss", "wrong-reduction", "output")
class HalfSquares:
    def __call__(self, guess, truth):
        return 0.5 * np.sum((guess - truth) ** 2) / len(guess)

    def derivative(self, guess, truth):
        return (guess - truth) / len(guess)


@conventional("l1_loss", "forward-differs", "output")
class DistancesOneByOne:
    def loss(self, y_true, y_pred):
        return np.abs(y_pred - y_true)

    def gradient(self, y_true, y_pred):
        return np.sign(y_pred - y_true)


@wrong("l1_loss", "wrong-sign", "input")
class DistancesTurned(DistancesOneByOne):
    def gradient(self, y_true, y_pred):
        return np.sign(y_true - y_pred)


# layers whose parameters come late, or that update themselves


@right("linear")
class LateDense:
    def __init__(self, units, activation="relu", name=None):
        self.units, self.made = units, False

    def _build(self, n_in):
        self.weights, self.biases = np.random.randn(n_in, self.units), np.zeros((1, self.units))
        self.made = True

    def forward(self, rows, training):
        if not self.made:
            self._build(rows.shape[-1])
        self.rows = rows
        return rows @ self.weights + self.biases

    def backward(self, grad):
        self.dweights, self.dbiases = self.rows.T @ grad, grad.sum(0, keepdims=True)
        return grad @ self.weights.T


class ByAnOptimizer:
    def __init__(self, n_units, input_shape=None):
        self.n_units, self.input_shape = n_units, input_shape
        self.W = self.b = None

    def initialize(self, optimizer):
        self.W = np.random.randn(self.input_shape[0], self.n_units)
        self.b = np.zeros((1, self.n_units))
        self.of_W, self.of_b = optimizer, optimizer

    def forward_pass(self, X, training=True):
        self.X = X
        return X @ self.W + self.b

    def backward_pass(self, grad):
        old = self.W
        self.W = self.of_W.update(self.W, self.X.T @ grad)
        self.b = self.of_b.update(self.b, grad.sum(0, keepdims=True))
        return grad @ old.T


right("linear")(ByAnOptimizer)


@wrong("linear", "mean-instead-of-sum", "bias")
class ByAnOptimizerMean(ByAnOptimizer):
    def backward_pass(self, grad):
        old = self.W
        self.W = self.of_W.update(self.W, self.X.T @ grad)
        self.b = self.of_b.update(self.b, grad.mean(0, keepdims=True))
        return grad @ old.T


class AtOnce:
    def __init__(self, n_in, n_out):
        self.weights, self.bias = np.random.randn(n_out, n_in), np.random.randn(n_out, 1)

    def forward(self, columns):
        self.columns = columns
        return self.weights @ columns + self.bias

    def backward(self, grad, learning_rate):
        back = self.weights.T @ grad
        self.weights -= learning_rate * grad @ self.columns.T
        self.bias -= learning_rate * grad.sum(1, keepdims=True)
        return back


right("linear")(AtOnce)


@wrong("linear", "wrong-sign")
class AtOnceUphill(AtOnce):
    def backward(self, grad, learning_rate):
        back = self.weights.T @ grad
        self.weights += learning_rate * grad @ self.columns.T
        self.bias += learning_rate * grad.sum(1, keepdims=True)
        return back


@right("linear")
class BiasInTheLastRow:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in + 1, n_out)

    def forward(self, x):
        self.x = np.c_[x, np.ones(len(x))]
        return self.x @ self.W

    def backward(self, dy):
        self.dW = self.x.T @ dy
        return (dy @ self.W.T)[:, :-1]


@right("linear")
class OneExample:
    def __init__(self, n_in, n_out):
        self.w, self.b = np.random.randn(n_out, n_in), np.zeros(n_out)

    def forward(self, x):
        (self.n,) = x.shape
        self.x = x
        return self.w @ x + self.b

    def backward(self, d):
        self.dw, self.db = np.outer(d, self.x), d
        return d @ self.w


def over_time_forward(x, w, b):
    n, t, d = x.shape
    return x @ w + b, (x, w)


@right_pair("linear", over_time_forward)
def over_time(dout, cache):
    x, w = cache
    flat, rows = dout.reshape(-1, dout.shape[-1]), x.reshape(-1, x.shape[-1])
    return dout @ w.T, rows.T @ flat, flat.sum(0)


def by_layer_forward(X, params, layer=1):
    return X @ params[layer]["W"] + params[layer]["b"], (X, params[layer]["W"])


@right_pair("linear", by_layer_forward)
def by_layer(dZ, cache):
    X, W = cache
    return dZ @ W.T, {1: {"W": X.T @ dZ, "b": dZ.sum(0)}}


# recurrences with one matrix a gate on [h, x]


def sigma(z):
    return 1 / (1 + np.exp(-z))


def gated_forward(xt, a_prev, c_prev, parameters):
    joint = np.concatenate((a_prev, xt))
    f, i, o = (sigma(parameters[w] @ joint + parameters[b]) for w, b in (("Wf", "bf"), ("Wi", "bi"), ("Wo", "bo")))
    g = np.tanh(parameters["Wc"] @ joint + parameters["bc"])
    c = f * c_prev + i * g
    a = o * np.tanh(c)
    scores = parameters["Wy"] @ a + parameters["by"]
    return a, c, (joint, f, i, o, g, c, c_prev, len(a_prev), parameters)


def gated(of_o):
    def backward(da, dc, cache):
        joint, f, i, o, g, c, c_prev, n, parameters = cache
        dc = dc + da * o * (1 - np.tanh(c) ** 2)
        steps = {"f": dc * c_prev * f * (1 - f), "i": dc * g * i * (1 - i), "c": dc * i * (1 - g**2)}
        steps["o"] = da * np.tanh(c) * of_o(o)
        back = sum(parameters["W" + k].T @ d for k, d in steps.items())
        gradients = {"dxt": back[n:], "da_prev": back[:n], "dc_prev": dc * f}
        for k, d in steps.items():
            gradients["dW" + k], gradients["db" + k] = d @ joint.T, d.sum(1, keepdims=True)
        return gradients

    return backward


right_pair("lstm_cell", gated_forward)(gated(lambda o: o * (1 - o)))
wrong_pair("lstm_cell", "local-derivative-missing", None, gated_forward)(gated(lambda o: o))


def one_more_forward(x, h, c, Wx, Wh, b):
    i, f, g, o = np.split(x @ Wx + h @ Wh + b, 4, axis=1)
    i, f, g, o = sigma(i), sigma(f + 1), np.tanh(g), sigma(o)
    new = f * c + i * g
    return o * np.tanh(new), new, (x, h, c, Wx, Wh, i, f, g, o, new)


from tests.check.corpus import conventional_pair


@conventional_pair("lstm_cell", "forward-differs", "output", one_more_forward)
def one_more(dh, dc, cache):
    x, h, c, Wx, Wh, i, f, g, o, new = cache
    dc = dc + dh * o * (1 - np.tanh(new) ** 2)
    gates = (dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * np.tanh(new) * o * (1 - o))
    dz = np.hstack(gates)
    return dz @ Wx.T, dz @ Wh.T, dc * f, x.T @ dz, h.T @ dz, dz.sum(0)


# conventions, and options off their first value


@conventional("layer_norm", "eps-or-bessel-misplaced", "output")
class EpsBesideTheRoot:
    def __init__(self, gamma, beta, eps=1e-5):
        self.gamma, self.beta, self.eps = gamma, beta, eps

    def forward(self, x):
        self.s = np.sqrt(x.var(-1, keepdims=True))
        self.c = x - x.mean(-1, keepdims=True)
        self.hat = self.c / (self.s + self.eps)
        return self.gamma * self.hat + self.beta

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.hat).sum(0), dy.sum(0)
        g = dy * self.gamma
        ds = -(g * self.c).sum(-1, keepdims=True) / (self.s + self.eps) ** 2
        dc = g / (self.s + self.eps) + ds * self.c / (self.s * dy.shape[-1])
        return dc - dc.mean(-1, keepdims=True)


@wrong("mse_loss", "wrong-reduction", "input")
class MeanWhateverIsAsked:
    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, x, t):
        self.d = x - t
        return (self.d**2).mean() if self.reduction == "mean" else (self.d**2).sum()

    def backward(self):
        return 2 * self.d / self.d.size


def probabilities_forward(p, t):
    return -np.sum(t * np.log(p)), (p, t)


@conventional_pair("cross_entropy", "not-finite", "output", probabilities_forward)
def probabilities(dout, cache):
    p, t = cache
    return -dout * t / p
