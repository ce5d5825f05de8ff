# ruff: noqa  (written as students write)
"""Fully connected layers and activations, in all forms."""

import numpy as np

from tests.check.corpus import conventional, right, right_pair, wrong, wrong_pair

# --- linear ---------------------------------------------------------------------------------------------------------


@right("linear")
def linear_closure(x, w, b):
    def backward(dy):
        return dy @ w, dy.T @ x, dy.sum(0)

    return x @ w.T + b, backward


@right("linear")
def linear_loops(x, W, b):
    n, d = x.shape
    o = W.shape[0]
    out = np.zeros((n, o))
    for i in range(n):
        for j in range(o):
            out[i, j] = b[j]
            for k in range(d):
                out[i, j] += x[i, k] * W[j, k]

    def back(g):
        dx, dW, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(b)
        for i in range(n):
            for j in range(o):
                db[j] += g[i, j]
                for k in range(d):
                    dx[i, k] += g[i, j] * W[j, k]
                    dW[j, k] += g[i, j] * x[i, k]
        return {"x": dx, "W": dW, "b": db}

    return out, back


@right("linear")
def linear_in_out(x, W, b):
    y = np.einsum("ni,io->no", x, W) + b

    def backward(dout):
        return np.einsum("no,io->ni", dout, W), np.einsum("ni,no->io", x, dout), np.einsum("no->o", dout)

    return y, backward


@right("linear")
def linear_no_bias(input, weight):
    return input.dot(weight.T), lambda g: (g.dot(weight), g.T.dot(input))


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    return out, (x, w, b)


@right_pair("linear", affine_forward)
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


@wrong_pair("linear", "mean-instead-of-sum", "bias", affine_forward)
def affine_backward_mean(dout, cache):
    x, w, b = cache
    return dout.dot(w.T).reshape(x.shape), x.reshape(x.shape[0], -1).T.dot(dout), np.mean(dout, axis=0)


@wrong_pair("linear", "mean-instead-of-sum", "weight", affine_forward)
def affine_backward_mean_w(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout) / x.shape[0], np.sum(dout, axis=0)


@wrong_pair("linear", "mean-instead-of-sum", None, affine_forward)
def affine_backward_mean_both(dout, cache):
    x, w, b = cache
    m = x.shape[0]
    dx = dout @ w.T
    dw = 1 / m * x.T @ dout
    db = 1 / m * dout.sum(axis=0)
    return dx, dw, db


@wrong_pair("linear", "keepdims-left-on", "bias", affine_forward)
def affine_backward_keep(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout), np.sum(dout, axis=0, keepdims=True)


@wrong_pair("linear", "broadcast-axis-not-summed", "bias", affine_forward)
def affine_backward_nosum(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout), dout


@wrong_pair("linear", "summed-over-wrong-axis", "bias", affine_forward)
def affine_backward_axis(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout), dout.sum(axis=1)


@wrong_pair("linear", "summed-over-wrong-axis", "bias", affine_forward)
def affine_backward_all(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout), dout.sum()


@wrong_pair("linear", "summed-over-wrong-axis", "bias", affine_forward)
def affine_backward_all_full(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout), np.full_like(b, dout.sum())


@wrong_pair("linear", "transposed", "weight", affine_forward)
def affine_backward_t(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), dout.T.dot(x), dout.sum(0)


@wrong_pair("linear", "transposed", "input", affine_forward)
def affine_backward_tx(dout, cache):
    x, w, b = cache
    return dout.dot(w), x.T.dot(dout), dout.sum(0)


@wrong_pair("linear", "wrong-sign", "input", affine_forward)
def affine_backward_sign(dout, cache):
    x, w, b = cache
    return -dout.dot(w.T), x.T.dot(dout), dout.sum(0)


@wrong_pair("linear", "upstream-not-multiplied", "weight", affine_forward)
def affine_backward_noup(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(np.ones_like(dout)), dout.sum(0)


@wrong_pair("linear", "upstream-not-multiplied", "bias", affine_forward)
def affine_backward_noupb(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout), np.full(b.shape, float(len(x)))


@wrong_pair("linear", "argument-changed", None, affine_forward)
def affine_backward_inplace(dout, cache):
    x, w, b = cache
    db = dout.sum(0)
    dw = x.T.dot(dout)
    dout *= 1.5
    return dout.dot(w.T) / 1.5, dw, db


@wrong_pair("linear", "wrong-dtype", "weight", affine_forward)
def affine_backward_f32(dout, cache):
    x, w, b = cache
    return dout.dot(w.T), x.T.dot(dout).astype(np.float32), dout.sum(0)


@right("linear")
class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) * 0.01
        self.b = np.zeros(n_out)

    def forward(self, X):
        self.X = X
        return X @ self.W + self.b

    def backward(self, dout):
        self.dW = self.X.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


@right("linear")
class Affine:  # the fish book
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None
        self.original_x_shape = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.original_x_shape = x.shape
        x = x.reshape(x.shape[0], -1)
        self.x = x
        out = np.dot(self.x, self.W) + self.b
        return out

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        dx = dx.reshape(*self.original_x_shape)
        return dx


@right("linear")
class AffineLists:  # the second fish book
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]
        self.x = None

    def forward(self, x):
        W, b = self.params
        out = np.dot(x, W) + b
        self.x = x
        return out

    def backward(self, dout):
        W, b = self.params
        dx = np.dot(dout, W.T)
        dW = np.dot(self.x.T, dout)
        db = np.sum(dout, axis=0)
        self.grads[0][...] = dW
        self.grads[1][...] = db
        return dx


@wrong("linear", "mean-instead-of-sum", "bias")
class AffineListsMean(AffineLists):
    def backward(self, dout):
        W, b = self.params
        dx = np.dot(dout, W.T)
        self.grads[0][...] = np.dot(self.x.T, dout)
        self.grads[1][...] = np.mean(dout, axis=0)
        return dx


@right("linear")
class DenseParams:
    def __init__(self, in_features, out_features):
        self.params = {"W": np.random.randn(out_features, in_features), "b": np.zeros(out_features)}
        self.grads = {}

    def forward(self, x):
        self.cache = x
        return x @ self.params["W"].T + self.params["b"]

    def backward(self, grad):
        self.grads["W"] = grad.T @ self.cache
        self.grads["b"] = grad.sum(0)
        return grad @ self.params["W"]


@wrong("linear", "broadcast-axis-not-summed", "bias")
class DenseParamsNoSum(DenseParams):
    def backward(self, grad):
        self.grads["W"] = grad.T @ self.cache
        self.grads["b"] = grad
        return grad @ self.params["W"]


@right("linear")
class DenseRow:
    def __init__(self, input_dim, output_dim):
        self.weights = 0.1 * np.random.randn(input_dim, output_dim)
        self.biases = np.zeros((1, output_dim))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases
        return self.output

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T
        return self.dinputs


@right("linear")
class NnfsDense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases
        return self.output

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


@wrong("linear", "overwritten-not-accumulated", "weight")
class DenseLoop:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, grad_output):
        self.grad_weight = np.zeros_like(self.weight)
        self.grad_bias = np.zeros_like(self.bias)
        for n in range(len(self.x)):
            self.grad_weight = np.outer(grad_output[n], self.x[n])
            self.grad_bias += grad_output[n]
        return grad_output @ self.weight


@right("linear")
class DenseAccumulating:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.zero_grad()

    def zero_grad(self):
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros_like(self.b)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        self.dW += dy.T @ self.x
        self.db += dy.sum(axis=0)
        return dy @ self.W


@conventional("linear", "not-repeatable", "weight")
class DenseNoZero:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = np.zeros_like(W)
        self.db = np.zeros_like(b)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        self.dW += dy.T @ self.x
        self.db += dy.sum(axis=0)
        return dy @ self.W


class Parameter:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)


@right("linear")
class LinearWithParameters:
    def __init__(self, in_features, out_features):
        self.weight = Parameter(np.random.randn(out_features, in_features))
        self.bias = Parameter(np.zeros(out_features))

    def zero_grad(self):
        self.weight.grad[...] = 0
        self.bias.grad[...] = 0

    def forward(self, x):
        self._x = x
        return x @ self.weight.data.T + self.bias.data

    def backward(self, grad):
        self.weight.grad += grad.T @ self._x
        self.bias.grad += grad.sum(0)
        return grad @ self.weight.data


@right("linear")
def linear_backward(dy, x, w):
    dx = dy @ w
    dw = dy.T @ x
    db = dy.sum(axis=0)
    return dx, dw, db


@right("linear")
def linear_grad(dout, x, W, b):
    return dout @ W.T, x.T @ dout, dout.sum(axis=0)


@wrong("linear", "transposed", "weight")
def linear_backward_t(dy, x, weight):
    return dy @ weight, x.T @ dy, dy.sum(0)


@right("linear")
def linear_weight_grad(x, dy):
    dW = dy.T @ x
    return dW


@wrong("linear", "forward-differs", "output")
def linear_bias_lost(x, w, b):
    def backward(dy):
        return dy @ w, dy.T @ x, dy.sum(0)

    return x @ w.T, backward


@wrong("linear", "mean-instead-of-sum", "bias", second="transposed")
def linear_two(x, w, b):
    def backward(dy):
        dx = dy @ w
        dw = x.T @ dy
        db = dy.mean(0)
        return dx, dw, db

    return x @ w.T + b, backward


@right("linear")
def column_linear(X, W, b):
    def backward(dZ):
        return W.T @ dZ, dZ @ X.T, dZ.sum(axis=1, keepdims=True)

    return W @ X + b, backward


# --- activations ------------------------------------------------------------------------------------------------------


@right("relu")
def relu(x):
    return np.maximum(0, x), lambda dy: dy * (x > 0)


@right("relu")
def relu_copy(x):
    out = x.copy()
    out[out < 0] = 0

    def backward(dout):
        dx = dout.copy()
        dx[x <= 0] = 0
        return dx

    return out, backward


@conventional("relu", "wrong-mask", "input")
def relu_at_zero(x):
    return np.maximum(0, x), lambda dy: dy * (x >= 0)


@wrong("relu", "wrong-mask", "input")
def relu_dy(x):
    def backward(dout):
        dx = dout.copy()
        dx[dout <= 0] = 0
        return dx

    return np.maximum(0, x), backward


@wrong("relu", "local-derivative-missing", "input")
def relu_through(x):
    return np.maximum(0, x), lambda dy: dy


@wrong("relu", "upstream-not-multiplied", "input")
def relu_no_upstream(x):
    return np.maximum(0, x), lambda dy: (x > 0).astype(float)


@wrong("relu", "argument-changed", "input")
def relu_in_place(x):
    x[x < 0] = 0
    mask = x > 0
    return x, lambda dy: dy * mask


@wrong("relu", "argument-changed", "grad_output")
def relu_dy_in_place(x):
    def backward(dy):
        dy[x <= 0] = 0
        return dy

    return np.maximum(x, 0), backward


def relu_forward(x):
    return np.maximum(0, x), x


@right_pair("relu", relu_forward)
def relu_backward(dout, cache):
    x = cache
    return dout * (x > 0)


@right("relu")
class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout = dout.copy()
        dout[self.mask] = 0
        return dout


@wrong("relu", "argument-changed", "grad_output")
class FishRelu(Relu):
    def backward(self, dout):
        dout[self.mask] = 0
        dx = dout
        return dx


@right("relu")
def relu_back(dA, Z):
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


@right("relu")
def relu_backward_cache(dA, cache):
    Z = cache
    return dA * (Z > 0)


@right("sigmoid")
def sigmoid(x):
    s = 1 / (1 + np.exp(-x))
    return s, lambda dy: dy * s * (1 - s)


@right("sigmoid")
class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


@wrong("sigmoid", "derivative-at-wrong-tensor", "input")
def sigmoid_z(x):
    s = 1 / (1 + np.exp(-x))
    return s, lambda dy: dy * x * (1 - x)


@wrong("sigmoid", "derivative-at-wrong-tensor", "input")
def sigmoid_sigmoid(x):
    s = 1 / (1 + np.exp(-x))

    def backward(dy):
        t = 1 / (1 + np.exp(-s))
        return dy * t * (1 - t)

    return s, backward


@wrong("sigmoid", "upstream-not-multiplied", "input")
class SigmoidNoUp(Sigmoid):
    def backward(self, dout):
        return (1.0 - self.out) * self.out


@wrong("sigmoid", "local-derivative-missing", "input")
class SigmoidHalf(Sigmoid):
    def backward(self, dout):
        return dout * self.out


@wrong("sigmoid", "wrong-sign", "input")
class SigmoidSign(Sigmoid):
    def backward(self, dout):
        return dout * (self.out - 1) * self.out


@wrong("sigmoid", "not-finite")
def sigmoid_overflow(x):
    e = np.exp(x)
    s = e / (1 + e)
    return s, lambda dy: dy * s * (1 - s)


@right("sigmoid")
def sigmoid_backward(dA, Z):
    s = 1 / (1 + np.exp(-Z))
    return dA * s * (1 - s)


@right("sigmoid")
def sigmoid_grad_out(dout, out):
    return dout * out * (1 - out)


@wrong("sigmoid", "derivative-at-wrong-tensor", "input")
def sigmoid_grad_x(x, dy):
    return dy * x * (1 - x)


@right("tanh")
def tanh(x):
    t = np.tanh(x)

    def backward(dout):
        return (1 - t**2) * dout

    return t, backward


@right("tanh")
def tanh_exponentials(x):
    t = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
    return t, lambda g: g * (1 - t) * (1 + t)


@wrong("tanh", "derivative-at-wrong-tensor", "input")
def tanh_z(x):
    return np.tanh(x), lambda dy: dy * (1 - x**2)


@wrong("tanh", "derivative-at-wrong-tensor", "input")
def tanh_twice(x):
    t = np.tanh(x)
    return t, lambda dy: dy * (1 - np.tanh(t) ** 2)


@wrong("tanh", "upstream-not-multiplied", "input")
def tanh_noup(x):
    t = np.tanh(x)
    return t, lambda dy: 1 - t**2


@right("leaky_relu")
def leaky(x, alpha=0.01):
    return np.where(x > 0, x, alpha * x), lambda dy: np.where(x > 0, dy, alpha * dy)


@right("leaky_relu(negative_slope=0.2)")
def leaky_02(x):
    return np.where(x > 0, x, 0.2 * x), lambda dy: dy * np.where(x > 0, 1.0, 0.2)


@wrong("leaky_relu", "scale-forgotten", "input")
def leaky_lost(x, negative_slope=0.01):
    return np.where(x > 0, x, negative_slope * x), lambda dy: dy * (x > 0)


@conventional("leaky_relu", "wrong-mask", "input")
def leaky_kink(x, negative_slope=0.01):
    return np.where(x > 0, x, negative_slope * x), lambda dy: dy * np.where(x >= 0, 1, negative_slope)


@right("elu")
class ELU:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        self.y = np.where(x > 0, x, self.alpha * (np.exp(x) - 1))
        return self.y

    def backward(self, dy):
        return dy * np.where(self.x > 0, 1, self.y + self.alpha)


@wrong("elu", "scale-forgotten", "input")
class ELULost(ELU):
    def backward(self, dy):
        return dy * np.where(self.x > 0, 1, np.exp(self.x))


@right("selu")
def selu(x):
    a, s = 1.6732632423543772, 1.0507009873554805
    return s * np.where(x > 0, x, a * (np.exp(x) - 1)), lambda g: g * s * np.where(x > 0, 1, a * np.exp(x))


@wrong("selu", "scale-forgotten", "input")
def selu_lost(x):
    a, s = 1.6732632423543772, 1.0507009873554805
    return s * np.where(x > 0, x, a * (np.exp(x) - 1)), lambda g: g * np.where(x > 0, 1, a * np.exp(x))


@right("gelu(approximate='tanh')")
def gelu_tanh(x):
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))

    def backward(dy):
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2))

    return 0.5 * x * (1 + t), backward


@wrong("gelu(approximate='tanh')", "local-derivative-missing", "input")
def gelu_tanh_dropped(x):
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))

    def backward(dy):
        return dy * 0.5 * (1 + t)

    return 0.5 * x * (1 + t), backward


@right("gelu")
def gelu_erf(x):
    from scipy.special import erf

    cdf = 0.5 * (1 + erf(x / np.sqrt(2)))
    pdf = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    return x * cdf, lambda dy: dy * (cdf + x * pdf)


@wrong("gelu", "local-derivative-missing", "input")
def gelu_erf_dropped(x):
    from scipy.special import erf

    cdf = 0.5 * (1 + erf(x / np.sqrt(2)))
    return x * cdf, lambda dy: dy * cdf


@conventional("gelu", "forward-differs", "output")
def gelu_other(x):
    return gelu_tanh(x)


@right("silu")
def silu(x):
    s = 1 / (1 + np.exp(-x))
    return x * s, lambda dy: dy * (s + x * s * (1 - s))


@wrong("silu", "local-derivative-missing", "input")
def silu_dropped(x):
    s = 1 / (1 + np.exp(-x))
    return x * s, lambda dy: dy * s


@right("mish")
def mish(x):
    sp = np.log1p(np.exp(x))
    t = np.tanh(sp)
    sig = 1 / (1 + np.exp(-x))
    return x * t, lambda dy: dy * (t + x * sig * (1 - t * t))


@right("mish")
def mish_omega(x):
    sp = np.log(1 + np.exp(x))

    def backward(dy):
        omega = 4 * (x + 1) + 4 * np.exp(2 * x) + np.exp(3 * x) + np.exp(x) * (4 * x + 6)
        delta = 2 * np.exp(x) + np.exp(2 * x) + 2
        return dy * np.exp(x) * omega / delta**2

    return x * np.tanh(sp), backward


@right("softplus")
def softplus(x, beta=1.0):
    return np.log1p(np.exp(beta * x)) / beta, lambda dy: dy / (1 + np.exp(-beta * x))


@wrong("softplus", "scale-forgotten", "input")
def softplus_beta(x, beta=1.0):
    return np.log1p(np.exp(beta * x)) / beta, lambda dy: dy / (1 + np.exp(-x))


@right("hardtanh")
def hardtanh(x, min_val=-1.0, max_val=1.0):
    return np.clip(x, min_val, max_val), lambda dy: dy * ((x > min_val) & (x < max_val))


@conventional("hardtanh", "wrong-mask", "input")
def hardtanh_edges(x, min_val=-1.0, max_val=1.0):
    return np.clip(x, min_val, max_val), lambda dy: dy * ((x >= min_val) & (x <= max_val))


@right("relu6")
def relu6(x):
    return np.minimum(np.maximum(x, 0), 6), lambda dy: dy * (x > 0) * (x < 6)


@wrong("relu6", "wrong-mask", "input")
def relu6_upper(x):
    return np.minimum(np.maximum(x, 0), 6), lambda dy: dy * (x > 0)


@right("hardswish")
def hardswish(x):
    def backward(dy):
        return dy * np.where(x <= -3, 0, np.where(x >= 3, 1, (2 * x + 3) / 6))

    return x * np.clip(x + 3, 0, 6) / 6, backward


@wrong("hardswish", "local-derivative-missing", "input")
def hardswish_dropped(x):
    return x * np.clip(x + 3, 0, 6) / 6, lambda dy: dy * np.clip(x + 3, 0, 6) / 6


@right("softsign")
def softsign(x):
    return x / (1 + np.abs(x)), lambda dy: dy / (1 + np.abs(x)) ** 2


@wrong("softsign", "local-derivative-missing", "input")
def softsign_power(x):
    return x / (1 + np.abs(x)), lambda dy: dy / (1 + np.abs(x))


@right("logsigmoid")
def logsigmoid(x):
    y = np.where(x > 0, -np.log1p(np.exp(-np.abs(x))), x - np.log1p(np.exp(-np.abs(x))))
    return y, lambda dy: dy * (1 - np.exp(y))


@wrong("logsigmoid", "not-finite")
def logsigmoid_naive(x):
    s = 1 / (1 + np.exp(-x))
    return np.log(s), lambda dy: dy * (1 - s)


@right("prelu")
def prelu(x, a):
    def backward(dy):
        return dy * np.where(x > 0, 1, a), np.sum(dy * x * (x <= 0), axis=0)

    return np.where(x > 0, x, a * x), backward


@wrong("prelu", "broadcast-axis-not-summed", "weight")
def prelu_nosum(x, a):
    def backward(dy):
        dx = dy * np.where(x > 0, 1, a)
        da = dy * x * (x <= 0)
        return dx, da

    return np.where(x > 0, x, a * x), backward


@right("glu")
def glu(x):
    a, b = np.split(x, 2, axis=-1)
    s = 1 / (1 + np.exp(-b))
    return a * s, lambda dy: np.concatenate([dy * s, dy * a * s * (1 - s)], axis=-1)


@wrong("glu", "local-derivative-missing", "input")
def glu_missing(x):
    a, b = np.split(x, 2, axis=-1)
    s = 1 / (1 + np.exp(-b))
    return a * s, lambda dy: np.concatenate([dy * s, dy * a], axis=-1)
