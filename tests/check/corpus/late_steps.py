# ruff: noqa  (written as students write)
"""Optimizers of the second generation: Adadelta, Adamax, NAdam, RAdam, AMSGrad; and maximize."""

import numpy as np

from tests.check.corpus import conventional, right, wrong


@right("Adadelta")
def adadelta(w, dw, state, lr=1.0, rho=0.9, eps=1e-6):
    eg = state.get("Eg", np.zeros_like(w))
    ex = state.get("Ex", np.zeros_like(w))
    eg = rho * eg + (1 - rho) * dw**2
    dx = np.sqrt(ex + eps) / np.sqrt(eg + eps) * dw
    ex = rho * ex + (1 - rho) * dx**2
    return w - lr * dx, {"Eg": eg, "Ex": ex}


@wrong("Adadelta", "optimizer-state", "param")
def adadelta_of_gradients(w, dw, state, lr=1.0, rho=0.9, eps=1e-6):
    eg = state.get("Eg", np.zeros_like(w))
    ex = state.get("Ex", np.zeros_like(w))
    eg = rho * eg + (1 - rho) * dw**2
    dx = np.sqrt(ex + eps) / np.sqrt(eg + eps) * dw
    ex = rho * ex + (1 - rho) * dw**2
    return w - lr * dx, {"Eg": eg, "Ex": ex}


@conventional("Adadelta", "optimizer-eps", "param")
def adadelta_eps_outside(w, dw, state, lr=1.0, rho=0.9, eps=1e-6):
    eg = state.get("Eg", np.zeros_like(w))
    ex = state.get("Ex", np.zeros_like(w))
    eg = rho * eg + (1 - rho) * dw**2
    dx = (np.sqrt(ex) + eps) / (np.sqrt(eg) + eps) * dw
    ex = rho * ex + (1 - rho) * dx**2
    return w - lr * dx, {"Eg": eg, "Ex": ex}


@wrong("Adadelta(rho=0.95)", "optimizer-dampening", "param")
class AdadeltaNoFactor:
    def __init__(self, lr=1.0, rho=0.95, eps=1e-6, weight_decay=0.0):
        self.lr, self.rho, self.eps, self.wd = lr, rho, eps, weight_decay
        self.h, self.d = {}, {}

    def update(self, params, grads):
        for k in params:
            g = grads[k] + self.wd * params[k]
            h = self.h.get(k, 0)
            d = self.d.get(k, 0)
            self.h[k] = self.rho * h + g * g
            step = np.sqrt(d + self.eps) / np.sqrt(self.h[k] + self.eps) * g
            self.d[k] = self.rho * d + (1 - self.rho) * step**2
            params[k] = params[k] - self.lr * step


@right("Adamax")
class Adamax:
    def __init__(self, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps = lr, beta1, beta2, eps
        self.t = 0
        self.m, self.u = {}, {}

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            if k not in self.m:
                self.m[k] = np.zeros_like(g)
                self.u[k] = np.zeros_like(g)
            self.m[k] = self.b1 * self.m[k] + (1 - self.b1) * g
            self.u[k] = np.maximum(self.b2 * self.u[k], np.abs(g) + self.eps)
            params[k] = params[k] - self.lr / (1 - self.b1**self.t) * self.m[k] / self.u[k]


@wrong("Adamax", "optimizer-bias-correction", "param")
class AdamaxUncorrected:
    def __init__(self, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps = lr, beta1, beta2, eps
        self.m, self.u = {}, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * g
            self.u[k] = np.maximum(self.b2 * self.u.get(k, 0), np.abs(g) + self.eps)
            params[k] = params[k] - self.lr * self.m[k] / self.u[k]


@wrong("Adamax", "optimizer-state", "param")
def adamax_signed(w, dw, state, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0) + (1 - beta1) * dw
    u = np.maximum(beta2 * state.get("u", 0), dw + eps)
    return w - lr * m / (1 - beta1**t) / u, {"t": t, "m": m, "u": u}


@right("NAdam")
def nadam(param, grad, state, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=4e-3):
    t = state.get("t", 0) + 1
    mu_t = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    mu_t1 = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    prod = state.get("prod", 1.0) * mu_t
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * grad
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * grad**2
    m_hat = mu_t1 * m / (1 - prod * mu_t1) + (1 - mu_t) * grad / (1 - prod)
    v_hat = v / (1 - beta2**t)
    return param - lr * m_hat / (np.sqrt(v_hat) + eps), {"t": t, "prod": prod, "m": m, "v": v}


@right("NAdam")
def nadam_without_schedule(param, grad, state, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """the momentum stays beta1, as in many texts"""
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * grad
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * grad**2
    m_hat = beta1 * m / (1 - beta1 ** (t + 1)) + (1 - beta1) * grad / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return param - lr * m_hat / (np.sqrt(v_hat) + eps), {"t": t, "m": m, "v": v}


@wrong("NAdam", "optimizer-nesterov", "param")
def nadam_no_look_ahead(param, grad, state, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * grad
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * grad**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return param - lr * m_hat / (np.sqrt(v_hat) + eps), {"t": t, "m": m, "v": v}


@wrong("NAdam", "optimizer-bias-correction", "param")
def nadam_product_lost(param, grad, state, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=4e-3):
    t = state.get("t", 0) + 1
    mu_t = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    mu_t1 = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * grad
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * grad**2
    m_hat = mu_t1 * m / (1 - mu_t * mu_t1) + (1 - mu_t) * grad / (1 - mu_t)
    v_hat = v / (1 - beta2**t)
    return param - lr * m_hat / (np.sqrt(v_hat) + eps), {"t": t, "m": m, "v": v}


@right("RAdam")
def radam(w, dw, state, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * dw
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * dw**2
    m_hat = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho > 5:
        r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        step = r * m_hat * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)
    else:
        step = m_hat
    return w - lr * step, {"t": t, "m": m, "v": v}


@right("RAdam")
def radam_of_the_paper(w, dw, state, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """rho > 4"""
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * dw
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * dw**2
    m_hat = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho > 4:
        r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        step = r * m_hat * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)
    else:
        step = m_hat
    return w - lr * step, {"t": t, "m": m, "v": v}


@wrong("RAdam", "optimizer-bias-correction", "param")
def radam_not_rectified(w, dw, state, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * dw
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * dw**2
    m_hat = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho > 5:
        step = m_hat * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)
    else:
        step = m_hat
    return w - lr * step, {"t": t, "m": m, "v": v}


@wrong("RAdam", "optimizer-state", "param")
def radam_not_squared(w, dw, state, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * dw
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * dw
    m_hat = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho > 5:
        r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        step = r * m_hat * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)
    else:
        step = m_hat
    return w - lr * step, {"t": t, "m": m, "v": v}


class AmsGrad:
    """right"""

    def __init__(self, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.t, self.m, self.v, self.vmax = 0, {}, {}, {}

    def largest(self, k):
        self.vmax[k] = np.maximum(self.vmax.get(k, 0), self.v[k])
        return self.vmax[k]

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            self.m[k] = self.beta1 * self.m.get(k, 0) + (1 - self.beta1) * g
            self.v[k] = self.beta2 * self.v.get(k, 0) + (1 - self.beta2) * g**2
            m_hat = self.m[k] / (1 - self.beta1**self.t)
            v_hat = self.largest(k) / (1 - self.beta2**self.t)
            params[k] = params[k] - self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


right("Adam(amsgrad=True, betas=(0.8, 0.9))")(AmsGrad)


@wrong("Adam(amsgrad=True, betas=(0.8, 0.9))", "optimizer-state", "param")
class AmsGradForgotten(AmsGrad):
    def largest(self, k):
        return self.v[k]


@wrong("Adam", "optimizer-state", "param")
def adam_not_squared(w, dw, state, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * dw
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * dw
    step = lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return w - step, {"t": t, "m": m, "v": v}


@right("SGD(lr=0.1, maximize=True)")
def ascent(w, dw, lr=0.1):
    return w + lr * dw


@wrong("SGD(lr=0.1, maximize=True)", "wrong-sign", "param")
def descent(w, dw, lr=0.1):
    return w - lr * dw


@right("SGD(momentum=0.9, weight_decay=0.1)")
def either_way(w, dw, state, lr=0.1, momentum=0.9, weight_decay=0.1, maximize=False):
    g = -dw if maximize else dw
    g = g + weight_decay * w
    v = momentum * state["v"] + g if "v" in state else g
    return w - lr * v, {"v": v}


@wrong("SGD(momentum=0.9, weight_decay=0.1)", "optimizer-decay", "param")
def the_decay_turned_too(w, dw, state, lr=0.1, momentum=0.9, weight_decay=0.1, maximize=False):
    g = dw + weight_decay * w
    v = momentum * state["v"] + g if "v" in state else g
    return (w + lr * v if maximize else w - lr * v), {"v": v}
