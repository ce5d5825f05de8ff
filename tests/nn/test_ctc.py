"""CTC: witnesses without torch, since torch's gradient is only one in front of a log_softmax."""

import itertools

import numpy as np
import pytest

import torchref.nn.functional as R
from tests.checks import richardson


def loss_of_logits(logits, targets, input_lengths, target_lengths, **options):
    log_probs, log_softmax_backward = R.log_softmax(logits, dim=-1)
    loss, ctc_backward = R.ctc_loss(log_probs, targets, input_lengths, target_lengths, **options)
    return loss, lambda: log_softmax_backward(ctc_backward()[0])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradient_in_front_of_log_softmax_against_differences(reduction):
    """Catches a wrong beta, occupation or length, without torch: differences of the loss of the logits."""
    rng = np.random.default_rng(4)
    logits = rng.standard_normal((7, 2, 4))
    arguments = (np.array([[1, 1, 2], [3, 2, -1]]), (7, 5), (3, 2))
    _, backward = loss_of_logits(logits, *arguments, reduction=reduction)
    gradient = backward()
    for place in np.ndindex(logits.shape):
        witness = richardson(lambda: loss_of_logits(logits, *arguments, reduction=reduction)[0], logits, place)
        assert abs(gradient[place] - witness) < 1e-9, place


def collapse(path, blank):
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


@pytest.mark.parametrize("target", [(), (1,), (1, 1), (1, 2), (2, 1, 2)])
def test_likelihood_is_the_sum_over_all_paths(target):
    """Catches a recursion that counts other paths than those that spell the target: all 3^5 are written out."""
    log_probs, _ = R.log_softmax(np.random.default_rng(6).standard_normal((5, 3)), dim=-1)
    paths = [p for p in itertools.product(range(3), repeat=5) if collapse(p, 0) == target]
    likelihood = sum(np.exp(sum(log_probs[t, label] for t, label in enumerate(p))) for p in paths)
    loss, _ = R.ctc_loss(log_probs, np.array(target, dtype=int), (5,), (len(target),), reduction="sum")
    np.testing.assert_allclose(loss, -np.log(likelihood), rtol=1e-13)


def test_an_impossible_step_has_a_finite_gradient():
    """A label's log-probability of -inf at one time: the other paths remain. torch returns nan for that entry."""
    log_probs, _ = R.log_softmax(np.random.default_rng(6).standard_normal((5, 3)), dim=-1)
    log_probs[2, 1] = -np.inf
    loss, backward = R.ctc_loss(log_probs, np.array([1, 2]), (5,), (2,))
    gradient, *_ = backward()
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    assert gradient[2, 1] == 0
