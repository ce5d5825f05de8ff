"""Entries of those backwards that are linear in dy and know x by its shape, or by indices, alone.

If dx = A^T dy is the backward of y = A x, then the backward of dx is ddy = A ddx: the forward itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchref import tensor
from torchref.nn import functional as F
from torchref.nn.module import Array, Backward
from torchref.referee.entries import pooling
from torchref.referee.entries.shape import pad
from torchref.referee.entries.table import bind, entry, find


def by_shape(forward: Callable[..., tuple[Array, Backward]]) -> Callable[..., Any]:
    """An operation of dy and the shape of x, given by the forward: `forward(x, ...)`."""

    def entered(dy: Array, shape: Sequence[int], *args: Any) -> tuple[Array, Backward]:
        _, function_backward = forward(np.zeros_like(dy, shape=tuple(shape), order="C"), *args)

        def backward(ddx: Array) -> Array:
            return forward(ddx, *args)[0]

        return function_backward(dy), backward

    return entered


def by_x(forward: Callable[..., tuple[Array, Backward]]) -> Callable[..., Any]:
    """An operation of dy and x, of which the shape alone counts."""
    of_shape = by_shape(forward)

    def entered(dy: Array, x: Array, *args: Any) -> tuple[Array, Backward]:
        return of_shape(dy, x.shape, *args)  # type: ignore[no-any-return]

    return entered


def sliced(x: Array, dim: int, start: int, end: int, step: int) -> Any:
    return tensor.index(x, *(slice(None),) * (dim % x.ndim), slice(start, min(end, x.shape[dim]), step))


def resized(name: str) -> Callable[..., Any]:
    """Of a change of resolution: torch names the output's size first, then the input's."""

    def entered(dy: Array, size: Sequence[int], shape: Sequence[int], *args: Any) -> tuple[Array, Backward]:
        forward = find(name)
        assert forward is not None
        return by_shape(forward)(dy, shape, size, *args)  # type: ignore[no-any-return]

    return entered


bind(
    select_backward=by_shape(tensor.select),
    slice_backward=by_shape(sliced),
    index_select_backward=by_shape(tensor.index_select),
    diagonal_backward=by_shape(tensor.diagonal),
    unfold_backward=by_shape(tensor.unfold),
    avg_pool2d_backward=by_x(pooling.average_pool(F.avg_pool2d)),
    avg_pool3d_backward=by_x(pooling.average_pool(F.avg_pool3d)),
    reflection_pad1d_backward=by_x(pad("reflect")),
    reflection_pad2d_backward=by_x(pad("reflect")),
    reflection_pad3d_backward=by_x(pad("reflect")),
    replication_pad1d_backward=by_x(pad("replicate")),
    replication_pad2d_backward=by_x(pad("replicate")),
    replication_pad3d_backward=by_x(pad("replicate")),
    **{
        f"{name}_backward": resized(name)
        for name in (
            "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
            "_upsample_nearest_exact2d", "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d",
            "upsample_bicubic2d",
        )
    },
)  # fmt: skip


@entry("_adaptive_avg_pool2d_backward")
def adaptive_avg_pool2d_backward(dy: Array, x: Array) -> tuple[Array, Backward]:
    size = dy.shape[-2:]
    return by_shape(F.adaptive_avg_pool2d)(dy, x.shape, size)  # type: ignore[no-any-return]


@entry("_adaptive_avg_pool3d_backward")
def adaptive_avg_pool3d_backward(dy: Array, x: Array) -> tuple[Array, Backward]:
    size = dy.shape[-3:]
    return by_shape(F.adaptive_avg_pool3d)(dy, x.shape, size)  # type: ignore[no-any-return]


def chosen(spatial: int) -> Callable[..., Any]:
    """The backward of a maximum over windows: dx_i = sum over the outputs p whose maximum is at i of dy_p.

    Backward:  ddy_p = ddx at the maximum of p. The indices, the last argument, count within one channel.
    """

    def entered(dy: Array, x: Array, *args: Any) -> tuple[Array, Backward]:
        rows = args[-1].reshape(-1, int(np.prod(dy.shape[-spatial:])))  # (N C, P)
        dx = np.zeros_like(x, shape=(len(rows), int(np.prod(x.shape[-spatial:]))), order="C")
        np.add.at(dx, (np.arange(len(rows))[:, None], rows), dy.reshape(rows.shape))

        def backward(ddx: Array) -> Array:
            return np.take_along_axis(ddx.reshape(dx.shape), rows, 1).reshape(dy.shape)

        return dx.reshape(x.shape), backward

    return entered


bind(
    max_pool2d_with_indices_backward=chosen(2),
    max_pool3d_with_indices_backward=chosen(3),
    adaptive_max_pool2d_backward=chosen(2),
    adaptive_max_pool3d_backward=chosen(3),
)


@entry("native_dropout_backward")
def dropout_backward(dy: Array, mask: Array, scale: float) -> tuple[Array, Backward]:
    """dx = dy mask scale. Backward: ddy = ddx mask scale."""

    def backward(ddx: Array) -> Array:
        return ddx * mask * scale

    return dy * mask * scale, backward
