# ruff: noqa  (written as students write)
"""Whole networks in the shapes in which courses, books and small projects write them, right and wrong."""

from collections import OrderedDict

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# --- a class whose gradient method runs its own layers: the arrays are held twice --------------------------------------


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout = dout.copy()
        dout[self.mask] = 0
        return dout


class SoftmaxWithLoss:
    def forward(self, x, t):
        self.y, self.t = softmax(x), t
        return -np.sum(t * np.log(self.y)) / len(x)

    def backward(self, dout=1):
        return (self.y - self.t) * dout / len(self.t)


class LayeredNet:
    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01):
        self.params = {
            "W1": weight_init_std * np.random.randn(input_size, hidden_size),
            "b1": np.zeros(hidden_size),
            "W2": weight_init_std * np.random.randn(hidden_size, output_size),
            "b2": np.zeros(output_size),
        }
        self.layers = OrderedDict()
        self.layers["Affine1"] = Affine(self.params["W1"], self.params["b1"])
        self.layers["Relu1"] = Relu()
        self.layers["Affine2"] = Affine(self.params["W2"], self.params["b2"])
        self.last = SoftmaxWithLoss()

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        return self.last.forward(self.predict(x), t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last.backward(1)
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        one, two = self.layers["Affine1"], self.layers["Affine2"]
        return {"W1": one.dW, "b1": one.db, "W2": two.dW, "b2": two.db}


class LayeredNetNoMean(LayeredNet):
    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last.y - self.last.t
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        one, two = self.layers["Affine1"], self.layers["Affine2"]
        return {"W1": one.dW, "b1": one.db, "W2": two.dW, "b2": two.db}


# --- a class of layers, which keep their gradients ---------------------------------------------------------------------


class Stack:
    def __init__(self, sizes=(5, 7, 3)):
        rng = np.random.default_rng(0)
        self.layers = [Affine(rng.normal(size=(a, b)), np.zeros(b)) for a, b in zip(sizes[:-1], sizes[1:])]
        self.activations = [Relu() for _ in self.layers[1:]]

    def loss(self, X, y):
        for layer, activation in zip(self.layers, self.activations):
            X = activation.forward(layer.forward(X))
        self.p = softmax(self.layers[-1].forward(X))
        self.y = y
        return -np.log(self.p[np.arange(len(y)), y]).mean()

    def backward(self):
        d = self.p.copy()
        d[np.arange(len(self.y)), self.y] -= 1
        d = self.layers[-1].backward(d / len(self.y))
        for layer, activation in zip(self.layers[-2::-1], self.activations[::-1]):
            d = layer.backward(activation.backward(d))


# --- forward, a cost of its output, and a backward ---------------------------------------------------------------------


class Columns:
    def __init__(self, n_x, n_h, n_y):
        np.random.seed(2)
        self.W1, self.b1 = np.random.randn(n_h, n_x) * 0.01, np.zeros((n_h, 1))
        self.W2, self.b2 = np.random.randn(n_y, n_h) * 0.01, np.zeros((n_y, 1))

    def forward(self, X):
        self.A1 = np.tanh(self.W1 @ X + self.b1)
        self.A2 = 1 / (1 + np.exp(-(self.W2 @ self.A1 + self.b2)))
        return self.A2

    def compute_cost(self, A2, Y):
        m = Y.shape[1]
        return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m

    def backward(self, X, Y):
        m = Y.shape[1]
        dZ2 = self.A2 - Y
        dW2, db2 = dZ2 @ self.A1.T / m, dZ2.sum(axis=1, keepdims=True) / m
        dZ1 = self.W2.T @ dZ2 * (1 - self.A1**2)
        dW1, db1 = dZ1 @ X.T / m, dZ1.sum(axis=1, keepdims=True) / m
        return dW1, db1, dW2, db2


class ColumnsSum(Columns):
    def backward(self, X, Y):
        m = Y.shape[1]
        dZ2 = self.A2 - Y
        dW2, db2 = dZ2 @ self.A1.T / m, dZ2.sum(axis=1, keepdims=True)
        dZ1 = self.W2.T @ dZ2 * (1 - self.A1**2)
        dW1, db1 = dZ1 @ X.T / m, dZ1.sum(axis=1, keepdims=True) / m
        return dW1, db1, dW2, db2


# --- a class that updates at once: the gradient is the change -----------------------------------------------------------


class Updates:
    def __init__(self, n_in=4, n_hidden=6, n_out=2, lr=0.1):
        self.weights = [np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)]
        self.lr = lr

    def loss(self, X, y):
        self.X, self.y = X, y
        self.h = np.tanh(X @ self.weights[0])
        self.out = self.h @ self.weights[1]
        return 0.5 * ((self.out - y) ** 2).sum() / len(X)

    def backward(self, learning_rate):
        d = (self.out - self.y) / len(self.X)
        dh = d @ self.weights[1].T * (1 - self.h**2)
        self.weights[1] = self.weights[1] - learning_rate * self.h.T @ d
        self.weights[0] = self.weights[0] - learning_rate * self.X.T @ dh


class UpdatesFirst(Updates):
    """The second weight is updated before its own backward has used it."""

    def backward(self, learning_rate):
        d = (self.out - self.y) / len(self.X)
        self.weights[1] = self.weights[1] - learning_rate * self.h.T @ d
        dh = d @ self.weights[1].T * (1 - self.h**2)
        self.weights[0] = self.weights[0] - learning_rate * self.X.T @ dh


# --- lists of weights and lists of gradients ----------------------------------------------------------------------------


class Lists:
    def __init__(self, sizes):
        self.biases = [np.random.randn(y, 1) for y in sizes[1:]]
        self.weights = [np.random.randn(y, x) for x, y in zip(sizes[:-1], sizes[1:])]

    def cost(self, x, y):
        a = x
        for b, w in zip(self.biases, self.weights):
            a = 1 / (1 + np.exp(-(w @ a + b)))
        return 0.5 * np.sum((a - y) ** 2)

    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activation, activations = x, [x]
        for b, w in zip(self.biases, self.weights):
            activation = 1 / (1 + np.exp(-(w @ activation + b)))
            activations.append(activation)
        delta = (activations[-1] - y) * activations[-1] * (1 - activations[-1])
        nabla_b[-1], nabla_w[-1] = delta.sum(1, keepdims=True), delta @ activations[-2].T
        for l in range(2, len(self.weights) + 1):
            s = activations[-l]
            delta = self.weights[-l + 1].T @ delta * s * (1 - s)
            nabla_b[-l], nabla_w[-l] = delta.sum(1, keepdims=True), delta @ activations[-l - 1].T
        return nabla_b, nabla_w


# --- dropout, which draws --------------------------------------------------------------------------------------------


class Dropped:
    def __init__(self, D=5, H=8, C=3, p=0.4):
        self.p = p
        self.W1, self.W2 = np.random.randn(D, H), np.random.randn(H, C)
        self.grads = {}

    def loss(self, X, y):
        h = np.maximum(X @ self.W1, 0)
        mask = (np.random.rand(*h.shape) < 1 - self.p) / (1 - self.p)
        q = softmax(h * mask @ self.W2)
        loss = -np.log(q[np.arange(len(y)), y]).mean()
        q[np.arange(len(y)), y] -= 1
        q /= len(y)
        self.grads["W2"] = (h * mask).T @ q
        self.grads["W1"] = X.T @ (q @ self.W2.T * mask * (h > 0))
        return loss


class DroppedNoMask(Dropped):
    def loss(self, X, y):
        h = np.maximum(X @ self.W1, 0)
        mask = (np.random.rand(*h.shape) < 1 - self.p) / (1 - self.p)
        q = softmax(h * mask @ self.W2)
        loss = -np.log(q[np.arange(len(y)), y]).mean()
        q[np.arange(len(y)), y] -= 1
        q /= len(y)
        self.grads["W2"] = (h * mask).T @ q
        self.grads["W1"] = X.T @ (q @ self.W2.T * (h > 0))
        return loss


# --- functions ----------------------------------------------------------------------------------------------------------


def forward_backward(X, y, W1, b1, W2, b2):
    h = np.tanh(X @ W1 + b1)
    p = softmax(h @ W2 + b2)
    n = len(X)
    loss = -np.log(p[range(n), y]).sum() / n
    d = p
    d[range(n), y] -= 1
    d /= n
    dW2, db2 = h.T @ d, d.sum(0)
    dh = d @ W2.T * (1 - h**2)
    dW1, db1 = X.T @ dh, dh.sum(0)
    return loss, dW1, db1, dW2, db2


def forward_backward_twice(X, y, W1, b1, W2, b2):
    """The divisor stands in the gradient twice."""
    loss, dW1, db1, dW2, db2 = forward_backward(X, y, W1, b1, W2, b2)
    n = len(X)
    dW1, db1, dW2, db2 = dW1 / n, db1 / n, dW2 / n, db2 / n
    return loss, dW1, db1, dW2, db2


def loss_of_list(params, X, Y):
    W1, b1, W2, b2 = params
    h = np.maximum(X @ W1 + b1, 0)
    d = h @ W2 + b2 - Y
    loss = (d**2).mean()
    d = 2 * d / d.size
    dh = d @ W2.T * (h > 0)
    return loss, [X.T @ dh, dh.sum(0), h.T @ d, d.sum(0)]


def L_model_forward(X, parameters):
    caches, A = [], X
    L = len(parameters) // 2
    for l in range(1, L + 1):
        A_prev = A
        Z = parameters["W" + str(l)] @ A_prev + parameters["b" + str(l)]
        A = np.maximum(0, Z) if l < L else 1 / (1 + np.exp(-Z))
        caches.append((A_prev, parameters["W" + str(l)], Z))
    return A, caches


def compute_cost(AL, Y):
    m = Y.shape[1]
    return np.squeeze(-(Y @ np.log(AL).T + (1 - Y) @ np.log(1 - AL).T).trace() / m)


def L_model_backward(AL, Y, caches):
    grads, m = {}, Y.shape[1]
    dZ = AL - Y
    for l in reversed(range(len(caches))):
        A_prev, W, Z = caches[l]
        grads["dW" + str(l + 1)] = dZ @ A_prev.T / m
        grads["db" + str(l + 1)] = dZ.sum(axis=1, keepdims=True) / m
        if l:
            dZ = W.T @ dZ * (caches[l - 1][2] > 0)
    return grads


def costFunctionReg(theta, X, y, lambda_):
    m = len(y)
    h = 1 / (1 + np.exp(-X.dot(theta)))
    reg = np.r_[0, theta[1:]]
    J = (-y.dot(np.log(h)) - (1 - y).dot(np.log(1 - h))) / m + lambda_ / (2 * m) * reg.dot(reg)
    grad = X.T.dot(h - y) / m + lambda_ / m * reg
    return J, grad


def cost_forgets_lambda(theta, X, y, lambda_):
    J, grad = costFunctionReg(theta, X, y, lambda_)
    h = 1 / (1 + np.exp(-X.dot(theta)))
    grad = X.T.dot(h - y) / len(y)
    return J, grad


def softmax_loss(x, y):
    p = softmax(x)
    n = x.shape[0]
    loss = -np.log(p[np.arange(n), y]).sum() / n
    dx = p.copy()
    dx[np.arange(n), y] -= 1
    return loss, dx / n


def naive_softmax_loss(center, outside_index, outside_vectors):
    """Word vectors: no name says what is a weight, so that the user makes the arrays."""
    p = softmax(outside_vectors @ center)
    loss = -np.log(p[outside_index])
    d = p.copy()
    d[outside_index] -= 1
    return loss, outside_vectors.T @ d, np.outer(d, center)


def word_vectors():
    rng = np.random.default_rng(3)
    return {"center": rng.normal(size=4), "outside_index": 2, "outside_vectors": rng.normal(size=(6, 4))}


# --- what cannot be judged ----------------------------------------------------------------------------------------------


class NoGradients:
    def __init__(self):
        self.W = np.ones((5, 3))

    def loss(self, X, y):
        return ((X @ self.W - y) ** 2).mean()


GENERATOR = np.random.default_rng(0)


class Undecided:
    """It draws from a generator of the module, which goes on from call to call."""

    def __init__(self):
        self.W = np.ones((5, 3))

    def loss(self, X, y):
        noise = GENERATOR.normal(size=self.W.shape)
        d = 2 * (X @ (self.W + noise) - y) / y.size
        return ((X @ (self.W + noise) - y) ** 2).mean(), {"W": X.T @ d}


class Demanding:
    def __init__(self, configuration):
        self.W = np.ones(configuration["shape"])

    def loss(self, X, y):
        return 0.0, {}


# --- one change away from right ---------------------------------------------------------------------------------------


class NetNoRelu:
    def __init__(self, D=5, H=6, C=3):
        self.params = {"W1": np.random.randn(D, H), "W2": np.random.randn(H, C)}

    def loss(self, X, y):
        W1, W2 = self.params["W1"], self.params["W2"]
        a = X @ W1
        h = np.maximum(a, 0)
        p = softmax(h @ W2)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        d = p.copy()
        d[np.arange(len(y)), y] -= 1
        d /= len(y)
        dh = d @ W2.T
        return loss, {"W1": X.T @ dh, "W2": h.T @ d}


class NetTied:
    def __init__(self, n=6, k=4):
        self.W = np.random.randn(n, k) * 0.5

    def loss(self, X):
        h = np.tanh(X @ self.W)
        r = h @ self.W.T - X
        loss = 0.5 * np.sum(r**2) / len(X)
        grads = {}
        grads["W"] = (r / len(X)).T @ h
        da = (r / len(X)) @ self.W * (1 - h**2)
        grads["W"] = X.T @ da
        return loss, grads


class NetWords:
    def __init__(self, vocab=7, dim=4, classes=3):
        self.params = {"E": np.random.randn(vocab, dim), "W": np.random.randn(dim, classes)}

    def loss(self, X, y):
        E, W = self.params["E"], self.params["W"]
        h = E[X].sum(axis=1)
        p = softmax(h @ W)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        d = p.copy()
        d[np.arange(len(y)), y] -= 1
        d /= len(y)
        dh = d @ W.T
        dE = np.zeros_like(E)
        dE[X] += dh[:, None, :]
        return loss, {"E": dE, "W": h.T @ d}


def key_forward(X, params):
    cache = {"Z1": params["W1"] @ X, "X": X}
    cache["A1"] = np.tanh(cache["Z1"])
    out = params["W2"] @ cache["A1"]
    return out, cache


def key_loss(out, Y):
    return ((out - Y) ** 2).sum() / Y.shape[1]


def key_backward(params, cache, X, Y):
    d = 2 * (params["W2"] @ cache["A1"] - Y) / Y.shape[1]
    dW2 = d @ cache["A1"].T
    dZ1 = params["W2"].T @ d * (1 - cache["Z1"] ** 2)
    dW1 = dZ1 @ X.T
    return {"dW1": dW1, "dW2": dW2}


# --- more places for weights and gradients ------------------------------------------------------------------------------


class Ascends:
    """Its loss takes the labels alone; it updates at once, with += and no rate."""

    def __init__(self, n_in, n_h, n_out):
        self.W1, self.W2 = np.random.randn(n_in, n_h), np.random.randn(n_h, n_out)

    def forward(self, x):
        self.h = np.tanh(x @ self.W1)
        self.o = self.h @ self.W2
        return self.o

    def loss(self, y):
        return 0.5 * np.sum((y - self.o) ** 2)

    def backward(self, x, y, o):
        d = y - o
        dh = d @ self.W2.T * (1 - self.h**2)
        self.W2 += self.h.T @ d
        self.W1 += x.T @ dh


class Numbered:
    """Dictionaries by number, gradients in dictionaries beside them."""

    def __init__(self, layer_dims):
        self.L = len(layer_dims) - 1
        self.W = {l: np.random.randn(layer_dims[l], layer_dims[l - 1]) for l in range(1, self.L + 1)}

    def forward(self, X):
        self.A = {0: X}
        for l in range(1, self.L + 1):
            z = self.W[l] @ self.A[l - 1]
            self.A[l] = np.tanh(z) if l < self.L else z
        return self.A[self.L]

    def cost(self, Y_hat, Y):
        return np.sum((Y_hat - Y) ** 2) / (2 * Y.shape[1])

    def backward(self, Y):
        self.dW, dZ = {}, (self.A[self.L] - Y) / Y.shape[1]
        for l in range(self.L, 0, -1):
            self.dW[l] = dZ @ self.A[l - 1].T
            dZ = self.W[l].T @ dZ * (1 - self.A[l - 1] ** 2)


class Logistic:
    """A plain number among the weights; gradients without names."""

    def __init__(self, n_features):
        self.w, self.b = np.zeros((n_features, 1)), 0.0

    def loss(self, X, y):
        p = 1 / (1 + np.exp(-(X @ self.w + self.b)))
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()

    def gradients(self, X, y):
        p = 1 / (1 + np.exp(-(X @ self.w + self.b)))
        return X.T @ (p - y) / len(X), (p - y).sum() / len(X)


class Unseeded:
    """Dropout from a generator that its constructor makes without a seed."""

    def __init__(self, d=4, h=6, c=3):
        self.rng = np.random.default_rng()
        self.W1, self.W2 = self.rng.normal(size=(d, h)), self.rng.normal(size=(h, c))

    def forward_backward(self, X, y):
        m = (self.rng.random((len(X), 6)) > 0.4) / 0.6
        t = np.tanh(X @ self.W1)
        p = softmax(t * m @ self.W2)
        L = -np.log(p[np.arange(len(X)), y]).mean()
        p[np.arange(len(X)), y] -= 1
        p /= len(X)
        self.dW2, self.dW1 = (t * m).T @ p, X.T @ (p @ self.W2.T * m * (1 - t**2))
        return L


class Wide:
    def __init__(self):
        self.W = np.random.randn(9, 17)

    def loss(self, X, y):
        d = (np.tanh(X @ self.W) - y) / len(X)
        return 0.5 * np.sum(d**2) * len(X), {"W": X.T @ (d * (1 - np.tanh(X @ self.W) ** 2))}


class WideOneEntry(Wide):
    def loss(self, X, y):
        loss, grads = super().loss(X, y)
        grads["W"][8, 16] *= 1 + 1e-4
        return loss, grads


def octave(nn_params, input_layer_size, hidden_layer_size, num_labels, X, y, lambda_):
    """Labels from 1; sizes as arguments; all weights in one vector."""
    split = hidden_layer_size * (input_layer_size + 1)
    t1 = nn_params[:split].reshape(hidden_layer_size, input_layer_size + 1)
    t2 = nn_params[split:].reshape(num_labels, hidden_layer_size + 1)
    m = len(X)
    Y = np.eye(num_labels)[y - 1]
    a1 = np.c_[np.ones(m), X]
    s = 1 / (1 + np.exp(-a1 @ t1.T))
    a2 = np.c_[np.ones(m), s]
    h = 1 / (1 + np.exp(-a2 @ t2.T))
    J = -np.sum(Y * np.log(h) + (1 - Y) * np.log(1 - h)) / m
    J += lambda_ / (2 * m) * (np.sum(t1[:, 1:] ** 2) + np.sum(t2[:, 1:] ** 2))
    d3 = h - Y
    d2 = (d3 @ t2)[:, 1:] * s * (1 - s)
    g1, g2 = d2.T @ a1 / m, d3.T @ a2 / m
    g1[:, 1:] += lambda_ / m * t1[:, 1:]
    g2[:, 1:] += lambda_ / m * t2[:, 1:]
    return J, np.r_[g1.ravel(), g2.ravel()]


def forward_with_loss(data, labels, params, reg):
    hidden = np.tanh(data @ params["W1"] + params["b1"])
    output = softmax(hidden @ params["W2"] + params["b2"])
    loss = -np.sum(labels * np.log(output)) / len(data)
    return hidden, output, loss + reg * (np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2))


def backward_of_the_penalty(data, labels, params, reg):
    hidden, output, _ = forward_with_loss(data, labels, params, reg)
    d2 = (output - labels) / len(data)
    d1 = d2 @ params["W2"].T * (1 - hidden**2)
    return {
        "W2": hidden.T @ d2 + reg * params["W2"], "b2": d2.sum(axis=0),
        "W1": data.T @ d1 + 2 * reg * params["W1"], "b1": d1.sum(axis=0),
    }  # fmt: skip


class ListOfSizes:
    """A list of hidden layers beside defaults for pictures."""

    def __init__(self, hidden_dims, input_dim=3 * 32 * 32, num_classes=10):
        dims = [input_dim, *hidden_dims, num_classes]
        self.params = {f"W{i + 1}": 0.01 * np.random.randn(dims[i], dims[i + 1]) for i in range(len(dims) - 1)}

    def loss(self, X, y=None):
        hs = [X]
        for W in self.params.values():
            hs.append(np.tanh(hs[-1] @ W))
        p = softmax(hs[-1])
        loss = -np.log(p[np.arange(len(X)), y]).mean()
        p[np.arange(len(X)), y] -= 1
        dh, grads = p / len(X), {}
        for i in range(len(self.params), 0, -1):
            dz = dh * (1 - hs[i] ** 2)
            grads[f"W{i}"], dh = hs[i - 1].T @ dz, dz @ self.params[f"W{i}"].T
        return loss, grads


def loss_of_one_weight(X, y, W, b):
    """Two layers with one weight."""
    h = np.tanh(X @ W + b)
    diff = h @ W + b - y
    dz = diff @ W.T * (1 - h**2)
    return 0.5 * np.sum(diff**2), h.T @ diff + X.T @ dz, diff.sum(0) + dz.sum(0)


def slope(x, deriv=False):
    return x * (1 - x) if deriv else 1 / (1 + np.exp(-x))


def eleven_lines(X, y, syn0, syn1):
    l1 = slope(np.dot(X, syn0))
    l2 = slope(np.dot(l1, syn1))
    error = l2 - y
    loss = 0.5 * np.sum(error**2)
    l2_delta = error * slope(l2, True)
    l1_delta = l2_delta.dot(syn1.T) * slope(slope(l1), True)
    return loss, X.T.dot(l1_delta), l1.T.dot(l2_delta)


class Results:
    """Its backward takes what its forward returns, and divides by the examples alone."""

    def __init__(self, num_features, num_hidden, num_classes):
        self.num_classes = num_classes
        self.weight_h = 0.1 * np.random.randn(num_hidden, num_features)
        self.weight_out = 0.1 * np.random.randn(num_classes, num_hidden)

    def forward(self, x):
        a_h = np.tanh(x @ self.weight_h.T)
        a_out = np.tanh(a_h @ self.weight_out.T)
        return a_h, a_out

    def loss(self, x, y):
        return np.mean((np.eye(self.num_classes)[y] - self.forward(x)[1]) ** 2)

    def backward(self, x, a_h, a_out, y):
        d_loss__d_a_out = 2.0 * (a_out - np.eye(self.num_classes)[y]) / y.shape[0]
        delta_out = d_loss__d_a_out * (1 - a_out**2)
        d_loss__dw_out = delta_out.T @ a_h
        d_loss__dw_h = (delta_out @ self.weight_out * (1 - a_h**2)).T @ x
        return d_loss__dw_out, d_loss__dw_h


class OneStepLate:
    """Columns, one after the other; the gradient of Whh takes the state after the step."""

    def __init__(self, input_size, output_size, hidden_size=64):
        self.Whh = np.random.randn(hidden_size, hidden_size) / 1000
        self.Wxh = np.random.randn(hidden_size, input_size) / 1000
        self.Why = np.random.randn(output_size, hidden_size) / 1000

    def forward(self, inputs):
        h = np.zeros((self.Whh.shape[0], 1))
        self.hs = {0: h}
        for i, x in enumerate(inputs):
            h = np.tanh(self.Wxh @ x + self.Whh @ h)
            self.hs[i + 1] = h
        return self.Why @ h

    def loss(self, inputs, y):
        return 0.5 * np.sum((self.forward(inputs) - y) ** 2)

    def backward(self, inputs, y):
        d_y = self.forward(inputs) - y
        self.dWhy = d_y @ self.hs[len(inputs)].T
        self.dWhh, self.dWxh = np.zeros(self.Whh.shape), np.zeros(self.Wxh.shape)
        d_h = self.Why.T @ d_y
        for t in reversed(range(len(inputs))):
            temp = (1 - self.hs[t + 1] ** 2) * d_h
            self.dWhh += temp @ self.hs[t + 1].T
            self.dWxh += temp @ inputs[t].T
            d_h = self.Whh.T @ temp


def sigmoid_prime(z):
    return np.exp(-z) / (1 + np.exp(-z)) ** 2


class Entropy:
    """The derivative of the last sigmoid is in a - y already."""

    def __init__(self, sizes):
        self.weights = [np.random.randn(y, x) / np.sqrt(x) for x, y in zip(sizes[:-1], sizes[1:], strict=True)]

    def feedforward(self, a):
        for w in self.weights:
            a = 1 / (1 + np.exp(-w @ a))
        return a

    def cost(self, x, y):
        a = self.feedforward(x)
        return np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a))

    def backprop(self, x, y):
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activations, zs = [x], []
        for w in self.weights:
            zs.append(w @ activations[-1])
            activations.append(1 / (1 + np.exp(-zs[-1])))
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_w[-1] = delta @ activations[-2].T
        for k in range(2, len(self.weights) + 1):
            delta = self.weights[-k + 1].T @ delta * sigmoid_prime(zs[-k])
            nabla_w[-k] = delta @ activations[-k - 1].T
        return nabla_w


class SumOfAll:
    def __init__(self, entradas, ocultas):
        self.W1, self.b1 = np.random.randn(entradas, ocultas), np.random.randn(ocultas)

    def loss(self, X, y):
        self.X, self.d = X, np.tanh(X @ self.W1 + self.b1) - y
        return 0.5 * np.sum(self.d**2)

    def backward(self, X, y):
        dz = self.d * (1 - (self.d + y) ** 2)
        self.dW1, self.db1 = X.T @ dz, np.sum(dz)
