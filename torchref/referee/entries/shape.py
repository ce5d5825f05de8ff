"""Entries of what copies, joins and rearranges. Views need none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchref import tensor
from torchref.nn import functional as F
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import bind, entry

bind(
    block_diag=tensor.block_diag,
    cat=tensor.cat,
    diag_embed=tensor.diag_embed,
    fill=tensor.fill,
    flip=tensor.flip,
    repeat=tensor.repeat,
    roll=tensor.roll,
    rot90=tensor.rot90,
    stack=tensor.stack,
    tril=tensor.tril,
    triu=tensor.triu,
)


@entry("clone", "_to_copy", "contiguous", "lift_fresh_copy", "alias_copy", "detach_copy", "to")
def clone(x: Array, *args: Any, **options: Any) -> tuple[Array, Backward]:
    """A copy. A cast is one, too: here all is float64. Backward: dx = dy."""
    return tensor.clone(x)


@entry("view_copy", "_reshape_copy", "_unsafe_view", "reshape")
def reshape(x: Array, size: Sequence[int]) -> tuple[Array, Backward]:
    return tensor.reshape(x, tuple(size))


@entry("expand_copy")
def expand(x: Array, size: Sequence[int], **options: Any) -> tuple[Array, Backward]:
    return tensor.expand(x, *size)


@entry("permute_copy")
def permute(x: Array, dims: Sequence[int]) -> tuple[Array, Backward]:
    return tensor.permute(x, tuple(dims))


@entry("transpose_copy")
def transpose(x: Array, dim0: int, dim1: int) -> tuple[Array, Backward]:
    return tensor.transpose(x, dim0, dim1)


@entry("copy")
def copy(x: Array, source: Array, non_blocking: bool = False) -> tuple[Array, Backward]:
    """y = source, expanded to the shape of x. Backward: dx = 0, dsource = dy, summed to its shape."""
    y, expand_backward = tensor.broadcast_to(source, x.shape)

    def backward(dy: Array) -> tuple[None, Any]:
        return None, expand_backward(dy)

    return y, backward


@entry("zero")
def zero(x: Array) -> tuple[Array, Backward]:
    """y = 0. Backward: dx = 0."""

    def backward(dy: Array) -> None:
        return None

    return np.zeros_like(x), backward


def pad(mode: str) -> Any:
    def entered(x: Array, padding: Sequence[int], value: float = 0.0) -> Any:
        return F.pad(x, tuple(padding), mode, value if mode == "constant" else None)

    return entered


bind(
    constant_pad_nd=pad("constant"),
    reflection_pad1d=pad("reflect"),
    reflection_pad2d=pad("reflect"),
    reflection_pad3d=pad("reflect"),
    replication_pad1d=pad("replicate"),
    replication_pad2d=pad("replicate"),
    replication_pad3d=pad("replicate"),
)


@entry("split_with_sizes_copy", "unsafe_split_with_sizes", "split_copy", "unsafe_split")
def split(x: Array, sizes: int | Sequence[int], dim: int = 0) -> tuple[Any, Backward]:
    parts, split_backward = tensor.split(x, sizes, dim)

    def backward(dparts: Any) -> Any:
        given = dparts if isinstance(dparts, tuple) else (dparts,)
        filled = [np.zeros_like(part) if d is None else d for part, d in zip(parts, given, strict=True)]
        return split_backward(type(parts)(filled))

    return parts, backward
