"""Batch normalisation of a batch that lies on several processes: they share the statistics, and two sums backward."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.any_array import takes_any_array
from torchref.nn.batchnorm import _BatchNorm, as_channels, as_column, check_channels
from torchref.nn.communicator import Alone, Communicator
from torchref.nn.errors import check_arrays, check_numbers
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.reduction import channel_dot, channel_sum


@takes_any_array(single_beside_half=True, statistics=True)
def sync_batch_norm_train(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, process_group: Communicator, eps: float = 1e-5
) -> tuple[tuple[Array, Array, Array, int], Backward]:
    """`batch_norm_train` of a batch that lies on several processes, each of which has a share of the examples.

    Shapes on process r: x and y (N_r, C) or (N_r, C, *); weight, bias, mean and var (C), the same on every process. A
    channel has n_r values here and n = sum_r n_r in all. Below, i runs over this process's values and sum_r adds up
    what the processes have, by `process_group.all_reduce`:
        n = sum_r n_r,   mean = 1/n sum_r sum_i x_i,   var = 1/n sum_r sum_i (x_i - mean)^2
        y_i = weight x_hat_i + bias,   x_hat_i = (x_i - mean) / sqrt(var + eps)
    The variance is a second sum, after the mean's: from the sums of x and x^2 alone it would be a difference of two
    large numbers. Returns `(y, mean, var, n), backward`.

    Backward, of the loss L = sum_r L_r of all processes. The three paths are those of `batch_norm_train`. Through mean
    and var an x_i reaches every x_hat_j, on every process, so that both sums run over all of them:
        dL/dx_i = weight / std (dy_i - 1/n sum_r sum_j dy_j - x_hat_i 1/n sum_r sum_j dy_j x_hat_j)
    weight and bias act on process r through its own values alone:
        dL_r/dbias = sum_i dy_i,   dL_r/dweight = sum_i dy_i x_hat_i
    With dbias and dweight of each process at hand, two sums over the processes are all that is shared:
        dx = weight / std * (dy - sum_r dbias_r / n - x_hat sum_r dweight_r / n)
    `backward(dy)` returns dx, and this process's dweight and dbias: who trains adds them up with all other gradients.

    Errors: ValueError for eps <= 0 and for one value per channel in all; RuntimeError for shapes or dtypes that do not
    fit. Equals `torch.nn.SyncBatchNorm` in training, and `batch_norm_train` of the whole batch.
    """
    check_channels("sync_batch_norm", x, weight=weight, bias=bias)
    check_numbers("sync_batch_norm", eps=eps)
    if eps <= 0:
        raise ValueError(f"sync_batch_norm eps must be positive during training, but got eps={eps}")
    shape, x = x.shape, as_channels(x)  # (N_r, C, L)
    count = int(process_group.all_reduce(np.array(len(x) * x.shape[2])))
    if count == 1:
        raise ValueError(
            f"sync_batch_norm: expected more than 1 value per channel when training, got input size {shape}"
        )
    scale, shift = as_column(weight, 1), as_column(bias, 0)  # (C, 1)

    n = max(count, 1)  # 1: the sums of an empty batch are 0
    mean = process_group.all_reduce(channel_sum(x)) / n  # (C, 1)
    x_hat = x - mean  # (N_r, C, L)
    var = process_group.all_reduce(channel_dot(x_hat, x_hat)) / n  # (C, 1)
    std = np.sqrt(var + eps)  # (C, 1)
    x_hat /= std
    y = x_hat * scale
    y += shift

    def backward(dy: Array) -> tuple[Array, Array | None, Array | None]:
        dy = dy.reshape(x.shape)  # (N_r, C, L)
        dbias = channel_sum(dy)  # (C, 1)
        dweight = channel_dot(dy, x_hat)  # (C, 1)
        sums = process_group.all_reduce(np.concatenate([dbias, dweight], axis=1))  # (C, 2), one message
        dx = x_hat * (-sums[:, 1:] / n)  # through the variance
        dx -= sums[:, :1] / n  # through the mean
        dx += dy  # directly
        dx *= scale / std
        return dx.reshape(shape), None if weight is None else dweight[:, 0], None if bias is None else dbias[:, 0]

    return (y.reshape(shape), mean[:, 0], var[:, 0], count), backward


class SyncBatchNorm(_BatchNorm):
    """`sync_batch_norm_train` in training, `batch_norm_eval` in evaluation: inputs (N, C) or (N, C, *).

    `process_group` is any `Communicator`; None is a process alone, for which this is `BatchNorm1d`, `2d` and `3d`, bit
    for bit. (To torch None is the group of all processes. NumPy's code knows of none but the one that it is given.)
    Equals `torch.nn.SyncBatchNorm`, which several processes can only train on GPUs.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Communicator | None = None,
        device: None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def check_input_dim(self, input: Array) -> None:
        check_arrays(type(self).__name__, input=input)
        if input.ndim < 2:
            raise ValueError(f"{type(self).__name__}: expected at least 2D input (got {input.ndim}D input)")
        if input.shape[1] == 0:
            raise ValueError(
                f"{type(self).__name__}: the number of input channels should be non-zero, in {input.shape}"
            )

    def normalize(self, input: Array) -> tuple[tuple[Array, Array, Array, int], Backward]:
        if not self.training:  # as in torch: evaluation asks no other process
            return super().normalize(input)
        group = Alone() if self.process_group is None else self.process_group
        return bind(sync_batch_norm_train, input, self.weight, self.bias, process_group=group, eps=self.eps)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Communicator | None = None) -> Module:
        """`module` with each batch norm in it replaced by a SyncBatchNorm that has the same parameters and buffers."""
        converted = module
        if isinstance(module, _BatchNorm):
            converted = cls(module.num_features, module.eps, module.momentum, process_group=process_group)
            vars(converted).update({**vars(module), "process_group": process_group})
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted
