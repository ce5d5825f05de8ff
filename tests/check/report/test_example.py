# ruff: noqa: E501
"""What is wrong in an unknown way is shown on the smallest example, in numbers that can be checked by hand."""

import re

import numpy as np
import pytest

from torchref.check import check


def sigmoid(x):
    s = 1 / (1 + np.exp(-x))
    return s, lambda dy: dy * s * np.sqrt(np.abs(1 - s)) + 0.1 * dy


def linear(x, w, b):
    """Columns of dw are weighted by their place: two outputs are needed to see it."""
    return x @ w + b, lambda dy: (dy @ w.T, x.T @ dy * np.arange(1, dy.shape[1] + 1), dy.sum(0))


def cross_entropy(logits, target):
    n = len(target)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)

    def backward(dy=1.0):
        d = p.copy()
        d[np.arange(n), target] -= 0.7
        return dy * d / n * np.sqrt(p)

    return -np.log(p[np.arange(n), target]).mean(), backward


def whole(x):
    """No size can be cut."""
    if x.shape != (5, 7):
        raise ValueError(x.shape)
    return sigmoid(x)


@pytest.mark.parametrize(
    ("code", "against", "said"),
    [
        (sigmoid, "sigmoid", r"dx\[0, 0\] should be 0\.3932, it is 0\.9582, for x = \[\[1\]\], dy = \[\[2\]\]"),
        (linear, "linear", r"dw\[0, 1\] should be (-?\d), it is (-?\d), for x = \[\[-?\d\]\], w = .*, dy = \[\[-?\d, -?\d\]\]"),
        (cross_entropy, "cross_entropy", r"dlogits\[0, 0\] should be .*, for logits = \[\[.*\]\], target = \[0\], dy = 2"),
        (whole, "sigmoid", r"dx\[\d, \d\] should be .*, it is .*, for x of shape \(5, 7\), dy of shape \(5, 7\)"),
    ],
)  # fmt: skip
def test_the_smallest_example(code, against, said):
    """Catches an unknown mistake without numbers, or on an input that is larger than need be."""
    verdict = check(code, against=against)
    (finding,) = verdict.findings
    assert finding.slug == "unknown"
    assert re.fullmatch(said, finding.example), finding.example
    assert finding.example in verdict.text(2)
    assert finding.example not in verdict.text(1)
    assert verdict.as_dict(2)["findings"][0]["example"] == finding.example


def test_an_optimizers_step():
    """Catches an unknown step without the entry, where it should go and where it goes."""
    verdict = check(lambda w, dw, lr=0.1: w - lr * dw * np.abs(w), against="SGD")
    told = re.fullmatch(
        r"step 1, entry \[\d, \d\]: it should go from (\S+) to (\S+), it goes to (\S+) "
        r"\(the gradient is (\S+), the rate (\S+)\)",
        verdict.findings[0].example,
    )
    before, right, mine, gradient, rate = map(float, told.groups())
    assert right == pytest.approx(before - rate * gradient, abs=1e-3)
    assert mine == pytest.approx(before - rate * gradient * abs(before), abs=1e-3)
