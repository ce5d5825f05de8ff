"""Linear: the affine map, and Identity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_device, check_floating, check_sizes
from torchref.nn.module import Array, Backward, Module, Parameter, bind


@takes_any_array
def linear(
    x: Array, weight: Array, bias: Array | None = None, *, needs_input_grad: bool = True
) -> tuple[Array, Backward]:
    """y = x weight^T + bias, over any number of leading dimensions.

    Shapes: x (..., in), weight (out, in), bias (out), y (..., out); N is the product of the leading dimensions. For a
    weight (in) and a bias () see `single_output`.

    Backward. With y_no = sum_i x_ni weight_oi + bias_o and dy = dL/dy:
        dL/dx_ni      = sum_o dy_no weight_oi    ->  dx = dy weight
        dL/dweight_oi = sum_n dy_no x_ni         ->  dweight = dy^T x
        dL/dbias_o    = sum_n dy_no              ->  dbias = column sums of dy
    `backward(dy)` returns dx, dweight, dbias (None without a bias; dx is None with `needs_input_grad=False`, which
    saves the first layer of a network a matrix product).

    Errors: RuntimeError if the shapes do not fit, or for dtypes that differ. Equals `torch.nn.functional.linear`.
    """
    check_floating("linear", input=x, weight=weight, optional={"bias": bias})
    if weight.ndim not in (1, 2) or x.ndim == 0 or x.shape[-1] != weight.shape[-1]:
        raise RuntimeError(f"linear(): input {x.shape} and weight^T {weight.shape[::-1]} shapes cannot be multiplied")
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise RuntimeError(
            f"linear(): bias has shape {bias.shape}, but weight {weight.shape} needs {weight.shape[:-1]}"
        )
    if weight.ndim == 1:
        return single_output(x, weight, bias, needs_input_grad)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])  # (N, in)
    y = rows @ weight.T  # (N, out)
    if bias is not None:
        y += bias

    def backward(dy: Array) -> tuple[Array | None, Array, Array | None]:
        dy_rows = dy.reshape(y.shape)  # (N, out)
        dx = (dy_rows @ weight).reshape(x.shape) if needs_input_grad else None
        dweight = dy_rows.T @ rows  # (out, in)
        dbias = None if bias is None else dy_rows.sum(axis=0)  # (out,)
        return dx, dweight, dbias

    return y.reshape(*x.shape[:-1], weight.shape[0]), backward


def single_output(x: Array, weight: Array, bias: Array | None, needs_input_grad: bool) -> tuple[Array, Backward]:
    """`linear` with one output that has no dimension of its own: x (..., in), weight (in), bias (), y (...)."""
    y, linear_backward = linear(
        x, weight[None], None if bias is None else bias[None], needs_input_grad=needs_input_grad
    )

    def backward(dy: Array) -> tuple[Array | None, Array, Array | None]:
        dx, dweight, dbias = linear_backward(dy[..., None])
        return dx, dweight[0], None if dbias is None else dbias[0, ...]

    return y[..., 0], backward


class Linear(Module):
    """`linear` with its weight and bias as parameters, both drawn evenly from +-1 / sqrt(in_features).

    Equals `torch.nn.Linear`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        check_sizes("Linear", in_features=in_features, out_features=out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(np.empty((out_features, in_features), dtype or np.float32))
        self.bias = Parameter(np.empty(out_features, dtype or np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight.data, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias.data, -bound, bound)

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(linear, input, self.weight, self.bias, needs_input_grad=self.needs_input_grad)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """y = x, whatever the arguments. Backward: dx = dy. Equals `torch.nn.Identity`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, input: Any) -> tuple[Any, Backward]:
        def backward(dy: Any) -> Any:
            return dy

        return input, backward
