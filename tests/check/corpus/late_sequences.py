# ruff: noqa  (written as students write)
"""Connectionist temporal classification, in probabilities and without batches where the student has none."""

import numpy as np

from tests.check.corpus import conventional, right, wrong


class CTC:
    """One sequence at a time; forward and backward variables as in Graves' paper, without logarithms."""

    def lattice(self, y, z):
        T, S = len(y), len(z)
        a, b = np.zeros((T, S)), np.zeros((T, S))
        a[0, :2] = y[0, z[:2]]
        for t in range(1, T):
            for s in range(S):
                a[t, s] = a[t - 1, s] + (a[t - 1, s - 1] if s > 0 else 0)
                if s > 1 and self.may_jump(z, s):
                    a[t, s] += a[t - 1, s - 2]
                a[t, s] *= y[t, z[s]]
        b[-1, -2:] = 1
        for t in range(T - 2, -1, -1):
            for s in range(S):
                for k in (0, 1, 2):
                    if s + k < S and (k < 2 or self.may_jump(z, s + 2)):
                        b[t, s] += b[t + 1, s + k] * y[t + 1, z[s + k]]
        return a, b

    def may_jump(self, z, s):
        return z[s] != 0 and z[s] != z[s - 2]

    def gamma(self, a, b, p, y, z):
        return a * b / p

    def gather(self, g, z, C):
        out = np.zeros((len(g), C))
        for s, k in enumerate(z):
            out[:, k] += g[:, s]
        return out

    def step(self, p, g):
        return p - g

    def forward(self, log_probs, targets, input_lengths, target_lengths):
        T, N, C = log_probs.shape
        self.grad = np.zeros_like(log_probs)
        losses = []
        for n in range(N):
            t, l = int(input_lengths[n]), int(target_lengths[n])
            y = np.exp(log_probs[:t, n])
            z = np.zeros(2 * l + 1, int)
            z[1::2] = targets[n, :l]
            a, b = self.lattice(y, z)
            p = a[-1, -1] + a[-1, -2]
            losses.append(-np.log(p) / l)
            self.grad[:t, n] = self.step(y, self.gather(self.gamma(a, b, p, y, z), z, C)) / l / N
        return np.mean(losses)

    def backward(self, dout=1.0):
        return dout * self.grad


right("CTCLoss")(CTC)


@wrong("CTCLoss", "scale-forgotten", "input")
class CTCNotDivided(CTC):
    def gamma(self, a, b, p, y, z):
        return a * b


@wrong("CTCLoss", "local-derivative-missing", "input")
class CTCProbabilityTwice(CTC):
    def gamma(self, a, b, p, y, z):
        return a * b * y[:, z] / p


@wrong("CTCLoss", "overwritten-not-accumulated", "input")
class CTCOverwritten(CTC):
    def gather(self, g, z, C):
        out = np.zeros((len(g), C))
        for s, k in enumerate(z):
            out[:, k] = g[:, s]
        return out


@wrong("CTCLoss", "wrong-sign", "input")
class CTCUphill(CTC):
    def step(self, p, g):
        return g - p


@wrong("CTCLoss", "forward-differs", "output")
class CTCJumpsBetweenEqualLabels(CTC):
    def may_jump(self, z, s):
        return z[s] != 0


@right("ctc_loss(reduction='sum')")
def ctc_of_one(log_probs, target):
    """no batch"""
    T, C = log_probs.shape
    c = CTC()
    y = np.exp(log_probs)
    z = np.zeros(2 * len(target) + 1, int)
    z[1::2] = target
    a, b = c.lattice(y, z)
    p = a[-1, -1] + a[-1, -2]

    def backward(d=1.0):
        return d * (y - c.gather(a * b / p, z, C))

    return -np.log(p), backward


@wrong("ctc_loss(reduction='sum')", "wrong-sign", "input")
def ctc_of_one_uphill(log_probs, target):
    T, C = log_probs.shape
    c = CTC()
    y = np.exp(log_probs)
    z = np.zeros(2 * len(target) + 1, int)
    z[1::2] = target
    a, b = c.lattice(y, z)
    p = a[-1, -1] + a[-1, -2]
    return -np.log(p), lambda d=1.0: d * (c.gather(a * b / p, z, C) - y)


def of_the_labels(log_probs, target):
    """minus the log of all paths' probability, and what each label is heard with; nothing is normalised"""
    T, C = log_probs.shape
    c = CTC()
    y = np.exp(log_probs)
    z = np.zeros(2 * len(target) + 1, int)
    z[1::2] = target
    a, b = c.lattice(y, z)
    p = a[-1, -1] + a[-1, -2]
    return -np.log(p), c.gather(a * b / p, z, C)


@conventional("ctc_loss(reduction='sum')", "local-derivative-missing", "input")
def ctc_of_log_probabilities(log_probs, target):
    loss, occupied = of_the_labels(log_probs, target)
    return loss, lambda d=1.0: -d * occupied


@wrong("ctc_loss(reduction='sum')", "wrong-sign", "input")
def ctc_of_log_probabilities_uphill(log_probs, target):
    loss, occupied = of_the_labels(log_probs, target)
    return loss, lambda d=1.0: d * occupied
