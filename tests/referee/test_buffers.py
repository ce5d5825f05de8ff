"""Buffers: what a run writes into them is judged, from what it read."""

import pytest
import torch
from torch import nn

from tests.referee.runs import assert_equal, scalar
from torchref.referee import judge


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.randn(6, 4, 5, dtype=torch.float64) * 3 + 2


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_running_statistics_are_judged(x, momentum, dtype):
    """Catches statistics that nobody looks at, and a bound that is too narrow for them."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.BatchNorm1d(4, momentum=momentum), nn.BatchNorm1d(4), nn.BatchNorm1d(4).eval()).to(dtype)
    report = assert_equal(model, lambda: scalar(model(model(x.to(dtype)))))
    names = {j.name for j in report.judged if j.kind == "buffer"}
    assert names == {f"{i}.{name}" for i in (0, 1) for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert "buffers: 6 equal" in report.text()


class Averaged(nn.Module):
    """A moving average of its input, kept by hand."""

    def __init__(self, write):
        super().__init__()
        self.linear = nn.Linear(5, 3)
        self.register_buffer("average", torch.ones(5))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.write = write

    def forward(self, x):
        with torch.no_grad():
            self.write(self.average, x.mean((0, 1)))
            self.seen += 1
        return self.linear(x - self.average)


WRITES = {
    "lerp": lambda kept, new: kept.lerp_(new, 0.1),
    "mul and add": lambda kept, new: kept.mul_(0.9).add_(new, alpha=0.1),
    "copy": lambda kept, new: kept.copy_(0.9 * kept + 0.1 * new),
    "a part": lambda kept, new: kept[1:3].copy_(new[1:3]),
    "out": lambda kept, new: torch.mul(new, 0.5, out=kept),
}


@pytest.mark.parametrize("write", WRITES)
def test_what_is_written_by_hand_is_judged(x, write):
    """Catches a write in place, into a part, or by out=, whose value is not asked for."""
    model = Averaged(WRITES[write]).double()
    before = model.average.clone()
    report = assert_equal(model, lambda: scalar(model(x)))
    assert {j.name for j in report.judged if j.kind == "buffer"} == {"average", "seen"}
    assert torch.equal(model.average, before)


def test_power_iterations_are_judged(x):
    """Catches the vectors of spectral_norm, which are written under no_grad."""
    torch.manual_seed(3)
    model = torch.nn.utils.parametrizations.spectral_norm(nn.Linear(5, 3)).double()
    report = assert_equal(model, lambda: scalar(model(x)))
    assert report.counts("buffer") == (2, 0, 0)


@pytest.mark.filterwarnings("ignore:Warning only once for all operators:UserWarning")
@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_a_wrong_statistic_is_found(x, name):
    """Catches a pass for statistics that are written wrongly: a kernel that keeps the biased variance, or a mean that
    is a little off."""
    torch.manual_seed(2)
    model = nn.BatchNorm1d(4).double()
    library = torch.library.Library("aten", "IMPL")
    kernel = torch.ops.aten._native_batch_norm_legit

    def wrong(x, weight, bias, mean, var, training, momentum, eps):
        result = kernel(x, weight, bias, mean, var, training, momentum, eps)
        (mean if name == "running_mean" else var).mul_(1 + 1e-10)
        return result

    library.impl("native_batch_norm", wrong, "CPU", allow_override=True)
    try:
        report = judge(model, lambda: scalar(model(x)))
    finally:
        library._destroy()
    assert report.verdict == "PARTED"
    assert [(j.name, j.op) for j in report.parted] == [(name, "native_batch_norm")], report.text()
    assert report.counts("buffer") == (2, 1, 0)
