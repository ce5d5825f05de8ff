"""Losses of embeddings: which vectors should lie near each other (cosine, triplets)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.distance import PairwiseDistance, pairwise_distance
from torchref.nn.errors import check_arrays, check_numbers
from torchref.nn.loss.reduction import EPSILON, Loss, check_reduction, reduce_losses
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.promotion import gradients_of, promoted

Distance = Callable[[Array, Array], tuple[Array, Backward]]


@takes_any_array
def cosine_embedding_loss(
    x1: Array, x2: Array, target: Array, margin: float = 0.0, *, reduction: str = "mean"
) -> tuple[Array, Backward]:
    """losses_n = 1 - cos_n where t_n = 1, max(0, cos_n - margin) where t_n = -1: turns like pairs together.

    cos_n = sum_d x1_nd x2_nd / sqrt((|x1_n|^2 + e) (|x2_n|^2 + e)) with e = 1e-12.
    Shapes: x1 and x2 (N, D), or (D); target (N), or () (for another t_n the loss is 0); the loss () or the target's.

    Backward. With s1 = |x1_n|^2 + e, s2 likewise, r = 1 / sqrt(s1 s2), and d s1/dx1_d = 2 x1_d:
        dcos_n/dx1_nd = x2_nd r - cos_n x1_nd / s1,    likewise for x2
        dL/dcos_n     = (-[t_n = 1] + [t_n = -1] [cos_n >= margin]) dlosses_n       (the edge counts, as torch has it)
    `backward()` returns dx1, dx2 and None: the target has no gradient.

    Errors: RuntimeError for shapes that do not fit. Equals `torch.nn.functional.cosine_embedding_loss`.
    """
    check_numbers("cosine_embedding_loss", margin=margin)
    check_arrays("cosine_embedding_loss", input1=x1, input2=x2, target=target)
    reduction = check_reduction("cosine_embedding_loss", reduction)
    arrays = x1, x2
    x1, x2 = promoted("cosine_embedding_loss", booleans=True, input1=x1, input2=x2)
    if target.ndim > 1 or x1.ndim != target.ndim + 1 or x1.shape != x2.shape or x1.shape[:-1] != target.shape:
        raise RuntimeError(
            "cosine_embedding_loss(): expected inputs (N, D) and target (N), or (D) and (), but got "
            f"input1 {x1.shape}, input2 {x2.shape}, target {target.shape}"
        )
    s1 = (x1 * x1).sum(axis=-1, keepdims=True) + EPSILON  # (N, 1)
    s2 = (x2 * x2).sum(axis=-1, keepdims=True) + EPSILON
    r = 1 / np.sqrt(s1 * s2)
    cos = (x1 * x2).sum(axis=-1, keepdims=True) * r
    t = target.reshape(cos.shape)
    losses = np.where(t == 1, 1 - cos, np.where(t == -1, np.maximum(cos - margin, 0), 0))
    loss, reduction_backward = reduce_losses(losses.reshape(target.shape), reduction)

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        slope = ((t == -1) & (cos >= margin)).astype(x1.dtype) - (t == 1)
        dcos = slope * reduction_backward(dloss)[..., None]  # (N, 1)
        dx1 = dcos * (x2 * r - cos / s1 * x1)
        dx2 = dcos * (x1 * r - cos / s2 * x2)
        return *gradients_of(arrays, dx1, dx2), None

    return loss, backward


class CosineEmbeddingLoss(Loss):
    """`cosine_embedding_loss` as a module. Equals `torch.nn.CosineEmbeddingLoss`."""

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
        return bind(cosine_embedding_loss, input1, input2, target, margin=self.margin, reduction=self.reduction)


@takes_any_array
def triplet_margin_with_distance_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> tuple[Array, Backward]:
    """losses_n = max(0, margin + d(a_n, p_n) - d(a_n, g_n)): anchor a nearer to positive p than to negative g.

    d is `distance_function(x1, x2)`, which returns the distances and their backward, as every function and module here
    does (None: `pairwise_distance`). With swap the distance to the negative is min(d(a, g), d(p, g)).
    Shapes: a, p, g (N, D) or (D), or what d takes; the loss () or the distances' shape.

    Backward. With active_n = [margin + d(a_n, p_n) - d(a_n, g_n) >= 0] (the edge counts, as torch has it):
        dL/dd(a, p) = active dlosses,    dL/dd(a, g) = -active dlosses
    and each distance passes its own on; every array gets the sum from the distances it is in. With swap the nearer of
    the two gets dL/dd, both half of it if they are equal.

    Errors: ValueError for margin <= 0, RuntimeError for other numbers of dimensions.
    Equals `torch.nn.functional.triplet_margin_with_distance_loss`. Balntas et al. 2016 (swap).
    """
    function = "triplet_margin_with_distance_loss"
    check_numbers(function, margin=margin)
    check_reduction(function, reduction, old_name=False)
    arrays = anchor, positive, negative
    anchor, positive, negative = promoted(function, anchor=anchor, positive=positive, negative=negative)
    if margin <= 0:
        raise ValueError(f"triplet_margin_with_distance_loss(): margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "triplet_margin_with_distance_loss(): all arrays must have the same number of dimensions, but got "
            f"anchor {anchor.shape}, positive {positive.shape}, negative {negative.shape}"
        )
    distance = distance_function or pairwise_distance
    near, near_backward = distance(anchor, positive)
    far, far_backward = distance(anchor, negative)
    share = 1  # of the far distance's gradient that goes to d(anchor, negative)
    if swap:
        swapped, swapped_backward = distance(positive, negative)
        share = (far < swapped) + (far == swapped) / np.asarray(2, far.dtype)
        far = np.minimum(far, swapped)
    violation = margin + near - far
    loss, reduction_backward = reduce_losses(np.maximum(violation, 0), reduction)

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dviolation = (violation >= 0) * reduction_backward(dloss)
        danchor, dpositive = near_backward(dviolation)
        danchor_far, dnegative = far_backward(-dviolation * share)
        if swap:
            dpositive_far, dnegative_far = swapped_backward(-dviolation * (1 - share))
            dpositive, dnegative = dpositive + dpositive_far, dnegative + dnegative_far
        return gradients_of(arrays, danchor + danchor_far, dpositive, dnegative)

    return loss, backward


class TripletMarginWithDistanceLoss(Loss):
    """`triplet_margin_with_distance_loss` as a module. Equals `torch.nn.TripletMarginWithDistanceLoss`.

    The distance may be a module, even one with parameters: they get their gradients.
    """

    def __init__(
        self,
        *,
        distance_function: Distance | Module | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: margin must be greater than 0, got {margin}")
        self.distance_function: Any = distance_function if distance_function is not None else PairwiseDistance()
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Array, positive: Array, negative: Array) -> tuple[Array, Backward]:
        return bind(
            triplet_margin_with_distance_loss,
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


@takes_any_array
def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> tuple[Array, Backward]:
    """`triplet_margin_with_distance_loss` with `pairwise_distance` of the p-norm.

    Equals `torch.nn.functional.triplet_margin_loss`.
    """

    reduction = check_reduction("triplet_margin_loss", reduction)

    def distance(x1: Array, x2: Array) -> tuple[Array, Backward]:
        return pairwise_distance(x1, x2, p=p, eps=eps)

    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=distance, margin=margin, swap=swap, reduction=reduction
    )


class TripletMarginLoss(Loss):
    """`triplet_margin_loss` as a module. Equals `torch.nn.TripletMarginLoss`."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: margin must be greater than 0, got {margin}")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Array, positive: Array, negative: Array) -> tuple[Array, Backward]:
        return bind(
            triplet_margin_loss,
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )
