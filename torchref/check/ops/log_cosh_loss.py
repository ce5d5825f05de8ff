"""The mean of log cosh(x - t): squares near the target, distances far from it. torch has no such loss."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from torchref.check.ops import slugs
from torchref.check.ops.losses import differences, pair_loss, slopes
from torchref.check.ops.mistake import Values
from torchref.check.textbook.common import WithBackward
from torchref.nn.module import Array


def log_cosh_loss(x: Array, t: Array, reduction: str) -> WithBackward:
    """L = mean of log cosh(d), with d = x - t.

    log cosh(d) = log(exp(d) + exp(-d)) - log 2, so its derivative is (exp(d) - exp(-d)) / (exp(d) + exp(-d)) = tanh(d):
    dx = tanh(d) dL / n and dt = -dx, with n the number of entries.
    """
    difference = x - t
    entries = np.logaddexp(difference, -difference) - np.log(2)
    loss = entries.mean() if reduction == "mean" else entries.sum() if reduction == "sum" else entries

    def backward(dloss: Array) -> tuple[Array, ...]:
        dentries = dloss / x.size if reduction == "mean" else dloss
        dx = np.tanh(difference) * dentries
        dt = -dx
        return dx, dt

    return loss, backward


def _in_torch(torch: ModuleType, v: Values) -> Any:
    entries = torch.log(torch.cosh(v.input - v.target))
    return entries if v.reduction == "none" else getattr(entries, v.reduction)()


SQUARE = "This is the slope of half the square. Far from the target the slope is the sign of x - t."

OPERATIONS = (
    pair_loss(
        log_cosh_loss,
        "LogCoshLoss",
        "log_cosh",
        values=differences,
        patches=slopes("dx =", ("difference * dentries", slugs.LOCAL, SQUARE)),
        in_torch=_in_torch,
    ),
)
