# ruff: noqa  (written as students write)
"""Optimizers that are handed their parameters in other ways: one array, a layer, numbered dictionaries, moments apart."""

import numpy as np

from tests.check.corpus import right, wrong


@right("Adam")
class OneArrayAnOptimizer:
    def __init__(self, step_size=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.step_size, self.beta1, self.beta2, self.epsilon = step_size, beta1, beta2, epsilon
        self.first, self.second, self.n = 0.0, 0.0, 0

    def update(self, theta, gradient):
        self.n += 1
        self.first = self.beta1 * self.first + (1 - self.beta1) * gradient
        self.second = self.beta2 * self.second + (1 - self.beta2) * gradient * gradient
        first = self.first / (1 - self.beta1**self.n)
        second = self.second / (1 - self.beta2**self.n)
        return theta - self.step_size * first / (np.sqrt(second) + self.epsilon)


@wrong("Adam", "optimizer-bias-correction")
class OneArrayUncorrected(OneArrayAnOptimizer):
    def update(self, theta, gradient):
        self.first = self.beta1 * self.first + (1 - self.beta1) * gradient
        self.second = self.beta2 * self.second + (1 - self.beta2) * gradient * gradient
        return theta - self.step_size * self.first / (np.sqrt(self.second) + self.epsilon)


@right("RMSprop")
class StepOfALayer:
    def __init__(self, learning_rate=0.01, decay=0.0, rho=0.99, epsilon=1e-8):
        self.learning_rate = self.current_learning_rate = learning_rate
        self.decay, self.rho, self.epsilon, self.done = decay, rho, epsilon, 0

    def pre_update_params(self):
        if self.decay:
            self.current_learning_rate = self.learning_rate / (1.0 + self.decay * self.done)

    def update_params(self, layer):
        for name in ("weights", "biases"):
            if not hasattr(layer, name + "_cache"):
                setattr(layer, name + "_cache", np.zeros_like(getattr(layer, name)))
            g = getattr(layer, "d" + name)
            cache = self.rho * getattr(layer, name + "_cache") + (1 - self.rho) * g**2
            setattr(layer, name + "_cache", cache)
            step = self.current_learning_rate * g / (np.sqrt(cache) + self.epsilon)
            setattr(layer, name, getattr(layer, name) - step)

    def post_update_params(self):
        self.done += 1


@wrong("SGD(momentum=0.9)", "wrong-sign")
class LayerUphill:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.velocity = lr, momentum, {}

    def step(self, layer):
        v = self.velocity.setdefault(id(layer), [np.zeros_like(layer.W), np.zeros_like(layer.b)])
        v[0] = self.momentum * v[0] + layer.dW
        v[1] = self.momentum * v[1] + layer.db
        layer.W += self.lr * v[0]
        layer.b += self.lr * v[1]


@right("SGD(momentum=0.9)")
class ParametersOfLayers:
    def __init__(self, layers, lr=0.1, momentum=0.9):
        self.layers, self.lr, self.momentum = layers, lr, momentum
        self.v = [{k: np.zeros_like(p) for k, p in layer.params.items()} for layer in layers]

    def step(self):
        for layer, v in zip(self.layers, self.v):
            for k in layer.params:
                v[k] = self.momentum * v[k] + layer.grads[k]
                layer.params[k] -= self.lr * v[k]


@right("Adagrad")
class ByKey:
    def __init__(self, lr=0.01, eps=1e-10):
        self.lr, self.eps, self.sums = lr, eps, {}

    def update(self, key, param, grad):
        self.sums[key] = self.sums.get(key, 0) + grad**2
        return param - self.lr * grad / (np.sqrt(self.sums[key]) + self.eps)


def numbered(second):
    def update_parameters(parameters, grads, v, s, t, learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
        for i in range(1, len(parameters) // 2 + 1):
            for name in (f"W{i}", f"b{i}"):
                g = grads["d" + name]
                v["d" + name] = beta1 * v["d" + name] + (1 - beta1) * g
                s["d" + name] = beta2 * s["d" + name] + (1 - beta2) * second(g)
                m_hat, v_hat = v["d" + name] / (1 - beta1**t), s["d" + name] / (1 - beta2**t)
                parameters[name] = parameters[name] - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
        return parameters, v, s

    return update_parameters


right("Adam")(numbered(lambda g: g**2))
wrong("Adam", "optimizer-dampening")(numbered(lambda g: g**2 / (1 - 0.95)))


@right("Adam")
def moments_apart(w, dw, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * dw
    v = beta2 * v + (1 - beta2) * dw**2
    return w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


@wrong("Adam", "optimizer-state")
def moments_apart_exchanged(w, dw, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta2 * m + (1 - beta2) * dw
    v = beta1 * v + (1 - beta1) * dw**2
    return w - lr * (m / (1 - beta2**t)) / (np.sqrt(v / (1 - beta1**t)) + eps), m, v


@right("SGD(momentum=0.9, nesterov=True)")
def velocity_apart(w, dw, v, lr=0.01, mu=0.9):
    old = v
    v = mu * v - lr * dw
    return w - mu * old + (1 + mu) * v, v
