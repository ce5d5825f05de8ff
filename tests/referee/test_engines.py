"""Engines: those that the dispatcher sees, and an opaque one, by a stand-in for torch.compile."""

from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.referee.runs import assert_equal, scalar
from torchref.referee import RefereeError, judge
from torchref.referee.assignment import assign_entries
from torchref.referee.globally import Globally
from torchref.referee.opaque import judge_opaquely
from torchref.referee.report import Report
from torchref.referee.run import run_and_record


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


@pytest.mark.parametrize("engine", ["eager", "autocast-bf16", "bf16", "fp16", "float64", "channels_last"])
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


def test_a_compiled_run_that_draws_is_refused(model):
    """Catches two runs that are compared although they have drawn otherwise."""
    dropped = nn.Sequential(model, nn.Dropout(0.5))
    with pytest.raises(RefereeError, match="draws"):
        judge(dropped, lambda: scalar(dropped(torch.ones(2, 3, 6, 6))), engine="compile")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_model_is_equal(model):
    """Catches what a stand-in cannot show: torch.compile itself."""
    assert_equal(model.double(), closure_of(model), engine="compile")
