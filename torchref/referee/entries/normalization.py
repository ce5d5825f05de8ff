"""Entries of the normalizations. The statistics that they return besides are for torch's own backward alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchref.nn import functional as F
from torchref.nn.batchnorm import batch_norm_eval, batch_norm_train
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import WRITERS, entry


def of_first(function_backward: Backward) -> Callable[[Any], Any]:
    """The backward of a function whose first output alone has a gradient."""

    def backward(doutputs: Any) -> Any:
        return function_backward(doutputs[0] if isinstance(doutputs, tuple) else doutputs)

    return backward


def beside_absent(gradients: Any, *parameters: Array | None) -> list[Any]:
    """The gradients of x and of those parameters that there are."""
    dx, *others = gradients
    return [dx, *(d for d, parameter in zip(others, parameters, strict=False) if parameter is not None)]


@entry("native_batch_norm", "cudnn_batch_norm")
def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[tuple[Array], Backward]:
    """In training the samples are laid side by side: a channel's sum is then one sum, and rounds as torch's does."""
    laid = x.swapaxes(0, 1)  # (C, N, *)
    if training:
        (y, *_), norm_backward = batch_norm_train(laid.reshape(1, len(laid), -1), weight, bias, eps=eps)
        y = y.reshape(laid.shape).swapaxes(0, 1)
    else:
        assert running_mean is not None
        assert running_var is not None
        y, norm_backward = batch_norm_eval(x, weight, bias, running_mean=running_mean, running_var=running_var, eps=eps)

    def backward(doutputs: Any) -> list[Any]:
        dy = doutputs[0] if isinstance(doutputs, tuple) else doutputs
        if not training:
            return beside_absent(norm_backward(dy), weight, bias)
        dx, *others = norm_backward(dy.swapaxes(0, 1).reshape(1, len(laid), -1))
        return beside_absent((dx.reshape(laid.shape).swapaxes(0, 1), *others), weight, bias)

    return (y,), backward


def running_statistics(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array,
    running_var: Array,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Array, Array]:
    """running <- (1 - momentum) running + momentum new; of the variance it is the unbiased one that is kept."""
    laid = x.swapaxes(0, 1).reshape(1, x.shape[1], -1)
    (_, mean, var), _ = batch_norm_train(laid, eps=eps)
    n = laid.shape[2]
    return (
        (1 - momentum) * running_mean + momentum * mean,
        (1 - momentum) * running_var + momentum * n / (n - 1) * var,
    )


WRITERS["native_batch_norm"] = WRITERS["cudnn_batch_norm"] = running_statistics


@entry("native_layer_norm")
def layer_norm(
    x: Array, normalized_shape: Sequence[int], weight: Array | None, bias: Array | None, eps: float
) -> tuple[tuple[Array], Backward]:
    y, norm_backward = F.layer_norm(x, tuple(normalized_shape), weight, bias, eps)
    of_y = of_first(norm_backward)

    def backward(doutputs: Any) -> list[Any]:
        return beside_absent(of_y(doutputs), weight, bias)

    return (y,), backward


@entry("native_group_norm")
def group_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    samples: int,
    channels: int,
    rest: int,
    groups: int,
    eps: float,
) -> tuple[tuple[Array], Backward]:
    """torch differentiates twice through the statistics, its second and third output: (N, groups) each.

    Their share, with D values in a group and rstd = 1 / std:  dx_i = dmean / D - drstd rstd^2 x_hat_i / D.
    """
    y, norm_backward = F.group_norm(x, groups, weight, bias, eps)
    rows = x.reshape(samples * groups, -1)  # (N groups, D)

    def backward(doutputs: Any) -> list[Any]:
        dy, dmean, drstd = (*doutputs, None, None)[:3]
        dx, *others = norm_backward(np.zeros_like(x) if dy is None else dy)
        if dmean is not None or drstd is not None:
            centered = rows - rows.mean(1, keepdims=True)
            std = np.sqrt((centered * centered).mean(1, keepdims=True) + eps)
            dmean, drstd = (np.zeros_like(std) if d is None else d.reshape(std.shape) for d in (dmean, drstd))
            dx = dx + ((dmean - drstd * centered / std**3) / rows.shape[1]).reshape(x.shape)
        return beside_absent((dx, *others), weight, bias)

    return (y,), backward


@entry("_fused_rms_norm")
def rms_norm(
    x: Array, normalized_shape: Sequence[int], weight: Array | None, eps: float | None
) -> tuple[tuple[Array], Backward]:
    if eps is None:
        raise NotImplementedError("eps=None is that of a dtype, which is not known here")
    y, norm_backward = F.rms_norm(x, tuple(normalized_shape), weight, eps)
    of_y = of_first(norm_backward)

    def backward(doutputs: Any) -> list[Any]:
        gradients = of_y(doutputs)
        return beside_absent(gradients if isinstance(gradients, tuple) else (gradients,), weight)

    return (y,), backward
