"""An evaluation holds a bounded number of outputs, and says of how many examples it is."""

from typing import Any

import numpy as np
import pytest
import torch

import torchref
from tests.compare.small import changed
from torchref import compare
from torchref.compare import Data
from torchref.compare.errors import UserError
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.record.kept import NOTHING
from torchref.compare.train import checkpoint
from torchref.compare.train import evaluate as evaluation
from torchref.compare.train.evaluate import CHUNK, LARGEST, evaluate, fitting
from torchref.compare.train.variant import VariantTraining

N = 2 * CHUNK + 77


def twin_of(engine: str, **fields: Any) -> Any:
    comparison = changed(**fields)
    lockstep = Lockstep(comparison, comparison.variants["plain"], torch.device("cpu"))
    return lockstep.numpy_twin if engine == "numpy" else lockstep.torch_twin


def examples(count: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, 5)), rng.integers(0, 3, count)


class NumpyPenalty(torchref.nn.Module):
    """Logits, and beside them a penalty that is one number for the whole batch."""

    def __init__(self):
        self.layer = torchref.nn.Linear(5, 3)

    def forward(self, x):
        y, layer_backward = self.layer(x)

        def backward(doutputs):
            dy, dpenalty = doutputs
            return layer_backward(dy + dpenalty * 2 * y / y.size)

        return (y, np.mean(y**2)), backward


class TorchPenalty(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(5, 3)

    def forward(self, x):
        y = self.layer(x)
        return y, (y**2).mean()


class NumpyPenalised(torchref.nn.Module):
    def __init__(self):
        self.loss = torchref.nn.CrossEntropyLoss()

    def forward(self, y, penalty, target):
        loss, loss_backward = self.loss(y, target)

        def backward(dloss=1.0):
            return loss_backward(dloss), np.asarray(dloss)

        return loss + penalty, backward


class TorchPenalised(torch.nn.Module):
    def forward(self, y, penalty, target):
        return torch.nn.functional.cross_entropy(y, target) + penalty


PENALISED = {
    "model": lambda nn, **_: NumpyPenalty(),
    "torch_model": lambda nn, **_: TorchPenalty(),
    "loss": lambda nn: NumpyPenalised(),
    "torch_loss": lambda nn: TorchPenalised(),
}


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_what_is_joined_is_bounded(engine, monkeypatch):
    """Catches an evaluation that holds the outputs of all examples, and one that runs the network for nothing."""
    assert 8 * LARGEST == 256 * 2**20
    monkeypatch.setattr(evaluation, "LARGEST", 3 * (CHUNK + 500) + 2)
    twin, (x, target) = twin_of(engine), examples(N)
    seen, held, predict, joined = [], [], twin.predict, evaluation.joined
    monkeypatch.setattr(twin, "predict", lambda x: seen.append(len(x)) or predict(x))
    monkeypatch.setattr(
        evaluation, "joined", lambda outputs, how: held.extend(o.size for o in outputs) or joined(outputs, how)
    )
    loss, accuracy, count = evaluate(twin, x, target)
    assert (seen, sum(held), count) == ([CHUNK, 500], 3 * (CHUNK + 500), CHUNK + 500)
    assert (loss, accuracy) == evaluate(twin, x[:count], target[:count])[:2]


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_what_fits_gives_the_loss_of_all_outputs_to_the_bit(engine):
    """Catches another weighing of chunks, however near."""
    twin, (x, target) = twin_of(engine), examples(N)
    output = np.concatenate([twin.predict(x[start : start + CHUNK]) for start in range(0, N, CHUNK)])
    assert evaluate(twin, x, target)[::2] == (twin.loss_of(output, target), N)


@pytest.mark.parametrize(
    ("shapes", "count", "fits"),
    [
        ([(CHUNK, 3)], 10**9, LARGEST // 3),
        ([(CHUNK, 3), (CHUNK, 2, 4)], 10**9, LARGEST // 11),  # outputs count together
        ([(CHUNK, 2**20)], 10**9, CHUNK),  # the network is given no less than a chunk
        ([(CHUNK, 0)], 5 * CHUNK, 5 * CHUNK),
        ([(CHUNK, 3), ()], 5 * CHUNK, CHUNK),
        ([(7, CHUNK, 3)], 5 * CHUNK, CHUNK),  # time first
        ([(12, 3)], 12, 12),
        ([(12, 3), ()], 12, 12),
    ],
)
def test_how_many_fit(shapes, count, fits):
    """Catches a bound for each output alone, and outputs that are joined along another axis than the examples'."""
    first = tuple(np.broadcast_to(np.float64(0), shape) for shape in shapes)
    assert fitting(first if len(first) > 1 else first[0], count) == fits


def test_an_output_that_cannot_be_joined(tmp_path, capsys):
    """Catches a run that ends after its first epoch, and an evaluation that hides that it is of the first chunk."""
    x, target = examples(CHUNK + 90)
    penalised = changed(data=lambda: Data(x[:60], target[:60], x, target), epochs=1, **PENALISED)
    for resume in (False, True):
        report = compare.run(penalised, out=tmp_path, only="plain", resume=resume)
        assert report.passed, report.verdict
        assert report.variants[0].validation_note.startswith("validation is on the first 1,000 of 1,090 examples: ")
        report.show()
        assert capsys.readouterr().out.count("the first 1,000 of 1,090") == 1
    twin = twin_of("numpy", **PENALISED)
    assert evaluate(twin, x, target) == evaluate(twin, x[:CHUNK], target[:CHUNK])


def test_a_checkpoint_keeps_how_many_were_evaluated(tmp_path):
    """Catches a run, killed after its last epoch, whose report then says that all examples were evaluated."""
    comparison = changed()

    def training():
        lockstep = Lockstep(comparison, comparison.variants["plain"], torch.device("cpu"))
        return VariantTraining(comparison, "plain", comparison.data(), tmp_path, lockstep)

    ours, resumed = training(), training()
    ours.validated = 7
    ours.save(tmp_path / "checkpoint", NOTHING)
    resumed.restore(*checkpoint.load(tmp_path / "checkpoint")[1:])
    assert resumed.report().validation_note.startswith("validation is on the first 7 of 31 examples: ")


def test_an_output_that_cannot_be_joined_is_refused_in_parts(tmp_path):
    """Catches NumPy's or torch's own error from within the harness, instead of the field and the output."""
    with pytest.raises(UserError, match=r"^accumulate: output 1 of the network has shape \(\) for 2 examples"):
        compare.run(changed(accumulate=2, **PENALISED), out=tmp_path)
    assert not list(tmp_path.iterdir())
    assert compare.run(changed(epochs=1, **PENALISED), out=tmp_path, only="plain").variants[0].validation_note == ""
