# ruff: noqa: E501
"""The way back through functions of each entry, losses of each entry, products and convolutions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from torchref.check.intermediates.step import Step, step
from torchref.check.mistakes.base import sigmoid
from torchref.nn.module import Array

LOCAL = "local dlocal deriv derivative localgrad slope dydx dadz factor jacobian dact dsig dsigmoid dtanh prime fprime gprime"


def elementwise(name: str, v: Any, dy: Array, output: Array, gradient: Array) -> list[Step]:
    """y = f(x): the output, and the local derivative f'(x)."""
    x, s = v.input, sigmoid(v.input)
    with np.errstate(all="ignore"):
        slope = gradient / dy
    found = [step("f'(x)", "the local derivative", LOCAL, "input", slope, gradient)]
    if name in ("sigmoid", "silu", "softplus", "logsigmoid"):
        scaled = sigmoid(getattr(v, "beta", 1.0) * x)
        found.insert(0, step("s(x)", "the sigmoid", "sig sigmoid sigma s", "input", s, output, scaled, 1 - s, slope))
    if name in ("tanh", "mish", "tanhshrink"):
        soft = np.tanh(np.logaddexp(0, x))
        found.insert(0, step("tanh", "the hyperbolic tangent", "th tanh t", "input", np.tanh(x), output, soft, slope))
    return found


def linear(v: Any, dy: Array) -> list[Step]:
    return [
        step("dz", "the gradient of x W^T + b: the upstream gradient itself", "dz dpre dlin", "input weight bias", dy)
    ]


def conv(v: Any, dy: Array) -> list[Step]:
    """The padded image, its columns, and their gradients; how they are laid out does not matter."""
    nd = v.weight.ndim - 2
    stride, padding, dilation = (spread(getattr(v, k), nd) for k in ("stride", "padding", "dilation"))
    if v.groups != 1:
        return []
    xp: Any = np.pad(v.input, [(0, 0), (0, 0), *((p, p) for p in padding)])
    out, kernel = dy.shape[2:], v.weight.shape[2:]
    columns: Any = np.empty((*v.input.shape[:2], *kernel, *out))
    dcolumns: Any = np.zeros_like(columns)
    dxp: Any = np.zeros_like(xp)
    for o in itertools.product(*(range(k) for k in kernel)):
        where = tuple(
            slice(i * d, i * d + s * (n - 1) + 1, s) for i, d, s, n in zip(o, dilation, stride, out, strict=True)
        )
        columns[(slice(None), slice(None), *o)] = xp[(..., *where)]
        part = np.einsum("nf...,fc->nc...", dy, v.weight[(..., *o)])
        dcolumns[(slice(None), slice(None), *o)] = part
        dxp[(..., *where)] += part
    return [
        step("x padded", "the padded input", "xp xpad xpadded inputpadded aprevpad padded", "weight", xp),
        step("columns", "the windows of x as columns", "cols col xcol xcols columns patches", "weight", columns),
        step("dcolumns", "the gradient of the columns: weight^T dy", "dcols dcol dxcol dxcols dcolumns dpatches", "input", dcolumns),
        step("dx padded", "the gradient of the padded input", "dxp dxpad dxpadded dinputpadded daprevpad dpadded", "input", dxp),
    ]  # fmt: skip


def spread(value: Any, n: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n
