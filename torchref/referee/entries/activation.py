"""Entries of the activation functions, and of dropout with the mask of the run."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn import functional as F
from torchref.nn.exponential import exponential_unit
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import bind, entry

bind(
    celu=F.celu,
    gelu=F.gelu,
    glu=F.glu,
    hardshrink=F.hardshrink,
    hardsigmoid=F.hardsigmoid,
    hardswish=F.hardswish,
    hardtanh=F.hardtanh,
    leaky_relu=F.leaky_relu,
    mish=F.mish,
    relu=F.relu,
    relu6=F.relu6,
    selu=F.selu,
    silu=F.silu,
    softplus=F.softplus,
    softshrink=F.softshrink,
    threshold=F.threshold,
)


@entry("log_sigmoid_forward")
def logsigmoid(x: Array) -> tuple[tuple[Array], Backward]:
    """Its second output is for torch's own backward alone."""
    y, sigmoid_backward = F.logsigmoid(x)

    def backward(doutputs: tuple[Array | None, ...]) -> Any:
        return sigmoid_backward(doutputs[0])

    return (y,), backward


@entry("elu")
def elu(x: Array, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> tuple[Array, Backward]:
    return exponential_unit(x, "elu", alpha, scale, input_scale)


@entry("_prelu_kernel")
def prelu(x: Array, weight: Array) -> tuple[Array, Backward]:
    """y = x where x > 0, else weight x; weight broadcasts to x.

    Backward. dx = dy where x > 0, else weight dy;  dweight = x dy where x <= 0, summed to its shape.
    """
    negative = x <= 0

    def backward(dy: Array) -> tuple[Array, Array]:
        axes = tuple(i for i, n in enumerate(weight.shape) if n == 1)
        return np.where(negative, weight * dy, dy), np.where(negative, x * dy, 0).sum(axes, keepdims=True)

    return np.where(negative, weight * x, x), backward


@entry("rrelu_with_noise")
def rrelu(
    x: Array, noise: Array, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False
) -> tuple[Array, Backward]:
    """y = x where x > 0, else slope x; outside training the slope is the mean of the two, in training it is drawn.

    The draws are in `noise`, 1 where x > 0:  y = noise x. Backward: dx = noise dy.
    """
    if not training:
        return F.leaky_relu(x, negative_slope=(lower + upper) / 2)

    def backward(dy: Array) -> Array:
        return noise * dy

    return noise * x, backward


@entry("native_dropout")
def dropout(x: Array, p: float, train: bool | None = None, *, drawn: Array) -> tuple[Array, Backward]:
    """y = x mask / (1 - p), with the mask that the run drew (CUDA's dropout); so dx = dy mask / (1 - p)."""
    if train is False or p == 0:
        return F.dropout(x, 0.0)
    kept = drawn * (0.0 if p == 1 else 1 / (1 - p))

    def backward(doutputs: tuple[Array, ...]) -> Array:
        return doutputs[0] * kept

    return x * kept, backward
