# ruff: noqa  (written as students write)
"""Arguments and results in unusual places: a base class's __call__, self.output, (dx, dict), (y, p), (AL, Y)."""

import numpy as np

from tests.check.corpus import conventional, right, right_pair, wrong, wrong_pair


# a flag called bias in the constructor; gradients made in the constructor, in its own shapes


@right("Linear")
class FlagForBias:
    def __init__(self, in_features, out_features, bias=True):
        k = 1 / np.sqrt(in_features)
        shapes = {"weight": (out_features, in_features), "bias": out_features}
        self.params = {n: np.random.uniform(-k, k, s) for n, s in shapes.items()}
        self.grads = {n: np.zeros_like(v) for n, v in self.params.items()}

    def zero_grad(self):
        for n in self.grads:
            self.grads[n][...] = 0

    def forward(self, input):
        self.cache = input
        return np.einsum("ni,oi->no", input, self.params["weight"]) + self.params["bias"]

    def backward(self, grad_output):
        self.grads["weight"] += np.einsum("no,ni->oi", grad_output, self.cache)
        self.grads["bias"] += np.einsum("no->o", grad_output)
        return np.einsum("no,oi->ni", grad_output, self.params["weight"])


class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


@right("linear")
class WithParameters:
    def __init__(self, in_dim, out_dim):
        self.W, self.b = Parameter(np.random.randn(in_dim, out_dim)), Parameter(np.zeros(out_dim))

    def zero_grad(self):
        for p in (self.W, self.b):
            p.grad[:] = 0

    def forward(self, X):
        self.X = X
        return X @ self.W.data + self.b.data

    def backward(self, d):
        self.W.grad += self.X.T @ d
        self.b.grad += d.sum(axis=0)
        return d @ self.W.data.T


@wrong("linear", "mean-instead-of-sum", "weight")
class WithParametersMean(WithParameters):
    def backward(self, d):
        self.W.grad += self.X.T @ d / len(d)
        self.b.grad += d.sum(axis=0)
        return d @ self.W.data.T


# the forward returns nothing: the output stands in self.output


@right("linear")
class OutputKept:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


@wrong("sigmoid", "derivative-at-wrong-tensor", "input")
class SigmoidKept:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = 1 / (1 + np.exp(-inputs))

    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.inputs) * self.inputs


# the base class's __call__ keeps the arguments


class Base:
    def __call__(self, *args):
        self.args = args
        self.out = self.forward(*args)
        return self.out

    def backward(self, g):
        return self.bwd(g, *self.args)


@right("relu")
class CalledRelu(Base):
    def forward(self, inp):
        return np.clip(inp, 0.0, None)

    def bwd(self, g, inp):
        return (inp > 0) * g


@right("mse_loss")
class CalledMse(Base):
    def forward(self, inp, targ):
        return np.square(inp - targ).mean()

    def backward(self):
        inp, targ = self.args
        return 2.0 * (inp - targ) / inp.size


@right("linear")
class Propagation:
    def __init__(self, input_size, output_size):
        self.weights = np.random.rand(input_size, output_size) - 0.5
        self.bias = np.random.rand(1, output_size) - 0.5

    def forward_propagation(self, input_data):
        self.input = input_data
        return np.dot(self.input, self.weights) + self.bias

    def backward_propagation(self, output_error, learning_rate):
        input_error = np.dot(output_error, self.weights.T)
        self.weights_error = np.dot(self.input.T, output_error)
        self.weights -= learning_rate * self.weights_error
        self.bias -= learning_rate * output_error.sum(axis=0, keepdims=True)
        return input_error


@wrong("linear", "mean-instead-of-sum", "bias")
class GradientsBeside:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        return dy @ self.W, {"W": dy.T @ self.x, "b": dy.mean(0)}


@right("prelu")
class OneSlope:
    def __init__(self, init=0.25):
        self.weight = np.array([init])

    def forward(self, x):
        self.x = x
        return np.where(x >= 0, x, self.weight * x)

    def backward(self, g):
        self.grad_weight = np.array([np.sum(g * self.x * (self.x < 0))])
        return np.where(self.x > 0, g, self.weight * g)


@conventional("batch_norm(eps=1e-6)", "running-statistics", "running_var")
class StatisticsHandedOver:
    def __init__(self, gamma, beta, momentum=0.9, running_mean=None, running_var=None):
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean, self.running_var = running_mean, running_var

    def forward(self, x, train_flg=True):
        if self.running_mean is None:
            self.running_mean, self.running_var = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        mu, var = x.mean(axis=0), x.var(axis=0)
        self.std = np.sqrt(var + 10e-7)
        self.xn = (x - mu) / self.std
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dbeta, self.dgamma = dout.sum(axis=0), np.sum(self.xn * dout, axis=0)
        g = self.gamma * dout
        return (g - g.mean(0) - self.xn * (g * self.xn).mean(0)) / self.std


# losses: which one is the prediction


@right("kl_div")
def kl_logq_p(logq, p):
    l = p * (np.log(p) - logq)
    return l.mean(), lambda g=1.0: -g * p / l.size


@wrong("kl_div(reduction='batchmean')", "wrong-reduction", "input")
def kl_logq_p_size(logq, p):
    l = p * (np.log(p) - logq)
    return l.sum() / len(l), lambda g=1.0: -g * p / l.size


@right("kl_div")
def kl_p_logq(p, logq):
    l = p * (np.log(p) - logq)
    return l.mean(), lambda g=1.0: -g * p / l.size


@right("binary_cross_entropy(reduction='sum')")
def course_dAL(AL, Y):
    return -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))


@wrong("binary_cross_entropy", "wrong-reduction", "input")
def course_dAL_not_averaged(AL, Y):
    return -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))


@right("binary_cross_entropy")
class LossAndGradient:
    def loss(self, y, p):
        return np.mean(-y * np.log(p) - (1 - y) * np.log(1 - p))

    def gradient(self, y, p):
        return (-(y / p) + (1 - y) / (1 - p)) / p.size


@right("mse_loss")
class PredictionAgain:
    def forward(self, y_pred, y_true):
        return np.mean((y_true - y_pred) ** 2)

    def backward(self, dvalues, y_true):
        self.dinputs = -2 * (y_true - dvalues) / len(dvalues[0]) / len(dvalues)


@wrong("mse_loss", "wrong-reduction", "input")
class PredictionAgainBatch(PredictionAgain):
    def backward(self, dvalues, y_true):
        self.dinputs = -2 * (y_true - dvalues) / len(dvalues[0])


@right("cross_entropy")
class ProbabilitiesAgain:
    def forward(self, inputs, y_true):
        z = inputs - np.max(inputs, axis=1, keepdims=True)
        self.output = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
        return np.mean(np.log(np.exp(z).sum(1)) - z[range(len(z)), y_true])

    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(dvalues)), y_true] -= 1
        self.dinputs = self.dinputs / len(dvalues)


# distances of pairs and triples


@right("pairwise_distance")
def distance(x1, x2, eps=1e-6):
    d = x1 - x2 + eps
    n = np.sqrt((d**2).sum(-1))
    return n, lambda dy: (dy[:, None] * d / n[:, None], -dy[:, None] * d / n[:, None])


@wrong("PairwiseDistance", "wrong-sign", "x2")
def distance_same_sign(x1, x2, eps=1e-6):
    d = x1 - x2 + eps
    n = np.sqrt((d**2).sum(-1))
    return n, lambda dy: (dy[:, None] * d / n[:, None], dy[:, None] * d / n[:, None])


def cosine_embedding(x1, x2, y, margin, norms):
    a, b = np.linalg.norm(x1, axis=1), np.linalg.norm(x2, axis=1)
    c = (x1 * x2).sum(1) / (a * b)
    loss = np.where(y == 1, 1 - c, np.maximum(0, c - margin)).mean()

    def backward(g=1.0):
        dc = (g * np.where(y == 1, -1.0, (c > margin) * 1.0) / len(y))[:, None]
        dx1, dx2 = dc * x2 / (a * b)[:, None], dc * x1 / (a * b)[:, None]
        return dx1 - norms * dc * (c / a**2)[:, None] * x1, dx2 - norms * dc * (c / b**2)[:, None] * x2

    return loss, backward


@right("cosine_embedding_loss")
def cosine_embedding_right(x1, x2, y, margin=0.0):
    return cosine_embedding(x1, x2, y, margin, 1)


@wrong("CosineEmbeddingLoss", "statistics-as-constants", "input1")
def cosine_embedding_norms(x1, x2, y, margin=0.0):
    return cosine_embedding(x1, x2, y, margin, 0)


def triplet(anchor, positive, negative, margin, sign):
    dp, dn = anchor - positive + 1e-6, anchor - negative + 1e-6
    a, b = np.sqrt((dp**2).sum(1)), np.sqrt((dn**2).sum(1))
    l = np.maximum(0, a - b + margin)

    def backward(g=1.0):
        on = (g * (l > 0) / len(l))[:, None]
        u, v = on * dp / a[:, None], on * dn / b[:, None]
        return u - v, sign * u, v

    return l.mean(), backward


@right("triplet_margin_loss")
def triplet_right(anchor, positive, negative, margin=1.0):
    return triplet(anchor, positive, negative, margin, -1)


@wrong("TripletMarginLoss", "wrong-sign", "positive")
def triplet_sign(anchor, positive, negative, margin=1.0):
    return triplet(anchor, positive, negative, margin, 1)


# masks and axes


@wrong("prelu", "wrong-mask", "input")
def nothing_at_zero(x, a):
    return np.where(x > 0, x, a * x), lambda dy: (dy * ((x > 0) + a * (x < 0)), (dy * np.minimum(x, 0)).sum(0))


@wrong("relu", "wrong-mask", "input")
def turned_round(x):
    return np.maximum(x, 0), lambda dy: dy * (x <= 0)


@wrong("batch_norm2d", "summed-over-wrong-axis", "input")
def means_over_the_batch(x, gamma, beta, eps=1e-5):
    m, v = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    s, g = np.sqrt(v + eps), gamma[None, :, None, None]
    h = (x - m) / s

    def backward(d):
        dh = d * g
        return (dh - dh.mean(0) - h * (dh * h).mean(0)) / s, (d * h).sum((0, 2, 3)), d.sum((0, 2, 3))

    return g * h + beta[:, None, None], backward
