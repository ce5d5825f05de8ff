"""DistributedDataParallel in two processes over gloo, against the mean of the ranks' hand-derived gradients."""

import multiprocessing
import os

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torchref.referee import RefereeError, judge
from torchref.referee.globally import Globally
from torchref.referee.judging import judge_run, silent
from torchref.referee.ranks import MeanOfRanks, gradients_by_rank, shares

CUT = 8  # of 12 examples: rank 0 has 8, rank 1 has 4


def run(*layers, seed=0):
    """A model, and the closure that gives each rank its part of the batch, in float64."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 6), *layers, nn.Linear(6, 3)).double()
    x, target = torch.randn(12, 5).double(), torch.randint(0, 3, (12,))

    def closure(rank, world):
        part = slice(0, CUT) if rank == 0 else slice(CUT, 12)
        return F.cross_entropy(model(x[part]), target[part])

    return model, closure, (x, target)


@pytest.fixture(autouse=True)
def no_orphans():
    """Catches a process that is left."""
    yield
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("layers", [(nn.Tanh(),), (nn.BatchNorm1d(6), nn.ReLU()), (nn.Dropout(0.5),)], ids=str)
def test_two_processes_are_equal_to_the_mean_of_the_ranks(layers):
    """Catches a false alarm, with uneven shares, with batch norm's own statistics at each rank, and with draws."""
    model, closure, _ = run(*layers)
    report = judge(model, closure, engine="ddp")
    assert report.passed, report.text()
    assert report.eager.passed
    assert {j.feeds for j in report.judged} == {"rank 0 and rank 1"}
    assert report.counts("parameter") == (len(list(model.parameters())), 0, 0)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model._compiled_call_impl is None


def test_the_truth_is_the_mean_of_ranks_and_not_of_examples():
    """Catches a truth that is the whole batch's: with 8 and 4 examples that is another gradient."""
    model, closure, (x, target) = run(nn.Tanh())
    truth = MeanOfRanks([Globally(judge_run(model, share, "eager", (), silent)[0]) for share in shares(closure)])
    weight = model[0].weight
    by_rank = [torch.autograd.grad(closure(rank, 2), weight)[0].numpy() for rank in range(2)]
    whole = torch.autograd.grad(F.cross_entropy(model(x), target), weight)[0].numpy()
    found = dict(truth.gradients())[id(weight)]
    assert np.abs(found - (by_rank[0] + by_rank[1]) / 2).max() < 1e-15
    assert np.abs(found - whole).max() > 1e-3
    assert np.abs(CUT / 12 * by_rank[0] + (12 - CUT) / 12 * by_rank[1] - whole).max() < 1e-15


class Planted(torch.nn.parallel.DistributedDataParallel):
    """DDP whose ranks are weighed by `weights` in place of 1 / 2 each."""

    weights = (CUT / 12, 1 - CUT / 12)

    def __init__(self, module, **options):
        super().__init__(module, **options)

        def weigh(state, bucket):
            weight = self.weights[torch.distributed.get_rank()]
            done = torch.distributed.all_reduce(bucket.buffer().mul_(weight), async_op=True).get_future()
            return done.then(lambda future: future.value()[0])

        self.register_comm_hook(None, weigh)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ((CUT / 12, 1 - CUT / 12), "0.6667 and 0.3333, and should have 0.5 each"),
        ((1.0, 1.0), "1 and 1, and should have 0.5 each"),
        ((1.0, 0.0), "1 and 0, and should have 0.5 each"),
    ],
    ids=["by examples", "a sum", "one rank alone"],
)
def test_a_wrong_weighting_is_found_and_named(monkeypatch, weights, said):
    """Catches a mean over examples, a sum and a lost rank, each of which trains, only otherwise."""
    monkeypatch.setattr(Planted, "weights", weights)
    monkeypatch.setattr(torch.nn.parallel, "DistributedDataParallel", Planted)
    model, closure, _ = run(nn.Tanh())
    report = judge(model, closure, engine="ddp")
    assert report.verdict == "PARTED", report.text()
    assert report.first.op == "the mean over the ranks"
    assert said in report.first.diagnosis
    assert said in report.text()
    assert [j.name for j in report.parted] == [name for name, _ in model.named_parameters()]  # each once
    assert {j.feeds for j in report.parted} == {"rank 0 and rank 1"}
    assert report.eager.passed  # the network itself is right: it is the ranks' mean that is not


def test_a_branch_that_one_rank_takes_alone():
    """Catches a run that waits for a gradient that never comes, and a truth without the other rank's zero."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 2)}).double()
    model.forward = lambda x, name: model[name](x)
    x = torch.randn(6, 4).double()
    report = judge(model, lambda rank, world: model(x[rank::world], "ab"[rank]).square().mean(), engine="ddp")
    assert report.passed, report.text()
    assert report.counts("parameter") == (4, 0, 0)


def test_an_operation_without_entry_at_one_rank_is_not_judged():
    """Catches a pass where the other rank ran what nobody looked at."""

    @torch.library.custom_op("ranks_test::double", mutates_args=())
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    double.register_autograd(lambda ctx, dy: dy * 2)
    model, _, (x, _) = run(nn.Tanh())
    report = judge(model, lambda rank, world: (double(model(x)) if rank else model(x)).sin().mean(), engine="ddp")
    assert report.verdict == "NOT JUDGED", report.text()
    assert "ranks_test::double" in {j.name for j in report.not_judged}


def failing(rank):
    def closure(of, world):
        if of == rank and torch.distributed.is_initialized():
            raise IndexError("mine")
        return model(x).mean()

    model, _, (x, _) = run(nn.Tanh())
    return model, closure


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_fails_ends_the_other(rank):
    """Catches a process that waits for one that has died."""
    with pytest.raises(RefereeError, match=f"rank {rank}: IndexError: mine"):
        judge(*failing(rank), engine="ddp")


def test_a_rank_that_dies_ends_the_other():
    """Catches a wait for an answer that nobody will send."""
    model, _, (x, _) = run(nn.Tanh())

    def closure(rank, world):
        if rank and torch.distributed.is_initialized():
            os._exit(1)
        return model(x).mean()

    with pytest.raises(RefereeError, match="rank 1: it died"):
        judge(model, closure, engine="ddp")


def test_a_closure_that_goes_around_the_model_is_refused():
    """Catches a run in which DDP averages nothing, and that would be accused of it."""
    model, _, (x, _) = run(nn.Tanh())
    with pytest.raises(RefereeError, match="does not call the model itself"):
        gradients_by_rank(model, lambda rank, world: model[0](x).mean(), unused=False)


def test_a_closure_without_ranks_is_refused(monkeypatch):
    """Catches a traceback, and minutes, for a closure that was written for one process."""
    model, _, (x, _) = run(nn.Tanh())
    with pytest.raises(RefereeError, match=r"closure\(rank, world\)"):
        judge(model, lambda: model(x).mean(), engine="ddp")
    monkeypatch.setattr(torch.distributed, "is_gloo_available", lambda: False)
    with pytest.raises(RefereeError, match="no gloo"):
        judge(model, lambda rank, world: model(x).mean(), engine="ddp")
