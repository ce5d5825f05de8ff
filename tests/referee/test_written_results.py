"""Custom Functions that write in place into parts of their result, or return a view of it."""

import pytest
import torch
from torch import nn

from tests.referee.runs import assert_equal, assert_found


def function_of(forward, backward):
    """A custom Function of one tensor."""

    class Written(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return forward(x * 3)

        @staticmethod
        def backward(ctx, dy):
            return 3 * backward(dy.reshape(6, 5).clone())

    return Written


def twice_the_first(y):
    y[:1].mul_(2)
    return y


# What a Function writes in place into its own result, or returns as a view of it; and the backward of that.
WRITTEN = {
    "a part": (twice_the_first, twice_the_first),
    "parts that overlap": (
        lambda y: (y[1:].mul_(2), y[:, 0].add_(y[:, 1]), y)[2],
        lambda dy: (dy[:, 1].add_(dy[:, 0]), dy[1:].mul_(2), dy)[2],
    ),
    "all": (lambda y: y.mul_(2), lambda dy: dy * 2),
    "a view": (lambda y: y.view(30), lambda dy: dy),
    "a view of what has a part": (lambda y: twice_the_first(y).view(30), twice_the_first),
    "new memory": (lambda y: torch.zeros_like(y).index_copy_(0, torch.arange(6), y), lambda dy: dy),
    "part of new memory": (
        lambda y: torch.zeros_like(y).__setitem__(slice(3), y[:3]) or y.mul_(1),
        lambda dy: dy,
    ),
}


@pytest.mark.parametrize("place", ["here", "behind", ""])
@pytest.mark.parametrize("name", WRITTEN)
def test_a_function_that_writes_into_its_result(name, place):
    """Catches an alarm for a healthy one, a crash, and the blame for a wrong reader that falls on it."""
    torch.manual_seed(0)
    model = nn.Linear(4, 5).double()
    x = torch.randn(6, 4).double()
    forward, backward = WRITTEN[name]
    written = function_of(forward, lambda dy: backward(dy) * (1.01 if place == "here" else 1))

    class Reader(torch.autograd.Function):
        @staticmethod
        def forward(ctx, y):
            return y * 2

        @staticmethod
        def backward(ctx, dy):
            return dy * (2.02 if place == "behind" else 2)

    def closure():
        return Reader.apply(written.apply(model(x).tanh())).sin().sum()

    if place:
        report = assert_found(model, closure, "Written" if place == "here" else "Reader", "")
        assert report.first.coefficient == pytest.approx(1.01, abs=1e-12)
    else:
        assert_equal(model, closure)
