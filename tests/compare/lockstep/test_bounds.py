"""The bounds of a lockstep training: they raise no false alarm, and what they cost is measured."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from tests.compare.small import small
from tests.models.zoo import ZOO
from torchref.compare.data import batches
from torchref.compare.lockstep import step as lockstep_module
from torchref.compare.lockstep.bounds import Bounds
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.lockstep.twins import NumpyTwin

CPU = torch.device("cpu")
# by name what is trained: cancellation (a bias in front of a batch norm), kinks and ties, recurrence, attention, draws
NETWORKS = {
    "batch norm and dropout": small,
    **{name: ZOO[name] for name in ("MLP", "LeNet", "RNN classifier", "variational autoencoder", "GPT", "policy")},
}


@dataclass
class Cost:
    """What a training took."""

    tensors: int = 0
    largest_share: float = 0.0  # of a bound; above 1 would be an alarm
    runs: int = 0  # of the criterion
    kinks: int = 0
    criterion: int = 0  # forwards and backwards of a NumPy network that the criterion took ...
    training: int = 0  # ... and all others


def trained(chosen, steps, patch, every=None):
    """Train in lockstep, with the criterion run every so many steps. Diverged is raised at the first alarm."""
    cost, networks = Cost(), Counter()
    refresh, gradients = Bounds.refresh, NumpyTwin.gradients

    def counted_refresh(*args):
        before = networks["all"]
        cost.runs += 1
        limits = refresh(*args)
        networks["criterion"] += networks["all"] - before
        return limits

    def counted_gradients(*args):
        networks["all"] += 1
        return gradients(*args)

    patch.setattr(Bounds, "refresh", counted_refresh)
    patch.setattr(NumpyTwin, "gradients", counted_gradients)
    if every is not None:
        patch.setattr(lockstep_module, "REFRESH", every)
    twins = Lockstep(chosen, chosen.variants.get("both", {}), CPU)
    data = chosen.data().astype(np.dtype(chosen.dtype))
    rng = np.random.default_rng(5)
    while twins.steps < steps:
        for indices in batches(len(data.train_inputs), chosen.batch_size, rng):
            if twins.steps < steps:
                twins.step(data.train_inputs[indices], data.train_targets[indices])
        twins.end_epoch()
    cost.tensors, cost.largest_share, cost.kinks = twins.judge.tensors, twins.judge.largest_share, twins.kinks
    cost.criterion, cost.training = networks["criterion"], networks["all"] - networks["criterion"]
    return cost


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_screen_raises_no_alarm_and_seldom_needs_the_criterion(dtype, monkeypatch):
    """Catches a screen that is too tight: every step would be judged anew, at nine times the cost of the step."""
    cost = trained(replace(small, dtype=dtype), 100, monkeypatch)
    assert cost.largest_share <= 1
    assert cost.runs <= 12


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_criterion_at_every_step_raises_no_alarm(dtype, monkeypatch):
    """Catches a bound that is too tight for some entry at some step: here all are judged entry by entry."""
    cost = trained(replace(small, dtype=dtype), 60, monkeypatch, every=1)
    assert cost.runs >= 60
    assert cost.largest_share <= 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_false_alarm_at_a_quarter_of_the_training(name, dtype, monkeypatch, capsys):
    """Catches an alarm in steps judged entry by entry, or a criterion that costs over a quarter of a training."""
    chosen = replace(NETWORKS[name], dtype=dtype)
    entry_by_entry, steps = (60, 300) if name in ("LeNet", "GPT") else (150, 600)
    with monkeypatch.context() as patch:
        strict = trained(chosen, entry_by_entry, patch, every=1)
    with monkeypatch.context() as patch:
        screened = trained(chosen, steps, patch)
    with capsys.disabled():
        print(
            f"\n{name}, {dtype}: {strict.tensors} tensors entry by entry, worst share {strict.largest_share:.2f}, "
            f"{strict.kinks} kinks; {screened.tensors} screened, {screened.kinks} kinks; the criterion ran "
            f"{screened.runs} times in {steps} steps: {screened.criterion} networks beside the "
            f"training's {screened.training}"
        )
    assert strict.largest_share <= 1
    assert screened.criterion < screened.training / 4
