"""Whole runs of networks that are no Sequential: recorded, stopped and continued, a fault found by its layer's name."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models.zoo import ZOO
from torchref import compare
from torchref.compare.data import Data
from torchref.compare.lockstep.outcome import Diverged
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.record.metrics import read_metrics

CPU = torch.device("cpu")


def short(name, examples=40):
    """The comparison on few examples, for two epochs."""
    chosen = ZOO[name]
    whole = chosen.data()
    parts = [part[:examples] for part in vars(whole).values()]
    return replace(chosen, data=lambda: Data(*parts), epochs=2, name="short")


@pytest.mark.parametrize("name", ["variational autoencoder", "GPT, the whole recipe", "ResNet"])
def test_a_run_is_recorded_and_continues_to_the_same_bits(tmp_path, name, monkeypatch):
    """Catches several outputs that cannot be recorded, and a schedule or a tied weight that a checkpoint loses."""
    chosen = short(name)
    report = compare.run(chosen, out=tmp_path / "whole")
    assert report.passed

    def stop(variant, step, *_):
        if step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("torchref.compare.train.variant.CHECKPOINT_SECONDS", -1.0)
    with pytest.raises(KeyboardInterrupt):
        compare.run(chosen, out=tmp_path / "stopped", on_progress=stop)
    compare.run(chosen, out=tmp_path / "stopped", resume=True)
    one, other = (read_metrics(tmp_path / run / "short" / "default") for run in ("whole", "stopped"))
    assert one == other


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("GPT", "blocks.0.attention.qkv"),
        ("GPT", "blocks.1.norm2"),
        ("GPT", "token"),
        ("ResNet", "blocks.1.skip.0"),
        ("variational autoencoder", "decoder.2"),
        ("LSTM classifier", "recurrent"),
        ("encoder-decoder", "combine"),
    ],
)
def test_a_fault_is_found_and_named(name, layer):
    """Catches a fault that hides behind a skip or a second use of a weight, and a report that blames another layer."""
    chosen = ZOO[name]
    lockstep = Lockstep(chosen, {}, CPU, layer)
    data = chosen.data().astype(np.dtype(chosen.dtype))
    with pytest.raises(Diverged) as found:
        lockstep.step(data.train_inputs[:7], data.train_targets[:7])
    assert found.value.divergence.layer.split(" (")[0] == layer
