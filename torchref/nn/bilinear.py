"""Bilinear: a product of two inputs, linear in each."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_device, check_floating, check_sizes
from torchref.nn.module import Array, Backward, Module, Parameter, bind


@takes_any_array
def bilinear(x1: Array, x2: Array, weight: Array, bias: Array | None = None) -> tuple[Array, Backward]:
    """y_no = sum_ij x1_ni weight_oij x2_nj + bias_o, over any number of leading dimensions.

    Shapes: x1 (..., I), x2 (..., J) with equal leading dimensions, N their product; weight (O, I, J), bias (O),
    y (..., O).

    Backward. The forward is linear in each of its three factors, so each gradient is dy times the two others:
        dL/dx1_ni       = sum_oj dy_no weight_oij x2_nj
        dL/dx2_nj       = sum_oi dy_no x1_ni weight_oij
        dL/dweight_oij  = sum_n  dy_no x1_ni x2_nj
        dL/dbias_o      = sum_n  dy_no
    As matrices: the sum over i (or j) is one product with the weight laid out as (I, O J) (or (J, O I)); what is left
    is a row of dy times a matrix for each example. `backward(dy)` returns dx1, dx2, dweight, dbias.

    Errors: RuntimeError for shapes or dtypes that do not fit. Equals `torch.nn.functional.bilinear`.
    """
    check_floating("bilinear", input1=x1, input2=x2, weight=weight, optional={"bias": bias})
    if x1.ndim == 0 or x2.ndim == 0 or x1.shape[:-1] != x2.shape[:-1]:
        raise RuntimeError(f"bilinear(): leading dimensions of input1 {x1.shape} and input2 {x2.shape} do not match")
    if weight.ndim != 3 or weight.shape[1:] != (x1.shape[-1], x2.shape[-1]):
        raise RuntimeError(
            f"bilinear(): weight {weight.shape} does not fit input1 {x1.shape} and input2 {x2.shape}: "
            f"it must be (outputs, {x1.shape[-1]}, {x2.shape[-1]})"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(
            f"bilinear(): bias has shape {bias.shape}, but weight {weight.shape} has {len(weight)} outputs"
        )
    n, (o, i, j) = math.prod(x1.shape[:-1]), weight.shape
    rows1, rows2 = x1.reshape(n, i), x2.reshape(n, j)
    x1_weight = (rows1 @ weight.transpose(1, 0, 2).reshape(i, o * j)).reshape(n, o, j)
    y = (x1_weight @ rows2[:, :, None])[..., 0]  # (N, O)
    if bias is not None:
        y += bias

    def backward(dy: Array) -> tuple[Array, Array, Array, Array | None]:
        dy = dy.reshape(n, 1, o)  # a row for each example
        weight_x2 = (rows2 @ weight.reshape(o * i, j).T).reshape(n, o, i)
        dx1 = (dy @ weight_x2).reshape(x1.shape)
        dx2 = (dy @ x1_weight).reshape(x2.shape)
        dy_x1 = dy.reshape(n, o, 1) * rows1[:, None, :]  # (N, O, I)
        dweight = (dy_x1.reshape(n, o * i).T @ rows2).reshape(weight.shape)
        dbias = None if bias is None else dy.sum(axis=(0, 1))  # (O,)
        return dx1, dx2, dweight, dbias

    return y.reshape(*x1.shape[:-1], o), backward


class Bilinear(Module):
    """`bilinear` with its weight and bias as parameters, both drawn evenly from +-1 / sqrt(in1_features).

    Errors: ValueError for in1_features < 1. Equals `torch.nn.Bilinear`.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        check_sizes("Bilinear", in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter(np.empty((out_features, in1_features, in2_features), dtype or np.float32))
        self.bias = Parameter(np.empty(out_features, dtype or np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight.data, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias.data, -bound, bound)

    def forward(self, input1: Array, input2: Array) -> tuple[Array, Backward]:
        return bind(bilinear, input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
