"""Instance normalisation: each channel of each sample has its own statistics, or the running ones."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.any_array import takes_any_array
from torchref.nn.batchnorm import _NormBase, batch_norm_eval, check_channels
from torchref.nn.errors import check_floating, check_numbers
from torchref.nn.half import widened
from torchref.nn.module import Array, Backward, bind
from torchref.nn.normalization import standardize_groups


@takes_any_array(single_beside_half=True, statistics=True)
def instance_norm_train(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float = 1e-5
) -> tuple[tuple[Array, Array, Array], Backward]:
    """y = weight x_hat + bias, x_hat standardized over the L positions of each channel of each sample.

    Shapes: x and y (N, C, *), weight and bias (C); mean and var (N, C), var the biased variance (1/L). This is
    group norm with groups of one channel, backward included (see `standardize_groups`). `backward(dy)` returns dx,
    dweight, dbias.

    Errors: ValueError for one position (it would be its own mean); RuntimeError for shapes or dtypes that do not fit.
    Equals `torch.nn.functional.instance_norm(use_input_stats=True)`. Ulyanov et al. 2016.
    """
    check_floating("instance_norm", input=x, optional={"weight": weight, "bias": bias})
    check_numbers("instance_norm", eps=eps)
    if math.prod(x.shape[2:]) == 1:
        raise ValueError(f"instance_norm: expected more than 1 spatial element when training, got input size {x.shape}")
    check_channels("instance_norm", x, weight=weight, bias=bias)
    return standardize_groups(x, weight, bias, num_groups=x.shape[1], eps=eps)


@takes_any_array(single_beside_half=True)
def instance_norm(
    x: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Backward]:
    """`instance_norm_train` or, with `use_input_stats=False`, the affine map `batch_norm_eval`.

    `backward(dy)` returns dx, dweight, dbias. Equals `torch.nn.functional.instance_norm`, but that the running
    statistics are constants: torch moves them, in place, by `momentum` when it uses the input's. RuntimeError without
    them if the input's are not used; ValueError for one of the two.
    """
    check_numbers("instance_norm", momentum=momentum, eps=eps)
    if use_input_stats and isinstance(x, np.ndarray) and math.prod(x.shape[2:]) == 1:
        raise ValueError(f"instance_norm: expected more than 1 spatial element when training, got input size {x.shape}")
    check_channels("instance_norm", x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            missing = "running_mean" if running_mean is None else "running_var"
            raise RuntimeError(f"instance_norm: {missing} must be defined when use_input_stats is False, but got None")
        return batch_norm_eval(x, weight, bias, running_mean=running_mean, running_var=running_var, eps=eps)
    if (running_mean is None) != (running_var is None):
        raise ValueError("instance_norm: running_mean and running_var must either both be None or neither be None")
    (y, _, _), backward = instance_norm_train(x, weight, bias, eps=eps)
    return y, backward


class _InstanceNorm(_NormBase):
    """The input's own statistics, or the running ones in evaluation if they are tracked.

    Each training step moves running_mean and running_var by `momentum` towards the average over the batch of each
    sample's mean and unbiased variance. num_batches_tracked stays 0, and `momentum=None` tracks nothing. An empty batch
    leaves them alone (torch's become nan).
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Array) -> tuple[Array, Backward]:
        self.check_input_dim(input)
        if self.momentum is not None:
            check_numbers(type(self).__name__, momentum=self.momentum)
        channels = input.shape[-self.input_dims[0]]  # inputs may lack the batch dimension
        if channels != self.num_features:
            message = (
                f"{type(self).__name__}: the input {input.shape} has {channels} channels, "
                f"but num_features is {self.num_features}"
            )
            if self.affine:
                raise ValueError(message)
            warnings.warn(f"{message} (which is not used, because affine=False)", stacklevel=3)
        if input.ndim == self.input_dims[1]:
            return self.normalize(input)

        y, batch_backward = self.normalize(input[None])

        def backward(dy: Array) -> Array:
            return batch_backward(dy[None])[0]

        return y[0], backward

    def normalize(self, input: Array) -> tuple[Array, Backward]:
        """The forward of a batch (N, C, *)."""
        statistics = {"running_mean": self.running_mean, "running_var": self.running_var}
        check_channels(type(self).__name__, widened(input), **{k: widened(v) for k, v in statistics.items()})
        if not self.training and self.track_running_stats:
            return bind(batch_norm_eval, input, self.weight, self.bias, **statistics, eps=self.eps)

        (y, mean, var), backward = bind(instance_norm_train, input, self.weight, self.bias, eps=self.eps)
        if self.running_mean is not None and len(input) > 0:
            positions = math.prod(input.shape[2:])
            self.update_running_stats(mean.mean(axis=0), var.mean(axis=0), positions, self.momentum or 0)
        return y, backward


class InstanceNorm1d(_InstanceNorm):
    """`instance_norm` of inputs (N, C, L) or (C, L). Equals `torch.nn.InstanceNorm1d`."""

    input_dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """`instance_norm` of inputs (N, C, H, W) or (C, H, W). Equals `torch.nn.InstanceNorm2d`."""

    input_dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """`instance_norm` of inputs (N, C, D, H, W) or (C, D, H, W). Equals `torch.nn.InstanceNorm3d`."""

    input_dims = (4, 5)
