"""Losses of yes/no answers: binary cross-entropy of probabilities and of logits, logistic loss, many labels a row."""

from __future__ import annotations

import numpy as np

from torchref.nn.activation import sigmoid
from torchref.nn.any_array import takes_any_array
from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_floating
from torchref.nn.loss.reduction import (
    EPSILON,
    Loss,
    WeightedLoss,
    broadcast,
    check_reduction,
    check_same_shape,
    promote_pair,
    reduce_losses,
    with_constant_weight,
)
from torchref.nn.module import Array, Backward, bind
from torchref.nn.promotion import gradients_of, promoted


@takes_any_array
def binary_cross_entropy(
    x: Array, target: Array, weight: Array | None = None, *, reduction: str = "mean"
) -> tuple[Array, Backward]:
    """losses_i = -weight_i (t_i log x_i + (1 - t_i) log(1 - x_i)): x are probabilities, t is the target.

    Shapes: x and target the same, any; weight (a constant) broadcasts to it; the loss () or that shape. The mean
    divides by the number of entries, whatever the weights. Each logarithm is clamped at -100, so that a certain and
    wrong answer costs 100 and not infinity.

    Backward. With d/dx log x = 1/x and d/dx log(1 - x) = -1/(1 - x), and dlosses_i = dL/dlosses_i:
        dL/dx_i = weight_i (-t_i/x_i + (1 - t_i)/(1 - x_i)) dlosses_i = weight_i (x_i - t_i) / (x_i (1 - x_i)) dlosses_i
        dL/dt_i = weight_i (log(1 - x_i) - log x_i) dlosses_i
    torch clamps the denominator of the first at 1e-12, so that it is finite at x = 0 and 1; neither sees the -100.

    Errors: ValueError if the shapes differ, RuntimeError for an x or target outside [0, 1] (or nan).
    Equals `torch.nn.functional.binary_cross_entropy`.
    """
    reduction = check_reduction("binary_cross_entropy", reduction)
    check_same_shape("binary_cross_entropy", x, target)
    weight = checked_weight("binary_cross_entropy", "weight", weight, x)
    for name, array in (("input", x), ("target", target)):
        if not np.all((array.real >= 0) & (array.real <= 1)):
            raise RuntimeError(f"binary_cross_entropy(): all elements of {name} should be between 0 and 1")
    with np.errstate(divide="ignore"):  # log(0) = -inf
        log_x, log_not_x = np.log(x), np.log1p(-x)
    losses = (target - 1) * np.maximum(log_not_x, -100) - target * np.maximum(log_x, -100)
    if weight is not None:
        losses *= weight
    loss, reduction_backward = reduce_losses(losses, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array, Array]:
        dlosses = reduction_backward(dloss) if weight is None else weight * reduction_backward(dloss)
        dx = dlosses * (x - target) / np.maximum(x * (1 - x), EPSILON)
        with np.errstate(invalid="ignore"):  # 0 * inf
            dtarget = dlosses * (log_not_x - log_x)
        return dx, dtarget

    return loss, backward


class BCELoss(WeightedLoss):
    """`binary_cross_entropy` as a module. Equals `torch.nn.BCELoss`."""

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(binary_cross_entropy, input, target, weight=self.weight, reduction=self.reduction)


@takes_any_array
def binary_cross_entropy_with_logits(
    x: Array,
    target: Array,
    weight: Array | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> tuple[Array, Backward]:
    """losses_i = -weight_i (pos_weight_i t_i log s(x_i) + (1 - t_i) log(1 - s(x_i))), s(x) = 1 / (1 + exp(-x)).

    Shapes: x (logits) and target t the same, any; weight and pos_weight (constants, 1 if None) broadcast to it; the
    loss () or that shape. The mean divides by the number of entries, whatever the weights.

    With 1 - s(x) = s(-x) and log s(x) = log s(-x) + x, and with c_i = 1 - t_i + pos_weight_i t_i,
        losses_i = weight_i (c_i softplus(-x_i) + (1 - t_i) x_i),     softplus(-x) = -log s(x) = log(1 + exp(-x)),
    in which nothing overflows: softplus(-x) = max(-x, 0) + log(1 + exp(-|x|)).

    Backward. With d/dx softplus(-x) = -s(-x) = s(x) - 1, and dlosses_i = dL/dlosses_i:
        dL/dx_i = weight_i (c_i (s(x_i) - 1) + 1 - t_i) dlosses_i               (without pos_weight: s(x_i) - t_i)
        dL/dt_i = weight_i ((pos_weight_i - 1) softplus(-x_i) - x_i) dlosses_i  (without pos_weight: -x_i)

    Errors: ValueError if the shapes differ. Equals `torch.nn.functional.binary_cross_entropy_with_logits`.
    """
    reduction = check_reduction("binary_cross_entropy_with_logits", reduction)
    check_same_shape("binary_cross_entropy_with_logits", x, target)
    weight = checked_weight("binary_cross_entropy_with_logits", "weight", weight, x)
    pos_weight = checked_weight("binary_cross_entropy_with_logits", "pos_weight", pos_weight, x)
    softplus = np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))
    c = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    losses = (1 - target) * x + c * softplus
    if weight is not None:
        losses *= weight
    loss, reduction_backward = reduce_losses(losses, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array, Array]:
        dlosses = reduction_backward(dloss) if weight is None else weight * reduction_backward(dloss)
        not_s, _ = sigmoid(np.asanyarray(-x))  # 1 - s(x) without the rounding of a difference
        dx = dlosses * (1 - target - c * not_s)
        dtarget = dlosses * (-x if pos_weight is None else (pos_weight - 1) * softplus - x)
        return dx, dtarget

    return loss, backward


class BCEWithLogitsLoss(Loss):
    """`binary_cross_entropy_with_logits` as a module; both weights are buffers. Equals `torch.nn.BCEWithLogitsLoss`."""

    weight: Array | None
    pos_weight: Array | None

    def __init__(
        self,
        weight: Array | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Array | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(
            binary_cross_entropy_with_logits,
            input,
            target,
            weight=self.weight,
            reduction=self.reduction,
            pos_weight=self.pos_weight,
        )


@takes_any_array
def soft_margin_loss(x: Array, target: Array, *, reduction: str = "mean") -> tuple[Array, Backward]:
    """losses_i = log(1 + exp(-t_i x_i)), for targets t_i = +-1: the logistic loss.

    Shapes: x and target the same, any; the loss () or that shape. As in torch, exp overflows for t_i x_i below about
    -88 (float32; -709 in float64): the loss is inf and its gradient nan. `binary_cross_entropy_with_logits` with
    targets (t_i + 1) / 2 is the same loss and never overflows.

    Backward. With e_i = exp(-t_i x_i) and dlosses_i = dL/dlosses_i:
        dL/dx_i = -t_i e_i / (1 + e_i) dlosses_i
    `backward()` returns dx and None: as in torch, the target has no gradient.

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError if they cannot even be broadcast.
    Equals `torch.nn.functional.soft_margin_loss`.
    """
    reduction = check_reduction("soft_margin_loss", reduction)
    x, target = promote_pair("soft_margin_loss", x, target)
    with np.errstate(over="ignore"):
        e = np.exp(-target * x)
    loss, reduction_backward = reduce_losses(np.log1p(e), reduction)

    def backward(dloss: Array | None = None) -> tuple[Array, None]:
        with np.errstate(invalid="ignore"):  # inf / inf
            return -target * e / (1 + e) * reduction_backward(dloss), None

    return loss, backward


class SoftMarginLoss(Loss):
    """`soft_margin_loss` as a module. Equals `torch.nn.SoftMarginLoss`."""

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(soft_margin_loss, input, target, reduction=self.reduction)


@takes_any_array
def multilabel_soft_margin_loss(
    x: Array, target: Array, weight: Array | None = None, *, reduction: str = "mean"
) -> tuple[Array, Backward]:
    """losses_n = 1/K sum_k weight_nk e_nk, e the binary cross-entropy of logits x with targets t: K yes/no answers.

    Shapes: x and target (..., K); weight (1 if None) broadcasts to it; the loss () or (...).

    Backward. The mean over K gives each of its entries dlosses_n / K; the rest is `binary_cross_entropy_with_logits`:
        dL/dx_nk = weight_nk (s(x_nk) - t_nk) dlosses_n / K,     dL/dt_nk = -weight_nk x_nk dlosses_n / K
        dL/dweight_nk = e_nk dlosses_n / K                       (summed where the weight was broadcast)
    `backward()` returns dx, dtarget and, if there is a weight, dweight.

    Errors: ValueError if the shapes differ, RuntimeError if they cannot even be broadcast, IndexError for an input of
    shape (). Equals `torch.nn.functional.multilabel_soft_margin_loss`.
    """
    check_reduction("multilabel_soft_margin_loss", reduction, old_name=False)
    arrays = x, target
    check_floating("multilabel_soft_margin_loss", input=x)
    if x.ndim == 0:
        raise IndexError("multilabel_soft_margin_loss(): input must have a dimension of classes, but has shape ()")
    x, target = promote_pair("multilabel_soft_margin_loss", x, target)
    given_weight, weight = weight, checked_weight("multilabel_soft_margin_loss", "weight", weight, x)
    entries, entries_backward = binary_cross_entropy_with_logits(x, target, reduction="none")
    weighted = entries if weight is None else weight * entries
    losses = np.asanyarray(weighted.sum(axis=-1) / x.shape[-1])  # (...)
    loss, reduction_backward = reduce_losses(losses, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dlosses = reduction_backward(dloss)[..., None] / x.shape[-1]  # (..., 1), or (1) for all
        if weight is None:
            return gradients_of(arrays, *entries_backward(dlosses))
        dweight = sum_to_shape(np.broadcast_to(dlosses, x.shape) * entries, weight.shape)
        dx, dtarget = entries_backward(weight * dlosses)
        return gradients_of((*arrays, given_weight), dx, dtarget, dweight)

    return loss, backward


class MultiLabelSoftMarginLoss(WeightedLoss):
    """`multilabel_soft_margin_loss` as a module. Equals `torch.nn.MultiLabelSoftMarginLoss`."""

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(
            with_constant_weight(multilabel_soft_margin_loss),
            input,
            target,
            weight=self.weight,
            reduction=self.reduction,
        )


def checked_weight(function: str, name: str, weight: Array | None, x: Array) -> Array | None:
    """`weight` in x's dtype, if it broadcasts to x's shape, without making it larger: RuntimeError otherwise."""
    if weight is None:
        return None
    x, weight = promoted(function, booleans=True, input=x, **{name: weight})
    if broadcast(x.shape, weight.shape) != x.shape:
        raise RuntimeError(f"{function}(): {name} of shape {weight.shape} does not broadcast to input {x.shape}")
    return weight
