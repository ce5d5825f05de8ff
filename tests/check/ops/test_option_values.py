"""Options that torch refuses are refused before any work, by name and value; those of every record are taken."""

import pytest

from torchref.check.api import Asked, judge
from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.find import find
from torchref.check.ops.option_values import refused

REFUSED = {
    "dropout(p=2)": "dropout has no p=2: expected a number from 0 to 1",
    "mse_loss(reduction='men')": "mse_loss has no reduction='men': expected 'mean' or 'sum' or 'none'",
    "conv2d(stride=-1)": "conv2d has no stride=-1: expected whole numbers from 1",
    "conv2d(padding='foo')": "conv2d has no padding='foo': expected whole numbers from 0",
    "max_pool2d(kernel_size=(2, 0))": "kernel_size=(2, 0)",
    "cross_entropy(label_smoothing=3)": "label_smoothing=3",
    "leaky_relu(negative_slope='a')": "negative_slope='a': expected a number",
    "huber_loss(delta=0)": "delta=0",
    "softmax(dim=9)": "softmax does not run with dim=9",
    "Adam(lr=-1)": "Adam refuses lr=-1",
    "SGD(nesterov=True)": "SGD refuses nesterov=True",
    "RMSprop(eps='x')": "RMSprop refuses eps='x'",
}


def never(*_):
    raise AssertionError("it was called")


@pytest.mark.parametrize("against", REFUSED)
def test_what_torch_refuses_is_refused(against):
    """Catches a judgement against an operation that torch does not have, and an error of the check's own inside."""
    verdict = judge(never, Asked(against), "never")
    assert verdict.verdict == "could-not-run"
    assert REFUSED[against] in verdict.error


def test_every_value_of_a_record_is_taken():
    """Catches a rule that refuses what torch takes."""
    for op in CATALOGUE:
        for a in op.options:
            for value in (a.default, a.probe, *a.vary):
                assert not refused(op, {a.name: value}), (op.name, a.name, value)
    assert find("conv2d(padding='same')").given == {"padding": "same"}


def test_the_headline_shows_the_options():
    """Catches a verdict that does not say under which options it holds."""

    def square(input, target):
        d = input - target
        return (d * d).sum(), lambda: 2 * d

    verdict = judge(square, Asked("MSELoss(reduction='sum')"), "square")
    assert verdict.text().startswith("square against mse_loss(reduction='sum')"), verdict.text()
    assert verdict.ok
