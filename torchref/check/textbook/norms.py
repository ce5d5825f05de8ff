"""Batch, layer, group, instance and RMS norm, and local response normalisation."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import SeveralWithBackward, WithBackward
from torchref.nn.module import Array


def layer_norm(x: Array, normalized_shape: tuple[int, ...], weight: Array, bias: Array, eps: float) -> WithBackward:
    """y = x_hat weight + bias, with x_hat = (x - mean) / std, std = sqrt(var + eps), over the last axes.

    With n entries: d x_hat_j / dx_i = ([i = j] - 1 / n - x_hat_i x_hat_j / n) / std, so dx = (dx_hat - mean(dx_hat) -
    x_hat mean(dx_hat x_hat)) / std, with dx_hat = dy weight.
    """
    axes = tuple(range(-len(normalized_shape), 0))
    mean = x.mean(axes, keepdims=True)
    centred = x - mean
    var = (centred**2).mean(axes, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = centred / std
    y = x_hat * weight + bias

    def backward(dy: Array) -> tuple[Array, ...]:
        rest = tuple(range(x.ndim - len(normalized_shape)))
        dx_hat = dy * weight
        mean_path = dx_hat.mean(axes, keepdims=True)
        variance_path = x_hat * (dx_hat * x_hat).mean(axes, keepdims=True)
        dx = (dx_hat - mean_path - variance_path) / std
        dweight = (dy * x_hat).sum(rest)
        dbias = dy.sum(rest)
        return dx, dweight, dbias

    return y, backward


def layer_norm2d(x: Array, weight: Array, bias: Array, eps: float) -> WithBackward:
    """Layer norm of the channels of each place of an image (N, C, H, W); weight and bias (C)."""
    rest, column = (0, 2, 3), (1, -1, 1, 1)
    gamma, beta = np.reshape(weight, column), np.reshape(bias, column)
    mean = x.mean(1, keepdims=True)
    centred = x - mean
    var = (centred**2).mean(1, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = centred / std
    y = x_hat * gamma + beta

    def backward(dy: Array) -> tuple[Array, ...]:
        dx_hat = dy * gamma
        mean_path = dx_hat.mean(1, keepdims=True)
        variance_path = x_hat * (dx_hat * x_hat).mean(1, keepdims=True)
        dx = (dx_hat - mean_path - variance_path) / std
        dweight = (dy * x_hat).sum(rest)
        dbias = dy.sum(rest)
        return dx, dweight, dbias

    return y, backward


def batch_norm(
    x: Array,
    running_mean: Array,
    running_var: Array,
    weight: Array,
    bias: Array,
    training: bool,
    momentum: float,
    eps: float,
) -> SeveralWithBackward:
    """y = x_hat weight + bias for x (N, D), with the statistics of each column; backward as in layer_norm.

    In evaluation the running statistics are constants: dx = dx_hat / std. In training they move towards those of the
    batch by momentum, the variance with n - 1.
    """
    if training:
        mean = x.mean(axis=0)
        var = ((x - mean) ** 2).mean(axis=0)
    else:
        mean, var = running_mean, running_var
    centred = x - mean
    std = np.sqrt(var + eps)
    x_hat = centred / std
    y = x_hat * weight + bias
    if training and running_mean is not None:
        n = len(x)
        new_mean = (1 - momentum) * running_mean + momentum * mean
        new_var = (1 - momentum) * running_var + momentum * var * n / (n - 1)
    else:
        new_mean, new_var = running_mean, running_var

    def backward(dy: Array) -> tuple[Array, ...]:
        dx_hat = dy * weight
        if training:
            mean_path = dx_hat.mean(axis=0)
            variance_path = x_hat * (dx_hat * x_hat).mean(axis=0)
            dx = (dx_hat - mean_path - variance_path) / std
        else:
            dx = dx_hat / std
        dweight = (dy * x_hat).sum(0)
        dbias = dy.sum(0)
        return dx, dweight, dbias

    return (y, new_mean, new_var), backward


def batch_norm2d(
    x: Array,
    running_mean: Array,
    running_var: Array,
    weight: Array,
    bias: Array,
    training: bool,
    momentum: float,
    eps: float,
) -> SeveralWithBackward:
    """Batch norm of each channel of images (N, C, H, W): the statistics run over (N, H, W)."""
    axes, column = (0, 2, 3), (1, -1, 1, 1)
    gamma, beta = np.reshape(weight, column), np.reshape(bias, column)
    if training:
        mean = x.mean(axes, keepdims=True)
        var = ((x - mean) ** 2).mean(axes, keepdims=True)
    else:
        mean, var = running_mean.reshape(column), running_var.reshape(column)
    centred = x - mean
    std = np.sqrt(var + eps)
    x_hat = centred / std
    y = x_hat * gamma + beta
    if training and running_mean is not None:
        n = x.size // x.shape[1]
        new_mean = (1 - momentum) * running_mean + momentum * mean.reshape(-1)
        new_var = (1 - momentum) * running_var + momentum * var.reshape(-1) * n / (n - 1)
    else:
        new_mean, new_var = running_mean, running_var

    def backward(dy: Array) -> tuple[Array, ...]:
        dx_hat = dy * gamma
        if training:
            mean_path = dx_hat.mean(axes, keepdims=True)
            variance_path = x_hat * (dx_hat * x_hat).mean(axes, keepdims=True)
            dx = (dx_hat - mean_path - variance_path) / std
        else:
            dx = dx_hat / std
        dweight = (dy * x_hat).sum(axes)
        dbias = dy.sum(axes)
        return dx, dweight, dbias

    return (y, new_mean, new_var), backward


def group_norm(x: Array, num_groups: int, weight: Array, bias: Array, eps: float) -> WithBackward:
    """x_hat over each group of channels of (N, C, H, W), then weight and bias (C); backward as in layer_norm."""
    rest, column = (0, 2, 3), (1, -1, 1, 1)
    gamma, beta = np.reshape(weight, column), np.reshape(bias, column)
    axes = (2, 3)
    grouped = x.reshape(len(x), num_groups, x.shape[1] // num_groups, -1)
    mean = grouped.mean(axes, keepdims=True)
    centred = grouped - mean
    var = (centred**2).mean(axes, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = centred / std
    y = x_hat.reshape(x.shape) * gamma + beta

    def backward(dy: Array) -> tuple[Array, ...]:
        dx_hat = (dy * gamma).reshape(grouped.shape)
        mean_path = dx_hat.mean(axes, keepdims=True)
        variance_path = x_hat * (dx_hat * x_hat).mean(axes, keepdims=True)
        dgrouped = (dx_hat - mean_path - variance_path) / std
        dx = dgrouped.reshape(x.shape)
        dweight = (dy * x_hat.reshape(x.shape)).sum(rest)
        dbias = dy.sum(rest)
        return dx, dweight, dbias

    return y, backward


def instance_norm(x: Array, weight: Array, bias: Array, eps: float) -> WithBackward:
    """x_hat over (H, W) of each channel of (N, C, H, W), then weight and bias (C); backward as in layer_norm."""
    axes, rest, column = (2, 3), (0, 2, 3), (1, -1, 1, 1)
    gamma, beta = np.reshape(weight, column), np.reshape(bias, column)
    mean = x.mean(axes, keepdims=True)
    centred = x - mean
    var = (centred**2).mean(axes, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = centred / std
    y = x_hat * gamma + beta

    def backward(dy: Array) -> tuple[Array, ...]:
        dx_hat = dy * gamma
        mean_path = dx_hat.mean(axes, keepdims=True)
        variance_path = x_hat * (dx_hat * x_hat).mean(axes, keepdims=True)
        dx = (dx_hat - mean_path - variance_path) / std
        dweight = (dy * x_hat).sum(rest)
        dbias = dy.sum(rest)
        return dx, dweight, dbias

    return y, backward


def rms_norm(x: Array, normalized_shape: tuple[int, ...], weight: Array, eps: float | None) -> WithBackward:
    """y = x_hat weight, with x_hat = x / rms and rms = sqrt(mean(x^2) + eps), over the last axes.

    With n entries: d rms / dx_i = x_i / (n rms), so dx = (dx_hat - x_hat mean(dx_hat x_hat)) / rms, with dx_hat = dy
    weight.
    """
    if eps is None:
        eps = np.finfo(x.dtype).eps
    axes = tuple(range(-len(normalized_shape), 0))
    mean_square = (x**2).mean(axes, keepdims=True)
    rms = np.sqrt(mean_square + eps)
    x_hat = x / rms
    y = x_hat * weight

    def backward(dy: Array) -> tuple[Array, ...]:
        rest = tuple(range(x.ndim - len(normalized_shape)))
        dx_hat = dy * weight
        rms_path = x_hat * (dx_hat * x_hat).mean(axes, keepdims=True)
        dx = (dx_hat - rms_path) / rms
        dweight = (dy * x_hat).sum(rest)
        return dx, dweight

    return y, backward


def neighbours(a: Array, before: int, after: int) -> Array:
    """The sum over the channels from i - before to i + after, for each channel i."""
    return np.stack([a[:, max(i - before, 0) : i + after + 1].sum(1) for i in range(a.shape[1])], axis=1)


def local_response_norm(x: Array, size: int, alpha: float, beta: float, k: float) -> WithBackward:
    """y_i = x_i D_i^-beta, with D_i = k + alpha / size sum of x_j^2 over the neighbouring channels j.

    x_i stands in its own factor and in the D_j of its neighbours: dx_i = dy_i D_i^-beta - 2 alpha beta / size x_i sum_j
    dy_j x_j D_j^(-beta - 1).
    """
    before, after = size // 2, (size - 1) // 2  # torch's window, where size is even
    divisor = k + alpha / size * neighbours(x**2, before, after)
    y = x / divisor**beta

    def backward(dy: Array) -> tuple[Array, ...]:
        inner = dy * x * divisor ** (-beta - 1)
        window_path = 2 * alpha * beta / size * x * neighbours(inner, after, before)
        dx = dy / divisor**beta - window_path
        return (dx,)

    return y, backward
