"""Layer, group and RMS normalisation: statistics of one sample, the same in training and in evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.any_array import takes_any_array
from torchref.nn.batchnorm import as_channels, as_column
from torchref.nn.errors import check_device, check_floating, check_integers, check_numbers, check_sizes
from torchref.nn.module import Array, Backward, Module, Parameter, bind
from torchref.nn.reduction import channel_dot, channel_sum, ones, row_dot


def standardize(x: Array, *, eps: float) -> tuple[tuple[Array, Array, Array], Backward]:
    """Give each row mean 0 and variance 1: x_hat = (x - mean) / sqrt(var + eps), with the row's own statistics.

    Shapes: x and x_hat (M, D); mean and var (M, 1), var the biased variance (1/D). Returns `(x_hat, mean, var),
    backward`. Layer, group and instance normalisation are this core, on rows cut differently, and an affine map.

    Backward. Within a row, std = sqrt(var + eps), x_i reaches the loss in its own x_hat_i, through the mean and through
    the variance (`batch_norm_train` derives the three paths; its row is a channel of the whole batch):
        dx_i = (dx_hat_i - 1/D sum_j dx_hat_j - x_hat_i 1/D sum_j dx_hat_j x_hat_j) / std
    As a matrix, dx = P dx_hat / std with P = I - 1 1^T / D - x_hat x_hat^T / D, which (but for eps) is the projection
    onto what is orthogonal to 1 and to x_hat: shifting or stretching a row does not move x_hat.
    """
    n = max(x.shape[1], 1)  # 1: the sums of an empty row are 0
    mean = (x @ ones(x.shape[1], x) / n)[:, None]  # (M, 1)
    x_hat = x - mean  # (M, D)
    var = (row_dot(x_hat, x_hat) / n)[:, None]  # (M, 1)
    std = np.sqrt(var + eps)  # (M, 1)
    x_hat /= std

    def backward(dx_hat: Array) -> Array:
        dx = x_hat * (row_dot(dx_hat, x_hat) / -n)[:, None]  # through the variance
        dx -= (dx_hat @ ones(x.shape[1], x) / n)[:, None]  # through the mean
        dx += dx_hat  # directly
        dx /= std
        return dx

    return (x_hat, mean, var), backward


@takes_any_array(single_beside_half=True)
def layer_norm(
    x: Array,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> tuple[Array, Backward]:
    """y = weight x_hat + bias, where x_hat is x standardized over its last dimensions, each sample by itself.

    Shapes: x and y (*, *normalized_shape), weight and bias normalized_shape. Below, M is the product of the leading
    dimensions and D that of normalized_shape: x is M rows of D entries.

    Backward. With y_md = weight_d x_hat_md + bias_d:
        dL/dbias_d    = sum_m dy_md              ->  dbias = column sums of dy
        dL/dweight_d  = sum_m dy_md x_hat_md     ->  dweight = column sums of dy * x_hat
        dL/dx_hat_md  = dy_md weight_d           ->  dx = (dx_hat - mean(dx_hat) - x_hat mean(dx_hat x_hat)) / std,
    the means along each row (see `standardize`). The weight stands inside them, for it differs within a row; in batch
    norm it is one number for all entries that share a mean, and can be drawn out.
    `backward(dy)` returns dx, dweight, dbias.

    Errors: RuntimeError for shapes or dtypes that do not fit. Equals `torch.nn.functional.layer_norm`. Ba et al. 2016.
    """
    check_numbers("layer_norm", eps=eps)
    normalized_shape = check_normalized_shape("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    rows = x.reshape(-1 if x.size else math.prod(x.shape[: -len(normalized_shape)]), math.prod(normalized_shape))
    scale, shift = as_row(weight, 1), as_row(bias, 0)  # (D,)
    (x_hat, _, _), standardize_backward = standardize(rows, eps=eps)  # (M, D)
    y = x_hat * scale
    y += shift

    def backward(dy: Array) -> tuple[Array, Array | None, Array | None]:
        dy = dy.reshape(rows.shape)  # (M, D)
        dbias = None if bias is None else (ones(len(dy), dy) @ dy).reshape(normalized_shape)
        dweight = None if weight is None else (ones(len(dy), dy) @ (dy * x_hat)).reshape(normalized_shape)
        dx = standardize_backward(dy * scale)  # (M, D)
        return dx.reshape(x.shape), dweight, dbias

    return y.reshape(x.shape), backward


@takes_any_array(single_beside_half=True)
def rms_norm(
    x: Array, normalized_shape: Sequence[int], weight: Array | None = None, eps: float | None = None
) -> tuple[Array, Backward]:
    """y = weight x_hat, x_hat = x / rms, rms = sqrt(mean(x^2) + eps) over the last dimensions: no mean is subtracted.

    Shapes as in `layer_norm`: x and y (*, *normalized_shape), M rows of D entries. `eps=None` is the machine epsilon of
    x's dtype.

    Backward. In one row x_i acts directly and through rms, with drms/dx_i = x_i / (D rms) = x_hat_i / D:
        dL/dx_hat_i  = dy_i weight_i
        dL/dx_i      = dx_hat_i / rms - sum_j dx_hat_j x_j / rms^2 * x_hat_i / D
                     = (dx_hat_i - x_hat_i 1/D sum_j dx_hat_j x_hat_j) / rms
        dL/dweight_d = sum_m dy_md x_hat_md
    This is `layer_norm` without the path through the mean. `backward(dy)` returns dx, dweight.

    Errors: ValueError if x has fewer dimensions than normalized_shape; RuntimeError for shapes or dtypes that do not
    fit (torch promotes a weight of another dtype). Equals `torch.nn.functional.rms_norm`. Zhang & Sennrich 2019.
    """
    check_floating("rms_norm", input=x, optional={"weight": weight})
    if eps is not None:
        check_numbers("rms_norm", eps=eps)
    if isinstance(normalized_shape, Sequence) and x.ndim < len(normalized_shape):
        raise ValueError(f"rms_norm(): expected input of {len(normalized_shape)} or more dimensions, but got {x.shape}")
    normalized_shape = check_normalized_shape("rms_norm", x, normalized_shape, weight=weight)
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    rows = x.reshape(-1 if x.size else math.prod(x.shape[: -len(normalized_shape)]), math.prod(normalized_shape))
    n = max(rows.shape[1], 1)  # 1: the sums of an empty row are 0
    scale = as_row(weight, 1)  # (D,)
    rms = np.sqrt(row_dot(rows, rows) / n + eps)[:, None]  # (M, 1)
    x_hat = rows / rms  # (M, D)
    y = x_hat * scale

    def backward(dy: Array) -> tuple[Array, Array | None]:
        dy = dy.reshape(rows.shape)  # (M, D)
        dweight = None if weight is None else (ones(len(dy), dy) @ (dy * x_hat)).reshape(normalized_shape)
        dx_hat = dy * scale  # (M, D)
        dx = x_hat * (row_dot(dx_hat, x_hat) / -n)[:, None]  # through rms
        dx += dx_hat  # directly
        dx /= rms
        return dx.reshape(x.shape), dweight

    return y.reshape(x.shape), backward


def standardize_groups(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, num_groups: int, eps: float = 1e-5
) -> tuple[tuple[Array, Array, Array], Backward]:
    """y = weight x_hat + bias, x_hat standardized over each sample's groups of C / num_groups neighbouring channels.

    Shapes: x and y (N, C, *), weight and bias (C); mean and var (N, num_groups). Returns `(y, mean, var), backward`.

    Backward. L positions a channel; y_ncl = weight_c x_hat_ncl + bias_c:
        dL/dbias_c     = sum_nl dy_ncl
        dL/dweight_c   = sum_nl dy_ncl x_hat_ncl
        dL/dx_hat_ncl  = dy_ncl weight_c, and dx by `standardize`, a row being the C / num_groups * L values of a group.
    `backward(dy)` returns dx, dweight, dbias.
    """
    shape, x = x.shape, as_channels(x)  # (N, C, L)
    rows = x.reshape(len(x) * num_groups, x.shape[1] // num_groups * x.shape[2])  # (N groups, C / groups * L)
    scale, shift = as_column(weight, 1), as_column(bias, 0)  # (C, 1)
    (x_hat, mean, var), standardize_backward = standardize(rows, eps=eps)
    x_hat = x_hat.reshape(x.shape)  # (N, C, L)
    y = x_hat * scale
    y += shift

    def backward(dy: Array) -> tuple[Array, Array | None, Array | None]:
        dy = dy.reshape(x.shape)  # (N, C, L)
        dbias = None if bias is None else channel_sum(dy)[:, 0]  # (C,)
        dweight = None if weight is None else channel_dot(dy, x_hat)[:, 0]  # (C,)
        dx = standardize_backward((dy * scale).reshape(rows.shape))
        return dx.reshape(shape), dweight, dbias

    return (y.reshape(shape), mean.reshape(-1, num_groups), var.reshape(-1, num_groups)), backward


@takes_any_array(single_beside_half=True)
def group_norm(
    x: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> tuple[Array, Backward]:
    """`standardize_groups` without its statistics: `backward(dy)` returns dx, dweight, dbias.

    With num_groups = 1 a group is a whole sample (as in layer norm), with num_groups = C one channel of it (as in
    instance norm).

    Errors: RuntimeError for channels that num_groups does not divide and for shapes or dtypes that do not fit;
    ValueError for one value per group in a batch of one. Equals `torch.nn.functional.group_norm`. Wu & He 2018.
    """
    check_floating("group_norm", input=x, optional={"weight": weight, "bias": bias})
    if x.ndim < 2:
        raise RuntimeError(f"group_norm(): expected an input of at least 2 dimensions (N, C, ...), but got {x.shape}")
    check_integers("group_norm", num_groups=num_groups)
    check_numbers("group_norm", eps=eps)
    if num_groups == 0:
        raise ZeroDivisionError("group_norm(): num_groups must not be 0")
    if num_groups < 0 or x.shape[1] % num_groups != 0:
        raise RuntimeError(
            f"group_norm(): num_groups must be positive and divide the number of channels, but got an input of "
            f"{x.shape} and num_groups={num_groups}"
        )
    for name, array in (("weight", weight), ("bias", bias)):
        if array is not None and array.shape != x.shape[1:2]:
            raise RuntimeError(
                f"group_norm(): {name} must have one entry for each of the {x.shape[1]} channels of the input "
                f"{x.shape}, but has shape {array.shape}"
            )
    if x.shape[0] * x.shape[1] // num_groups * math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"group_norm: expected more than 1 value per channel when training, got input size {x.shape} "
            f"and num_groups={num_groups}"
        )
    (y, _, _), backward = standardize_groups(x, weight, bias, num_groups=num_groups, eps=eps)
    return y, backward


def check_normalized_shape(
    function: str, x: Array, normalized_shape: Sequence[int], **parameters: Array | None
) -> tuple[int, ...]:
    """`normalized_shape` as a tuple, when x ends in it and `parameters` have it."""
    check_floating(function, input=x, optional=parameters)
    if not isinstance(normalized_shape, Sequence):
        raise TypeError(
            f"{function}(): argument 'normalized_shape' must be a tuple of ints, not {type(normalized_shape).__name__}"
        )
    shape = tuple(normalized_shape)
    check_integers(function, **{f"normalized_shape[{d}]": size for d, size in enumerate(shape)})
    if not shape:
        raise RuntimeError(f"{function}(): normalized_shape must have at least one element, but got {shape}")
    if x.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"{function}(): given normalized_shape={shape}, expected an input that ends in it, but got {x.shape}"
        )
    for name, parameter in parameters.items():
        if parameter is not None and parameter.shape != shape:
            raise RuntimeError(
                f"{function}(): {name} must have the shape normalized_shape={shape}, but has {parameter.shape}"
            )
    return shape


def as_row(parameter: Array | None, default: float) -> Array | float:
    """normalized_shape as (D,), which broadcasts against (M, D); `default` if absent."""
    return default if parameter is None else parameter.ravel()


class LayerNorm(Module):
    """`layer_norm` with its weight and bias as parameters. Equals `torch.nn.LayerNorm`."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        self.normalized_shape = as_tuple(type(self).__name__, normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        dtype = dtype or np.float32
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if elementwise_affine and bias else None

    def reset_parameters(self) -> None:
        reset_affine(self.weight, self.bias)

    def forward(self, input: Array) -> tuple[Array, Backward]:
        def function(x: Array, weight: Array | None, bias: Array | None) -> tuple[Array, Backward]:
            return layer_norm(x, self.normalized_shape, weight, bias, self.eps)

        return bind(function, input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """`rms_norm` with its weight as a parameter. Equals `torch.nn.RMSNorm`."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        self.normalized_shape = as_tuple(type(self).__name__, normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(np.ones(self.normalized_shape, dtype or np.float32)) if elementwise_affine else None

    def reset_parameters(self) -> None:
        reset_affine(self.weight, None)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        def function(x: Array, weight: Array | None) -> tuple[Array, Backward]:
            return rms_norm(x, self.normalized_shape, weight, self.eps)

        return bind(function, x, self.weight)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """`group_norm` with its weight and bias as parameters. Equals `torch.nn.GroupNorm`.

    ValueError if num_groups does not divide num_channels.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        check_device(device)
        check_integers("GroupNorm", num_groups=num_groups)
        check_integers("GroupNorm", num_channels=num_channels)
        if num_groups == 0:
            raise ZeroDivisionError("GroupNorm(): num_groups must not be 0")
        if num_channels % num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        check_sizes("GroupNorm", num_channels=num_channels)
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        dtype = dtype or np.float32
        self.weight = Parameter(np.ones(num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype)) if affine and bias else None

    def reset_parameters(self) -> None:
        reset_affine(self.weight, self.bias)

    def forward(self, input: Array) -> tuple[Array, Backward]:
        def function(x: Array, weight: Array | None, bias: Array | None) -> tuple[Array, Backward]:
            return group_norm(x, self.num_groups, weight, bias, self.eps)

        return bind(function, input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def as_tuple(module: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """normalized_shape as a tuple: a single size is one dimension. It must hold sizes."""
    shape = tuple(normalized_shape) if isinstance(normalized_shape, Iterable) else (normalized_shape,)
    check_sizes(module, **{f"normalized_shape[{d}]": size for d, size in enumerate(shape)})
    return shape


def reset_affine(weight: Parameter | None, bias: Parameter | None) -> None:
    """The affine map that changes nothing: weight 1, bias 0."""
    if weight is not None:
        init.ones_(weight.data)
    if bias is not None:
        init.zeros_(bias.data)
