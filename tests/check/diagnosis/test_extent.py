"""How far a judgement reaches: --only in every form, other sizes, a second derivative, switches."""

import numpy as np
import pytest
import torch

from torchref.check.api import Asked, judge_as
from torchref.check.diagnosis.sizes import other_sizes
from torchref.check.ops.find import find
from torchref.check.reading.forms.closure import Closure
from torchref.check.reading.reading import Reading


def network(W1, W2, X, y):
    h = np.tanh(X @ W1)
    d = h @ W2 - y
    loss = 0.5 * (d**2).sum()
    dW1, dW2 = -X.T @ ((d @ W2.T) * (1 - h**2)), h.T @ d
    return loss, {"W1": dW1, "W2": dW2}


def product(x, w):
    return x @ w.T, lambda dy: (dy @ w, -dy.T @ x)


def reference(x, w):
    return x @ w.T


class Descent:
    def __init__(self, lr=0.1):
        self.lr = lr

    def update(self, w, g):
        return w - self.lr * g


@pytest.mark.parametrize(
    ("target", "against", "only"), [(network, "forward", "W2"), (product, reference, "x"), (product, "linear", "input")]
)
def test_only_what_is_asked_for_is_judged(target, against, only):
    """Catches an `only` that networks or references of the user's own ignore: the other gradient is wrong."""
    assert judge_as(target, Asked(against), "it").verdict == "wrong"
    assert judge_as(target, Asked(against, only=[only]), "it").verdict == "right"


def test_an_optimizer_is_judged_as_a_whole():
    """Catches an `only` that is ignored."""
    verdict = judge_as(Descent, Asked("SGD", only=["w"]), "it")
    assert verdict.verdict == "could-not-run"
    assert "'w'" in verdict.error
    assert judge_as(Descent, Asked("SGD", only=["param"]), "it").verdict == "right"


@pytest.mark.parametrize("name", ["relu", "linear", "layer_norm", "batch_norm", "softmax", "embedding", "conv1d"])
def test_sizes_lie_beyond_every_block(name):
    """Catches an operation that is tried at the sizes of its probe alone."""
    op = find(name)
    form = Closure(lambda *a: None, op)
    form.takes = {a.name for a in op.arguments}
    told = [t for t, _ in other_sizes(Reading(form, op.variants[0], 1e-6))]
    assert any(t.endswith("131") for t in told), told
    assert any(t.endswith("= 1") for t in told), told


class Saves(torch.autograd.Function):
    """An intermediate is saved: torch knows no way back from it."""

    @staticmethod
    def forward(ctx, x):
        s = torch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, dy):
        x, s = ctx.saved_tensors
        return dy * (s + x * s * (1 - s))


class SavesNoMore(Saves):
    @staticmethod
    def backward(ctx, dy):
        x, _ = ctx.saved_tensors
        s = torch.sigmoid(x)
        return dy * (s + x * s * (1 - s))


class Forbids(Saves):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy):
        x, s = ctx.saved_tensors
        return dy * (s + x * s * (1 - s))


@pytest.mark.parametrize(
    ("target", "told"),
    [(Saves, "wrong without a word"), (SavesNoMore, "the second derivative is right"), (Forbids, "is not judged")],
)
def test_a_second_derivative_is_judged_or_said_not_to_be(target, told):
    """Catches silence about a double backward."""
    verdict = judge_as(target, Asked("silu"), "it")
    assert verdict.verdict == "right"
    assert any(told in note for note in verdict.notes), verdict.notes
    assert ("a second derivative" in verdict.not_run) == (target is not SavesNoMore)


class Norm:
    """Right as it is constructed; without its affine part, or without a centre, it is another thing."""

    def __init__(self, gamma, beta, eps=1e-5, affine=True, centred=True):
        self.gamma, self.beta, self.eps, self.affine, self.centred = gamma, beta, eps, affine, centred

    def forward(self, x):
        self.s = np.sqrt(x.var(-1, keepdims=True) + self.eps)
        self.h = (x - x.mean(-1, keepdims=True) * self.centred) / self.s
        return self.gamma * self.h + self.beta if self.affine else self.h

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.h).sum(0), dy.sum(0)
        d = dy * self.gamma if self.affine else dy * self.wrong
        return (d - d.mean(-1, keepdims=True) - self.h * (d * self.h).mean(-1, keepdims=True)) / self.s

    wrong = 1


class NormOfAffine(Norm):
    wrong = 0


def test_a_switch_of_parameters_is_run():
    """Catches a layer that is judged with its affine part alone."""
    verdict = judge_as(Norm, Asked("layer_norm"), "it")
    assert verdict.verdict == "right", verdict.findings
    (finding,) = judge_as(NormOfAffine, Asked("layer_norm"), "it").findings
    assert "with affine=False" in finding.evidence


def test_a_switch_that_is_no_option_is_listed():
    """Catches a layer that is judged with one side of a switch alone, and does not say so."""
    assert judge_as(Norm, Asked("layer_norm"), "it").not_run == ["centred=False"]
