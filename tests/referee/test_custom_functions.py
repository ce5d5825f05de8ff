"""Custom Functions that use what they return, writing or reading it, or return a view; or read an argument often."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

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


class Attended(torch.autograd.Function):
    """y = w v and w = softmax(x), which it returns, too: its own reading of w is no part of that gradient."""

    fault = 1.0

    @staticmethod
    def forward(ctx, x, v):
        w = x.softmax(-1)
        ctx.save_for_backward(w, v)
        return w @ v, w

    @staticmethod
    def backward(ctx, dy, dw):
        w, v = ctx.saved_tensors
        dw = dw + dy @ v.T * Attended.fault
        return w * (dw - (dw * w).sum(-1, keepdim=True)), w.T @ dy


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("fault", [1.0, 1.01])
def test_a_function_that_reads_its_result(fault, both, monkeypatch):
    """Catches a gradient of what is returned that is taken for all of it: the path inside would be lost."""
    monkeypatch.setattr(Attended, "fault", fault)
    torch.manual_seed(0)
    model = nn.Linear(4, 6).double()
    x = torch.randn(6, 4).double()

    def closure():
        y, w = Attended.apply(model(x), model(x).tanh())
        return y.sin().sum() + (w.pow(2).sum() if both else 0)

    if fault == 1.0:
        assert_equal(model, closure)
    else:
        assert_found(model, closure, "Attended", "")


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpoint_that_returns_what_it_reads(reentrant):
    """Catches the same in torch's own: a layer that returns its attention's weights."""
    torch.manual_seed(0)
    model = nn.Linear(4, 6).double()
    x = torch.randn(6, 4).double()

    def layer(h):
        w = h.softmax(-1)
        return w @ h, w

    assert_equal(model, lambda: checkpoint(layer, model(x), use_reentrant=reentrant)[0].sin().sum())


def test_a_constant_of_a_function_that_reads_its_argument_often_is_found():
    """Catches a regression on each operation inside it: their shares are so alike that no factor can be told. What a
    Function passes back is one sum."""

    class Swish(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x.sigmoid() + 0.1 * x

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            s = x.sigmoid()
            return 1.02 * dy * (s * (1 + x * (1 - s)) + 0.1)

    torch.manual_seed(7)
    model, x = nn.Linear(32, 32), torch.randn(16, 32)
    options = {"engine": "autocast-bf16"}
    report = assert_found(model, lambda: Swish.apply(model(x)).float().sin().sum(), "Swish", "", **options)
    assert report.first.coefficient == pytest.approx(1.02, abs=5e-3), report.text()
