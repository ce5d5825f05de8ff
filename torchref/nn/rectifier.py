"""Rectifiers: activations that pass x > 0 on as it is and treat x <= 0 otherwise (ReLU, LeakyReLU, ...).

They take and return arrays of any one shape. Every backward is dx = dy y'(x), entry by entry; the docstrings say what
y' is, and at a kink it is the one that torch returns.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import random
from torchref.nn.activation import InplaceModule
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_device, check_floating, check_numbers, check_sizes
from torchref.nn.init import constant_
from torchref.nn.module import Array, Backward, Module, Parameter, bind
from torchref.nn.promotion import check_numeric, is_integer
from torchref.nn.random import Source


def zeros_row(x: Array) -> Array:
    """Zeros as long as x's last axis: np.maximum(x, row) takes less than half the time of np.maximum(x, 0)."""
    return np.zeros_like(x, shape=x.shape[-1:], order="C")


@takes_any_array
def relu(x: Array) -> tuple[Array, Backward]:
    """y = max(x, 0).

    Backward. y' = 1 where x > 0, else 0 (torch's choice at the kink x = 0):  dx = dy [y != 0].

    Integers are taken, without a gradient; RuntimeError for booleans.
    Equals `torch.nn.functional.relu`. Nair & Hinton 2010.
    """
    check_numeric("relu", x)
    y = np.maximum(x, zeros_row(x))

    def backward(dy: Array) -> Array:
        return dy * (y != 0).astype(dy.dtype)  # y >= 0, or nan, which passes; the cast doubles the speed

    return y, backward


class ReLU(InplaceModule):
    """`relu` as a module. Equals `torch.nn.ReLU`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(relu, input)


@takes_any_array
def leaky_relu(x: Array, negative_slope: float = 0.01) -> tuple[Array, Backward]:
    """y = x where x > 0, else negative_slope x.

    Backward. y' = 1 where x > 0, else negative_slope (so at the kink x = 0, too).

    Equals `torch.nn.functional.leaky_relu`. Maas, Hannun & Ng 2013.
    """
    check_floating("leaky_relu", input=x)
    check_numbers("leaky_relu", negative_slope=negative_slope)
    zero = zeros_row(x)
    y = np.minimum(x, zero)
    y *= negative_slope
    y += np.maximum(x, zero)

    def backward(dy: Array) -> Array:
        dx = dy * (x > 0).astype(dy.dtype)
        rest = dy - dx  # all of this is exact, and 5 times faster than np.where
        rest *= negative_slope
        dx += rest
        return dx

    return y, backward


class LeakyReLU(Module):
    """`leaky_relu` as a module. Equals `torch.nn.LeakyReLU`."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(leaky_relu, input, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


@takes_any_array
def threshold(x: Array, threshold: float, value: float) -> tuple[Array, Backward]:
    """y = x where x > threshold, else the constant `value`.

    Backward. y' = 1 where x > threshold, else 0.

    Integers are taken, with threshold and value cut to integers, without a gradient. RuntimeError for booleans, and for
    a threshold or value beyond what x's dtype holds. Equals `torch.nn.functional.threshold`.
    """
    check_numeric("threshold", x)
    check_numbers("threshold", threshold=threshold, value=value)
    threshold, value = as_number_of(x, "threshold", threshold), as_number_of(x, "value", value)
    below = x <= threshold
    y = x.copy(order="C")
    y.reshape(-1)[np.flatnonzero(below)] = value  # np.where takes three times as long: it guesses each entry's side

    def backward(dy: Array) -> Array:
        return dy * ~below

    return y, backward


def as_number_of(x: Array, name: str, value: float) -> Any:
    """`value` in the dtype of x, cut to an integer for integers; unsigned ones take -1 for their largest, as in torch.

    RuntimeError for a number beyond what the dtype holds.
    """
    limits: Any = np.iinfo(x.dtype) if is_integer(x) else np.finfo(x.dtype)
    least, most = (limits.min, limits.max) if is_integer(x) else (float(limits.min), float(limits.max))
    if not (-most <= value <= most or value == least) and (is_integer(x) or math.isfinite(value)):
        raise RuntimeError(f"threshold(): {name}={value} cannot be converted to {x.dtype} without overflow")
    return np.asarray(int(value)).astype(x.dtype)[()] if is_integer(x) else value


class Threshold(Module):
    """`threshold` as a module. Equals `torch.nn.Threshold`."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(threshold, input, threshold=self.threshold, value=self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


@takes_any_array
def prelu(x: Array, weight: Array) -> tuple[Array, Backward]:
    """y = x where x > 0, else weight x: a leaky ReLU that learns its slope, one in all or one for each channel.

    Shapes: x and y (N, C, ...), weight (1) or (C).

    Backward. Where x > 0, dy/dx = 1 and dy/dweight = 0; elsewhere dy/dx = weight and dy/dweight = x. A weight is used
    by every entry of its channel, so its gradient is a sum:
        dx_nc...   = dy_nc... (1 if x_nc... > 0 else weight_c)
        dweight_c  = sum_n... dy_nc... min(x_nc..., 0)

    Errors: RuntimeError if weight is neither one number nor one for each channel, or for dtypes that differ.
    Equals `torch.nn.functional.prelu`. He et al. 2015.
    """
    check_floating("prelu", input=x, weight=weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1:
        raise RuntimeError(f"prelu(): weight must be a scalar or 1-dimensional, but has shape {weight.shape}")
    if weight.size not in (1, channels):
        raise RuntimeError(f"prelu(): weight has {weight.size} entries, but x {x.shape} has {channels} channels")
    slope = weight.reshape(-1, *[1] * (x.ndim - 2)) if weight.size > 1 else weight.reshape(())  # broadcasts to x
    negative = np.minimum(x, zeros_row(x))
    y = np.maximum(x, zeros_row(x)) + slope * negative

    def backward(dy: Array) -> tuple[Array, Array]:
        dpositive = dy * (x > 0)
        dx = dpositive + slope * (dy - dpositive)
        dslope = dy * negative
        others = tuple(range(x.ndim)) if weight.size == 1 else (0, *range(2, x.ndim))  # all dimensions but channels
        return dx, dslope.sum(axis=others).reshape(weight.shape)

    return y, backward


class PReLU(Module):
    """`prelu` as a module; every slope starts at `init`. Equals `torch.nn.PReLU`."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: None = None, dtype: DTypeLike | None = None
    ) -> None:
        check_device(device)
        check_sizes("PReLU", num_parameters=num_parameters)
        check_numbers("PReLU", init=init)
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(np.empty(num_parameters, dtype or np.float32))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        constant_(self.weight.data, self.init)

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(prelu, input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


@takes_any_array(refuses_half=lambda given: bool(given.get("training")))
def rrelu(
    x: Array, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, *, rng: Source | None = None
) -> tuple[Array, Backward]:
    """A leaky ReLU whose slope is drawn for every entry from [lower, upper); in evaluation it is their mean.

    Backward, with the same draw. y' = 1 where x > 0, else the slope.

    Errors: RuntimeError unless lower <= upper, both finite. Equals `torch.nn.functional.rrelu`. Xu et al. 2015.
    """
    check_floating("rrelu", input=x)
    check_numbers("rrelu", lower=lower, upper=upper)
    if not (math.isfinite(lower) and math.isfinite(upper)):
        raise RuntimeError(f"rrelu(): lower and upper bound must be finite, got lower={lower}, upper={upper}")
    if lower > upper:
        raise RuntimeError(f"rrelu(): lower={lower} should be less than or equal to upper={upper}")
    if not training:
        return leaky_relu(x, negative_slope=(lower + upper) / 2)
    slope = random.uniform(lower, upper, x.shape, x.dtype, rng)
    zero = zeros_row(x)
    y = np.maximum(x, zero) + slope * np.minimum(x, zero)

    def backward(dy: Array) -> Array:
        dpositive = dy * ~(x <= 0)
        return dpositive + slope * (dy - dpositive)

    return y, backward


class RReLU(Module):
    """`rrelu` as a module; `rng` is the source of its draws (None: the default generator). Equals `torch.nn.RReLU`."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        self.lower = lower
        self.upper = upper
        self.inplace = inplace
        self.rng: Source | None = None

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(rrelu, input, lower=self.lower, upper=self.upper, training=self.training, rng=self.rng)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")
