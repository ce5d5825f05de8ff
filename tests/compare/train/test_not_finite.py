"""A training whose rate is too high ends where its numbers do: the report says at which step, and no twin is blamed."""

import io

import numpy as np
import pytest
import torch
from rich.console import Console

import torchref
from tests.compare.small import changed
from torchref import compare


def run(tmp_path, **fields):
    report = compare.run(changed(**fields), out=tmp_path, only="both" if "variants" not in fields else None)
    stream = io.StringIO()
    report.show(Console(file=stream, width=80))
    return report, report.variants[0], stream.getvalue()


def plain(nn, **_):
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_rate_that_is_too_high_is_no_mismatch(tmp_path, dtype, batch_norm):
    """Catches overflow that is called a mismatch (inf here, nan there), NumPy's warnings, a table of 450 columns."""
    rate = 1e200 if dtype == "float64" else 1e30
    fields = {} if batch_norm else {"model": plain}
    report, variant, text = run(
        tmp_path, optimizer=lambda optim, p: optim.SGD(p, lr=rate), dtype=dtype, epochs=2, **fields
    )
    assert report.passed, report.verdict
    assert variant.not_finite_step is not None
    assert variant.steps >= 1
    assert f"the training diverged at step {variant.not_finite_step}, in both twins alike" in text
    assert report.verdict.endswith("; the training diverged: both")
    assert max(len(line) for line in text.splitlines()[:-2] if ":" not in line) <= 80


def test_numbers_are_shown_in_a_fixed_width(tmp_path):
    """Catches a loss of 1e150 that is written out."""
    _, variant, text = run(
        tmp_path,
        model=lambda nn, **_: nn.Linear(5, 3),
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, p: optim.SGD(p, lr=1e150),
        epochs=1,
    )
    assert variant.not_finite_step is None
    assert variant.training_loss_numpy > 1e100
    assert f"{variant.training_loss_numpy:.6e}" in text
    assert max(len(line) for line in text.splitlines() if line.startswith(" ")) <= 60


class Nan(torchref.nn.Module):
    """Its output is nan from the third step on."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls = torchref.nn.Linear(5, 3), 0

    def forward(self, x):
        y, layer_backward = self.layer(x)
        self.calls += 1
        return y * np.array(np.nan if self.calls > 4 else 1.0, y.dtype), layer_backward


def test_nan_in_one_twin_is_a_mismatch(tmp_path):
    """Catches a fault that is excused because a number is not finite."""
    report, variant, _ = run(
        tmp_path,
        model=lambda nn, **_: Nan(),
        torch_model=lambda nn, **_: Theirs(),
        variants={"a": {}},
    )
    assert variant.divergence is not None
    assert variant.not_finite_step is None
    assert np.isnan(variant.divergence.numpy)
    assert np.isfinite(variant.divergence.torch)
    assert report.verdict.startswith("MISMATCH")


class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(5, 3)

    def forward(self, x):
        return self.layer(x)
