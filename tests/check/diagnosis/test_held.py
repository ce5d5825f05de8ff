"""What a backward takes for a constant, and what its own forward says of it."""

import ast

import numpy as np
import pytest
import torch

from torchref.check.api import Asked, judge_as
from torchref.check.diagnosis.held import wrapped
from torchref.check.diagnosis.repair import Source
from torchref.check.running.counted import TooLong, counting


class Focal(torch.autograd.Function):
    """The focal loss of logits; the factor (1 - pt)^gamma has no derivative of its own here."""

    @staticmethod
    def forward(ctx, logits, targets, gamma=2.0):
        p = torch.sigmoid(logits)
        pt = p * targets + (1 - p) * (1 - targets)
        ctx.save_for_backward(pt, targets)
        ctx.gamma = gamma
        return -((1 - pt) ** gamma * torch.log(pt)).sum()

    @staticmethod
    def backward(ctx, grad_output):
        pt, targets = ctx.saved_tensors
        return grad_output * -((1 - pt) ** ctx.gamma) * (1 - pt) * (2 * targets - 1), None, None


def gated_rms_forward(x, g):
    r = 1 / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 0.3)
    gate = np.tanh(x * 0.7)
    return x * r * g * gate, (x, g, r, gate)


def gated_rms_backward(dy, cache):
    x, g, r, gate = cache
    return dy * r * g * gate + dy * x * r * g * (1 - gate**2) * 0.7, (dy * x * r * gate).sum(0)


def steps_forward(x, w, u):
    h = np.zeros((x.shape[0], u.shape[0]))
    hs = [h]
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ w + h @ u)
        hs.append(h)
    return np.stack(hs[1:], 1), (x, w, u, hs)


def steps_backward(dy, cache):
    x, w, u, hs = cache
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    for t in range(x.shape[1]):
        da = dy[:, t] * (1 - hs[t + 1] ** 2)
        dx[:, t] = da @ w.T
        dw += x[:, t].T @ da
        du += hs[t].T @ da
    return dx, dw, du


def mixed_forward(q, k, v):
    s = q @ k.T / 3
    e = np.exp(s - s.max(-1, keepdims=True))
    a = e / e.sum(-1, keepdims=True)
    out = a @ v
    return out * (1 + 0.1 * out**2), (q, k, v, a, out)


def mixed_backward(dy, cache):
    q, k, v, a, out = cache
    do = dy * (1 + 0.3 * out**2)
    ds = a * (do @ v.T) / 3
    return ds @ k, ds.T @ q, a.T @ do


class Residual:
    """x + W2 relu(W1 x); the gradient of the skip is dropped."""

    def __init__(self, dim=4, hidden=6):
        self.w1 = np.random.randn(dim, hidden) * 0.4
        self.w2 = np.random.randn(hidden, dim) * 0.4

    def forward(self, x):
        self.x = x
        self.h = np.maximum(x @ self.w1, 0)
        return x + self.h @ self.w2

    def backward(self, grad):
        self.dw2 = self.h.T @ grad
        dh = grad @ self.w2.T * (self.h > 0)
        self.dw1 = self.x.T @ dh
        return dh @ self.w1.T


@pytest.mark.parametrize(
    ("code", "slug", "part"),
    [
        (Focal, "local-derivative-missing", "(1 - pt) ** gamma"),
        ((gated_rms_forward, gated_rms_backward), "statistics-as-constants", "np.mean(x ** 2"),
        ((steps_forward, steps_backward), "recurrence-truncated", "`h`"),
        ((mixed_forward, mixed_backward), "local-derivative-missing", "e.sum(-1, keepdims=True)"),
        (Residual, "overwritten-not-accumulated", "`x`"),
    ],
)
def test_a_part_that_is_taken_for_a_constant_is_named(code, slug, part):
    """Catches a gradient that is only called unknown where a part of the forward has no way back."""
    (finding,) = judge_as(code, Asked("forward"), "it").findings
    assert (finding.slug, part in finding.evidence) == (slug, True), finding


def test_the_parts_are_those_of_the_forward():
    """Catches a part that is called, or that the backward computes: held, it would explain anything."""
    source = Source.of(judge_form())
    parts = [ast.unparse(p.node) for p in wrapped(source)[0]]
    assert "np.mean(x ** 2, axis=-1, keepdims=True)" in parts
    assert not {"np", "np.tanh", "dy"} & set(parts), parts


def judge_form():
    from torchref.check.diagnosis.diagnose import recognised
    from torchref.check.reference.own import own_op

    op = own_op(lambda x, g: gated_rms_forward(x, g)[0], "it")
    return recognised((gated_rms_forward, gated_rms_backward), op, None, None, None)


def counts(n):
    total = 0
    while n:
        total += n
        n -= 1
    return total


def test_lines_are_counted_and_bounded():
    """Catches a count that depends on the machine, and a loop that does not end."""
    with counting() as first:
        counts(50)
    with counting() as second:
        counts(50)
    assert first.count == second.count > 100
    with pytest.raises(TooLong), counting(1000):
        counts(-1)


class Tape:
    """A loop with `while` in it: a change that makes it endless is ended, and the others are tried."""

    def __init__(self, data):
        self.data, self.grad, self.back, self.of = np.asarray(data), np.zeros(np.shape(data)), lambda: None, ()

    def __matmul__(self, other):
        out = Tape(self.data @ other.data)

        def back():
            self.grad = out.grad @ other.data.T
            other.grad = self.data.T @ out.grad

        out.back, out.of = back, (self, other)
        return out

    def tanh(self):
        out = Tape(np.tanh(self.data))

        def back():
            self.grad = self.grad + (1 - out.data**2) * out.grad

        out.back, out.of = back, (self,)
        return out


def loss_and_grads(X, y, W):
    X, W = Tape(X), Tape(W)
    h = (X @ W).tanh()
    out = h @ W
    out.grad = out.data - y
    waiting = [out]
    while waiting:
        node = waiting.pop(0)
        node.back()
        waiting += [n for n in node.of if n.of]
    loss = 0.5 * np.sum((out.data - y) ** 2)
    return loss, W.grad


def test_code_with_while_is_searched():
    """Catches a search that leaves out all code in which a loop might not end."""
    (finding,) = judge_as(loss_and_grads, Asked("forward"), "it").findings
    assert finding.slug == "overwritten-not-accumulated", finding


def logistic(theta, intercept, X, y):
    h = 1 / (1 + np.exp(-(X @ theta + intercept)))
    loss = -np.mean(y * np.log(h) + (1 - y) * np.log(1 - h))
    return loss, X.T @ (h - y) / len(y), np.sum(h - y)


def test_an_intercept_is_a_weight():
    """Catches an intercept that is taken for data beside theta."""
    verdict = judge_as(logistic, Asked("forward"), "it")
    assert [(f.gradient, f.slug) for f in verdict.findings] == [("intercept", "wrong-reduction")], verdict.findings
