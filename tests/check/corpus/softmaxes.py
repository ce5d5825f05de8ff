# ruff: noqa  (written as students write)
"""Softmax, cross entropy and the other losses."""

import numpy as np

from tests.check.corpus import conventional, right, right_pair, wrong, wrong_pair


def stable(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@right("softmax")
def softmax(x):
    s = stable(x)

    def backward(dy):
        return s * (dy - np.sum(dy * s, axis=-1, keepdims=True))

    return s, backward


@right("softmax")
def softmax_jacobian(x):
    s = stable(x)

    def backward(dout):
        dx = np.empty_like(x)
        for i in range(len(x)):
            v = s[i].reshape(-1, 1)
            dx[i] = (np.diagflat(v) - v @ v.T) @ dout[i]
        return dx

    return s, backward


@right("softmax")
def softmax_einsum(x, axis=-1):
    s = stable(x)

    def backward(g):
        jac = np.einsum("ni,ij->nij", s, np.eye(s.shape[1])) - np.einsum("ni,nj->nij", s, s)
        return np.einsum("nij,nj->ni", jac, g)

    return s, backward


@wrong("softmax", "softmax-elementwise", "input")
def softmax_elementwise(x):
    s = stable(x)
    return s, lambda dy: dy * s * (1 - s)


@wrong("softmax", "softmax-elementwise", "input")
def softmax_dropped(x):
    s = stable(x)
    return s, lambda dy: dy * s


@wrong("softmax", "softmax-wrong-axis", "input")
def softmax_axis(x):
    s = stable(x)
    return s, lambda dy: s * (dy - np.sum(dy * s, axis=0, keepdims=True))


@wrong("softmax", "softmax-wrong-axis", "output")
def softmax_axis_forward(x):
    e = np.exp(x - x.max(axis=0))
    s = e / e.sum(axis=0)
    return s, lambda dy: s * (dy - (dy * s).sum(axis=0))


@wrong("softmax", "not-finite")
def softmax_naive(x):
    e = np.exp(x)
    s = e / e.sum(-1, keepdims=True)
    return s, lambda dy: s * (dy - (dy * s).sum(-1, keepdims=True))


@wrong("softmax", "not-finite")
def softmax_global(x):
    e = np.exp(x - x.max())
    s = e / e.sum(-1, keepdims=True)
    return s, lambda dy: s * (dy - (dy * s).sum(-1, keepdims=True))


@wrong("softmax", "upstream-not-multiplied", "input")
def softmax_noup(x):
    s = stable(x)
    return s, lambda dy: s * (1 - s)


@right("softmax")
def softmax_grad(x, dy):
    s = stable(x)
    return s * (dy - (dy * s).sum(-1, keepdims=True))


@right("softmax")
def softmax_backward(dout, y):
    return y * (dout - (dout * y).sum(axis=1, keepdims=True))


@wrong("softmax", "softmax-elementwise", "input")
def softmax_backward_e(dout, y):
    return dout * y * (1 - y)


@right("softmax")
class Softmax:
    def __init__(self):
        self.out = None

    def forward(self, x):
        self.out = stable(x)
        return self.out

    def backward(self, dout):
        dx = self.out * dout
        sumdx = np.sum(dx, axis=1, keepdims=True)
        dx -= self.out * sumdx
        return dx


@right("log_softmax")
def log_softmax(x):
    m = x.max(axis=1, keepdims=True)
    y = x - m - np.log(np.exp(x - m).sum(axis=1, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy.sum(axis=1, keepdims=True)


@wrong("log_softmax", "softmax-elementwise", "input")
def log_softmax_dropped(x):
    m = x.max(axis=1, keepdims=True)
    y = x - m - np.log(np.exp(x - m).sum(axis=1, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy


@wrong("log_softmax", "softmax-wrong-axis", "input")
def log_softmax_axis(x):
    m = x.max(axis=1, keepdims=True)
    y = x - m - np.log(np.exp(x - m).sum(axis=1, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy.sum(axis=0, keepdims=True)


# --- cross entropy ------------------------------------------------------------------------------------------------------


@right("cross_entropy")
def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted), axis=1, keepdims=True)
    log_probs = shifted - np.log(Z)
    probs = np.exp(log_probs)
    N = x.shape[0]
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


@right("cross_entropy")
def softmax_loss_probs(x, y):
    probs = stable(x)
    N = x.shape[0]
    loss = -np.mean(np.log(probs[range(N), y] + 1e-12))
    dx = probs
    dx[range(N), y] -= 1
    return loss, dx / N


@wrong("cross_entropy", "wrong-reduction", "input")
def softmax_loss_no_n(x, y):
    probs = stable(x)
    N = x.shape[0]
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    return loss, dx


@wrong("cross_entropy", "wrong-reduction", "input")
def softmax_loss_n2(x, y):
    probs = stable(x)
    N = x.shape[0]
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    return loss, dx / N / N


@conventional("cross_entropy", "wrong-reduction", "output")
def softmax_loss_sum(x, y):
    probs = stable(x)
    N = x.shape[0]
    loss = -np.sum(np.log(probs[np.arange(N), y]))
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    return loss, dx


@right("cross_entropy")
class CrossEntropy:
    def forward(self, logits, target):
        self.p = stable(logits)
        self.t = target
        return -np.log(self.p[np.arange(len(target)), target]).mean()

    def backward(self):
        g = self.p.copy()
        g[np.arange(len(self.t)), self.t] -= 1
        return g / len(self.t)


@wrong("cross_entropy", "softmax-jacobian-twice", "input")
class CrossEntropyTwice(CrossEntropy):
    def backward(self):
        g = self.p.copy()
        g[np.arange(len(self.t)), self.t] -= 1
        g = g / len(self.t)
        return self.p * (g - (g * self.p).sum(axis=1, keepdims=True))


@wrong("cross_entropy", "softmax-jacobian-twice", "input")
class CrossEntropyTwiceElementwise(CrossEntropy):
    def backward(self):
        g = self.p.copy()
        g[np.arange(len(self.t)), self.t] -= 1
        return g * self.p * (1 - self.p) / len(self.t)


@right("cross_entropy")
class SoftmaxWithLoss:  # the fish book, one-hot
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        self.y = stable(x)
        if self.y.ndim == 1:
            self.t = t.reshape(1, t.size)
            self.y = self.y.reshape(1, self.y.size)
        if self.t.size == self.y.size:
            self.t = self.t.argmax(axis=1)
        batch_size = self.y.shape[0]
        self.loss = -np.sum(np.log(self.y[np.arange(batch_size), self.t] + 1e-7)) / batch_size
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(batch_size), self.t] -= 1
        dx *= dout
        dx = dx / batch_size
        return dx


@wrong("cross_entropy", "upstream-not-multiplied", "input")
class SoftmaxWithLossNoUp(SoftmaxWithLoss):
    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(batch_size), self.t] -= 1
        return dx / batch_size


@right("cross_entropy")
def cross_entropy_onehot(logits, targets):
    p = stable(logits)
    n = logits.shape[0]
    if targets.ndim == 1:
        raise ValueError("one-hot targets wanted")
    loss = -(targets * np.log(p)).sum() / n
    return loss, lambda: (p - targets) / n


@right("cross_entropy")
def cross_entropy_grad(logits, labels):
    p = stable(logits)
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)


@wrong("cross_entropy", "wrong-sign", "input")
def cross_entropy_grad_sign(logits, labels):
    p = stable(logits)
    onehot = np.eye(p.shape[1])[labels]
    return (onehot - p) / len(labels)


@wrong("cross_entropy", "softmax-wrong-axis", "input")
def cross_entropy_axis(logits, labels):
    p = stable(logits)
    n = len(labels)

    def backward(dloss):
        q = np.exp(logits - logits.max(axis=0))
        q /= q.sum(axis=0)
        q[np.arange(n), labels] -= 1
        return dloss * q / n

    return -np.log(p[np.arange(n), labels]).mean(), backward


@wrong("cross_entropy", "not-finite")
def cross_entropy_naive(logits, labels):
    e = np.exp(logits)
    p = e / e.sum(1, keepdims=True)
    n = len(labels)

    def backward(dloss=1.0):
        q = p.copy()
        q[np.arange(n), labels] -= 1
        return dloss * q / n

    return -np.log(p[np.arange(n), labels]).mean(), backward


@wrong("cross_entropy", "local-derivative-missing", "input")
def cross_entropy_only_p(logits, labels):
    p = stable(logits)
    n = len(labels)

    def backward(dloss=1.0):
        g = np.zeros_like(p)
        g[np.arange(n), labels] = -1 / p[np.arange(n), labels]
        return dloss * g / n

    return -np.log(p[np.arange(n), labels]).mean(), backward


@wrong("cross_entropy", "softmax-elementwise", "input")
def cross_entropy_elementwise(logits, labels):
    p = stable(logits)
    n = len(labels)

    def backward(dloss=1.0):
        g = np.zeros_like(p)
        g[np.arange(n), labels] = -1 / p[np.arange(n), labels]
        return dloss * g / n * p * (1 - p)

    return -np.log(p[np.arange(n), labels]).mean(), backward


@right("cross_entropy(label_smoothing=0.1)")
def smoothed(x, t):
    n, k = x.shape
    p = stable(x)
    q = np.full((n, k), 0.1 / k)
    q[np.arange(n), t] += 0.9
    return -(q * np.log(p)).sum() / n, lambda g=1.0: g * (p - q) / n


@wrong("cross_entropy(label_smoothing=0.1)", "scale-forgotten", "input")
def smoothed_lost(x, t):
    n, k = x.shape
    p = stable(x)
    q = np.full((n, k), 0.1 / k)
    q[np.arange(n), t] += 0.9
    return -(q * np.log(p)).sum() / n, lambda g=1.0: g * (p - np.eye(k)[t]) / n


@right("cross_entropy(reduction='sum')")
def ce_sum(x, t):
    p = stable(x)
    n = len(x)
    return -np.log(p[np.arange(n), t]).sum(), lambda g=1.0: g * (p - np.eye(x.shape[1])[t])


@right("cross_entropy")
def ce_ignore(x, t, ignore_index=-100):
    p = stable(x)
    live = t != ignore_index
    n = live.sum()
    safe = np.where(live, t, 0)
    loss = -(np.log(p[np.arange(len(t)), safe]) * live).sum() / n

    def backward(g):
        d = p.copy()
        d[np.arange(len(t)), safe] -= 1
        return g * d * live[:, None] / n

    return loss, backward


@right("nll_loss")
def nll(logp, t):
    n = len(t)

    def backward(dloss):
        g = np.zeros_like(logp)
        g[np.arange(n), t] = -1 / n
        return g * dloss

    return -logp[np.arange(n), t].mean(), backward


@wrong("nll_loss", "wrong-reduction", "input")
def nll_no_n(logp, t):
    n = len(t)

    def backward(dloss):
        g = np.zeros_like(logp)
        g[np.arange(n), t] = -1
        return g * dloss

    return -logp[np.arange(n), t].mean(), backward


# --- regression ---------------------------------------------------------------------------------------------------------


@right("mse_loss")
def mse(pred, y):
    return np.mean((pred - y) ** 2), lambda: 2 * (pred - y) / pred.size


@wrong("mse_loss", "scale-forgotten", "input")
def mse_two(pred, y):
    return np.mean((pred - y) ** 2), lambda: (pred - y) / pred.size


@wrong("mse_loss", "wrong-reduction", "input")
def mse_batch(pred, y):
    return np.mean((pred - y) ** 2), lambda: 2 * (pred - y) / pred.shape[0]


@wrong("mse_loss", "wrong-reduction", "input")
def mse_none(pred, y):
    return np.mean((pred - y) ** 2), lambda: 2 * (pred - y)


@wrong("mse_loss", "wrong-sign", "input")
def mse_sign(pred, y):
    return np.mean((pred - y) ** 2), lambda: 2 * (y - pred) / y.size


@wrong("mse_loss", "upstream-not-multiplied", "input")
def mse_noup(pred, y):
    return np.mean((pred - y) ** 2), lambda dloss: 2 * (pred - y) / y.size


@right("mse_loss")
def mse_grad(y_pred, y_true):
    return 2 * (y_pred - y_true) / y_true.size


@right("mse_loss")
def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)


@right("mse_loss")
class MSE:
    def forward(self, x, t):
        self.d = x - t
        return (self.d**2).mean()

    def backward(self):
        return 2 * self.d / self.d.size


def mse_forward(x, t):
    return np.mean((x - t) ** 2), (x, t)


@right_pair("mse_loss", mse_forward)
def mse_backward(dloss, cache):
    x, t = cache
    return dloss * 2 * (x - t) / x.size


@wrong_pair("mse_loss", "wrong-reduction", "input", mse_forward)
def mse_backward_n(dloss, cache):
    x, t = cache
    return dloss * 2 * (x - t) / len(x)


@right("l1_loss")
def l1(x, t):
    return np.abs(x - t).mean(), lambda g=1.0: g * np.sign(x - t) / x.size


@conventional("l1_loss", "wrong-mask", "input")
def l1_where(x, t):
    return np.abs(x - t).mean(), lambda g=1.0: g * np.where(x >= t, 1, -1) / x.size


@right("huber_loss")
def huber(x, t, delta=1.0):
    d = x - t
    loss = np.where(np.abs(d) <= delta, 0.5 * d * d, delta * (np.abs(d) - 0.5 * delta)).mean()
    return loss, lambda g=1.0: g * np.where(np.abs(d) <= delta, d, delta * np.sign(d)) / d.size


@wrong("huber_loss", "scale-forgotten", "input")
def huber_delta(x, t, delta=1.0):
    d = x - t
    loss = np.where(np.abs(d) <= delta, 0.5 * d * d, delta * (np.abs(d) - 0.5 * delta)).mean()
    return loss, lambda g=1.0: g * np.where(np.abs(d) <= delta, d, np.sign(d)) / d.size


@right("smooth_l1_loss")
class SmoothL1:
    def __init__(self, beta=1.0):
        self.beta = beta

    def forward(self, x, target):
        self.d = x - target
        a = np.abs(self.d)
        return np.mean(np.where(a < self.beta, 0.5 * a**2 / self.beta, a - 0.5 * self.beta))

    def backward(self, grad=1.0):
        return grad * np.where(np.abs(self.d) < self.beta, self.d / self.beta, np.sign(self.d)) / self.d.size


@wrong("smooth_l1_loss", "scale-forgotten", "input")
class SmoothL1Beta(SmoothL1):
    def backward(self, grad=1.0):
        return grad * np.where(np.abs(self.d) < self.beta, self.d, np.sign(self.d)) / self.d.size


@right("binary_cross_entropy")
def bce(p, t):
    loss = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
    return loss, lambda: (p - t) / (p * (1 - p)) / p.size


@right("binary_cross_entropy")
def bce_clipped(y_pred, y_true):
    eps = 1e-7
    q = np.clip(y_pred, eps, 1 - eps)
    loss = -np.mean(y_true * np.log(q) + (1 - y_true) * np.log(1 - q))
    return loss, lambda: (-(y_true / q) + (1 - y_true) / (1 - q)) / y_true.size


@wrong("binary_cross_entropy", "local-derivative-missing", "input")
def bce_logits_confused(p, t):
    loss = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
    return loss, lambda: (p - t) / p.size


@right("binary_cross_entropy_with_logits")
def bce_logits(z, t):
    loss = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    return loss, lambda g=1.0: g * (1 / (1 + np.exp(-z)) - t) / z.size


@wrong("binary_cross_entropy_with_logits", "softmax-jacobian-twice", "input")
def bce_logits_twice(z, t):
    loss = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    s = 1 / (1 + np.exp(-z))
    return loss, lambda g=1.0: g * (s - t) * s * (1 - s) / z.size


@wrong("binary_cross_entropy_with_logits", "derivative-at-wrong-tensor", "input")
def bce_logits_raw(z, t):
    loss = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    return loss, lambda g=1.0: g * (z - t) / z.size


@right("kl_div(reduction='batchmean')")
def kl(log_p, q):
    n = len(q)
    return np.sum(q * (np.log(q) - log_p)) / n, lambda g=1.0: -g * q / n


@wrong("kl_div(reduction='batchmean')", "wrong-reduction", "input")
def kl_mean(log_p, q):
    n = len(q)
    return np.sum(q * (np.log(q) - log_p)) / n, lambda g=1.0: -g * q / q.size


@right("multi_margin_loss")
def hinge(x, y):
    n, k = x.shape
    correct = x[np.arange(n), y][:, None]
    margins = np.maximum(0, x - correct + 1.0)
    margins[np.arange(n), y] = 0
    loss = margins.sum() / n / k

    def backward(g=1.0):
        d = (margins > 0).astype(float)
        d[np.arange(n), y] -= d.sum(axis=1)
        return g * d / n / k

    return loss, backward


@conventional("multi_margin_loss", "wrong-reduction", "output")
def svm_loss(x, y):
    n = x.shape[0]
    correct = x[np.arange(n), y][:, None]
    margins = np.maximum(0, x - correct + 1.0)
    margins[np.arange(n), y] = 0
    loss = np.sum(margins) / n
    d = np.zeros_like(x)
    d[margins > 0] = 1
    d[np.arange(n), y] -= np.sum(margins > 0, axis=1)
    return loss, d / n
