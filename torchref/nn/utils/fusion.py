"""A batch norm in evaluation is an affine map of each channel: it can be folded into the layer before it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeVar

import numpy as np

from torchref.nn.batchnorm import _BatchNorm
from torchref.nn.linear import Linear
from torchref.nn.module import Array, Module, Parameter

Layer = TypeVar("Layer", bound=Module)


def fuse_conv_bn_eval(conv: Layer, bn: _BatchNorm, transpose: bool = False) -> Layer:
    """A convolution that does what `conv` and then `bn` do in evaluation mode.

        scale = bn.weight / sqrt(running_var + eps)
        weight <- weight scale (of its output channel),    bias <- (bias - running_mean) scale + bn.bias

    `transpose` says that conv is transposed: its output channels are the weight's second axis. AssertionError in
    training mode and without running statistics. Equals `torch.nn.utils.fuse_conv_bn_eval`.
    """
    mean, variance = running_statistics("fuse_conv_bn_eval", conv, bn)
    fused: Any = deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, mean, variance, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_linear_bn_eval(linear: Linear, bn: _BatchNorm) -> Linear:
    """As `fuse_conv_bn_eval`, for a linear layer; bn has as many features as it, or one.

    AssertionError for other numbers of features, in training mode and without running statistics. Equals
    `torch.nn.utils.fuse_linear_bn_eval`.
    """
    mean, variance = running_statistics("fuse_linear_bn_eval", linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            f"fuse_linear_bn_eval: bn must have {linear.out_features} features or 1, but has {bn.num_features}"
        )
    fused = deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, mean, variance, bn.eps, bn.weight, bn.bias
    )
    return fused


def running_statistics(function: str, layer: Module, bn: _BatchNorm) -> tuple[Array, Array]:
    """The mean and variance that `bn` has in evaluation mode. AssertionError in training mode or without them."""
    if layer.training or bn.training:
        raise AssertionError(f"{function}: fusion is for evaluation mode only: call eval() first")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError(f"{function}: bn must have running statistics, but running_mean is None")
    return bn.running_mean, bn.running_var


def fuse_conv_bn_weights(
    conv_w: Parameter,
    conv_b: Parameter | None,
    bn_rm: Array,
    bn_rv: Array,
    bn_eps: float,
    bn_w: Parameter | None,
    bn_b: Parameter | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the fused convolution. Equals `torch.nn.utils.fuse_conv_bn_weights`."""
    weight, bias = conv_w.data, np.zeros_like(bn_rm) if conv_b is None else conv_b.data
    scale = 1 / np.sqrt(bn_rv + bn_eps)
    if bn_w is not None:
        scale = scale * bn_w.data
    channels = (1, -1) if transpose else (-1, 1)
    fused_weight = weight * scale.reshape(*channels, *[1] * (weight.ndim - 2))
    fused_bias = (bias - bn_rm) * scale + (0 if bn_b is None else bn_b.data)
    return (
        Parameter(fused_weight.astype(weight.dtype), conv_w.requires_grad),
        Parameter(fused_bias.astype(weight.dtype if conv_b is None else bias.dtype), keeps_grad(conv_b)),
    )


def fuse_linear_bn_weights(
    linear_w: Parameter,
    linear_b: Parameter | None,
    bn_rm: Array,
    bn_rv: Array,
    bn_eps: float,
    bn_w: Parameter | None,
    bn_b: Parameter | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the fused linear layer. Equals `torch.nn.utils.fuse_linear_bn_weights`."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def keeps_grad(bias: Parameter | None) -> bool:
    """As torch has it: a bias that is new here asks for no gradient."""
    return bias is not None and bias.requires_grad
