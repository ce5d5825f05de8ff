"""The adaptive softmax's other methods, and its errors."""

import numpy as np
import pytest
import torch

import torchref
from torchref.check.tolerance.bound import bound

ARGUMENTS = (17, 13, [3, 7])


def both():
    torch.manual_seed(0)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(*ARGUMENTS, head_bias=True).double()
    ours = torchref.nn.AdaptiveLogSoftmaxWithLoss(*ARGUMENTS, head_bias=True).double()
    ours.load_state_dict({name: value.numpy().copy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def test_log_prob_and_its_gradients():
    """Catches a cluster in the wrong place, or a head entry that gets no gradient."""
    ours, theirs = both()
    rng = np.random.default_rng(1)
    x, dlog_p = rng.standard_normal((11, 17)), rng.standard_normal((11, 13))
    x_theirs = torch.from_numpy(x.copy()).requires_grad_()
    expected = theirs.log_prob(x_theirs)
    expected.backward(torch.from_numpy(dlog_p))
    log_p, backward = ours.log_prob(x)
    dx = backward(dlog_p)
    limit = bound(np.abs(dx).max(), x.dtype, 1.0)
    np.testing.assert_allclose(log_p, expected.detach().numpy(), atol=limit)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1)
    np.testing.assert_allclose(dx, x_theirs.grad.numpy(), atol=limit)
    for (name, parameter), theirs_parameter in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(parameter.grad, theirs_parameter.grad.numpy(), atol=10 * limit, err_msg=name)


def test_predict():
    """Catches the most probable entry of the head taken for the most probable class."""
    ours, theirs = both()
    x = 5 * np.random.default_rng(2).standard_normal((101, 17))
    expected = theirs.predict(torch.from_numpy(x)).numpy()
    assert len(set(expected.tolist()) - {0, 1, 2}) > 2, "the probe must reach the clusters"
    np.testing.assert_array_equal(ours.predict(x), expected)


def test_backward_takes_either_part():
    """Catches a gradient of the output mixed up with that of the loss; backward() is the loss's."""
    ours, _ = both()
    rng = np.random.default_rng(3)
    x, target = rng.standard_normal((11, 17)), rng.integers(0, 13, 11)
    (output, loss), backward = ours(x, target)
    np.testing.assert_allclose(loss, -output.mean())
    of_loss = backward((None, np.array(1.0)))
    np.testing.assert_array_equal(backward(), of_loss)
    np.testing.assert_allclose(backward((np.full(11, -1 / 11), None)), of_loss)
    np.testing.assert_allclose(backward((np.full(11, -1 / 11), np.array(1.0))), 2 * of_loss)


@pytest.mark.parametrize("cutoffs", [[], [0, 3], [3, 3], [5, 3], [13], [2.5]])
def test_cutoffs(cutoffs):
    """Catches clusters that overlap, are empty, or leave the classes."""
    for nn in (torchref.nn, torch.nn):
        with pytest.raises(ValueError, match="cutoffs"):
            nn.AdaptiveLogSoftmaxWithLoss(17, 13, cutoffs)


@pytest.mark.parametrize(
    ("x", "target"),
    [
        (np.ones((11, 17)), np.zeros(7, int)),
        (np.ones((11, 17)), np.zeros((11, 1), int)),
        (np.ones(17), np.zeros(1, int)),
        (np.ones((1, 17)), np.array(0)),
        (np.ones((2, 17)), np.array([0, 13])),
        (np.ones((2, 17)), np.array([0, -1])),
        (np.ones((2, 5)), np.array([0, 1])),
    ],
)
def test_input_errors_are_those_of_torch(x, target):
    """Catches a target out of range or shapes that do not fit going through."""
    ours, theirs = both()
    with pytest.raises(RuntimeError, match="AdaptiveLogSoftmaxWithLoss"):
        ours(x, target)
    with pytest.raises(RuntimeError):
        theirs(torch.from_numpy(x), torch.from_numpy(target))
