"""Comparisons of torch alone: equal in lockstep with their replay, and a planted fault parts at its step and place."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.referee.sabotage import sabotaged
from torchref.compare import Comparison, Data, run
from torchref.compare.errors import UserError
from torchref.compare.options import model_options, optimizer_options
from torchref.compare.train.report import Report

SINCE = 3  # steps before the planted fault begins


class Scaled(torch.autograd.Function):
    """y = 2 x; the backward is wrong by one percent from its fourth training step on, if `faulty`."""

    faulty = False
    calls = 0

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        Scaled.calls += 1
        return dy * (2.02 if Scaled.faulty and Scaled.calls > SINCE else 2)


class Network(torch.nn.Module):
    """Batch norm, dropout, a view, a branch on the data, a tied weight and a custom Function."""

    def __init__(self, width, dropout):
        super().__init__()
        self.first, self.norm = torch.nn.Linear(4, width), torch.nn.BatchNorm1d(width)
        self.again = torch.nn.Linear(4, width)
        self.again.weight = self.first.weight
        self.last = torch.nn.Linear(width, 3)
        self.dropout = dropout

    def forward(self, x):
        layer = self.first if x.sum() > 0 else self.again
        h = self.norm(layer(x)).view(len(x), 2, -1).transpose(1, 2).flatten(1)
        h = torch.nn.functional.dropout(h, self.dropout, self.training)
        return self.last(Scaled.apply(torch.relu(h)))


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4))
    return Data(x[:32], np.abs(x[:32]).argmax(1) % 3, x[32:], np.abs(x[32:]).argmax(1) % 3)


COMPARISON = Comparison(
    name="alone",
    claim="torch alone",
    torch_model=lambda nn, width=6, dropout=0.2: Network(width, dropout),
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    data=data,
    epochs=3,
    batch_size=8,
    device="cpu",
)


@pytest.fixture(autouse=True)
def healthy(monkeypatch):
    monkeypatch.setattr(Scaled, "faulty", False)
    monkeypatch.setattr(Scaled, "calls", 0)


def trained(tmp_path, **changes) -> Report:
    return run(replace(COMPARISON, **changes), out=tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{}, {"dtype": "float32"}, {"accumulate": 2}, {"variants": {"wide": {"width": 8, "dropout": 0.5}}}],
    ids=["float64", "float32", "accumulate", "options"],
)
def test_torch_alone_is_equal_to_its_replay(tmp_path, changes):
    """Catches a false alarm, a canary that is not noticed, and a free twin that goes astray."""
    report = trained(tmp_path, **changes)
    (variant,) = report.variants
    assert report.passed, variant
    assert variant.steps == 12
    assert variant.kinks == 0
    assert variant.drift_weights < (1e-3 if changes.get("dtype") == "float32" else 1e-12)
    assert variant.training_loss_numpy == pytest.approx(variant.training_loss_torch, rel=1e-5)
    events = {path.parent.name for path in tmp_path.rglob("events.out.*")}
    assert events == {"numpy", "torch", "difference", "this run"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_wrong_function_parts_at_its_step_and_place(tmp_path, monkeypatch, dtype):
    """Catches a fault that the replay repeats, and one that is blamed on another step, layer or operation."""
    monkeypatch.setattr(Scaled, "faulty", True)
    found = trained(tmp_path, dtype=dtype, variants={"v": {"dropout": 0.2}}).variants[0].divergence
    assert found.step == SINCE - 1  # the rehearsal has taken one
    assert found.tensor.startswith("gradient ")
    assert "by Scaled" in found.cause
    assert "test_replayed.py" in found.cause
    assert "1.0100 times" in found.cause
    assert found.cause in str(found)


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path):
    """Catches state that a replay keeps to itself: draws, buffers, weights."""
    whole = trained(tmp_path / "whole").variants[0]
    trained(tmp_path / "parts", epochs=1)
    rest = run(replace(COMPARISON, epochs=3), out=tmp_path / "parts", resume=True).variants[0]
    for field in ("training_loss_numpy", "validation_loss_torch", "largest_difference", "drift_weights", "tensors"):
        assert getattr(rest, field) == getattr(whole, field), field


def test_options_are_the_torch_model_s():
    """Catches a grid that finds no options, or asks torchref.nn for a network that it has not."""
    assert model_options(COMPARISON) == ["width", "dropout"]
    assert "lr" in optimizer_options(COMPARISON)


class Unknown(Network):
    def forward(self, x):
        return super().forward(x) + torch.linalg.eigvals(self.first.weight[:4]).abs().sum()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"torch_model": None}, "model must be a function, not None, or leave it out and give torch_model"),
        ({"torch_model": lambda nn: 3}, "must return an instance of torch's Module, not int"),
        ({"torch_model": lambda nn: Unknown(6, 0.0)}, "linalg_eig.* no entry for it"),
        ({"torch_model": lambda nn: Network(6, 0.0).requires_grad_(False)}, "no gradient goes back"),
    ],
    ids=["none at all", "no module", "an operation without entry", "frozen"],
)
def test_what_cannot_be_replayed_is_refused_before_anything_is_written(tmp_path, changes, said):
    """Catches a traceback, and torch's numbers in place of the replay's."""
    with pytest.raises(UserError, match=said):
        trained(tmp_path, **changes)
    assert not list(tmp_path.iterdir())


def biased(x, weight, bias, mean, var, training, momentum, eps):
    """Batch norm whose running variance takes the variance by n."""
    batch_mean, batch_var = (x.mean(0), x.var(0, unbiased=False)) if training else (mean, var)
    if training:
        mean.mul_(1 - momentum).add_(momentum * batch_mean)
        var.mul_(1 - momentum).add_(momentum * batch_var)
    rstd = (batch_var + eps).rsqrt()
    return (x - batch_mean) * rstd * weight + bias, batch_mean, rstd


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_wrong_running_statistics_part(tmp_path, dtype):
    """Catches buffers that are torch's own in both twins."""
    with sabotaged("native_batch_norm", biased):
        report = run(replace(COMPARISON, dtype=dtype), out=tmp_path)
    assert report.variants[0].divergence.tensor == "buffer norm.running_var"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("layer", ["first", "norm"])
def test_a_planted_fault_is_found(tmp_path, layer, dtype):
    """Catches a fault that is planted where nothing is computed, one that the replay repeats, and another place."""
    report = run(replace(COMPARISON, dtype=dtype), out=tmp_path, sabotage=layer)
    found = report.variants[0].divergence
    assert (found.step, found.layer) == (0, layer), str(found)
    assert "by Sabotaged" in found.cause
    assert "1.0100 times" in found.cause


def test_a_layer_that_is_not_there(tmp_path):
    """Catches a training without the fault that was asked for."""
    with pytest.raises(UserError, match="sabotage: there is no layer 'frist'; did you mean 'first'"):
        run(COMPARISON, out=tmp_path, sabotage="frist")
