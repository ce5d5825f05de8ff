"""Losses of a difference: squared (MSE), absolute (L1), and the two between them (Huber, smooth L1)."""

from __future__ import annotations

import numpy as np

from torchref.nn.loss.reduction import Loss, check_same_shape, reduce_losses
from torchref.nn.module import Array, Backward, bind


def mse_loss(
    x: Array, target: Array, *, reduction: str = "mean", weight: Array | None = None
) -> tuple[Array, Backward]:
    """losses_i = weight_i (x_i - target_i)^2, then their mean, sum, or all of them.

    Shapes: x, target and weight (a constant, 1 if None) the same, any; the loss () or that shape. The weighted mean
    divides by the sum of the weights.

    Backward. With dlosses_i = dL/dlosses_i (1/n for the mean over n entries):
        dL/dx_i = 2 weight_i (x_i - target_i) dlosses_i        ->  dtarget = -dx

    Errors: ValueError if the shapes differ (torch would broadcast). Equals `torch.nn.functional.mse_loss`.
    """
    check_same_shape("mse_loss", x, target, reduction, weight)
    difference = x - target
    losses = difference * difference if weight is None else weight * (difference * difference)
    loss, reduction_backward = reduce_losses(losses, reduction, None if weight is None else weight.sum())

    def backward(dloss: Array | None = None) -> tuple[Array, Array]:
        dx = difference * (2 * reduction_backward(dloss))
        if weight is not None:
            dx *= weight
        return dx, -dx

    return loss, backward


class MSELoss(Loss):
    """`mse_loss` as a module. Equals `torch.nn.MSELoss`."""

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(mse_loss, input, target, reduction=self.reduction)


def l1_loss(x: Array, target: Array, *, reduction: str = "mean", weight: Array | None = None) -> tuple[Array, Backward]:
    """losses_i = weight_i |x_i - target_i|, then their mean, sum, or all of them.

    Shapes: x, target and weight (a constant, 1 if None) the same, any; the loss () or that shape. The weighted mean
    divides by the sum of the weights.

    Backward. With dlosses_i = dL/dlosses_i, and torch's choice sign(0) = 0 at the kink x_i = target_i:
        dL/dx_i = weight_i sign(x_i - target_i) dlosses_i      ->  dtarget = -dx

    Errors: ValueError if the shapes differ (torch would broadcast). Equals `torch.nn.functional.l1_loss`.
    """
    check_same_shape("l1_loss", x, target, reduction, weight)
    difference = x - target
    losses = np.abs(difference) if weight is None else weight * np.abs(difference)
    loss, reduction_backward = reduce_losses(losses, reduction, None if weight is None else weight.sum())

    def backward(dloss: Array | None = None) -> tuple[Array, Array]:
        dx = np.sign(difference) * reduction_backward(dloss)
        if weight is not None:
            dx *= weight
        return dx, -dx

    return loss, backward


class L1Loss(Loss):
    """`l1_loss` as a module. Equals `torch.nn.L1Loss`."""

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(l1_loss, input, target, reduction=self.reduction)


def huber_loss(
    x: Array, target: Array, reduction: str = "mean", delta: float = 1.0, weight: Array | None = None
) -> tuple[Array, Backward]:
    """losses_i = weight_i d_i^2 / 2 for |d_i| < delta, else weight_i delta (|d_i| - delta / 2), with d = x - target.

    A parabola continued by its tangents: with c_i = min(|d_i|, delta) both are weight_i c_i (|d_i| - c_i / 2).
    Shapes: x, target and weight (a constant, 1 if None) the same, any; the loss () or that shape. The mean divides by
    the number of entries, whatever the weights.

    Backward. With dlosses_i = dL/dlosses_i: the slope is d_i inside and +-delta outside,
        dL/dx_i = weight_i clip(d_i, -delta, delta) dlosses_i      ->  dtarget = -dx

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError for delta <= 0.
    Equals `torch.nn.functional.huber_loss`. Huber 1964.
    """
    check_same_shape("huber_loss", x, target, reduction, weight)
    if not delta > 0:
        raise RuntimeError(f"huber_loss(): delta must be positive, got {delta}")
    difference = x - target
    size = np.abs(difference)
    clipped = np.minimum(size, delta)
    losses = clipped * (size - 0.5 * clipped)
    if weight is not None:
        losses *= weight
    loss, reduction_backward = reduce_losses(losses, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array, Array]:
        dx = np.clip(difference, -delta, delta) * reduction_backward(dloss)
        if weight is not None:
            dx *= weight
        return dx, -dx

    return loss, backward


class HuberLoss(Loss):
    """`huber_loss` as a module. Equals `torch.nn.HuberLoss`."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not isinstance(delta, float | int):
            raise TypeError(f"HuberLoss: delta must be a float or int, got {delta!r}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(huber_loss, input, target, reduction=self.reduction, delta=self.delta)


def smooth_l1_loss(x: Array, target: Array, *, reduction: str = "mean", beta: float = 1.0) -> tuple[Array, Backward]:
    """losses_i = d_i^2 / (2 beta) for |d_i| < beta, else |d_i| - beta / 2, with d = x - target: `huber_loss` / beta.

    Shapes: x and target the same, any; the loss () or that shape. beta = 0 is `l1_loss`.

    Backward. With dlosses_i = dL/dlosses_i: the slope is d_i / beta inside and +-1 outside,
        dL/dx_i = clip(d_i / beta, -1, 1) dlosses_i                ->  dtarget = -dx

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError for beta < 0.
    Equals `torch.nn.functional.smooth_l1_loss`. Girshick 2015.
    """
    check_same_shape("smooth_l1_loss", x, target, reduction)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss(): beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(x, target, reduction=reduction)
    difference = x - target
    size = np.abs(difference)
    clipped = np.minimum(size, beta)
    loss, reduction_backward = reduce_losses(clipped * (size - 0.5 * clipped) / beta, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array, Array]:
        dx = np.clip(difference / beta, -1, 1) * reduction_backward(dloss)
        return dx, -dx

    return loss, backward


class SmoothL1Loss(Loss):
    """`smooth_l1_loss` as a module. Equals `torch.nn.SmoothL1Loss`."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(smooth_l1_loss, input, target, reduction=self.reduction, beta=self.beta)
