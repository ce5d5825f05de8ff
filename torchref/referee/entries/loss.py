"""Entries of the losses. ATen numbers the reductions, and puts them among the other arguments in its own order."""

from __future__ import annotations

from typing import Any

from torchref.nn import functional as F
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import entry

REDUCTIONS = ("none", "mean", "sum")


@entry("mse_loss")
def mse_loss(x: Array, target: Array, reduction: int = 1) -> tuple[Array, Backward]:
    return F.mse_loss(x, target, reduction=REDUCTIONS[reduction])


@entry("smooth_l1_loss")
def smooth_l1_loss(x: Array, target: Array, reduction: int = 1, beta: float = 1.0) -> tuple[Array, Backward]:
    return F.smooth_l1_loss(x, target, reduction=REDUCTIONS[reduction], beta=beta)


@entry("huber_loss")
def huber_loss(x: Array, target: Array, reduction: int = 1, delta: float = 1.0) -> tuple[Array, Backward]:
    return F.huber_loss(x, target, reduction=REDUCTIONS[reduction], delta=delta)


@entry("soft_margin_loss")
def soft_margin_loss(x: Array, target: Array, reduction: int = 1) -> tuple[Array, Backward]:
    return F.soft_margin_loss(x, target, reduction=REDUCTIONS[reduction])


@entry("binary_cross_entropy")
def binary_cross_entropy(
    x: Array, target: Array, weight: Array | None = None, reduction: int = 1
) -> tuple[Array, Backward]:
    return F.binary_cross_entropy(x, target, weight, reduction=REDUCTIONS[reduction])


@entry("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    x: Array, target: Array, weight: Array | None = None, pos_weight: Array | None = None, reduction: int = 1
) -> tuple[Array, Backward]:
    return F.binary_cross_entropy_with_logits(x, target, weight, reduction=REDUCTIONS[reduction], pos_weight=pos_weight)


@entry("nll_loss_forward", "nll_loss2d_forward")
def nll_loss(
    x: Array, target: Array, weight: Array | None, reduction: int, ignore_index: int
) -> tuple[tuple[Array], Backward]:
    """Its second output, the sum of the weights, is for torch's own backward alone."""
    loss, loss_backward = F.nll_loss(x, target, weight, ignore_index=ignore_index, reduction=REDUCTIONS[reduction])

    def backward(doutputs: tuple[Array | None, ...]) -> Any:
        return loss_backward(doutputs[0])

    return (loss,), backward


@entry("multi_margin_loss")
def multi_margin_loss(
    x: Array, target: Array, p: int = 1, margin: float = 1, weight: Array | None = None, reduction: int = 1
) -> tuple[Array, Backward]:
    return F.multi_margin_loss(x, target, p=p, margin=margin, weight=weight, reduction=REDUCTIONS[reduction])


@entry("multilabel_margin_loss_forward")
def multilabel_margin_loss(x: Array, target: Array, reduction: int) -> tuple[tuple[Array], Backward]:
    loss, loss_backward = F.multilabel_margin_loss(x, target, reduction=REDUCTIONS[reduction])

    def backward(doutputs: tuple[Array | None, ...]) -> Any:
        return loss_backward(doutputs[0])

    return (loss,), backward


@entry("_ctc_loss")
def ctc_loss(
    log_probs: Array,
    targets: Array,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    zero_infinity: bool = False,
) -> tuple[tuple[Array], Backward]:
    loss, loss_backward = F.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, "none", zero_infinity)

    def backward(doutputs: tuple[Array | None, ...]) -> Any:
        return loss_backward(doutputs[0])

    return (loss,), backward
