"""Losses of a choice among K classes: negative log-likelihood, and cross-entropy of logits."""

from __future__ import annotations

import math

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.blocks import row_blocks
from torchref.nn.errors import check_arrays, check_floating, check_integers, check_numbers
from torchref.nn.loss.reduction import WeightedLoss, check_reduction, reduce_losses, with_constant_weight
from torchref.nn.module import Array, Backward, bind
from torchref.nn.reduction import ones


@takes_any_array
def nll_loss(
    x: Array, target: Array, weight: Array | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> tuple[Array, Backward]:
    """losses_n = -weight_t x_nt, t = target_n: the negative log-likelihood, where x are log-probabilities.

    Shapes: x (N, K), or (K), or (N, K, d1, ...), where N stands for all positions; target (N), or (), or (N, d1, ...)
    of integers; weight (K), a constant; the loss () or the target's shape. A target that equals ignore_index costs
    nothing. The mean divides by the sum of the weights of the targets (without weights: by their number).

    Backward. Only x_nt occurs in the loss, with dlosses_n = dL/dlosses_n:
        dL/dx_nk = -weight_t dlosses_n [k = t]                 ->  dx = -onehot * scale,  scale = dlosses weight[t]
    `backward()` returns dx and None (a class has no gradient).

    Errors: as `cross_entropy`. Equals `torch.nn.functional.nll_loss`.
    """
    reduction = check_reduction("nll_loss", reduction)
    check_classes("nll_loss", x, target, weight, ignore_index)
    log_p = classes_last(x)  # (N, K)
    labels, label_weight, counted = weigh_labels(target, weight, ignore_index, log_p)
    n = np.arange(len(log_p))
    losses = np.where(counted, -label_weight * log_p[n, labels], 0)  # (N,)
    loss, reduction_backward = reduce_losses(losses.reshape(shape_without_classes(x)), reduction, label_weight.sum())

    def backward(dloss: Array | None = None) -> tuple[Array, None]:
        dlog_p = np.zeros_like(log_p)
        with np.errstate(invalid="ignore"):  # every target ignored: the mean's factor is 1 / 0
            scale = np.where(counted, reduction_backward(dloss).reshape(-1) * label_weight, 0)  # (N,)
        dlog_p[n, labels] = -scale
        return classes_second(dlog_p, x), None

    return loss, backward


class NLLLoss(WeightedLoss):
    """`nll_loss` as a module; the weight is a buffer. Equals `torch.nn.NLLLoss`."""

    def __init__(
        self,
        weight: Array | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(
            nll_loss,
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class NLLLoss2d(NLLLoss):
    """The old name of `NLLLoss` for images. Equals `torch.nn.NLLLoss2d`, which warns that it is deprecated."""


@takes_any_array
def cross_entropy(
    x: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[Array, Backward]:
    """losses_n = -weight_t log p_nt, t = target_n: how surprising the true class is under p = softmax(x).

    Shapes: logits x (N, K), or (K), or (N, K, d1, ...), where N stands for all positions; target (N), or (), or
    (N, d1, ...) of integers; weight (K), with integers a constant; the loss () or the target's shape. A target that
    equals ignore_index costs nothing. The mean divides by the sum of the weights of the targets (without weights: by
    their number). Floating targets of x's shape are probabilities: `probability_cross_entropy`; with
    label_smoothing > 0 the labels are made so: `smoothed_cross_entropy`.

    Forward. p_nk = exp(x_nk) / sum_j exp(x_nj), so  losses_n = weight_t (log sum_j exp(x_nj) - x_nt).  Subtracting a
    number from a whole row changes nothing; subtracting its maximum keeps every exp from overflowing.

    Backward. With dlosses_n = dL/dlosses_n (for the mean, 1 / the sum of the weights):
        d/dx_nk log sum_j exp(x_nj) = exp(x_nk) / sum_j exp(x_nj) = p_nk,      d/dx_nk x_nt = [k = t]
        dL/dx_nk = dlosses_n weight_t (p_nk - [k = t])         ->  dx = scale (p - onehot),  scale = dlosses weight[t]
    `backward()` returns dx and None (a class has no gradient), but for probabilities dx, dtarget and, if there is a
    weight, dweight.

    Errors: IndexError for a target outside 0..K-1, ValueError for another number of targets than inputs, RuntimeError
    for other shapes or dtypes. Equals `torch.nn.functional.cross_entropy`. Bridle 1990.
    """
    check_numbers("cross_entropy", label_smoothing=label_smoothing)
    reduction = check_reduction("cross_entropy", reduction)
    check_classes("cross_entropy", x, target, weight, ignore_index, label_smoothing)
    if target.dtype.kind in "fc":
        return probability_cross_entropy(x, target, weight, reduction, label_smoothing)
    if label_smoothing > 0:
        return smoothed_cross_entropy(x, target, weight, ignore_index, reduction, label_smoothing)

    logits = classes_last(x)  # (N, K)
    labels, label_weight, counted = weigh_labels(target, weight, ignore_index, logits)
    n, row_of_ones = np.arange(len(logits)), ones(logits.shape[1], logits)
    exp_x = np.empty_like(logits)  # (N, K)
    x_target, exp_sum = np.empty_like(label_weight), np.empty_like(label_weight)  # (N,), (N,)
    with np.errstate(invalid="ignore", divide="ignore"):  # a row of infinities: inf - inf = nan
        for block in row_blocks(logits, times=4):  # each stays in the cache from the maximum to the sum
            shifted = np.subtract(logits[block], logits[block].max(axis=1, keepdims=True), out=exp_x[block])
            x_target[block] = shifted[n[: len(shifted)], labels[block]]
            exp_sum[block] = np.exp(shifted, out=shifted) @ row_of_ones  # its sums, in BLAS
        losses = np.where(counted, label_weight * (np.log(exp_sum) - x_target), 0)  # (N,)
    loss, reduction_backward = reduce_losses(losses.reshape(shape_without_classes(x)), reduction, label_weight.sum())

    def backward(dloss: Array | None = None) -> tuple[Array, None]:
        with np.errstate(invalid="ignore"):
            scale = np.where(counted, reduction_backward(dloss).reshape(-1) * label_weight, 0)  # (N,)
        dx = exp_x * (scale / exp_sum)[:, None]  # (N, K): scale p, normalised and scaled in one pass
        dx[n, labels] -= scale
        return classes_second(dx, x), None

    return loss, backward


class CrossEntropyLoss(WeightedLoss):
    """`cross_entropy` as a module; the weight is a buffer. Equals `torch.nn.CrossEntropyLoss`."""

    def __init__(
        self,
        weight: Array | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(
            with_constant_weight(cross_entropy),
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


def soft_cross_entropy(logits: Array, q: Array) -> tuple[Array, Backward]:
    """losses_n = -sum_k q_nk log p_nk, p = softmax(logits): logits and q (N, K), losses (N).

    Backward. With log p_nk = x_nk - log sum_j exp(x_nj) and d log p_nk / dx_nj = [k = j] - p_nj:
        dL/dx_nj = dlosses_n (p_nj sum_k q_nk - q_nj)          (p - q where the row of q sums to 1)
        dL/dq_nk = -dlosses_n log p_nk
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (N, K)
        losses = -(q * log_p).sum(axis=1)

    def backward(dlosses: Array) -> tuple[Array, Array]:
        dlosses = dlosses.reshape(-1, 1)  # (N, 1), or (1, 1) for all
        dlogits = dlosses * (np.exp(log_p) * q.sum(axis=1, keepdims=True) - q)
        with np.errstate(invalid="ignore"):
            dq = -dlosses * log_p
        return dlogits, dq

    return losses, backward


def probability_cross_entropy(
    x: Array, target: Array, weight: Array | None, reduction: str, label_smoothing: float
) -> tuple[Array, Backward]:
    """`cross_entropy` for target probabilities, of x's shape: q_nk = weight_k ((1 - s) target_nk + s / K).

    s is label_smoothing. The mean divides by N, whatever the weights. Backward: as `soft_cross_entropy`, and
        dL/dtarget_nk = weight_k (1 - s) dq_nk,        dL/dweight_k = sum_n ((1 - s) target_nk + s / K) dq_nk
    """
    logits, targets = classes_last(x), classes_last(target)  # (N, K)
    kept = 1 - label_smoothing if weight is None else (1 - label_smoothing) * weight
    smoothed = targets * (1 - label_smoothing)
    if label_smoothing > 0:
        smoothed = smoothed + label_smoothing / logits.shape[1]
    losses, losses_backward = soft_cross_entropy(logits, smoothed if weight is None else smoothed * weight)
    loss, reduction_backward = reduce_losses(losses.reshape(shape_without_classes(x)), reduction)

    def backward(dloss: Array | None = None) -> tuple[Array, ...]:
        dlogits, dq = losses_backward(reduction_backward(dloss))
        dx, dtarget = classes_second(dlogits, x), classes_second(dq * kept, x)
        return (dx, dtarget) if weight is None else (dx, dtarget, (smoothed * dq).sum(axis=0))

    return loss, backward


def smoothed_cross_entropy(
    x: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str, label_smoothing: float
) -> tuple[Array, Backward]:
    """`cross_entropy` for labels that give away a share s: q_nk = weight_k ((1 - s) [k = t] + s / K), t = target_n.

    s is label_smoothing. The mean divides by the sum of the weights of the targets. Szegedy et al. 2016.
    """
    logits = classes_last(x)  # (N, K)
    labels, label_weight, counted = weigh_labels(target, weight, ignore_index, logits)
    q = np.full_like(logits, label_smoothing / logits.shape[1])
    q[np.arange(len(q)), labels] += 1 - label_smoothing
    if weight is not None:
        q *= weight
    losses, losses_backward = soft_cross_entropy(logits, q)
    losses = np.where(counted, losses, 0)
    loss, reduction_backward = reduce_losses(losses.reshape(shape_without_classes(x)), reduction, label_weight.sum())

    def backward(dloss: Array | None = None) -> tuple[Array, None]:
        dlosses = np.where(counted, reduction_backward(dloss).reshape(-1), 0)  # (N,)
        dlogits, _ = losses_backward(dlosses)
        return classes_second(dlogits, x), None

    return loss, backward


# --- classes in the last dimension, labels and their weights ----------------------------------------------------------


def classes_last(x: Array) -> Array:
    """(N, K, d1, ...) -> (N d1 ..., K), and (K) -> (1, K): one row for each target."""
    moved = x if x.ndim <= 2 else np.moveaxis(x, 1, -1)
    return moved.reshape(math.prod(moved.shape[:-1]), moved.shape[-1])


def classes_second(rows: Array, x: Array) -> Array:
    """`classes_last` undone: the rows in the shape of x."""
    if x.ndim <= 2:
        return rows.reshape(x.shape)
    return np.moveaxis(rows.reshape(x.shape[0], *x.shape[2:], x.shape[1]), -1, 1)


def shape_without_classes(x: Array) -> tuple[int, ...]:
    """(N, K, d1, ...) -> (N, d1, ...), and (K) -> ()."""
    return x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()


def weigh_labels(target: Array, weight: Array | None, ignore_index: int, rows: Array) -> tuple[Array, Array, Array]:
    """For each row: its label (0 if ignored), the label's weight (0 if ignored), and whether it counts."""
    labels = target.reshape(-1)  # (N,)
    counted = labels != ignore_index
    labels = np.where(counted, labels, 0)
    label_weight = counted.astype(rows.dtype) if weight is None else weight[labels] * counted
    return labels, label_weight, counted


def check_classes(
    function: str,
    x: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float | None = None,
) -> None:
    """The shapes, dtypes and labels that `cross_entropy` takes; without label_smoothing: those of `nll_loss`."""
    check_arrays(function, target=target)
    check_floating(function, input=x, optional={"weight": weight})
    check_integers(function, ignore_index=ignore_index)
    probabilities = label_smoothing is not None and target.shape == x.shape
    if label_smoothing is not None and not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"{function}(): label_smoothing must be between 0.0 and 1.0, got {label_smoothing}")
    if probabilities:
        check_floating(function, input=x, target=target)  # integers of this shape are no probabilities
        if ignore_index >= 0:
            raise RuntimeError(f"{function}(): ignore_index={ignore_index} is not supported for target probabilities")
    if x.ndim == 0:
        raise ValueError(f"{function}(): expected an input of 1 or more dimensions, got {x.shape}")
    classes = x.shape[min(1, x.ndim - 1)]
    if not probabilities:
        check_label_shapes(function, x, target)
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            f"{function}(): weight must be given for all {classes} classes or for none, but has shape {weight.shape}"
        )
    if probabilities:
        return

    if classes == 0 and target.size:
        raise IndexError(f"{function}(): input {x.shape} has no classes")
    wrong = target[(target != ignore_index) & ((target < 0) | (target >= classes))]
    if wrong.size:
        raise IndexError(f"{function}(): target {wrong[0]} is out of bounds for {classes} classes")


def check_label_shapes(function: str, x: Array, target: Array) -> None:
    """One label for each row of classes, in torch's integers."""
    expected = shape_without_classes(x)
    if target.shape[:1] != expected[:1] and (target.ndim <= 1 or x.ndim > 1):
        raise ValueError(f"{function}(): input {x.shape} needs a target of shape {expected}, but got {target.shape}")
    if target.shape != expected:
        raise RuntimeError(f"{function}(): input {x.shape} needs a target of shape {expected}, but got {target.shape}")
    if target.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"{function}(): expected a target of dtype int64 or uint8, but got {target.dtype}")
