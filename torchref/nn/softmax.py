"""Softmax and its logarithm: from K numbers (logits) along one dimension to K probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import random
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_arrays, check_floating, check_numbers, normalize_dim
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.random import Source
from torchref.nn.reduction import dot_along, sum_along


def softmax_dim(function: str, x: Array, dim: int | None) -> int:
    """`dim`, or the one that torch takes without one, with a warning: 0 for arrays of 0, 1 or 3 dimensions, else 1."""
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
        warnings.warn(f"{function}(): the implicit choice of dim={dim} is deprecated; give dim", stacklevel=4)
    return normalize_dim(function, dim, x.ndim)


def after_cast(
    function: Callable[..., tuple[Array, Backward]], x: Array, dim: int, dtype: DTypeLike
) -> tuple[Array, Backward]:
    """`function` of x in `dtype`, whatever x held; the gradient is in x's own dtype. TypeError if `dtype` is none."""
    name = function.__name__
    if not isinstance(dtype, str | type | np.dtype):
        raise TypeError(f"{name}(): dtype must be a floating dtype, but got dtype={dtype!r}")
    with np.errstate(over="ignore"):  # beyond float16's 65504
        x_cast = x.astype(dtype, order="K")
    y, function_backward = function(x_cast, dim)

    def backward(dy: Array) -> Array:
        dx: Array = function_backward(dy)
        return dx.astype(x.dtype, order="K")

    return y, backward


@takes_any_array
def softmax(x: Array, dim: int | None = None, *, dtype: DTypeLike | None = None) -> tuple[Array, Backward]:
    """y_k = exp(x_k) / sum_j exp(x_j) along `dim`; x and y have one shape. With `dtype`, x is cast to it first.

    The maximum is taken off first, which changes nothing (it cancels) and keeps exp from overflowing.

    Backward. Every output depends on every input: dy_k/dx_j = y_k ([k = j] - y_j), so
        dL/dx_j = sum_k dy_k y_k ([k = j] - y_j) = y_j (dy_j - sum_k dy_k y_k)
        dx      = y * (dy - sum(dy * y))            (the sum along `dim`)

    Errors: IndexError if `dim` is out of range. Without `dim` torch's implicit choice, with a warning.
    Equals `torch.nn.functional.softmax`. Bridle 1990.
    """
    check_arrays("softmax", input=x)
    dim = softmax_dim("softmax", x, dim)
    if dtype is not None:
        return after_cast(softmax, x, dim, dtype)
    check_floating("softmax", input=x)
    y = np.empty_like(x)
    np.subtract(x, x.max(axis=dim, keepdims=True, initial=-np.inf), out=y)
    np.exp(y, out=y)
    y /= sum_along(y, dim)

    def backward(dy: Array) -> Array:
        return y * (dy - dot_along(dy, y, dim))

    return y, backward


class Softmax(Module):
    """`softmax` as a module. Equals `torch.nn.Softmax`."""

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(softmax, input, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


@takes_any_array
def log_softmax(x: Array, dim: int | None = None, *, dtype: DTypeLike | None = None) -> tuple[Array, Backward]:
    """y_k = log softmax(x)_k = x_k - log sum_j exp(x_j) along `dim`; x and y have one shape. `dtype`: as `softmax`.

    Never the log of a softmax: where a probability rounds to 0, its log is -inf, and this is still exact.

    Backward. dy_k/dx_j = [k = j] - p_j with p = exp(y), the softmax, so
        dL/dx_j = sum_k dy_k ([k = j] - p_j) = dy_j - p_j sum_k dy_k
        dx      = dy - exp(y) * sum(dy)             (the sum along `dim`)

    Errors: as `softmax`. Equals `torch.nn.functional.log_softmax`.
    """
    check_arrays("log_softmax", input=x)
    dim = softmax_dim("log_softmax", x, dim)
    if dtype is not None:
        return after_cast(log_softmax, x, dim, dtype)
    check_floating("log_softmax", input=x)
    y = x - x.max(axis=dim, keepdims=True, initial=-np.inf)
    with np.errstate(divide="ignore"):  # the sum is at least exp(0) = 1, but for K = 0, where y is empty anyway
        y -= np.log(sum_along(np.exp(y), dim))

    def backward(dy: Array) -> Array:
        p = np.exp(y)
        p *= sum_along(dy, dim)
        return dy - p

    return y, backward


class LogSoftmax(Module):
    """`log_softmax` as a module. Equals `torch.nn.LogSoftmax`."""

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(log_softmax, input, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


@takes_any_array
def softmin(x: Array, dim: int | None = None, *, dtype: DTypeLike | None = None) -> tuple[Array, Backward]:
    """y = softmax(-x) along `dim`: the smallest gets the most. `dtype`: as `softmax`.

    Backward, by the chain rule: dx = -d(-x).

    Errors: as `softmax`. Equals `torch.nn.functional.softmin`.
    """
    check_arrays("softmin", input=x)
    dim = softmax_dim("softmin", x, dim)
    if dtype is not None:
        return after_cast(softmin, x, dim, dtype)
    check_floating("softmin", input=x)
    y, softmax_backward = softmax(np.asanyarray(-x), dim)

    def backward(dy: Array) -> Array:
        return -softmax_backward(dy)

    return y, backward


class Softmin(Module):
    """`softmin` as a module. Equals `torch.nn.Softmin`."""

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(softmin, input, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """`softmax` over the channels of (N, C, H, W) or (C, H, W), at each place by itself.

    Errors: ValueError for another number of dimensions. Equals `torch.nn.Softmax2d`.
    """

    def forward(self, input: Array) -> tuple[Array, Backward]:
        check_arrays("Softmax2d", input=input)
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead: {input.shape}")
        return bind(softmax, input, dim=-3)


@takes_any_array
def gumbel_softmax(
    x: Array, tau: float = 1.0, hard: bool = False, *, dim: int = -1, rng: Source | None = None
) -> tuple[Array, Backward]:
    """y = softmax((x + g) / tau) along `dim` with Gumbel noise g = -log(e), each e drawn from Exp(1).

    The place of its largest entry is a draw from the distribution softmax(x). With `hard`, y is 1 there and 0
    elsewhere, and the backward is still that of the softmax (straight through). x is torch's `logits`.

    Backward, by the chain rule: dx = softmax_backward(dy) / tau.

    Equals `torch.nn.functional.gumbel_softmax`. Jang, Gu & Poole 2017; Maddison, Mnih & Teh 2017.
    """
    check_floating("gumbel_softmax", logits=x)
    check_numbers("gumbel_softmax", tau=tau)
    noise = -np.log(random.exponential(x.shape, x.dtype, rng))
    soft, softmax_backward = softmax((x + noise) / tau, dim=dim)
    y = soft
    if hard:
        y = np.zeros_like(soft)
        np.put_along_axis(y, soft.argmax(axis=dim, keepdims=True), 1, axis=dim)
        y = np.where(np.isnan(soft), soft, y)

    def backward(dy: Array) -> Array:
        return softmax_backward(dy) / tau

    return y, backward
