# ruff: noqa: E501
"""The way back through convolutions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from torchref.check.intermediates.step import Step, step
from torchref.nn.module import Array


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
