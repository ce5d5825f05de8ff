"""Losses of a difference: squared (MSE), absolute (L1), and the two between them (Huber, smooth L1)."""

from __future__ import annotations

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_numbers
from torchref.nn.loss.reduction import Loss, check_reduction, promote_pair, reduce_losses
from torchref.nn.module import Array, Backward, bind
from torchref.nn.promotion import gradients_of


@takes_any_array
def mse_loss(
    x: Array, target: Array, *, reduction: str = "mean", weight: Array | None = None
) -> tuple[Array, Backward]:
    """losses_i = weight_i (x_i - target_i)^2, then their mean, sum, or all of them.

    Shapes: x, target and weight (1 if None) the same, any; the loss () or that shape. The weighted mean
    divides by the sum of the weights.

    Backward. With dlosses_i = dL/dlosses_i (1/n for the mean over n entries):
        dL/dx_i = 2 weight_i (x_i - target_i) dlosses_i        ->  dtarget = -dx
        dL/dweight_i = ((x_i - target_i)^2 - loss) dlosses_i   (the weights are in the mean's divisor, too: see
                                                               `weight_gradient`; without `- loss` for the others)
    `backward()` returns dx, dtarget and, if there is a weight, dweight.

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError if they cannot even be broadcast.
    Equals `torch.nn.functional.mse_loss`.
    """
    reduction = check_reduction("mse_loss", reduction, old_name=weight is None)
    arrays = x, target
    x, target = promote_pair("mse_loss", x, target, weight, booleans=weight is None)
    difference = x - target
    squares = difference * difference
    losses = squares if weight is None else weight * squares
    loss, reduction_backward = reduce_losses(losses, reduction, None if weight is None else weight.sum())

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dlosses = reduction_backward(dloss)
        dx = difference * (2 * dlosses)
        if weight is None:
            return gradients_of(arrays, dx, -dx)
        dx *= weight
        dweight = weight_gradient(squares, loss, dlosses, reduction)
        return *gradients_of(arrays, dx, -dx), dweight

    return loss, backward


def weight_gradient(unweighted: Array, loss: Array, dlosses: Array, reduction: str) -> Array:
    """The gradient of the weights of `losses_i = weight_i unweighted_i` when a mean divides by their sum.

    mean: loss = sum_i weight_i unweighted_i / sum_i weight_i, so by the quotient rule
        dL/dweight_i = (unweighted_i - loss) / sum_j weight_j dloss = (unweighted_i - loss) dlosses_i
    otherwise:  dL/dweight_i = unweighted_i dlosses_i
    """
    return (unweighted - loss if reduction == "mean" else unweighted) * dlosses


class MSELoss(Loss):
    """`mse_loss` as a module. Equals `torch.nn.MSELoss`."""

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(mse_loss, input, target, reduction=self.reduction)


@takes_any_array
def l1_loss(x: Array, target: Array, *, reduction: str = "mean", weight: Array | None = None) -> tuple[Array, Backward]:
    """losses_i = weight_i |x_i - target_i|, then their mean, sum, or all of them.

    Shapes: x, target and weight (1 if None) the same, any; the loss () or that shape. The weighted mean
    divides by the sum of the weights.

    Backward. With dlosses_i = dL/dlosses_i, and torch's choice sign(0) = 0 at the kink x_i = target_i:
        dL/dx_i = weight_i sign(x_i - target_i) dlosses_i      ->  dtarget = -dx
        dL/dweight_i = (|x_i - target_i| - loss) dlosses_i     (as in `mse_loss`)
    `backward()` returns dx, dtarget and, if there is a weight, dweight.

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError if they cannot even be broadcast.
    Equals `torch.nn.functional.l1_loss`.
    """
    reduction = check_reduction("l1_loss", reduction, old_name=weight is None)
    arrays = x, target
    x, target = promote_pair("l1_loss", x, target, weight)
    difference = x - target
    sizes = np.abs(difference)
    losses = sizes if weight is None else weight * sizes
    loss, reduction_backward = reduce_losses(losses, reduction, None if weight is None else weight.sum())

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dlosses = reduction_backward(dloss)
        dx = np.sign(difference) * dlosses
        if weight is None:
            return gradients_of(arrays, dx, -dx)
        dx *= weight
        dweight = weight_gradient(sizes, loss, dlosses, reduction)
        return *gradients_of(arrays, dx, -dx), dweight

    return loss, backward


class L1Loss(Loss):
    """`l1_loss` as a module. Equals `torch.nn.L1Loss`."""

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(l1_loss, input, target, reduction=self.reduction)


@takes_any_array
def huber_loss(
    x: Array, target: Array, reduction: str = "mean", delta: float = 1.0, weight: Array | None = None
) -> tuple[Array, Backward]:
    """losses_i = weight_i d_i^2 / 2 for |d_i| < delta, else weight_i delta (|d_i| - delta / 2), with d = x - target.

    A parabola continued by its tangents: with c_i = min(|d_i|, delta) both are weight_i c_i (|d_i| - c_i / 2).
    Shapes: x, target and weight (1 if None) the same, any; the loss () or that shape. The mean divides by
    the number of entries, whatever the weights.

    Backward. With dlosses_i = dL/dlosses_i: the slope is d_i inside and +-delta outside,
        dL/dx_i = weight_i clip(d_i, -delta, delta) dlosses_i      ->  dtarget = -dx
        dL/dweight_i = c_i (|d_i| - c_i / 2) dlosses_i
    `backward()` returns dx, dtarget and, if there is a weight, dweight.

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError if they cannot even be broadcast
    and for delta <= 0.
    Equals `torch.nn.functional.huber_loss`. Huber 1964.
    """
    check_numbers("huber_loss", delta=delta)
    reduction = check_reduction("huber_loss", reduction, old_name=weight is None)
    arrays = x, target
    x, target = promote_pair("huber_loss", x, target, weight)
    if not delta > 0:
        raise RuntimeError(f"huber_loss(): delta must be positive, got {delta}")
    difference = x - target
    size = np.abs(difference)
    clipped = np.minimum(size, delta)
    losses = clipped * (size - 0.5 * clipped)
    loss, reduction_backward = reduce_losses(losses if weight is None else losses * weight, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dlosses = reduction_backward(dloss)
        dx = np.clip(difference, -delta, delta) * dlosses
        if weight is None:
            return gradients_of(arrays, dx, -dx)
        dx *= weight
        return *gradients_of(arrays, dx, -dx), losses * dlosses

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


@takes_any_array
def smooth_l1_loss(x: Array, target: Array, *, reduction: str = "mean", beta: float = 1.0) -> tuple[Array, Backward]:
    """losses_i = d_i^2 / (2 beta) for |d_i| < beta, else |d_i| - beta / 2, with d = x - target: `huber_loss` / beta.

    Shapes: x and target the same, any; the loss () or that shape. beta = 0 is `l1_loss`.

    Backward. With dlosses_i = dL/dlosses_i: the slope is d_i / beta inside and +-1 outside,
        dL/dx_i = clip(d_i / beta, -1, 1) dlosses_i                ->  dtarget = -dx

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError if they cannot even be broadcast
    and for beta < 0.
    Equals `torch.nn.functional.smooth_l1_loss`. Girshick 2015.
    """
    check_numbers("smooth_l1_loss", beta=beta)
    reduction = check_reduction("smooth_l1_loss", reduction)
    arrays = x, target
    x, target = promote_pair("smooth_l1_loss", x, target, booleans=True)
    if not beta >= 0:
        raise RuntimeError(f"smooth_l1_loss(): beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(*arrays, reduction=reduction)
    difference = x - target
    size = np.abs(difference)
    clipped = np.minimum(size, beta)
    loss, reduction_backward = reduce_losses(clipped * (size - 0.5 * clipped) / beta, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dx = np.clip(difference / beta, -1, 1) * reduction_backward(dloss)
        return gradients_of(arrays, dx, -dx)

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
