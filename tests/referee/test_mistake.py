"""Where a custom autograd.Function parts, the report says which mistake it is, as `torchref check` does."""

import pytest
import torch
from torch import nn

from torchref.check import check
from torchref.referee import judge
from torchref.referee.frames import Shape
from torchref.referee.mistake import drawn, mistake


class Gelu(torch.autograd.Function):
    """Has the name of an operation, and its forward; the term x pdf(x) of the derivative is missing."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return nn.functional.gelu(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * 0.5 * (1 + torch.erf(x / 2**0.5))


class Tanh(torch.autograd.Function):
    """Has the name of an operation, and another forward, 2 x w; its backward transposes wrongly."""

    @staticmethod
    def forward(ctx, x, w, factor):
        ctx.save_for_backward(x, w)
        ctx.factor = factor
        return factor * (x @ w)

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return ctx.factor * (dy @ w), ctx.factor * (x.T @ dy), None


class Odd(torch.autograd.Function):
    """A mistake that nobody makes twice."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy + torch.arange(dy.numel(), dtype=dy.dtype).reshape(dy.shape).cos()


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = nn.Linear(5, 6).double()
    made.square = nn.Parameter(torch.randn(6, 6).double())
    return made


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda h, w: Gelu.apply(h), "local-derivative-missing: The term `x * pdf(x)` is missing."),
        (lambda h, w: Tanh.apply(h, w, 2), "transposed: A matrix is used or returned transposed."),
        (lambda h, w: Odd.apply(h), ""),
    ],
    ids=["by its name", "by its own forward", "no known mistake"],
)
def test_the_mistake_is_named(model, function, said):
    """Catches a place without a reason, and a reason that is made up."""
    x = torch.randn(4, 5).double()
    report = judge(model, lambda: function(model(x), model.square).sin().sum())
    assert report.first.diagnosis.startswith(said), report.text()
    assert bool(report.first.diagnosis) == bool(said)
    if said:
        assert f"mistake: {said}" in report.text()
        assert said.partition(":")[0] in report._repr_html_()
        assert said in report.as_json()


def test_the_arguments_have_the_run_s_shapes():
    """Catches an index drawn anew, and a shape that is lost."""
    index = torch.tensor([2, 0])
    x, kept, number = drawn((Shape((3, 4)), index, 7))
    assert x.shape == (3, 4)
    assert (kept == index.numpy()).all()
    assert number == 7


def test_a_large_function_is_tried_on_sizes_of_the_check_s_own():
    """Catches minutes of differences on a batch of a thousand."""
    assert mistake(Gelu, (Shape((1000, 1000)),)).startswith("local-derivative-missing")


class RmsNorm(torch.autograd.Function):
    """With an eps of its own, where torch's default is the precision's; the mean square is taken as a constant."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x * ((x * x).mean(-1, keepdim=True) + 1e-6).rsqrt() * weight

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        r = ((x * x).mean(-1, keepdim=True) + 1e-6).rsqrt()
        return dy * weight * r, (dy * x * r).sum(0)


def test_an_eps_of_its_own_where_torch_s_is_the_precision_s():
    """Catches a check that fails on the default None of rms_norm's eps."""
    verdict = check(RmsNorm, "rms_norm")
    assert [finding.slug for finding in verdict.findings] == ["statistics-as-constants"], verdict.text()
    assert "eps is 1e-06 in this code (torch: the precision's own)" in verdict.text()
