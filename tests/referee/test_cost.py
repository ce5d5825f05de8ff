"""What a judgement costs, counted: no clock is asked."""

import tracemalloc

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torchref.referee import judge
from torchref.referee.entries.table import ENTRIES

WIDTH = 256


@pytest.fixture
def model():
    torch.manual_seed(0)
    layers = [layer for _ in range(8) for layer in (nn.Linear(WIDTH, WIDTH), nn.ReLU())]
    return nn.Sequential(*layers)


def closure_of(model):
    x = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(1))
    return lambda: F.cross_entropy(model(x), torch.tensor([1, 2, 3, 4]))


def test_an_entry_is_called_once_in_each_walk(model, monkeypatch):
    """Catches a walk over the tape too many: there are the exact one and one trial of rounding, for the whole backward
    and for every operation by itself. What costs is in the entries."""
    calls = []
    entered = ENTRIES["addmm"]
    monkeypatch.setitem(ENTRIES, "addmm", lambda *args, **options: calls.append(0) or entered(*args, **options))
    assert judge(model, closure_of(model)).passed
    assert len(calls) <= 4 * 8


def test_gradients_are_freed_as_they_are_judged(model):
    """Catches leaves of the whole model that are kept in float64 in several copies: what was judged is not needed."""
    closure = closure_of(model)
    judge(model, closure)
    parameters = sum(parameter.numel() * parameter.itemsize for parameter in model.parameters())
    tracemalloc.start()
    try:
        assert judge(model, closure).passed
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * parameters, f"{peak / parameters:.1f} times the parameters"
