"""Proofs on symbols: right backwards are proven, wrong ones are not, and every branch is reached."""

import numpy as np
import pytest

from tests.certify.proof import prove
from tests.certify.theorems import theorems
from torchref.nn import functional as F


def marked(theorem):
    """The two steps of an LSTM and a GRU take seconds; their cells are proven in every run."""
    slow = [pytest.mark.slow] if theorem.module in ("LSTM", "GRU") else []
    return pytest.param(theorem, id=theorem.module, marks=slow)


@pytest.mark.parametrize("theorem", [marked(theorem) for theorem in theorems()])
def test_theorem(theorem):
    """Catches a formula that is wrong, whatever numbers may say: the library's own code, on symbols."""
    assert theorem.prove() > 0


def wrong(factor=1.0, term=0.0):
    def function(x):
        y = np.tanh(x)
        return y, lambda dy: factor * dy * (1 - y * y) + term * dy

    return function


@pytest.mark.parametrize("function", [wrong(factor=1 + 1e-9), wrong(term=1e-12), wrong(factor=-1.0)])
def test_a_wrong_backward_is_not_proven(function):
    """Catches a proof that would let anything pass: errors far below any tolerance are none to algebra."""
    with pytest.raises(AssertionError, match=r"argument 0\[0\]"):
        prove(function, np.array([0.3, -0.7]))


def test_a_right_backward_is_proven():
    assert prove(wrong(), np.array([0.3, -0.7])) == 2


def test_each_sample_is_on_its_own_branch():
    """Catches comparisons that are decided alike for all entries: relu passes on one of two."""

    def half_wrong(x):
        y, backward = F.relu(x)
        return y, lambda dy: np.where(x > 0, backward(dy), dy)

    assert prove(half_wrong, np.array([0.5])) == 1
    with pytest.raises(AssertionError):
        prove(half_wrong, np.array([0.5, -0.5]))
