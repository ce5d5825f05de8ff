# ruff: noqa  (written as students write)
"""Optimizers: constants of the user's own, the rate in the velocity, state that is lost."""

import numpy as np

from tests.check.corpus import conventional_made, right_made, wrong_made


def sgdm_cs_damp():
    def sgd_momentum(w, dw, config=None):
        if config is None:
            config = {}
        config.setdefault("learning_rate", 1e-2)
        config.setdefault("momentum", 0.9)
        v = config.get("velocity", np.zeros_like(w))
        v = config["momentum"] * v - (1 - config["momentum"]) * config["learning_rate"] * dw
        next_w = w + v
        config["velocity"] = v
        return next_w, config

    return sgd_momentum


conventional_made("SGD(lr=0.01, momentum=0.9)", "optimizer-dampening", "param", sgdm_cs_damp)


def sgdm_cs_nest():
    def sgd_momentum(w, dw, config=None):
        if config is None:
            config = {}
        config.setdefault("learning_rate", 1e-2)
        config.setdefault("momentum", 0.9)
        v = config.get("velocity", np.zeros_like(w))
        v = config["momentum"] * v - config["learning_rate"] * dw
        next_w = w + config["momentum"] * v - config["learning_rate"] * dw
        config["velocity"] = v
        return next_w, config

    return sgd_momentum


wrong_made("SGD(lr=0.01, momentum=0.9)", "optimizer-nesterov", "param", sgdm_cs_nest)


def sgd_fn_decouple():
    def sgd_step(param, grad, state, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
        if weight_decay:
            param = param * (1 - lr * weight_decay)
        if momentum:
            buf = state.get("momentum_buffer")
            buf = grad.copy() if buf is None else momentum * buf + (1 - dampening) * grad
            state["momentum_buffer"] = buf
            grad = grad + momentum * buf if nesterov else buf
        return param - lr * grad, state

    return sgd_step


wrong_made("SGD", "optimizer-decay", "param", sgd_fn_decouple)


def adam_cs_v1():
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
        b1, b2, t = config["beta1"], config["beta2"], config["t"]
        config["m"] = b1 * config["m"] + (1 - b1) * dw
        config["v"] = b2 * config["v"] + (1 - b2) * dw**2
        mt = config["m"] / (1 - b1**t)
        vt = config["v"] / (1 - b1**t)
        next_w = w - config["learning_rate"] * mt / (np.sqrt(vt) + config["epsilon"])
        return next_w, config

    return adam


wrong_made("Adam(lr=1e-3)", "optimizer-bias-correction", "param", adam_cs_v1)


def adam_cs_stalem():
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
        b1, b2, t = config["beta1"], config["beta2"], config["t"]
        m = b1 * config["m"] + (1 - b1) * dw
        config["v"] = b2 * config["v"] + (1 - b2) * dw**2
        mt = m / (1 - b1**t)
        vt = config["v"] / (1 - b2**t)
        next_w = w - config["learning_rate"] * mt / (np.sqrt(vt) + config["epsilon"])
        return next_w, config

    return adam


wrong_made("Adam(lr=1e-3)", "optimizer-state", "param", adam_cs_stalem)


def adam_cls_shared():
    class Adam:
        def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
            self.lr, self.beta1, self.beta2, self.eps, self.wd = lr, beta1, beta2, eps, weight_decay
            self.iter = 0
            self.m = None
            self.v = None

        def update(self, params, grads):
            if self.m is None:
                self.m, self.v = {}, {}
                for k, p in params.items():
                    self.m[k] = self.v[k] = np.zeros_like(p)
            self.iter += 1
            for k in params:
                g = grads[k] + self.wd * params[k]
                self.m[k] += (1 - self.beta1) * (g - self.m[k])
                self.v[k] += (1 - self.beta2) * (g**2 - self.v[k])
                mh = self.m[k] / (1 - self.beta1**self.iter)
                vh = self.v[k] / (1 - self.beta2**self.iter)
                params[k] -= self.lr * mh / (np.sqrt(vh) + self.eps)

    return Adam


wrong_made("Adam", "optimizer-state", "param", adam_cls_shared)


def adam_dlfs():
    class Adam:
        def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
            self.lr = lr
            self.beta1 = beta1
            self.beta2 = beta2
            self.iter = 0
            self.m = None
            self.v = None

        def update(self, params, grads):
            if self.m is None:
                self.m, self.v = {}, {}
                for key, val in params.items():
                    self.m[key] = np.zeros_like(val)
                    self.v[key] = np.zeros_like(val)
            self.iter += 1
            lr_t = self.lr * np.sqrt(1.0 - self.beta2**self.iter) / (1.0 - self.beta1**self.iter)
            for key in params.keys():
                self.m[key] += (1 - self.beta1) * (grads[key] - self.m[key])
                self.v[key] += (1 - self.beta2) * (grads[key] ** 2 - self.v[key])
                params[key] -= lr_t * self.m[key] / (np.sqrt(self.v[key]) + 1e-7)

    return Adam


conventional_made("Adam", "optimizer-eps", "param", adam_dlfs)


def rms_dlfs_defeps():
    import numpy as np

    class RMSprop:
        def __init__(self, lr=0.01, decay_rate=0.99):
            self.lr = lr
            self.decay_rate = decay_rate
            self.h = None

        def update(self, params, grads):
            if self.h is None:
                self.h = {k: np.zeros_like(v) for k, v in params.items()}
            for key in params.keys():
                self.h[key] *= self.decay_rate
                self.h[key] += (1 - self.decay_rate) * grads[key] * grads[key]
                params[key] -= self.lr * grads[key] / (np.sqrt(self.h[key]) + 1e-7)

    return RMSprop


right_made("RMSprop", rms_dlfs_defeps)
