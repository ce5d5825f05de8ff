"""Backwards as functions of their own: what a gradient of a gradient (a penalty on it, say) runs through.

A backward is a formula like any other, of the upstream gradient and of what the forward computed; torch records it as
one operation. Each is linear in `grad_output`, so the gradient of that is the same formula once more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.errors import check_floating, check_numbers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.tensor.calling import plainly

__all__ = [
    "log_softmax_backward_data",
    "sigmoid_backward",
    "softmax_backward_data",
    "tanh_backward",
    "threshold_backward",
]


def check_pair(function: str, grad_output: Array, other: Array, name: str = "output") -> None:
    """Two floating-point arrays of one dtype and shape. TypeError for what is no array, RuntimeError otherwise."""
    arrays: dict[str, Any] = {"grad_output": grad_output, name: other}
    check_floating(function, **arrays)
    if grad_output.shape != other.shape:
        raise RuntimeError(
            f"{function}(): grad_output {grad_output.shape} and {name} {other.shape} must have one shape"
        )


@plainly
def sigmoid_backward(grad_output: Array, output: Array) -> tuple[Array, Backward]:
    """z = g y (1 - y), the backward of y = sigmoid(x) for g = dL/dy.

    Backward.  dg = dz y (1 - y),  dy = dz g (1 - 2 y).

    Errors: RuntimeError for shapes or dtypes that differ. Equals `torch.ops.aten.sigmoid_backward`.
    """
    check_pair("sigmoid_backward", grad_output, output)
    slope = output * (1 - output)

    def backward(dz: Array) -> tuple[Array, Array]:
        return dz * slope, dz * grad_output * (1 - 2 * output)

    return grad_output * slope, backward


@plainly
def tanh_backward(grad_output: Array, output: Array) -> tuple[Array, Backward]:
    """z = g (1 - y^2), the backward of y = tanh(x) for g = dL/dy.

    Backward.  dg = dz (1 - y^2),  dy = -2 dz g y.

    Errors: as `sigmoid_backward`. Equals `torch.ops.aten.tanh_backward`.
    """
    check_pair("tanh_backward", grad_output, output)
    slope = 1 - output * output

    def backward(dz: Array) -> tuple[Array, Array]:
        return dz * slope, -2 * dz * grad_output * output

    return grad_output * slope, backward


@plainly
def threshold_backward(grad_output: Array, x: Array, threshold: float) -> tuple[Array, Backward]:
    """z = g where x > threshold, else 0: the backward of relu (threshold 0) and of threshold, for g = dL/dy.

    Backward. Where x lies does not change a little:  dg = dz where x > threshold, else 0;  dx = 0.

    Errors: as `sigmoid_backward`. Equals `torch.ops.aten.threshold_backward`.
    """
    check_pair("threshold_backward", grad_output, x, "self")
    check_numbers("threshold_backward", threshold=threshold)
    passed = ~(x <= threshold)

    def backward(dz: Array) -> tuple[Array, Array]:
        return np.where(passed, dz, 0), np.zeros_like(x)

    return np.where(passed, grad_output, np.zeros_like(grad_output, shape=(), order="C")), backward


@plainly
def softmax_backward_data(grad_output: Array, output: Array, dim: int) -> tuple[Array, Backward]:
    """z_k = y_k (g_k - sum_j g_j y_j) along `dim`, the backward of y = softmax(x) for g = dL/dy.

    Backward. With s = sum_j g_j y_j and t = sum_j dz_j y_j:
        dL/dg_k = sum_i dz_i y_i ([i = k] - y_k) = y_k (dz_k - t), the softmax's backward once more
        dL/dy_k = dz_k (g_k - s) - sum_i dz_i y_i g_k = dz_k (g_k - s) - t g_k

    Errors: as `sigmoid_backward`. Equals `torch.ops.aten._softmax_backward_data`.
    """
    check_pair("softmax_backward_data", grad_output, output)
    axis = normalize_dim("softmax_backward_data", dim, output.ndim)
    centered = grad_output - (grad_output * output).sum(axis=axis, keepdims=True)

    def backward(dz: Array) -> tuple[Array, Array]:
        t = (dz * output).sum(axis=axis, keepdims=True)
        return output * (dz - t), dz * centered - t * grad_output

    return output * centered, backward


@plainly
def log_softmax_backward_data(grad_output: Array, output: Array, dim: int) -> tuple[Array, Backward]:
    """z_k = g_k - exp(y_k) sum_j g_j along `dim`, the backward of y = log_softmax(x) for g = dL/dy.

    Backward. With p = exp(y) and s = sum_j g_j:
        dL/dg_k = dz_k - sum_i dz_i p_i,  dL/dy_k = -dz_k p_k s

    Errors: as `sigmoid_backward`. Equals `torch.ops.aten._log_softmax_backward_data`.
    """
    check_pair("log_softmax_backward_data", grad_output, output)
    axis = normalize_dim("log_softmax_backward_data", dim, output.ndim)
    p, s = np.exp(output), grad_output.sum(axis=axis, keepdims=True)

    def backward(dz: Array) -> tuple[Array, Array]:
        return dz - (dz * p).sum(axis=axis, keepdims=True), -dz * p * s

    return grad_output - p * s, backward
