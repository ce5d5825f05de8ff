"""How the tests of the referee judge a run: seeded, and with the whole report where it is not what it should be."""

from collections.abc import Callable

import torch

from torchref.referee import Report, judge


def assert_equal(model: torch.nn.Module, closure: Callable[[], torch.Tensor], **options) -> Report:
    """The report, which must say that every gradient is equal."""
    report = judge(model, closure, **options)
    assert report.passed, report.text()
    return report


def assert_found(
    model: torch.nn.Module, closure: Callable[[], torch.Tensor], op: str, module: str, **options
) -> Report:
    """The report, which must name this operation in this module first."""
    report = judge(model, closure, **options)
    assert report.first is not None, report.text()
    assert (report.first.op, report.first.module) == (op, module), report.text()
    return report


def scalar(*outputs: torch.Tensor) -> torch.Tensor:
    """A scalar on which every entry of the outputs has an influence of its own."""
    total = torch.zeros((), dtype=torch.float64)
    for y in outputs:
        weights = torch.linspace(0.5, 1.5, y.numel(), dtype=torch.float64).reshape(y.shape)
        total = total + (y.double() * weights).sum()
    return total


class Holding(torch.nn.Module):
    """A model that is one parameter, `x`."""

    def __init__(self, x):
        super().__init__()
        self.x = torch.nn.Parameter(x)
