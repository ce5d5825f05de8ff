"""Entries of the losses' backwards, which a double backward runs forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from torchref.nn import functional as F
from torchref.nn.module import Array, Backward
from torchref.referee.entries.loss import REDUCTIONS
from torchref.referee.entries.table import bind, entry

Slopes = tuple[Array, Array, Array]


def of_pairs(slopes: Callable[..., Slopes]) -> Callable[..., Any]:
    """dx = c dloss f'(x, target), entry by entry; c is 1/n for a mean, else 1.

    `slopes(x, target, ...)` gives f', its derivative f'' with respect to x, and that with respect to the target.
    Backward:  ddloss = sum(c ddx f') (entry by entry without a reduction),  dx' = c ddx dloss f'',  dtarget' likewise.
    """

    def entered(
        dloss: Array, x: Array, target: Array, reduction: int, *options: float
    ) -> tuple[Array, Callable[..., Any]]:
        first, second, mixed = slopes(x, target, *options)
        c = 1 / x.size if REDUCTIONS[reduction] == "mean" else 1.0

        def backward(ddx: Array) -> tuple[Array, Array, Array]:
            of_loss = c * ddx * first
            return (
                (of_loss if dloss.ndim else np.asarray(of_loss.sum())),
                c * ddx * dloss * second,
                (c * ddx * dloss * mixed),
            )

        return c * dloss * first, backward

    return entered


def squared(x: Array, target: Array) -> Slopes:
    """f = (x - t)^2."""
    apart = x - target
    return 2 * apart, np.full_like(x, 2.0), np.full_like(x, -2.0)


def smooth_l1(x: Array, target: Array, beta: float) -> Slopes:
    """f = d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, of d = x - t."""
    apart = x - target
    inside = np.abs(apart) < beta
    second = np.where(inside, 1 / beta if beta else 0.0, 0.0)
    return np.where(inside, apart * second, np.sign(apart)), second, -second


def huber(x: Array, target: Array, delta: float) -> Slopes:
    """f = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), of d = x - t."""
    apart = x - target
    second = (np.abs(apart) <= delta).astype(x.dtype)
    return np.clip(apart, -delta, delta), second, -second


def soft_margin(x: Array, target: Array) -> Slopes:
    """f = log(1 + e^(-t x)):  f' = -t s, s = sigmoid(-t x);  ds/d(t x) = -s (1 - s)."""
    s = special.expit(-target * x)
    ds = s * (1 - s)
    return -target * s, target * target * ds, -s + target * x * ds


bind(
    mse_loss_backward=of_pairs(squared),
    smooth_l1_loss_backward=of_pairs(smooth_l1),
    huber_loss_backward=of_pairs(huber),
    soft_margin_loss_backward=of_pairs(soft_margin),
)


@entry("binary_cross_entropy_backward")
def binary_cross_entropy_backward(
    dloss: Array, x: Array, target: Array, weight: Array | None = None, reduction: int = 1
) -> tuple[Array, Backward]:
    """f = -w (t log x + (1 - t) log(1 - x)):  f' = w (x - t) / q, q = x (1 - x), not below 1e-12.

    f'' = w / q - w (x - t) (1 - 2 x) / q^2;  df'/dt = -w / q.  Backward: as `of_pairs`.
    """
    w = np.ones_like(x) if weight is None else np.broadcast_to(weight, x.shape)
    q = np.maximum(x * (1 - x), 1e-12)

    def slopes(x: Array, target: Array) -> Slopes:
        return w * (x - target) / q, w / q - w * (x - target) * (1 - 2 * x) / (q * q), -w / q

    return of_pairs(slopes)(dloss, x, target, reduction)  # type: ignore[no-any-return]


@entry("nll_loss_backward", "nll_loss2d_backward")
def nll_loss_backward(
    dloss: Array,
    x: Array,
    target: Array,
    weight: Array | None,
    reduction: int,
    ignore_index: int,
    total_weight: Array,
) -> tuple[Array, Backward]:
    """dx: minus the weight of the target's class in its place; linear in dloss, so ddloss is the loss of ddx."""

    def loss(values: Array) -> tuple[Array, Backward]:
        return F.nll_loss(values, target, weight, ignore_index=ignore_index, reduction=REDUCTIONS[reduction])

    def backward(ddx: Array) -> tuple[Array, None]:
        return loss(ddx)[0], None

    return loss(x)[1](dloss), backward
