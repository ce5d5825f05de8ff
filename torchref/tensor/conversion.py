"""Copies: clone, detach, to another dtype, copy, fill. Nothing is computed; the question is who gets the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_arrays
from torchref.nn.module import Array, Backward
from torchref.tensor.calling import check_value, elementwise, is_number, plainly

__all__ = ["clone", "copy", "detach", "fill", "to"]


@elementwise
def clone(x: Array) -> tuple[Array, Backward]:
    """y = a copy of x. Backward: dx = dy. Equals `torch.clone`."""

    def backward(dy: Array) -> Array:
        return dy

    return x.copy(), backward


@elementwise
def detach(x: Array) -> tuple[Array, Backward]:
    """y = x, cut off: what comes behind does not count. Backward: dx = 0. Equals `torch.detach`."""

    def backward(dy: Array) -> Array:  # noqa: ARG001 (it is zero, whatever dy is)
        return np.zeros_like(x)

    return x, backward


@elementwise
def to(x: Array, dtype: DTypeLike) -> tuple[Array, Backward]:
    """y = x in another dtype, rounded if that is narrower.

    Backward. Rounding counts as the identity:  dx = dy in x's dtype.

    Equals `torch.Tensor.to` with a dtype.
    """
    if not isinstance(dtype, str | type | np.dtype):
        raise TypeError(f"to(): argument 'dtype' must be a dtype, not {dtype!r}")

    def backward(dy: Array) -> Array:
        return dy

    return x.astype(dtype, order="K"), backward


@plainly
def copy(x: Array, src: Array) -> tuple[Array, Backward]:
    """y = src in x's shape (repeated) and dtype: what x holds after `x.copy_(src)`.

    Backward. Nothing of x is left:  dx = 0,  dsrc = dy, summed over the copies, in src's dtype.

    Errors: RuntimeError for a src that does not broadcast to x. Equals `torch.ops.aten.copy`.
    """
    check_arrays("copy", self=x)
    check_arrays("copy", src=src)
    try:
        y = np.broadcast_to(src, x.shape).astype(x.dtype)
    except ValueError:
        raise RuntimeError(f"copy(): src {src.shape} does not broadcast to self {x.shape}") from None

    def backward(dy: Array) -> tuple[Array, Array]:
        return np.zeros_like(x), sum_to_shape(dy, src.shape)

    return y, backward


@plainly
def fill(x: Array, value: Any) -> tuple[Array, Backward]:
    """y = x's shape and dtype, the value (a number or a 0-d array) everywhere.

    Backward. Nothing of x is left:  dx = 0,  dvalue = the sum of dy.

    Errors: RuntimeError for a value with dimensions. Equals `torch.fill`.
    """
    check_arrays("fill", input=x)
    check_value("fill", value)

    def backward(dy: Array) -> Any:
        dx = np.zeros_like(x)
        return dx if is_number(value) else (dx, dy.sum())

    return np.zeros_like(x) + np.asarray(value, x.dtype), backward
