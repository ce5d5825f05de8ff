"""Losses of a difference: squared (MSE) and absolute (L1)."""

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
