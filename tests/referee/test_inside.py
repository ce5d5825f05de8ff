"""A gradient that the closure takes itself: a custom backward or a hook in it is never a pass."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.referee.runs import assert_equal
from torchref.referee import Replay, judge
from torchref.referee.errors import RefereeError


class Cube(torch.autograd.Function):
    """Its backward and its jvp are ten percent too large."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return 3.3 * x * x * dy

    @staticmethod
    def jvp(ctx, tangent):
        (x,) = ctx.saved_tensors
        return 3.3 * x * x * tangent


class Twice(torch.autograd.Function):
    """Its backward forgets the 2, and runs no operation."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        return dy


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.randn(5, 4, dtype=torch.float64)


@pytest.fixture
def linear():
    torch.manual_seed(2)
    return nn.Linear(4, 3).double()


def gradient(function, linear, x, **options):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(function(linear(leaf)).sum(), leaf, **options)[0]


def accumulated(linear, x):
    leaf = x.clone().requires_grad_()
    Cube.apply(linear(leaf)).sum().backward(create_graph=True)
    return leaf.grad


def cubed(x):
    return lambda weight: Cube.apply(x @ weight.T).sum()


WAYS = {
    "penalty": lambda m, x: gradient(Cube.apply, m, x, create_graph=True).square(),
    "backward": lambda m, x: accumulated(m, x).square(),
    "constant": lambda m, x: gradient(Cube.apply, m, x) * m(x)[:, :1],
    "torch.func.grad": lambda m, x: torch.func.grad(cubed(x))(m.weight).square(),
    "jacrev": lambda m, x: torch.func.jacrev(cubed(x))(m.weight).square(),
    "vmap of grad": lambda m, x: torch.vmap(lambda a: torch.func.grad(cubed(a))(m.weight))(x).square(),
    "jvp": lambda m, x: torch.func.jvp(cubed(x), (m.weight,), (torch.ones_like(m.weight),))[1],
}


@pytest.mark.filterwarnings("ignore:Using backward")  # torch's, of create_graph
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own use of it, for a jvp
@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_backward_inside_the_run_is_no_pass(way, linear, x):
    """Catches EQUAL for a gradient penalty whose inner gradient a custom Function makes wrong."""
    report = judge(linear, lambda: WAYS[way](linear, x).sum())
    assert report.verdict == "NOT JUDGED", report.text()
    assert [j.name for j in report.not_judged] == ["Cube"], report.text()
    assert "`torchref check` judges it alone" in report.text()


def test_a_backward_without_operations_is_seen(linear, x):
    """Catches a look-out for operations alone: `return dy` runs none."""
    report = judge(linear, lambda: gradient(Twice.apply, linear, x, create_graph=True).square().sum())
    assert [j.name for j in report.not_judged] == ["Twice"], report.text()


def test_a_hook_inside_the_run_is_no_pass(linear, x):
    """Catches EQUAL where a hook changes the inner gradient, and the outer one does not pass it."""

    def hooked(h):
        h.register_hook(lambda dy: dy * 1.5)
        return h * 2

    report = judge(linear, lambda: gradient(hooked, linear, x, create_graph=True).square().sum())
    assert report.verdict == "NOT JUDGED", report.text()
    assert report.not_judged[0].name == "a hook"
    assert "test_inside.py" in report.not_judged[0].source


def test_what_is_right_inside_the_run_can_be_trusted(linear, x):
    """Catches a Function that was checked by itself and can't be let pass."""
    report = assert_equal(linear, lambda: gradient(Twice.apply, linear, x, create_graph=True).sum(), trust=["Twice"])
    assert "Twice" in [j.name for j in report.trusted]


def test_no_alarm_for_torch_inside_the_run(linear, x):
    """Catches a checkpoint that repeats its forward inside the run, taken for a hook."""

    def repeated(h):
        return checkpoint(lambda a: a * a, h, use_reentrant=False)

    assert_equal(linear, lambda: gradient(repeated, linear, x, create_graph=True).square().sum())


def test_the_patch_is_taken_back(linear, x):
    """Catches a judgement that leaves torch changed, also after an exception half way."""
    kept = torch.autograd.function.BackwardCFunction.apply

    def fails():
        raise KeyError("half way")

    with pytest.raises(KeyError):
        judge(linear, fails)
    judge(linear, lambda: linear(x).sum())
    assert torch.autograd.function.BackwardCFunction.apply is kept


def test_a_replay_of_an_inner_gradient_by_a_function_is_refused(x):
    """Catches a twin of a module that takes a wrong gradient in its forward as it comes."""

    class Penalty(nn.Linear):
        def forward(self, x):
            return gradient(Cube.apply, super().forward, x, create_graph=True)

    with pytest.raises(RefereeError, match=r"Cube at .*the closure itself takes"):
        Replay(Penalty(4, 3).double())(x.numpy())


class Squared(torch.autograd.Function):
    """Takes a gradient of its own inside, as implicit layers and reversible ones do."""

    factor = 1.0

    @staticmethod
    def forward(ctx, x):
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            y = leaf.square() * torch.ones(3, dtype=x.dtype, requires_grad=True)
        ctx.save_for_backward(leaf, y)
        return y.detach()

    @staticmethod
    def backward(ctx, dy):
        leaf, y = ctx.saved_tensors
        return Squared.factor * torch.autograd.grad(y, leaf, dy)[0]


def test_a_function_may_use_autograd_itself(linear, x, monkeypatch):
    """Catches a leaf inside a custom Function taken for a leaf of the run, which gets no gradient."""
    assert_equal(linear, lambda: Squared.apply(linear(x)).sum())
    monkeypatch.setattr(Squared, "factor", 1.5)
    report = judge(linear, lambda: Squared.apply(linear(x)).sum())
    assert report.first.op == "Squared", report.text()
    assert report.first.coefficient == pytest.approx(1.5)


def test_a_parameter_that_a_function_reads_unsaid_is_found(linear, x):
    """Catches a parameter that a custom Function reads without getting it: torch passes no gradient to it."""

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * linear.weight.sum()

        @staticmethod
        def backward(ctx, dy):
            return dy * linear.weight.sum()

    report = judge(linear, lambda: Scaled.apply(linear(x)).sum())
    assert report.first.op == "Scaled"
    assert report.first.name == "weight", report.text()
