"""One weight in a valley with two minima, and its torch twin: where descent ends depends on where it begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array, Backward, Module, Parameter


class DoubleWell(Module):
    """y_n = (w^2 - 1)^2 / 4 + tilt w + x_n w: minima near w = -1 (the lower one, if tilt > 0) and w = 1.

    Shapes: x (N, 1) noise, y (N, 1). The loss is y's mean: `Mean`. Backward: dL/dw = sum_n dy_n (w^3 - w + tilt + x_n).
    """

    def __init__(self, start: float = 1.5, tilt: float = 0.1) -> None:
        self.tilt = tilt
        self.w = Parameter(np.full(1, start, np.float32))

    def forward(self, x: Array) -> tuple[Array, Backward]:
        w = self.w.data
        y = (w * w - 1) * (w * w - 1) / 4 + self.tilt * w + x * w  # (N, 1)

        def backward(dy: Array) -> Array:
            self.w.accumulate((dy * (w * w * w - w + self.tilt + x)).sum(axis=0))
            return dy * w

        return y, backward


class Mean(Module):
    """loss = the mean of all outputs, whatever the target."""

    def forward(self, y: Array, target: Array) -> tuple[Array, Backward]:
        def backward(dloss: Array | None = None) -> Array:
            return np.full_like(y, 1 / y.size) if dloss is None else np.full_like(y, 1 / y.size) * dloss

        return np.asanyarray(y.mean()), backward


def torch_double_well(nn: Any, start: float = 1.5, tilt: float = 0.1) -> Any:
    """The torch twin of `DoubleWell`."""
    import torch

    class DoubleWell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.full((1,), start))

        def forward(self, x: Any) -> Any:
            w = self.w
            return (w * w - 1) * (w * w - 1) / 4 + tilt * w + x * w

    return DoubleWell()


def torch_mean(nn: Any) -> Any:
    """The torch twin of `Mean`."""

    class Mean(nn.Module):
        def forward(self, y: Any, target: Any) -> Any:
            return y.mean()

    return Mean()
