# ruff: noqa  (written as students write)
"""Networks in other shapes: tables of embeddings, losses with one unnamed gradient, neurons as dictionaries, steps."""

import numpy as np

ROOM = 4


def squash(z):
    return 1 / (1 + np.exp(-z))


def soft(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def manual_backprop(Xb, Yb, C, W1, b1, W2, b2):
    n = len(Xb)
    emb = C[Xb]
    embcat = emb.reshape(n, -1)
    h = np.tanh(embcat @ W1 + b1)
    probs = soft(h @ W2 + b2)
    loss = -np.log(probs[np.arange(n), Yb]).mean()
    dlogits = probs.copy()
    dlogits[np.arange(n), Yb] -= 1
    dlogits /= n
    dW2, db2 = h.T @ dlogits, dlogits.sum(0)
    dhpreact = (1 - h**2) * (dlogits @ W2.T)
    dW1, db1 = embcat.T @ dhpreact, dhpreact.sum(0)
    dC = np.zeros_like(C)
    np.add.at(dC, Xb, (dhpreact @ W1.T).reshape(emb.shape))
    return loss, [dC, dW1, db1, dW2, db2]


def step_of_words(X, Y, params):
    C, W, b = params
    n = len(Y)
    e = C[X]
    flat = e.reshape(n, -1)
    d = soft(flat @ W + b)
    loss = -np.log(d[np.arange(n), Y]).mean()
    d[np.arange(n), Y] -= 1
    d /= n
    dC = np.zeros_like(C)
    dC[X] = (d @ W.T).reshape(e.shape)
    return loss, (dC, flat.T @ d, d.sum(0))


def hyperbolic(pred, target):
    d = pred - target
    loss = np.log(np.cosh(d)).mean()
    return loss, np.tanh(d) / d.size


def hyperbolic_sum(pred, target):
    d = pred - target
    loss = np.log(np.cosh(d)).mean()
    return loss, np.tanh(d)


def loss_of_times(x, y, mask):
    N, T, V = x.shape
    p = soft(x.reshape(N * T, V))
    rows = np.arange(N * T)
    loss = -np.sum(mask.reshape(-1) * np.log(p[rows, y.reshape(-1)])) / N
    p[rows, y.reshape(-1)] -= 1
    p *= mask.reshape(-1)[:, None] / N
    return loss, p.reshape(N, T, V)


def propagate(w, b, X, Y):
    m = X.shape[1]
    A = squash(w.T @ X + b)
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    grads = {"dw": X @ (A - Y).T / m, "db": np.sum(A - Y) / m}
    return grads, float(cost)


def loss_and_grads(params, X, y):
    p = squash(X @ params["W"] + params["b"])
    g = (p - y) / len(y)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), {"W": X.T @ g, "b": g.sum()}


class Neurons:
    """Lists of neurons, each a dictionary; the last weight of each is its bias."""

    def __init__(self, n_inputs, n_hidden, n_outputs):
        rng = np.random.default_rng(1)
        sizes = ((n_hidden, n_inputs), (n_outputs, n_hidden))
        self.network = [[{"weights": [float(w) for w in rng.normal(size=i + 1)]} for _ in range(n)] for n, i in sizes]

    def forward(self, row):
        values = list(row)
        for layer in self.network:
            for neuron in layer:
                w = neuron["weights"]
                neuron["inputs"], total = values, w[-1] + sum(a * b for a, b in zip(w[:-1], values))
                neuron["output"] = 1 / (1 + np.exp(-total))
            values = [neuron["output"] for neuron in layer]
        return values

    def loss(self, row, expected):
        return 0.5 * sum((o - e) ** 2 for o, e in zip(self.forward(row), expected))

    def slope(self, o):
        return o * (1 - o)

    def backward(self, row, expected):
        hidden, last = self.network
        for neuron, e in zip(last, expected):
            neuron["delta"] = (neuron["output"] - e) * self.slope(neuron["output"])
        for j, neuron in enumerate(hidden):
            error = sum(n["weights"][j] * n["delta"] for n in last)
            neuron["delta"] = error * self.slope(neuron["output"])
        for neuron in (*hidden, *last):
            neuron["grad"] = [neuron["delta"] * x for x in neuron["inputs"]] + [neuron["delta"]]


class Sizes:
    """A list of sizes; the gradients come back as lists in a dictionary."""

    def __init__(self, layer_sizes):
        rng = np.random.default_rng(0)
        self.W = [rng.normal(size=(i, o)) for i, o in zip(layer_sizes[:-1], layer_sizes[1:])]
        self.b = [np.zeros(o) for o in layer_sizes[1:]]

    def forward(self, X):
        self.activations = [X]
        for W, b in zip(self.W[:-1], self.b[:-1]):
            self.activations.append(squash(self.activations[-1] @ W + b))
        self.activations.append(soft(self.activations[-1] @ self.W[-1] + self.b[-1]))
        return self.activations[-1]

    def loss(self, X, y):
        return -np.mean(np.log(self.forward(X)[np.arange(len(y)), y]))

    def backward(self, y):
        delta = self.activations[-1].copy()
        delta[np.arange(len(y)), y] -= 1
        delta /= len(y)
        grads = {"W": [None] * len(self.W), "b": [None] * len(self.b)}
        for i in reversed(range(len(self.W))):
            grads["W"][i] = self.activations[i].T @ delta
            grads["b"][i] = delta.sum(axis=0)
            delta = delta @ self.W[i].T * self.activations[i] * (1 - self.activations[i])
        return grads


class SizesNoMean(Sizes):
    def backward(self, y):
        grads = super().backward(y)
        return {k: [g * len(y) for g in gs] for k, gs in grads.items()}


class Steps:
    """Its methods return what is added to the weights."""

    def __init__(self):
        rng = np.random.default_rng(2)
        self.w1, self.w2 = rng.normal(size=(2, 3)), rng.normal(size=(3, 1))

    def predict(self, x):
        self.hidden = squash(x @ self.w1)
        return squash(self.hidden @ self.w2)

    def loss(self, x, t):
        return 0.5 * ((t - self.predict(x)) ** 2).sum()

    def adjustments(self, x, t):
        y = self.predict(x)
        d = (t - y) * y * (1 - y)
        return x.T @ (d @ self.w2.T * self.hidden * (1 - self.hidden)), self.hidden.T @ d


class StepsAsGradients(Steps):
    def gradients(self, x, t):
        return self.adjustments(x, t)
