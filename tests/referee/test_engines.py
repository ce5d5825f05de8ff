"""Engines: those that the dispatcher sees, and an opaque one, by a stand-in for torch.compile."""

import itertools
import json
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.referee.runs import assert_equal, scalar
from torchref.referee import RefereeError, judge, opaque
from torchref.referee.assignment import assign_entries
from torchref.referee.globally import Globally
from torchref.referee.opaque import judge_opaquely
from torchref.referee.report import Report
from torchref.referee.run import run_and_record

SEEN_THROUGH = ("eager", "autocast-bf16", "autocast-fp16", "bf16", "fp16", "float64", "channels_last")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.GroupNorm(2, 4),
        nn.Sequential(nn.Conv2d(4, 4, 3), nn.SiLU(), nn.Conv2d(4, 4, 1)),
        nn.Flatten(),
        nn.Linear(64, 3),
    )


def closure_of(model):
    torch.manual_seed(1)
    x = torch.randn(2, 3, 6, 6)
    return lambda: F.cross_entropy(model(x.to(model[4].weight.dtype)).double(), torch.tensor([0, 2]))


@pytest.mark.parametrize("engine", SEEN_THROUGH)
def test_a_healthy_model_is_equal_on_each_engine(model, engine):
    """Catches a false alarm, and a model that an engine leaves in another dtype, format or state."""
    before = {name: (p.data_ptr(), p.dtype, p.stride()) for name, p in model.named_parameters()}
    report = assert_equal(model, closure_of(model), engine=engine)
    assert report.engine == engine
    assert {name: (p.data_ptr(), p.dtype, p.stride()) for name, p in model.named_parameters()} == before


def test_autocast_runs_in_bfloat16(model):
    """Catches an engine that is named, and not used: bfloat16's bounds are wide."""
    bounds = {}
    for engine in ("eager", "autocast-bf16"):
        report = assert_equal(model, closure_of(model), engine=engine)
        bounds[engine] = max(j.bound for j in report.judged if j.kind == "parameter")
    assert bounds["autocast-bf16"] > 100 * bounds["eager"]


def standing_in(faulty):
    """An engine that multiplies the gradient of what `faulty` returns by 1.1, if it is given a module that holds it."""

    @contextmanager
    def engine(module):
        hit = [part for part in module.modules() if part is faulty]
        handles = [part.register_full_backward_pre_hook(lambda _, dy: (dy[0] * 1.1,)) for part in hit]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    return engine


def opaque_report(model, faulty):
    recording, _ = run_and_record(model, closure_of(model))
    assign_entries(recording)
    report = Report()
    judge_opaquely(model, closure_of(model), Globally(recording), report, standing_in(faulty))
    return report


def test_an_opaque_engine_is_bisected(model):
    """Catches a place that is a module too high, or another one."""
    report = opaque_report(model, model[2][2])
    assert report.verdict == "PARTED"
    assert report.first.module == "2.2", report.text()
    assert {j.name for j in report.judged} == {"4.weight", "4.bias"}


def test_a_healthy_opaque_engine_is_equal(model):
    """Catches a false alarm there."""
    assert opaque_report(model, None).verdict == "EQUAL"


def test_a_closure_that_writes_into_the_parameters(model):
    """Catches parameters that an opaque run leaves changed, each run further, and an alarm for that."""
    closure = closure_of(model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}

    def stepping():
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.5)
        return closure()

    recording, _ = run_and_record(model, stepping)
    assign_entries(recording)
    report = Report()
    judge_opaquely(model, stepping, Globally(recording), report, standing_in(None))
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
    assert report.verdict == "EQUAL", report.text()


def test_a_compiled_run_that_draws_is_refused(model):
    """Catches two runs that are compared although they have drawn otherwise."""
    dropped = nn.Sequential(model, nn.Dropout(0.5))
    with pytest.raises(RefereeError, match="draws"):
        judge(dropped, lambda: scalar(dropped(torch.ones(2, 3, 6, 6))), engine="compile")


class Doubled(torch.autograd.Function):
    """y = 2 x, its backward one percent too large."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        return dy * 2.02


def test_which_of_two_runs_is_right_is_said(model, monkeypatch):
    """Catches a fault of the engine's that is blamed on the model, and one of the model's on the engine."""
    monkeypatch.setattr(opaque, "graphs", itertools.count().__next__)
    monkeypatch.setattr(opaque, "compiled", standing_in(model[2][2]))
    report = judge(model, closure_of(model), engine="compile")
    assert (report.verdict, report.eager.verdict) == ("PARTED", "EQUAL"), report.text()
    assert report.first.module == "2.2"
    assert "the eager run: EQUAL" in report.text()
    assert json.loads(report.as_json())["eager"]["engine"] == "eager"

    monkeypatch.setattr(opaque, "compiled", standing_in(None))
    closure = closure_of(model)
    wrong = judge(model, lambda: Doubled.apply(closure()), engine="compile")
    assert (wrong.verdict, wrong.eager.verdict) == ("PARTED", "PARTED")
    assert wrong.eager.first.op == "Doubled"
    assert not wrong.first.module  # compiled alone, every module would part
    assert "first to part: Doubled" in wrong.text()


def test_a_run_that_is_not_compiled_is_refused(model, monkeypatch):
    """Catches the eager run judged in place of the compiled one, and found equal to itself."""
    monkeypatch.setattr(opaque, "compiled", standing_in(None))
    with pytest.raises(RefereeError, match="has compiled nothing"):
        judge(model, closure_of(model), engine="compile")


def test_a_gradient_that_was_there_is_put_back_in_its_dtype(model):
    """Catches a gradient in float32 that is given to a parameter while that is in bfloat16."""
    kept = {}
    for name, parameter in model.named_parameters():
        parameter.grad = kept[name] = torch.ones_like(parameter)
    assert_equal(model, closure_of(model), engine="bf16")
    assert all(parameter.grad is kept[name] for name, parameter in model.named_parameters())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 213))
@pytest.mark.parametrize("engine", [*SEEN_THROUGH, "ddp"])
def test_a_healthy_model_is_equal_in_many_runs(engine, seed):
    """The same with other numbers, 104 times; one of the engines is two processes."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.GELU(), nn.Conv2d(4, 4, 3, stride=2), nn.Hardswish(),
        nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 8), nn.Dropout(0.3), nn.Linear(8, 3),
    )  # fmt: skip
    x, target = torch.randn(4, 3, 6, 6), torch.randint(0, 3, (4,))

    def closure(rank=0, world=1):
        given = x[rank::world].to(model[0].weight.dtype)
        return F.cross_entropy(model(given).to(torch.promote_types(given.dtype, torch.float32)), target[rank::world])

    assert_equal(model, closure, engine=engine)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_a_wrong_lowering_of_inductor_is_found(monkeypatch):
    """Catches a compiler's fault that is put into another module, or into the model itself."""
    from torch._inductor import config, lowering

    right = lowering.lowerings[torch.ops.aten.erf.default]
    times = lowering.lowerings[torch.ops.aten.mul.Tensor]
    monkeypatch.setitem(lowering.lowerings, torch.ops.aten.erf.default, lambda x: times(right(x), 1.01))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Sequential(nn.Tanh(), nn.GELU()), nn.Linear(8, 3))
    x, target = torch.randn(9, 6), torch.randint(0, 3, (9,))
    with config.patch(force_disable_caches=True, compile_threads=1):
        report = judge(model, lambda: F.cross_entropy(model(x), target), engine="compile")
    assert (report.verdict, report.eager.verdict) == ("PARTED", "EQUAL"), report.text()
    assert report.first.module == "1.1", report.text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_a_compiled_model_is_equal(model):
    """Catches what a stand-in cannot show: torch.compile itself."""
    assert_equal(model.double(), closure_of(model), engine="compile")


@pytest.mark.parametrize("engine", ["float64", "bf16"])
def test_an_input_of_another_dtype_is_said(model, engine):
    """Catches torch's own words alone, which do not say that the engine has converted the model."""
    x = torch.ones(2, 3, 6, 6)
    with pytest.raises(RefereeError, match=rf"the engine {engine} converts the model alone; let the closure convert"):
        judge(model, lambda: model(x).sum(), engine=engine)
