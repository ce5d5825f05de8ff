"""Entries of matrix products, convolutions and sums over windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchref import tensor
from torchref.nn import functional as F
from torchref.nn.convolution import conv, conv_transpose
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import bind, entry

bind(
    addbmm=tensor.addbmm,
    addmm=tensor.addmm,
    addmv=tensor.addmv,
    addr=tensor.addr,
    baddbmm=tensor.baddbmm,
    bmm=tensor.bmm,
    dot=tensor.dot,
    kron=tensor.kron,
    linear=F.linear,
    matmul=tensor.matmul,
    mm=tensor.mm,
    mv=tensor.mv,
    vdot=tensor.dot,
    linalg_cross=tensor.cross,
)


@entry("convolution")
def convolution(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> tuple[Array, Backward]:
    dimensions = x.ndim - 2
    if transposed:
        return conv_transpose(dimensions, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(dimensions, x, weight, bias, stride, tuple(padding), dilation, groups)


@entry("im2col")
def im2col(x: Array, kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Array, Backward]:
    return F.unfold(x, tuple(kernel), tuple(dilation), tuple(padding), tuple(stride))


@entry("col2im")
def col2im(x: Array, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Array, Backward]:
    return F.fold(x, tuple(size), tuple(kernel), tuple(dilation), tuple(padding), tuple(stride))


@entry("_grouped_mm")
def grouped_mm(
    x: Array, weight: Array, offs: Array | None = None, bias: Array | None = None, out_dtype: Any = None
) -> tuple[Array, Backward]:
    """y_r = x_r weight_g for the rows r of group g, which ends before row offs_g: x (R, K), weight (G, K, N), y (R, N).

    Backward, of each group as of one product:  dx_r = dy_r weight_g^T,  dweight_g = x_g^T dy_g.
    """
    if x.ndim != 2 or weight.ndim != 3 or offs is None or bias is not None:
        raise NotImplementedError("only rows in groups, times one matrix for each group, without a bias")
    ends = offs.tolist()
    groups = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    y = np.zeros_like(x, shape=(x.shape[0], weight.shape[2]), order="C")
    for g, rows in enumerate(groups):
        y[rows] = x[rows] @ weight[g]

    def backward(dy: Array) -> tuple[Array, Array]:
        dx, dweight = np.zeros_like(x), np.zeros_like(weight)
        for g, rows in enumerate(groups):
            dx[rows] = dy[rows] @ weight[g].T
            dweight[g] = x[rows].T @ dy[rows]
        return dx, dweight

    return y, backward


@entry("_trilinear")
def trilinear(
    a: Array,
    b: Array,
    c: Array,
    expand1: Sequence[int],
    expand2: Sequence[int],
    expand3: Sequence[int],
    sumdim: Sequence[int],
    unroll_dim: int = 1,
) -> tuple[Array, Backward]:
    """y = sum over sumdim of a b c, each first given axes of length 1 where `expand` says: what bilinear is made of.

    Backward, the product rule, summed over the axes along which an operand was repeated:
        da = sum dy b c,  db = sum dy a c,  dc = sum dy a b
    """
    expanded = [tuple(expand1), tuple(expand2), tuple(expand3)]
    wide = [np.expand_dims(x, axes) for x, axes in zip((a, b, c), expanded, strict=True)]
    summed = tuple(sumdim)

    def backward(dy: Array) -> list[Array]:
        dy = np.expand_dims(dy, summed)
        gradients = []
        for i, axes in enumerate(expanded):
            one, other = (wide[j] for j in range(3) if j != i)
            gradients.append((dy * one * other).sum(axes))
        return gradients

    return (wide[0] * wide[1] * wide[2]).sum(summed), backward


@entry("_weight_norm_interface")
def weight_norm(v: Array, g: Array, dim: int = 0) -> tuple[tuple[Array], Backward]:
    """w = g v / |v|, |v| over all axes but `dim`; the second output, |v|, is for torch's own backward alone.

    Backward, as of a quotient. With v_hat = v / |v| and a = sum(dw v_hat) over the same axes:
        dg = a,  dv = g / |v| (dw - v_hat a)
    """
    axes = tuple(i for i in range(v.ndim) if i != dim % v.ndim)
    size = np.sqrt((v * v).sum(axes, keepdims=True))
    v_hat = v / size

    def backward(doutputs: tuple[Array | None, ...]) -> tuple[Array, Array]:
        dw = doutputs[0]
        assert dw is not None
        a = (dw * v_hat).sum(axes, keepdims=True)
        return g / size * (dw - v_hat * a), a.reshape(g.shape)

    return (g * v_hat,), backward
