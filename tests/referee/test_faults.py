"""Planted faults are found at their place, and healthy models raise no alarm, in each precision."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.referee.runs import assert_equal, assert_found
from tests.referee.sabotage import sabotaged
from torchref.referee import RefereeError, judge


class RMSNorm(torch.autograd.Function):
    """y = x / sqrt(mean(x^2) + 1e-6) weight; `fault` plants a mistake into the backward."""

    fault = ""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x * ((x * x).mean(-1, keepdim=True) + 1e-6).rsqrt() * weight

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        r = ((x * x).mean(-1, keepdim=True) + 1e-6).rsqrt()
        x_hat = x * r
        dx_hat = dy * weight
        path = x_hat * (dx_hat * x_hat).mean(-1, keepdim=True)
        dx = r * (dx_hat - (0 if RMSNorm.fault == "missing term" else path))
        dweight = (dy * x_hat).sum(tuple(range(dy.dim() - 1)))
        if RMSNorm.fault == "constant":
            dx = dx * 1.01
        if RMSNorm.fault == "weight":
            dweight = dweight * 1.01
        if RMSNorm.fault == "no gradient":
            dx = None
        return dx, dweight


class Mix(torch.autograd.Function):
    """y = x w for a square w; the fault is a transpose, or "constant"."""

    fault: bool | str = False

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        x, dy = x.to(w.dtype), dy.to(w.dtype)
        if Mix.fault == "constant":
            return 1.01 * (dy @ w.T), x.flatten(0, -2).T @ dy.flatten(0, -2)
        return dy @ (w if Mix.fault else w.T), x.flatten(0, -2).T @ dy.flatten(0, -2)


class Masked(torch.autograd.Function):
    """y = max(x, 0); the fault is a mask that is dropped."""

    fault = False

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.relu()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy if Masked.fault else dy * (x > 0)


class Block(nn.Module):
    """Attention and a mixer, each behind an RMSNorm, as people write them."""

    def __init__(self, width, heads):
        super().__init__()
        self.gain1, self.gain2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mix = nn.Parameter(torch.randn(width, width) / width**0.5)
        self.heads = heads

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(RMSNorm.apply(x, self.gain1)).chunk(3, -1)
        q, k, v = (part.view(b, t, self.heads, d // self.heads).transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, d))
        return x + Masked.apply(Mix.apply(RMSNorm.apply(x, self.gain2), self.mix))


class Model(nn.Module):
    def __init__(self, vocabulary=23, width=16, depth=3):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, 2) for _ in range(depth))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def run(dtype, seed, size=12):
    """The model and its closure; bfloat16 is autocast."""
    torch.manual_seed(seed)
    model = Model().to(torch.float64 if dtype == "float64" else torch.float32)
    ids = torch.randint(0, 23, (2, size))
    return model, lambda: F.cross_entropy(model(ids).flatten(0, 1).to(model.head.weight.dtype), ids.flatten())


@pytest.fixture(autouse=True)
def healthy():
    yield
    RMSNorm.fault, Mix.fault, Masked.fault = "", False, False


PRECISIONS = ("float64", "float32", "bfloat16")


def engine(precision):
    return "autocast-bf16" if precision == "bfloat16" else "eager"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_model_raises_no_alarm(precision, seed):
    """Catches a bound that rounding alone oversteps."""
    assert_equal(*run(precision, seed), engine=engine(precision))


class Mean(nn.Module):
    def __init__(self, axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.mean(self.axes)


# The gradient behind the norm is zero in mathematics: what comes is the rounding of numbers that cancel.
CANCELLING = {
    "one value": lambda: (nn.LayerNorm(1), Mean((0, 2)), (3, 6, 1)),
    "three values": lambda: (nn.Sequential(nn.Tanh(), nn.LayerNorm(3)), Mean((0, 2)), (3, 3, 3)),
    "two norms": lambda: (
        nn.Sequential(nn.InstanceNorm1d(3, affine=True), nn.InstanceNorm1d(3)), Mean((1, 2)), (3, 3, 3)
    ),
    "three norms": lambda: (
        nn.Sequential(nn.InstanceNorm1d(3), nn.GroupNorm(1, 3), nn.BatchNorm1d(3)), Mean((0, 2)), (3, 3, 3)
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", CANCELLING)
def test_a_gradient_that_cancels_raises_no_alarm(name, dtype):
    """Catches an alarm for rounding that has no gradient beside it to be small against."""
    for seed in range(4):
        torch.manual_seed(seed)
        norm, pool, shape = CANCELLING[name]()
        model = nn.Sequential(nn.Conv1d(shape[1], shape[1], 1), norm, pool).to(dtype)
        x = torch.randn(shape).to(dtype)
        assert_equal(model, lambda model=model, x=x: model(x).sin().sum())


def test_a_fault_in_a_gradient_that_cancels_is_found():
    """Catches a bound for such gradients that lets a real one through."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), Mean((1,)))
    x = torch.randn(5, 3)

    def wrong(dy, x, shape, mean, rstd, weight, bias, mask):
        return dy * weight * rstd, (dy * (x - mean) * rstd).sum(0), dy.sum(0)

    with sabotaged("native_layer_norm_backward", wrong):
        report = assert_found(model, lambda: model(x).sin().sum(), "native_layer_norm", "1")
    assert report.first.diagnosis.startswith("statistics-as-constants"), report.text()


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("seed", range(100, 134))
def test_a_healthy_model_raises_no_alarm_in_many_runs(precision, seed):
    """The same, 102 times."""
    assert_equal(*run(precision, seed), engine=engine(precision))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("fault", ["constant", "missing term", "weight", "no gradient"])
def test_a_wrong_norm_is_found(fault, precision):
    """Catches a constant 1.01, a missing term, a wrong gradient of the weight alone, and a None, named elsewhere."""
    RMSNorm.fault = fault
    report = assert_found(*run(precision, 7), "RMSNorm", "blocks.2", engine=engine(precision))
    local = [j for j in report.parted if j.judged == "locally"]
    assert {j.op for j in local} == {"RMSNorm"}, report.text()
    if fault in ("constant", "weight"):
        assert report.first.coefficient == pytest.approx(1.01, abs=2e-3), report.text()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("function", [Mix, Masked])
def test_a_transpose_and_a_dropped_mask_are_found(function, precision):
    """Catches a gradient of the right shape and the wrong numbers, blamed on another operation."""
    function.fault = True
    report = assert_found(*run(precision, 7), function.__name__, "blocks.2", engine=engine(precision))
    assert {j.op for j in report.parted if j.judged == "locally"} == {function.__name__}, report.text()


def test_a_constant_that_no_entry_shows_is_found():
    """Catches a percent in bfloat16, which rounds each entry by half a percent: it needs all of them together."""
    Mix.fault = "constant"
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(32, 32), nn.Tanh())
    model.mix = nn.Parameter(torch.randn(32, 32) / 6)
    x = torch.randn(64, 32)
    options = {"engine": "autocast-bf16"}
    report = assert_found(model, lambda: Mix.apply(model(x), model.mix).float().sin().sum(), "Mix", "", **options)
    assert report.first.error < report.first.bound  # no entry by itself
    assert report.first.coefficient == pytest.approx(1.01, abs=3e-3), report.text()


def test_the_share_of_a_reader_before_a_write_in_place():
    """Catches shares that count where they no longer read: the write cuts the later reader off from a column."""

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def backward(ctx, dy):
            return dy * 3.03

    torch.manual_seed(8)
    model = nn.Linear(4, 4).double()
    x = torch.randn(5, 4, dtype=torch.float64)

    def closure():
        y = model(x) * 1
        z = Scaled.apply(y)
        y[:, 0] = 0.5
        return (z * y.detach() + y.sin()).sum()

    assert assert_found(model, closure, "Scaled", "").first.coefficient == pytest.approx(1.01, abs=1e-12)


def test_a_fault_of_one_in_a_million_is_found():
    """Catches a bound that is a tolerance: in float64 an error of 1e-9 is none that rounding explains."""

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def backward(ctx, dy):
            return dy * (3 + 3e-9)

    model, _ = run("float64", 0)
    ids = torch.arange(10).reshape(1, 10)
    report = judge(model, lambda: F.cross_entropy(Scaled.apply(model(ids))[0], ids[0]))
    assert report.first.op == "Scaled"
    assert report.first.coefficient == pytest.approx(1 + 1e-9, abs=1e-12)


def test_a_meant_difference_can_be_trusted():
    """Catches a straight-through estimator that cannot be let pass, and one that hides a fault behind it."""

    class Rounded(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x * 2).round() / 2 + 0 * x

        @staticmethod
        def backward(ctx, dy):
            return dy

    model, _ = run("float64", 0)
    ids = torch.arange(10).reshape(1, 10)

    def closure():
        return F.cross_entropy(Rounded.apply(model(ids) * 3)[0], ids[0])

    assert judge(model, closure).first.op == "Rounded"
    report = assert_equal(model, closure, trust=["Rounded"])
    assert [(j.name, j.reason) for j in report.trusted] == [("Rounded", "trusted")]  # not what it is made of
    with pytest.raises(RefereeError, match=r"trust: no autograd.Function 'Ruonded' ran: did you mean 'Rounded'\?"):
        judge(model, closure, trust=["Ruonded"])
    RMSNorm.fault = "constant"
    assert judge(model, closure, trust=["Rounded"]).first.op == "RMSNorm"


def scaling(module, *gradients):
    """A backward hook of a module: a half more of the gradients that it may change."""
    return tuple(None if g is None else g * 1.5 for g in gradients[0])


@pytest.mark.parametrize(
    ("register", "op", "module"),
    [
        ("register_full_backward_hook", "tanh", "1.0"),
        ("register_full_backward_pre_hook", "addmm", "2"),
        ("register_backward_hook", "tanh", "1.0"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a non-full backward hook")
def test_a_module_s_hook_that_changes_a_gradient_is_told(register, op, module):
    """Catches an operation that is accused of what a module's hook has done, without a word of the hook."""
    torch.manual_seed(0)
    hooked = nn.Sequential(nn.Tanh(), nn.Linear(5, 5)) if "full" in register else nn.Sequential(nn.Tanh())
    model = nn.Sequential(nn.Linear(4, 5), hooked, nn.Linear(5, 3)).double()
    x = torch.randn(6, 4).double()

    def closure():
        return model(x).sin().sum()

    handle = getattr(hooked, register)(scaling)
    report = assert_found(model, closure, op, module)
    said = "a backward hook of the module 1 may have changed it, and no operation"
    assert report.first.diagnosis.startswith(f"{said} ({__file__}:"), report.text()
    handle.remove()
    assert_equal(model, closure)


def test_a_hook_that_looks_on_hides_no_mistake():
    """Catches a monitor's hook that is told in place of the mistake."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh()).double()
    x = torch.randn(6, 5).double()
    model[1].register_full_backward_hook(lambda module, dx, dy: None)
    with sabotaged("tanh_backward", lambda dy, y: dy * (1 - y)):
        report = assert_found(model, lambda: model(x).sin().sum(), "tanh", "1")
    assert "; else local-derivative-missing" in report.first.diagnosis, report.text()


def written_unseen(allocate):
    """A custom Function whose forward a kernel computes beyond torch's dispatcher, as Triton's do; here NumPy."""

    class Silu(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = allocate(x)
            ctx.save_for_backward(x)
            given = x.detach().numpy()
            y.detach().numpy()[...] = given / (1 + np.exp(-given))
            return y

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            s = x.sigmoid()
            return dy * s * (1 + x * (1 - s))

    return Silu


@pytest.mark.parametrize(
    "allocate",
    [
        torch.empty_like,
        lambda x: torch.empty(x.shape, dtype=x.dtype),
        lambda x: x.new_empty(x.shape),
        lambda x: torch.zeros(x.shape, dtype=x.dtype),
        lambda x: torch.empty(2 * len(x), *x.shape[1:], dtype=x.dtype)[: len(x)],
    ],
    ids=["empty_like", "empty", "new_empty", "zeros", "a part of a buffer"],
)
def test_what_a_kernel_writes_unseen_is_not_judged(allocate):
    """Catches an innocent operation that is accused of the gradient that went through the kernel."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x = torch.randn(6, 4).double()
    silu = written_unseen(allocate)
    report = judge(model, lambda: model[2](silu.apply(model[:2](x))).sin().sum())
    assert report.verdict == "NOT JUDGED", report.text()
    assert {j.name for j in report.not_judged if j.kind == "parameter"} == {"0.weight", "0.bias"}
    assert {j.name for j in report.judged if j.kind == "parameter"} == {"2.weight", "2.bias", "0.weight", "0.bias"}
    (unseen,) = [j for j in report.not_judged if j.kind == "operation"]
    assert unseen.reason == "Silu lets a kernel write that torch's dispatcher does not see"


def test_a_tensor_from_before_the_run_is_refused():
    """Catches the parameter's missing share, of which an innocent operation would be accused."""
    model = nn.Linear(4, 4).double()
    x = torch.randn(6, 4).double()
    h = model(x)
    with pytest.raises(RefereeError, match=r"shape \(6, 4\) with a gradient was computed before the closure ran"):
        judge(model, lambda: model(h).sum())
    assert_equal(model, lambda: model(h.detach()).sum())
