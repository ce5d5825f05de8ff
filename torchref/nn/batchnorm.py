"""Batch normalisation: the derivation with its three paths, the two modes, and the modules."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_arrays, check_device, check_floating, check_numbers, check_sizes
from torchref.nn.half import rounded, widened
from torchref.nn.module import Array, Backward, Module, Parameter, bind
from torchref.nn.reduction import channel_dot, channel_sum


@takes_any_array(single_beside_half=True, statistics=True)
def batch_norm_train(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float = 1e-5
) -> tuple[tuple[Array, Array, Array], Backward]:
    """Normalise each channel over the batch: y = weight x_hat + bias, x_hat = (x - mean) / sqrt(var + eps).

    Shapes: x and y (N, C) or (N, C, *); weight, bias, mean and var (C). A channel has n = N * prod(*) values; mean is
    theirs, var is the biased variance (1/n). Returns `(y, mean, var), backward`; mean and var are handed out for the
    running statistics and have no upstream gradient.

    Backward. Within one channel let i and j run over its n values, std = sqrt(var + eps), dx_hat_i = weight dy_i:
        dL/dbias   = sum_i dy_i
        dL/dweight = sum_i dy_i x_hat_i
    x_i reaches the loss on three paths:
        directly, in its own x_hat_i:                                        dx_hat_i / std
        through the mean: dx_hat_j/dmean = -1 / std, dmean/dx_i = 1 / n:     -sum_j dx_hat_j / (n std)
        through the variance: dx_hat_j/dvar = -x_hat_j / (2 std^2), dvar/dx_i = 2 (x_i - mean) / n = 2 std x_hat_i / n:
                                                                             -x_hat_i sum_j dx_hat_j x_hat_j / (n std)
    (The mean inside var adds nothing: dvar/dmean = -2/n sum_j (x_j - mean) = 0.) Their sum, with the two sums at hand:
        dx = weight / std * (dy - dbias / n - x_hat dweight / n)
    `backward(dy)` returns dx, dweight, dbias.

    Errors: ValueError for eps <= 0 and for one value per channel (it would be its own mean); RuntimeError for shapes or
    dtypes that do not fit. Equals `torch.nn.functional.batch_norm(training=True)`. Ioffe & Szegedy 2015.
    """
    check_channels("batch_norm", x, weight=weight, bias=bias)
    check_numbers("batch_norm", eps=eps)
    if eps <= 0:
        raise ValueError(f"batch_norm eps must be positive during training, but got eps={eps}")
    shape, x = x.shape, as_channels(x)  # (N, C, L)
    if len(x) * x.shape[2] == 1:
        raise ValueError(f"batch_norm: expected more than 1 value per channel when training, got input size {shape}")
    scale, shift = as_column(weight, 1), as_column(bias, 0)  # (C, 1)

    n = max(len(x) * x.shape[2], 1)  # 1: the sums of an empty batch are 0
    mean = channel_sum(x) / n  # (C, 1)
    x_hat = x - mean  # (N, C, L)
    var = channel_dot(x_hat, x_hat) / n  # (C, 1)
    std = np.sqrt(var + eps)  # (C, 1)
    x_hat /= std
    y = x_hat * scale
    y += shift

    def backward(dy: Array) -> tuple[Array, Array | None, Array | None]:
        dy = dy.reshape(x.shape)  # (N, C, L)
        dbias = channel_sum(dy)  # (C, 1)
        dweight = channel_dot(dy, x_hat)  # (C, 1)
        dx = x_hat * (-dweight / n)  # through the variance
        dx -= dbias / n  # through the mean
        dx += dy  # directly
        dx *= scale / std
        return dx.reshape(shape), None if weight is None else dweight[:, 0], None if bias is None else dbias[:, 0]

    return (y.reshape(shape), mean[:, 0], var[:, 0]), backward


@takes_any_array(single_beside_half=True)
def batch_norm_eval(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    running_mean: Array,
    running_var: Array,
    eps: float = 1e-5,
) -> tuple[Array, Backward]:
    """y = weight x_hat + bias, x_hat = (x - running_mean) / sqrt(running_var + eps): an affine map of each channel.

    Shapes: x and y (N, C) or (N, C, *); all others (C).

    Backward. The statistics are constants, so only the direct path is left (i runs over a channel's values):
        dL/dx_i    = dy_i weight / sqrt(running_var + eps)
        dL/dweight = sum_i dy_i x_hat_i
        dL/dbias   = sum_i dy_i
    `backward(dy)` returns dx, dweight, dbias.

    Errors: ValueError for eps < 0; RuntimeError for shapes or dtypes that do not fit. Equals
    `torch.nn.functional.batch_norm(training=False)`.
    """
    check_channels("batch_norm", x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    check_numbers("batch_norm", eps=eps)
    if eps < 0:
        raise ValueError(f"batch_norm eps must be non-negative, but got eps={eps}")
    shape, x = x.shape, as_channels(x)  # (N, C, L)
    mean, std = running_mean[:, None], np.sqrt(running_var + eps)[:, None]  # (C, 1)
    scale, shift = as_column(weight, 1) / std, as_column(bias, 0)  # (C, 1)
    y = x - mean
    y *= scale
    y += shift

    def backward(dy: Array) -> tuple[Array, Array | None, Array | None]:
        dy = dy.reshape(x.shape)  # (N, C, L)
        dx = dy * scale
        dweight = None if weight is None else (channel_dot(dy, x - mean) / std)[:, 0]  # (C,)
        dbias = None if bias is None else channel_sum(dy)[:, 0]  # (C,)
        return dx.reshape(shape), dweight, dbias

    return y.reshape(shape), backward


@takes_any_array(single_beside_half=True)
def batch_norm(
    x: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,  # noqa: ARG001 (torch's argument)
    eps: float = 1e-5,
) -> tuple[Array, Backward]:
    """`batch_norm_train` or, with `training=False`, `batch_norm_eval`: `backward(dy)` returns dx, dweight, dbias.

    Equals `torch.nn.functional.batch_norm`, but that the running statistics are constants: torch moves them, in place,
    by `momentum` when training. Here nothing overwrites an argument; `BatchNorm1d` and the others keep the statistics.
    RuntimeError without them if not training; ValueError for one of the two when training.
    """
    check_numbers("batch_norm", eps=eps)
    check_channels("batch_norm", x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if not training:
        if running_mean is None or running_var is None:
            missing = "running_mean" if running_mean is None else "running_var"
            raise RuntimeError(f"batch_norm: {missing} must be defined in evaluation mode, but got None")
        return batch_norm_eval(x, weight, bias, running_mean=running_mean, running_var=running_var, eps=eps)
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm: running_mean and running_var must either both be None or neither be None")
    (y, _, _), backward = batch_norm_train(x, weight, bias, eps=eps)
    return y, backward


def check_channels(function: str, x: Array, **per_channel: Array | None) -> None:
    """x is (N, C, ...) and each of `per_channel` is absent or (C), all floating point and of one dtype."""
    check_floating(function, input=x, optional=per_channel)
    if x.ndim < 2:
        raise RuntimeError(f"{function}(): expected an input of at least 2 dimensions (N, C, ...), but got {x.shape}")
    for name, array in per_channel.items():
        if array is not None and array.shape != x.shape[1:2]:
            raise RuntimeError(
                f"{function}(): {name} should contain {x.shape[1]} elements, one for each channel of the input "
                f"{x.shape}, but has shape {array.shape}"
            )


def as_channels(x: Array) -> Array:
    """x (N, C, *) as (N, C, L), the L positions of a sample in one axis; L = 1 for x (N, C)."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def as_column(per_channel: Array | None, default: float) -> Array | float:
    """(C) as (C, 1), which broadcasts against (N, C, L); `default` if absent."""
    return default if per_channel is None else per_channel[:, None]


class _NormBase(Module):
    """Parameters, running statistics and looks that batch and instance normalisation have in common."""

    input_dims: tuple[int, ...] = ()  # how many dimensions an input may have

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        check_device(device)
        check_sizes(type(self).__name__, num_features=num_features)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        dtype = dtype or np.float32
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        self.running_mean: Array | None
        self.running_var: Array | None
        self.num_batches_tracked: Array | None
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean = np.zeros_like(self.running_mean)
            self.running_var = np.ones_like(self.running_var)
            self.num_batches_tracked = np.array(0, np.int64)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight.data)
        if self.bias is not None:
            init.zeros_(self.bias.data)

    def check_input_dim(self, input: Array) -> None:
        """TypeError for what is no array, ValueError for another number of dimensions, as torch raises them."""
        check_arrays(type(self).__name__, input=input)
        if input.ndim not in self.input_dims:
            expected = " or ".join(f"{dims}D" for dims in self.input_dims)
            raise ValueError(f"{type(self).__name__}: expected {expected} input (got {input.ndim}D input)")

    def update_running_stats(self, mean: Array, var: Array, n: int, momentum: float) -> None:
        """running <- (1 - momentum) running + momentum new, in new arrays; running_var takes the unbiased variance.

        `mean` and `var` (biased) are those of n values; an empty batch (n = 0) leaves the statistics alone.
        """
        if self.running_mean is None or self.running_var is None or n == 0:
            return
        dtype = self.running_mean.dtype
        self.running_mean, self.running_var = widened(self.running_mean), widened(self.running_var)
        self.running_mean = (1 - momentum) * self.running_mean + momentum * mean
        self.running_var = (1 - momentum) * self.running_var + (momentum * n / (n - 1)) * var
        if dtype == np.float16:
            self.running_mean, self.running_var = rounded((self.running_mean, self.running_var))

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    """Batch statistics in training, running ones in evaluation (batch statistics if none were tracked).

    Each training step moves running_mean and running_var by `momentum` towards the batch's; with `momentum=None` they
    are the plain average over all batches so far, which num_batches_tracked counts.
    """

    def forward(self, input: Array) -> tuple[Array, Backward]:
        self.check_input_dim(input)
        statistics = {"running_mean": self.running_mean, "running_var": self.running_var}
        check_channels(type(self).__name__, widened(input), **{k: widened(v) for k, v in statistics.items()})
        if not self.training and self.running_mean is not None:
            return bind(batch_norm_eval, input, self.weight, self.bias, **statistics, eps=self.eps)

        (y, mean, var, n), backward = self.normalize(input)
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked = np.asarray(self.num_batches_tracked + 1)
            momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            check_numbers(type(self).__name__, momentum=momentum)
            self.update_running_stats(mean, var, n, momentum)
        return y, backward

    def normalize(self, input: Array) -> tuple[tuple[Array, Array, Array, int], Backward]:
        """Normalise by the batch's own statistics: `(y, mean, var, n), backward`, n values in a channel."""
        (y, mean, var), backward = bind(batch_norm_train, input, self.weight, self.bias, eps=self.eps)
        return (y, mean, var, input.size // max(input.shape[1], 1)), backward


class BatchNorm1d(_BatchNorm):
    """`batch_norm` of inputs (N, C) or (N, C, L). Equals `torch.nn.BatchNorm1d`."""

    input_dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`batch_norm` of inputs (N, C, H, W). Equals `torch.nn.BatchNorm2d`."""

    input_dims = (4,)


class BatchNorm3d(_BatchNorm):
    """`batch_norm` of inputs (N, C, D, H, W). Equals `torch.nn.BatchNorm3d`."""

    input_dims = (5,)
