# ruff: noqa  (written as students write)
"""Optimizers' steps."""

import numpy as np

from tests.check.corpus import conventional, right, wrong


@right("SGD(lr=1e-2)")
def sgd(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    w -= config["learning_rate"] * dw
    return w, config


@right("SGD(lr=1e-2, momentum=0.9)")
def sgd_momentum(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    next_w = w + v
    config["velocity"] = v
    return next_w, config


@wrong("SGD(lr=1e-2, momentum=0.9)", "optimizer-state")
def sgd_momentum_lost(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = np.zeros_like(w)
    v = config["momentum"] * v - config["learning_rate"] * dw
    config["velocity"] = v
    return w + v, config


@conventional("SGD(lr=1e-2, momentum=0.9)", "optimizer-dampening")
def sgd_momentum_damp(w, dw, config):
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v + (1 - config["momentum"]) * dw
    config["velocity"] = v
    return w - config["learning_rate"] * v, config


@right("RMSprop")
def rmsprop(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("decay_rate", 0.99)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("cache", np.zeros_like(w))
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dw * dw
    return w - config["learning_rate"] * dw / (np.sqrt(config["cache"]) + config["epsilon"]), config


@conventional("RMSprop", "optimizer-eps")
def rmsprop_eps(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("decay_rate", 0.99)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("cache", np.zeros_like(w))
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dw * dw
    return w - config["learning_rate"] * dw / np.sqrt(config["cache"] + config["epsilon"]), config


@right("Adam(lr=1e-3)")
def adam(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    config.setdefault("t", 0)
    config["t"] += 1
    config["m"] = config["beta1"] * config["m"] + (1 - config["beta1"]) * dw
    config["v"] = config["beta2"] * config["v"] + (1 - config["beta2"]) * dw**2
    mt = config["m"] / (1 - config["beta1"] ** config["t"])
    vt = config["v"] / (1 - config["beta2"] ** config["t"])
    return w - config["learning_rate"] * mt / (np.sqrt(vt) + config["epsilon"]), config


@wrong("Adam(lr=1e-3)", "optimizer-bias-correction")
def adam_no_correction(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    config["m"] = config["beta1"] * config["m"] + (1 - config["beta1"]) * dw
    config["v"] = config["beta2"] * config["v"] + (1 - config["beta2"]) * dw**2
    return w - config["learning_rate"] * config["m"] / (np.sqrt(config["v"]) + config["epsilon"]), config


@right("SGD(lr=0.01)")
class SGD:
    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for key in params.keys():
            params[key] -= self.lr * grads[key]


@right("SGD(lr=0.01, momentum=0.9)")
class Momentum:  # the fish book
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr = lr
        self.momentum = momentum
        self.v = None

    def update(self, params, grads):
        if self.v is None:
            self.v = {}
            for key, val in params.items():
                self.v[key] = np.zeros_like(val)
        for key in params.keys():
            self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]
            params[key] += self.v[key]


@right("Adagrad(lr=0.01, eps=1e-7)")
class AdaGrad:
    def __init__(self, lr=0.01):
        self.lr = lr
        self.h = None

    def update(self, params, grads):
        if self.h is None:
            self.h = {k: np.zeros_like(v) for k, v in params.items()}
        for key in params.keys():
            self.h[key] += grads[key] * grads[key]
            params[key] -= self.lr * grads[key] / (np.sqrt(self.h[key]) + 1e-7)


@wrong("Adagrad(lr=0.01)", "optimizer-state")
class AdaGradForgets(AdaGrad):
    def update(self, params, grads):
        for key in params.keys():
            h = grads[key] ** 2
            params[key] -= self.lr * grads[key] / (np.sqrt(h) + 1e-10)


@right("Adam")
class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
        self.lr, self.b1, self.b2, self.eps, self.wd = lr, beta1, beta2, eps, weight_decay
        self.m, self.v, self.t = {}, {}, 0

    def update(self, params, grads):
        self.t += 1
        for k in params:
            g = grads[k] + self.wd * params[k]
            self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * g
            self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * g * g
            mh, vh = self.m[k] / (1 - self.b1**self.t), self.v[k] / (1 - self.b2**self.t)
            params[k] -= self.lr * mh / (np.sqrt(vh) + self.eps)


@wrong("AdamW", "optimizer-decay")
class AdamForAdamW(Adam):
    pass


@wrong("Adam", "optimizer-bias-correction")
class AdamT(Adam):
    def update(self, params, grads):
        for k in params:
            self.t += 1
            g = grads[k] + self.wd * params[k]
            self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * g
            self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * g * g
            mh, vh = self.m[k] / (1 - self.b1**self.t), self.v[k] / (1 - self.b2**self.t)
            params[k] -= self.lr * mh / (np.sqrt(vh) + self.eps)


@wrong("Adam", "optimizer-state")
class AdamInPlace(Adam):
    def update(self, params, grads):
        self.t += 1
        for k in params:
            g = grads[k]
            g += self.wd * params[k]
            self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * g
            self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * g * g
            mh, vh = self.m[k] / (1 - self.b1**self.t), self.v[k] / (1 - self.b2**self.t)
            params[k] -= self.lr * mh / (np.sqrt(vh) + self.eps)


@right("SGD")
def sgd_step(param, grad, state, lr, momentum=0.9, nesterov=False, weight_decay=0.0):
    g = grad + weight_decay * param
    buf = state.get("buf")
    buf = g.copy() if buf is None else momentum * buf + g
    d = g + momentum * buf if nesterov else buf
    return param - lr * d, {"buf": buf}


@wrong("SGD", "optimizer-nesterov")
def sgd_step_nesterov(param, grad, state, lr, momentum=0.9, nesterov=False, weight_decay=0.0):
    g = grad + weight_decay * param
    buf = state.get("buf")
    buf = g.copy() if buf is None else momentum * buf + g
    return param - lr * buf, {"buf": buf}


@wrong("SGD", "optimizer-decay")
def sgd_step_decay(param, grad, state, lr, momentum=0.9, weight_decay=0.0):
    g = grad + 2 * weight_decay * param
    buf = state.get("buf", 0)
    buf = momentum * buf + g
    return param - lr * buf, {"buf": buf}


@right("AdamW")
def adamw_step(p, g, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    if not state:
        state = {"m": np.zeros_like(p), "v": np.zeros_like(p), "t": 0}
    t = state["t"] + 1
    m = betas[0] * state["m"] + (1 - betas[0]) * g
    v = betas[1] * state["v"] + (1 - betas[1]) * g**2
    p = p * (1 - lr * weight_decay)
    step = lr / (1 - betas[0] ** t)
    return p - step * m / (np.sqrt(v) / np.sqrt(1 - betas[1] ** t) + eps), {"m": m, "v": v, "t": t}


@right("Adam(lr=0.01)")
class TorchLike:
    def __init__(self, params, lr=0.01, betas=(0.9, 0.999), eps=1e-8):
        self.params, self.lr, self.betas, self.eps = list(params), lr, betas, eps
        self.m = [np.zeros_like(p.data) for p in self.params]
        self.v = [np.zeros_like(p.data) for p in self.params]
        self.t = 0

    def step(self):
        self.t += 1
        for i, p in enumerate(self.params):
            self.m[i] = self.betas[0] * self.m[i] + (1 - self.betas[0]) * p.grad
            self.v[i] = self.betas[1] * self.v[i] + (1 - self.betas[1]) * p.grad**2
            mh = self.m[i] / (1 - self.betas[0] ** self.t)
            vh = self.v[i] / (1 - self.betas[1] ** self.t)
            p.data -= self.lr * mh / (np.sqrt(vh) + self.eps)


@wrong("SGD(lr=0.1)", "wrong-sign")
class SGDUp:
    def __init__(self, lr):
        self.lr = lr

    def update(self, params, grads):
        for k in params:
            params[k] += self.lr * grads[k]
