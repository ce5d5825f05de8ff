# ruff: noqa  (written as students write)
"""Networks that name nothing in English, that have no loss of their own, or that run on torch's tensors."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Reseau:  # cout(X, y) returns two things
    def __init__(self, nb_entrees=4, nb_cachees=6, nb_sorties=3):
        self.W1, self.b1 = np.random.randn(nb_entrees, nb_cachees) * 0.5, np.zeros(nb_cachees)
        self.W2, self.b2 = np.random.randn(nb_cachees, nb_sorties) * 0.5, np.zeros(nb_sorties)

    def propager(self, X):
        self.h = np.tanh(X @ self.W1 + self.b1)
        return softmax(self.h @ self.W2 + self.b2)

    def cout(self, X, y):
        p = self.propager(X)
        perte = -np.log(p[np.arange(len(X)), y]).mean()
        d = p - np.eye(p.shape[1])[y]
        d = d / len(X)
        dh = (d @ self.W2.T) * (1 - self.h**2)
        return perte, {"W1": X.T @ dh, "b1": dh.sum(axis=0), "W2": self.h.T @ d, "b2": d.sum(axis=0)}


class Red:  # perdida(X, Y) and gradiente(X, Y)
    def __init__(self, n_entradas=4, n_ocultas=6, n_salidas=3):
        self.W1, self.W2 = np.random.randn(n_entradas, n_ocultas), np.random.randn(n_ocultas, n_salidas)

    def perdida(self, X, Y):
        self.h = np.tanh(X @ self.W1)
        return np.mean((self.h @ self.W2 - Y) ** 2)

    def gradiente(self, X, Y):
        self.perdida(X, Y)
        d = 2 * (self.h @ self.W2 - Y) / Y.size
        return X.T @ ((d @ self.W2.T) * (1 - self.h**2)), self.h.T @ d


class RedSinTangente(Red):
    def gradiente(self, X, Y):
        self.perdida(X, Y)
        d = 2 * (self.h @ self.W2 - Y) / Y.size
        return X.T @ (d @ self.W2.T), self.h.T @ d


class Given:  # made with its data, updates itself with no rate
    def __init__(self, x, y):
        self.input, self.y = x, y
        self.weights1, self.weights2 = np.random.rand(x.shape[1], 4), np.random.rand(4, 1)
        self.output = np.zeros(y.shape)

    def feedforward(self):
        self.layer1 = sigmoid(self.input @ self.weights1)
        self.output = sigmoid(self.layer1 @ self.weights2)

    def backprop(self):
        d = 2 * (self.y - self.output) * self.output * (1 - self.output)
        d1 = (d @ self.weights2.T) * self.layer1 * (1 - self.layer1)
        self.weights1 += self.input.T @ d1
        self.weights2 += self.layer1.T @ d


class Columns:  # one column at a time, feedforward(a) and backprop(x, y), no cost
    def __init__(self, sizes):
        self.biases = [np.random.randn(y, 1) for y in sizes[1:]]
        self.weights = [np.random.randn(y, x) for x, y in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(w @ a + b)
        return a

    def backprop(self, x, y):
        activations = [x]
        for b, w in zip(self.biases, self.weights):
            activations.append(sigmoid(w @ activations[-1] + b))
        nabla_b, nabla_w = [], []
        delta = activations[-1] - y
        for b, w, a, out in zip(self.biases[::-1], self.weights[::-1], activations[-2::-1], activations[::-1]):
            delta = delta * out * (1 - out)
            nabla_b.insert(0, delta)
            nabla_w.insert(0, delta @ a.T)
            delta = w.T @ delta
        return nabla_b, nabla_w


class TwoLayers:  # backward(X, y, o) adds to the weights
    def __init__(self):
        self.W1, self.W2 = np.random.randn(2, 3), np.random.randn(3, 1)

    def forward(self, X):
        self.z2 = sigmoid(X @ self.W1)
        o = sigmoid(self.z2 @ self.W2)
        return o

    def backward(self, X, y, o):
        d = (y - o) * o * (1 - o)
        d2 = (d @ self.W2.T) * self.prime(X)
        self.W1 += X.T @ d2
        self.W2 += self.z2.T @ d

    def prime(self, X):
        return self.z2 * (1 - self.z2)


class TwoLayersAtTheWrongTensor(TwoLayers):
    def prime(self, X):
        z = X @ self.W1
        return z * (1 - z)


class Dense:
    def __init__(self, n_in, n_out):
        self.weights, self.biases = 0.3 * np.random.randn(n_in, n_out), np.zeros((1, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.biases

    def backward(self, d):
        self.dweights, self.dbiases = self.x.T @ d, d.sum(axis=0, keepdims=True)
        return d @ self.weights.T


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, d):
        return d * (1 - self.y**2)


class Chain:  # a forward and a backward through its layers
    def __init__(self, n_in=4, n_hidden=6, n_out=2):
        self.layers = [Dense(n_in, n_hidden), Tanh(), Dense(n_hidden, n_out)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, d):
        for layer in reversed(self.layers):
            d = layer.backward(d)
        return d


class ChainBackwards(Chain):
    def backward(self, d):
        for layer in reversed(self.layers):
            back = layer.backward(d)
            d = back if back.shape != d.shape else d
        return d


class KeepsItsData:  # self.X and self.y, which fit(X, y) sets; its forward returns the loss
    def __init__(self, layers=[13, 8, 1], learning_rate=0.001):
        self.learning_rate, self.layers = learning_rate, layers
        self.X = self.y = None
        self.params = {"W1": np.random.randn(*layers[:2]), "W2": np.random.randn(*layers[1:])}

    def forward_propagation(self):
        self.params["A1"] = np.tanh(self.X @ self.params["W1"])
        yhat = sigmoid(self.params["A1"] @ self.params["W2"])
        loss = -np.mean(self.y * np.log(yhat) + (1 - self.y) * np.log(1 - yhat))
        return yhat, loss

    def back_propagation(self, yhat):
        d = (yhat - self.y) / yhat.size
        A1 = self.params["A1"]
        dW1 = self.X.T @ (d @ self.params["W2"].T * (1 - A1**2))
        self.params["W2"] = self.params["W2"] - self.learning_rate * (A1.T @ d)
        self.params["W1"] = self.params["W1"] - self.learning_rate * dW1


class FromLabels:  # backward(t)
    def __init__(self, n_in=6, n_hidden=8):
        self.W1, self.W2 = np.random.randn(n_in, n_hidden) * 0.3, np.random.randn(n_hidden, 1) * 0.3

    def forward(self, X):
        self.X, self.h = X, np.tanh(X @ self.W1)
        self.p = sigmoid(self.h @ self.W2)
        return self.p

    def backward(self, t):
        d = (self.p - t) / self.p.size
        self.dW2 = self.h.T @ d
        self.dW1 = self.X.T @ ((d @ self.W2.T) * (1 - self.h**2))


class Refused:  # its loss raises on whatever it is handed
    def __init__(self, n=3):
        self.W = np.ones((n, n))

    def loss(self, X, y):
        return self.nothing @ X, {}


# --- functions ----------------------------------------------------------------------------------------------------------


def forward_prop(W1, b1, W2, b2, X):
    Z1 = W1.dot(X) + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2.dot(A1) + b2
    A2 = np.exp(Z2) / sum(np.exp(Z2))
    return Z1, A1, Z2, A2


def backward_prop(Z1, A1, Z2, A2, W1, W2, X, Y):
    dZ2 = A2 - np.eye(A2.shape[0])[Y].T
    dZ1 = W2.T.dot(dZ2) * (Z1 > 0)
    dW2, db2 = dZ2.dot(A1.T) / Y.size, dZ2.sum(axis=1, keepdims=True) / Y.size
    return dZ1.dot(X.T) / Y.size, dZ1.sum(axis=1, keepdims=True) / Y.size, dW2, db2


def backward_prop_no_relu(Z1, A1, Z2, A2, W1, W2, X, Y):
    dZ2 = A2 - np.eye(A2.shape[0])[Y].T
    dZ1 = W2.T.dot(dZ2)
    dW2, db2 = dZ2.dot(A1.T) / Y.size, dZ2.sum(axis=1, keepdims=True) / Y.size
    return dZ1.dot(X.T) / Y.size, dZ1.sum(axis=1, keepdims=True) / Y.size, dW2, db2


def train_step(X, Y, W1, W2, lr):
    h = np.tanh(X @ W1)
    out = h @ W2
    loss = np.mean((out - Y) ** 2)
    d = 2 * (out - Y) / Y.size
    dW1 = X.T @ (d @ W2.T * (1 - h**2))
    W1, W2 = W1 - lr * dW1, W2 - lr * h.T @ d
    return W1, W2, loss


def one_vector(X, labels, params, dimensions):
    n, h, k = dimensions
    W1, b1 = params[: n * h].reshape(n, h), params[n * h : n * h + h]
    W2, b2 = params[n * h + h : n * h + h + h * k].reshape(h, k), params[n * h + h + h * k :]
    a = sigmoid(X @ W1 + b1)
    p = softmax(a @ W2 + b2)
    cost = -np.sum(labels * np.log(p))
    d2 = p - labels
    d1 = (d2 @ W2.T) * a * (1 - a)
    grad = np.concatenate(((X.T @ d1).ravel(), d1.sum(0), (a.T @ d2).ravel(), d2.sum(0)))
    return cost, grad


def skipgram_loss(center_vec, outside_idx, outside_vectors):
    s = outside_vectors @ center_vec
    e = np.exp(s - s.max())
    p = e / e.sum()
    loss = -np.log(p[outside_idx])
    delta = p - np.eye(len(p))[outside_idx]
    grad_center = outside_vectors.T @ delta
    grad_outside = np.outer(delta, center_vec)
    return loss, grad_center, grad_outside


def masked_loss(x, y, mask):
    N, T, V = x.shape
    flat = x.reshape(N * T, V)
    p = softmax(flat)
    kept = mask.reshape(N * T)
    t = y.reshape(N * T)
    loss = -np.sum(kept * np.log(p[np.arange(N * T), t])) / N
    dx_flat = (p - np.eye(V)[t]) * kept[:, None] / N
    return loss, dx_flat.reshape(N, T, V)


class Netz:
    """Three methods of any names: what one keeps, the cost and the way back read. Columns, one hidden layer."""

    def __init__(self, eingaenge=3, versteckt=4):
        rng = np.random.default_rng(2)
        self.gewichte = {"W1": rng.normal(size=(versteckt, eingaenge)), "W2": rng.normal(size=(1, versteckt))}

    def vorwaerts(self, X):
        h = np.tanh(self.gewichte["W1"] @ X)
        self.spur = X, h, self.gewichte["W2"] @ h

    def kosten(self, Y):
        return 0.5 * np.mean((self.spur[2] - Y) ** 2)

    def rueckwaerts(self, Y):
        X, h, aus = self.spur
        d = (aus - Y) / Y.shape[1]
        dh = self.gewichte["W2"].T @ d * (1 - h**2)
        return {"dW1": dh @ X.T, "dW2": d @ h.T}


class NetzFalsch(Netz):
    def rueckwaerts(self, Y):
        X, h, aus = self.spur
        d = (aus - Y) / Y.shape[1]
        dh = self.gewichte["W2"].T @ d * (1 - h)
        return {"dW1": dh @ X.T, "dW2": d @ h.T}


class NoMask:
    """A rectifier that the way back skips: the example's short numbers stand on its kink."""

    def __init__(self, sizes=(4, 6, 2)):
        rng = np.random.RandomState(1)
        self.W1, self.b1 = rng.randn(sizes[0], sizes[1]) * 0.5, np.zeros((1, sizes[1]))
        self.W2 = rng.randn(sizes[1], sizes[2]) * 0.5

    def forward(self, X):
        self.X = X
        self.a1 = np.maximum(X @ self.W1 + self.b1, 0)
        return self.a1 @ self.W2

    def backward(self, dout):
        self.dW2 = self.a1.T @ dout
        d = dout @ self.W2.T
        self.dW1 = self.X.T @ d
        self.db1 = d.sum(axis=0, keepdims=True)
        return d @ self.W1.T
