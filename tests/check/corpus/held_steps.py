# ruff: noqa  (written as students write)
"""Optimizers, held out when written: Nesterov beside dampening, centring, shared buffers, the rate in RMSprop's velocity."""

import numpy as np

from tests.check.corpus import right_made, wrong_made


def rms_mom_lr_made():
    def rms_mom_lr(param, grad, state, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.9):
        """the rate inside the velocity"""
        s = alpha * state.get("s", 0.0) + (1 - alpha) * grad**2
        v = momentum * state.get("v", 0.0) + lr * grad / (np.sqrt(s) + eps)
        return param - v, {"s": s, "v": v}

    return rms_mom_lr


right_made("RMSprop(momentum=0.9)", rms_mom_lr_made)


def rms_centered_w3_made():
    def rms_centered(param, grad, state, lr=1e-2, alpha=0.9, eps=1e-8, momentum=0.8, centered=True):
        s = state.get("square_avg", np.zeros_like(param))
        a = state.get("grad_avg", np.zeros_like(param))
        b = state.get("buf", np.zeros_like(param))
        s = alpha * s + (1 - alpha) * grad * grad
        a = alpha * a + (1 - alpha) * grad
        denom = np.sqrt(s - a * a) + eps
        b = momentum * b + grad / denom
        return param - lr * b, dict(square_avg=s, grad_avg=a, buf=0 * b)

    return rms_centered


wrong_made("RMSprop(lr=1e-2, alpha=0.9, momentum=0.8, centered=True)", "optimizer-state", "param", rms_centered_w3_made)


def torchsgd_made():
    class TorchSGD:
        """rate outside the buffer; the first step takes the gradient itself"""

        def __init__(self, lr=0.05, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=False):
            self.lr, self.momentum, self.dampening, self.weight_decay, self.nesterov = (
                lr,
                momentum,
                dampening,
                weight_decay,
                nesterov,
            )
            self.buf = {}

        def update(self, params, grads):
            for k in params:
                g = grads[k] + self.weight_decay * params[k]
                if self.momentum:
                    b = self.buf[k] = (
                        self.momentum * self.buf[k] + (1 - self.dampening) * g if k in self.buf else g.copy()
                    )
                    g = g + self.momentum * b if self.nesterov else b
                params[k] -= self.lr * g

    return TorchSGD


right_made("SGD(lr=0.05, momentum=0.9)", torchsgd_made)


def torchsgd_w1_made():
    class TorchSGD:
        """rate outside the buffer; the first step takes the gradient itself"""

        def __init__(self, lr=0.05, momentum=0.9, dampening=0.0, weight_decay=0.0, nesterov=False):
            self.lr, self.momentum, self.dampening, self.weight_decay, self.nesterov = (
                lr,
                momentum,
                dampening,
                weight_decay,
                nesterov,
            )
            self.buf = {}

        def update(self, params, grads):
            for k in params:
                g = grads[k] + self.weight_decay * params[k]
                if self.momentum:
                    b = self.buf[k] = (
                        self.momentum * self.buf[k] + (1 - self.dampening) * g if k in self.buf else g.copy()
                    )
                    g = b
                params[k] -= self.lr * g

    return TorchSGD


wrong_made("SGD(lr=0.05, momentum=0.9)", "optimizer-nesterov", "param", torchsgd_w1_made)


def adam_fun_w7_made():
    def adam_fun(param, grad, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        step = state.get("step", 0) + 1
        m, v = state.get("exp_avg", 0 * param), state.get("exp_avg_sq", 0 * param)
        b1, b2 = betas
        m = m + (1 - b1) * (grad + weight_decay * param - m)
        v = b2 * v + (1 - b2) * np.square(grad)
        denom = np.sqrt(v / (1 - b2**step)) + eps
        param = param - lr / (1 - b1**step) * (m / denom)
        return param, {"step": step, "exp_avg": m, "exp_avg_sq": v}

    return adam_fun


wrong_made("Adam(lr=1e-2, weight_decay=0.1)", "optimizer-decay", "param", adam_fun_w7_made)


def adagrad_wd_w1_made():
    def adagrad_wd(param, grad, state, lr=0.01, lr_decay=0.05, weight_decay=0.1, eps=1e-10):
        step = state.get("step", 0)
        total = state.get("sum", np.zeros_like(param)) + grad**2
        return param - lr / (1 + step * lr_decay) * (grad / (np.sqrt(total) + eps) + weight_decay * param), {
            "step": step + 1,
            "sum": total,
        }

    return adagrad_wd


wrong_made("Adagrad(weight_decay=0.1, lr_decay=0.05)", "optimizer-decay", "param", adagrad_wd_w1_made)


def adam_shared_w1_made():
    class adam_shared:
        """moments as one list per parameter, kept in closures"""

        def __init__(self, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
            self.lr, self.b1, self.b2, self.eps = lr, b1, b2, eps
            self.moments = {}
            self.t = 0

        def update(self, params, grads):
            self.t += 1
            for k in params:
                m, v = self.moments.get("m", (0.0, 0.0))
                m, v = (np.resize(m, params[k].shape), np.resize(v, params[k].shape))
                m = self.b1 * m + (1 - self.b1) * grads[k]
                v = self.b2 * v + (1 - self.b2) * grads[k] ** 2
                self.moments["m"] = m, v
                step = (m / (1 - self.b1**self.t)) / (np.sqrt(v / (1 - self.b2**self.t)) + self.eps)
                params[k] -= self.lr * step

    return adam_shared


wrong_made("Adam(lr=1e-3)", "optimizer-state", "param", adam_shared_w1_made)


def sgd_wd_w1_made():
    def sgd_wd(param, grad, state, lr, weight_decay):
        return param * (1 - weight_decay) - lr * grad, state

    return sgd_wd


wrong_made("SGD(lr=0.1, weight_decay=0.1)", "optimizer-decay", "param", sgd_wd_w1_made)


def stale_adam():
    def stale_adam(param, grad, state, lr=1e-3):
        t = state.get("t", 0) + 1
        m, v = state.get("m", 0 * param), state.get("v", 0 * param)
        m2, v2 = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad**2
        step = (m / (1 - 0.9**t)) / (np.sqrt(v2 / (1 - 0.999**t)) + 1e-8)
        return param - lr * step, dict(t=t, m=m2, v=v2)

    return stale_adam


wrong_made("Adam", "optimizer-state", "param", stale_adam)
