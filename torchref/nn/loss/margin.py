"""Losses that are content once a margin is kept: hinge, ranking, several classes, several labels."""

from __future__ import annotations

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_arrays, check_floating, check_numbers
from torchref.nn.loss.reduction import Loss, WeightedLoss, broadcast, check_reduction, promote_pair, reduce_losses
from torchref.nn.module import Array, Backward, bind
from torchref.nn.promotion import gradients_of, promoted


@takes_any_array
def hinge_embedding_loss(
    x: Array, target: Array, margin: float = 1.0, *, reduction: str = "mean"
) -> tuple[Array, Backward]:
    """losses_i = x_i where t_i = 1, and max(0, margin - x_i) where t_i = -1: x are distances of like and unlike pairs.

    Shapes: x and target the same, any; the loss () or that shape. (For another t_i torch adds both.)

    Backward. With dlosses_i = dL/dlosses_i, and the edge margin = x_i counted as active, as torch has it:
        dL/dx_i = ([t_i != -1] - [t_i != 1] [margin - x_i >= 0]) dlosses_i
    `backward()` returns dx and None: the target has no gradient.

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError if they cannot even be broadcast.
    Equals `torch.nn.functional.hinge_embedding_loss`.
    """
    check_numbers("hinge_embedding_loss", margin=margin)
    reduction = check_reduction("hinge_embedding_loss", reduction)
    check_floating("hinge_embedding_loss", input=x)
    x, target = promote_pair("hinge_embedding_loss", x, target, booleans=True)
    like, unlike = target != -1, target != 1
    losses = np.where(like, x, 0) + np.where(unlike, np.maximum(margin - x, 0), 0)  # not products: inf * 0 is nan
    loss, reduction_backward = reduce_losses(losses, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array, None]:
        active = unlike & (margin - x >= 0)
        return (like.astype(x.dtype) - active) * reduction_backward(dloss), None

    return loss, backward


class HingeEmbeddingLoss(Loss):
    """`hinge_embedding_loss` as a module. Equals `torch.nn.HingeEmbeddingLoss`."""

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(hinge_embedding_loss, input, target, margin=self.margin, reduction=self.reduction)


@takes_any_array
def margin_ranking_loss(
    x1: Array, x2: Array, target: Array, margin: float = 0.0, *, reduction: str = "mean"
) -> tuple[Array, Backward]:
    """losses_i = max(0, margin - t_i (x1_i - x2_i)): t_i = 1 says that x1_i should rank above x2_i, -1 below.

    Shapes: x1, x2 and target the same, any; the loss () or that shape. Integer targets are taken as numbers.

    Backward. With active_i = [margin - t_i (x1_i - x2_i) >= 0] (the edge counts, as torch has it):
        dL/dx1_i = -t_i active_i dlosses_i,     dx2 = -dx1,     dL/dt_i = -(x1_i - x2_i) active_i dlosses_i

    Errors: RuntimeError for other numbers of dimensions and for shapes that cannot be broadcast, ValueError for shapes
    that can (torch would broadcast). Equals `torch.nn.functional.margin_ranking_loss`.
    """
    check_numbers("margin_ranking_loss", margin=margin)
    reduction = check_reduction("margin_ranking_loss", reduction)
    arrays = x1, x2, target
    x1, x2, target = promoted("margin_ranking_loss", input1=x1, input2=x2, target=target)
    shapes = f"input1 {x1.shape}, input2 {x2.shape}, target {target.shape}"
    if not x1.ndim == x2.ndim == target.ndim:
        raise RuntimeError(f"margin_ranking_loss(): all arrays must have the same number of dimensions, got {shapes}")
    if not x1.shape == x2.shape == target.shape:
        error = ValueError if broadcast(x1.shape, x2.shape, target.shape) else RuntimeError
        raise error(f"margin_ranking_loss(): all arrays must have the same shape, got {shapes}")
    difference = x1 - x2
    shortfall = margin - target * difference
    loss, reduction_backward = reduce_losses(np.maximum(shortfall, 0), reduction)

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dshortfall = (shortfall >= 0) * reduction_backward(dloss)
        dx1 = -target * dshortfall
        return gradients_of(arrays, dx1, -dx1, -difference * dshortfall)

    return loss, backward


class MarginRankingLoss(Loss):
    """`margin_ranking_loss` as a module. Equals `torch.nn.MarginRankingLoss`."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Array, input2: Array, target: Array) -> tuple[Array, Backward]:
        return bind(margin_ranking_loss, input1, input2, target, margin=self.margin, reduction=self.reduction)


@takes_any_array(refuses_half=lambda given: given["x"].size > 0)
def multi_margin_loss(
    x: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    *,
    reduction: str = "mean",
) -> tuple[Array, Backward]:
    """losses_n = weight_t / K sum_{k != t} max(0, margin - x_nt + x_nk)^p, t = target_n: the multi-class hinge loss.

    Shapes: scores x (N, K), or (K), or (); target (N), or () of integers; weight (K), a constant; the loss () or the
    target's shape. The mean divides by N, whatever the weights.

    Backward. With z_nk = max(0, margin - x_nt + x_nk), 0 for k = t, and dlosses_n = dL/dlosses_n:
        dL/dz_nk = weight_t / K p z_nk^(p-1) [z_nk > 0] dlosses_n           (the edge z = 0 does not count)
        dL/dx_nk = dL/dz_nk for k != t,        dL/dx_nt = -sum_k dL/dz_nk

    Errors: ValueError for p other than 1 or 2 and for a weight that is not 1-d; RuntimeError for a target out of range
    and for other shapes or dtypes. Equals `torch.nn.functional.multi_margin_loss`. Weston & Watkins 1999 (p = 1).
    """
    check_numbers("multi_margin_loss", margin=margin)
    reduction = check_reduction("multi_margin_loss", reduction)
    check_margin_input("multi_margin_loss", x, target)
    rows = as_rows(x)  # (N, K)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss(): only p == 1 and p == 2 are supported, got p={p}")
    if weight is not None:
        check_floating("multi_margin_loss", input=x, weight=weight)
        if weight.ndim != 1:
            raise ValueError(f"multi_margin_loss(): weight must be one-dimensional, but has shape {weight.shape}")
        if weight.shape != rows.shape[1:]:
            raise RuntimeError(f"multi_margin_loss(): weight has shape {weight.shape} for {rows.shape[1]} classes")
    if target.shape != x.shape[:-1] and not (x.ndim <= 1 and target.shape == (1,)):
        raise RuntimeError(f"multi_margin_loss(): target has shape {target.shape}, but input {x.shape}")
    if np.any((target < 0) | (target >= rows.shape[1])):
        raise RuntimeError(f"multi_margin_loss(): target out of range 0..{rows.shape[1] - 1}: {target}")
    labels, n = target.reshape(-1), np.arange(len(rows))
    scale = (1 if weight is None else weight[labels][:, None]) / np.asarray(rows.shape[1], x.dtype)
    z = np.maximum(margin - rows[n, labels][:, None] + rows, 0)  # (N, K)
    z[n, labels] = 0
    losses = (scale * z**p).sum(axis=1).reshape(target.shape)
    loss, reduction_backward = reduce_losses(losses, reduction, max(1, len(rows)))

    def backward(dloss: Array | None = None) -> tuple[Array, None]:
        slope = (z > 0).astype(x.dtype) if p == 1 else 2 * z
        dx = slope * scale * reduction_backward(dloss).reshape(-1, 1)
        dx[n, labels] = -dx.sum(axis=1)
        return dx.reshape(x.shape), None

    return loss, backward


class MultiMarginLoss(WeightedLoss):
    """`multi_margin_loss` as a module; the weight is a buffer. Equals `torch.nn.MultiMarginLoss`."""

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Array | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: only p == 1 and p == 2 are supported, got p={p}")
        if weight is not None and weight.ndim != 1:
            raise ValueError(f"MultiMarginLoss: expected weight to be None or 1D, got shape {weight.shape}")
        self.p = p
        self.margin = margin

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(
            multi_margin_loss,
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )


@takes_any_array(refuses_half=lambda given: given["x"].size > 0)
def multilabel_margin_loss(x: Array, target: Array, *, reduction: str = "mean") -> tuple[Array, Backward]:
    """losses_n = 1/K sum_j sum_i max(0, 1 - x_nj + x_ni), over the labels j of row n and all classes i that are none.

    Shapes: scores x (N, K), or (K), or (); target the same, of integers: a row's labels, ended by the first -1 (what
    follows does not count); the loss () or (N). A label that stands there twice counts twice.

    Backward. With c_nj, how often j is a label of row n, z_nji = max(0, 1 - x_nj + x_ni), the edge z = 0 not counted:
        dL/dz_nji = c_nj [c_ni = 0] [z_nji > 0] / K dlosses_n
        dL/dx_nk  = sum_j dL/dz_njk - sum_i dL/dz_nki          (k pushed down as i, pulled up as j)
    All pairs are written out at once: N K K numbers.

    Errors: RuntimeError for a target out of range and for other shapes or dtypes.
    Equals `torch.nn.functional.multilabel_margin_loss`.
    """
    reduction = check_reduction("multilabel_margin_loss", reduction)
    check_margin_input("multilabel_margin_loss", x, target)
    if target.shape != x.shape:
        raise RuntimeError(f"multilabel_margin_loss(): target has shape {target.shape}, but input {x.shape}")
    rows = as_rows(x)  # (N, K)
    n_classes = rows.shape[1]
    if np.any((target < -1) | (target >= n_classes)):
        raise RuntimeError(f"multilabel_margin_loss(): target out of range -1..{n_classes - 1}: {target}")
    labels = target.reshape(rows.shape)
    before_end = np.logical_and.accumulate(labels >= 0, axis=1)
    count = ((labels[:, :, None] == np.arange(n_classes)) & before_end[:, :, None]).sum(axis=1)  # (N, K)
    pairs = (count[:, :, None] * (count[:, None, :] == 0)).astype(x.dtype) / n_classes  # (N, j, i)
    z = np.maximum(1 - rows[:, :, None] + rows[:, None, :], 0)  # (N, j, i)
    losses = np.where(pairs, pairs * z, 0).sum(axis=(1, 2)).reshape(x.shape[:-1])  # 0 * inf is nan
    loss, reduction_backward = reduce_losses(losses, reduction, max(1, len(rows)))

    def backward(dloss: Array | None = None) -> tuple[Array, None]:
        dz = pairs * (z > 0) * reduction_backward(dloss).reshape(-1, 1, 1)
        dx = dz.sum(axis=1) - dz.sum(axis=2)
        return dx.reshape(x.shape), None

    return loss, backward


class MultiLabelMarginLoss(Loss):
    """`multilabel_margin_loss` as a module. Equals `torch.nn.MultiLabelMarginLoss`."""

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(multilabel_margin_loss, input, target, reduction=self.reduction)


def as_rows(x: Array) -> Array:
    """(N, K) as it is, (K) -> (1, K), () -> (1, 1)."""
    return x.reshape(x.shape[0] if x.ndim == 2 else 1, x.shape[-1] if x.ndim else 1)


def check_margin_input(function: str, x: Array, target: Array) -> None:
    """x is floating point, (N, K) or (K) or (), with classes; target is int64."""
    check_floating(function, input=x)
    check_arrays(function, target=target)
    if x.ndim > 2 or x.shape[-1:] == (0,):
        raise RuntimeError(f"{function}(): expected an input of shape (N, K) or (K) with K > 0, but got {x.shape}")
    if target.dtype != np.int64:
        raise RuntimeError(f"{function}(): expected a target of dtype int64, but got {target.dtype}")
