"""Negative log-likelihoods of counts (Poisson) and of numbers (Gauss), and the divergence of two distributions."""

from __future__ import annotations

import math

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_floating, check_numbers
from torchref.nn.loss.reduction import Loss, broadcast, check_reduction, promote_pair, reduce_losses
from torchref.nn.module import Array, Backward, bind
from torchref.nn.promotion import gradients_of, promoted


@takes_any_array
def poisson_nll_loss(
    x: Array,
    target: Array,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> tuple[Array, Backward]:
    """losses_i = r_i - t_i log r_i + log t_i!: t counts what happens at rate r, P(t) = r^t exp(-r) / t!.

    The rate is exp(x) if log_input, else x (and its log is log(x + eps)). The last term, which does not depend on x, is
    there only if `full`: Stirling's t log t - t + log(2 pi t) / 2 for t > 1, else 0.
    Shapes: x and target the same, any; the loss () or that shape.

    Backward. With dlosses_i = dL/dlosses_i:
        log_input:   dL/dx_i = (exp(x_i) - t_i) dlosses_i           dL/dt_i = -x_i dlosses_i
        else:        dL/dx_i = (1 - t_i / (x_i + eps)) dlosses_i    dL/dt_i = -log(x_i + eps) dlosses_i
    and `full` adds (log t_i + 1 / (2 t_i)) dlosses_i to dL/dt_i where t_i > 1 (torch returns nan for t_i <= 0 there).

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError if they cannot even be broadcast.
    Equals `torch.nn.functional.poisson_nll_loss`.
    """
    check_numbers("poisson_nll_loss", eps=eps)
    check_reduction("poisson_nll_loss", reduction, old_name=False)
    arrays = x, target
    x, target = promote_pair("poisson_nll_loss", x, target, booleans=not full)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rate, log_rate = (np.exp(x), x) if log_input else (x, np.log(x + eps))
        losses = rate - target * log_rate
    large = np.where(target > 1, target, 1)  # where Stirling's formula is used
    if full:
        stirling = large * np.log(large) - large + np.log(2 * math.pi * large) / 2
        losses = losses + np.where(target > 1, stirling, 0)
    loss, reduction_backward = reduce_losses(losses, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dlosses = reduction_backward(dloss)
        dx = dlosses * (rate - target if log_input else 1 - target / (x + eps))
        dtarget = -dlosses * log_rate
        if full:
            dtarget = dtarget + dlosses * np.where(target > 1, np.log(large) + 1 / (2 * large), 0)
        return gradients_of(arrays, dx, dtarget)

    return loss, backward


class PoissonNLLLoss(Loss):
    """`poisson_nll_loss` as a module. Equals `torch.nn.PoissonNLLLoss`."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(
            poisson_nll_loss,
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


@takes_any_array
def gaussian_nll_loss(
    x: Array,
    target: Array,
    var: Array | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> tuple[Array, Backward]:
    """losses_i = (log v_i + (x_i - t_i)^2 / v_i) / 2: t is drawn from a normal distribution of mean x and variance v.

    v is var, at least eps; `full` adds the constant log(2 pi) / 2.
    Shapes: x any; target that shape, or with 1 for some of its dimensions; var x's shape, or without its last
    dimension, or with 1 for one of its dimensions, or a float (a constant); the loss () or x's shape.

    Backward. With the difference d = x - t and dlosses_i = dL/dlosses_i:
        dL/dx_i = d_i / v_i dlosses_i           ->  dtarget = -dx     (summed where the target was broadcast)
        dL/dv_i = (1 / v_i - d_i^2 / v_i^2) / 2 dlosses_i       (summed where var was broadcast)
    The clamp at eps is straight-through: var gets dL/dv also where it is below eps, as torch has it.

    Errors: ValueError for a var that does not fit or is negative; for a target RuntimeError if it cannot be broadcast,
    ValueError if it only can with other dimensions than x's (torch would broadcast). Equals
    `torch.nn.functional.gaussian_nll_loss`. Nix & Weigend 1994.
    """
    check_numbers("gaussian_nll_loss", eps=eps)
    arrays = x, target, var
    x, target = promoted("gaussian_nll_loss", input=x, target=target)
    if not isinstance(var, float):
        check_floating("gaussian_nll_loss", input=x, var=var)
    v = np.maximum(variance(x, var), eps)
    if target.ndim != x.ndim or broadcast(x.shape, target.shape) != x.shape:
        error = ValueError if broadcast(x.shape, target.shape) else RuntimeError
        raise error(f"gaussian_nll_loss(): target of shape {target.shape} does not fit input {x.shape}")
    check_reduction("gaussian_nll_loss", reduction, old_name=False)
    difference = x - target
    losses = (np.log(v) + difference * difference / v) / 2
    if full:
        losses = losses + math.log(2 * math.pi) / 2
    loss, reduction_backward = reduce_losses(losses, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dlosses = reduction_backward(dloss)
        scaled = difference / v
        dx = dlosses * scaled
        dv = sum_to_shape(dlosses * (1 / v - scaled * scaled) / 2, v.shape)
        return gradients_of(arrays, dx, sum_to_shape(-dx, target.shape), dv.reshape(np.shape(var)))

    return loss, backward


def variance(x: Array, var: Array | float) -> Array:
    """`var` in a shape that broadcasts to x's. ValueError if there is none, and for negative entries."""
    v: Array = np.asanyarray(var, dtype=x.dtype) if isinstance(var, float) else var
    if np.any(v < 0):
        raise ValueError("gaussian_nll_loss(): var has negative entries")
    if isinstance(var, float) or v.shape == x.shape:
        return v
    if v.shape == x.shape[:-1]:
        return v[..., None]  # one variance for each row
    mismatched = [size for n, size in zip(x.shape, v.shape, strict=False) if n != size]
    if v.ndim != x.ndim or mismatched != [1]:
        raise ValueError(f"gaussian_nll_loss(): var of shape {v.shape} does not fit input {x.shape}")
    return v


class GaussianNLLLoss(Loss):
    """`gaussian_nll_loss` as a module. Equals `torch.nn.GaussianNLLLoss`."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Array, target: Array, var: Array | float) -> tuple[Array, Backward]:
        return bind(gaussian_nll_loss, input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


@takes_any_array
def kl_div(x: Array, target: Array, *, reduction: str = "mean", log_target: bool = False) -> tuple[Array, Backward]:
    """losses_i = t_i (log t_i - x_i): the divergence of the distribution exp(x) from t, once summed.

    Shapes: x (log-probabilities) and target the same, any; the loss () or that shape. With log_target the target is
    log t. The reduction 'batchmean' divides the sum by N, the first dimension, which makes it the divergence of
    mathematics; 'mean' divides by the number of entries.

    Backward. With dlosses_i = dL/dlosses_i:
        dL/dx_i = -t_i dlosses_i                               dL/dt_i = (log t_i + 1 - x_i) dlosses_i
        with log_target = log t:  dL/dlog t_i = t_i (log t_i - x_i + 1) dlosses_i
    For t_i = 0 the loss is 0 (the limit of t log t); its slope there is infinite, and torch returns nan for it.

    Errors: ValueError if the shapes differ (torch would broadcast), RuntimeError if they cannot even be broadcast.
    Equals `torch.nn.functional.kl_div` (which warns of 'mean'). Kullback & Leibler 1951.
    """
    if reduction != "batchmean":
        reduction = check_reduction("kl_div", reduction)
    check_floating("kl_div", input=x, target=target)
    x, target = promote_pair("kl_div", x, target)
    with np.errstate(divide="ignore", invalid="ignore"):
        if log_target:
            t = np.exp(target)
            losses = t * (target - x)
        else:
            t = target
            losses = np.where(t == 0, 0, t * np.log(t)) - t * x
    if reduction == "batchmean":
        loss, reduction_backward = reduce_losses(losses, "mean", x.shape[0] if x.ndim else 1)
    else:
        loss, reduction_backward = reduce_losses(losses, reduction)

    def backward(dloss: Array | None = None) -> tuple[Array, Array]:
        dlosses = reduction_backward(dloss)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = t * (target - x + 1) if log_target else np.where(t == 0, np.nan, np.log(t) + 1 - x)
            return -dlosses * t, dlosses * slope

    return loss, backward


class KLDivLoss(Loss):
    """`kl_div` as a module. Equals `torch.nn.KLDivLoss`."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        return bind(kl_div, input, target, reduction=self.reduction, log_target=self.log_target)
