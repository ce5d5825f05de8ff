"""Entries of reading and writing by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchref import tensor
from torchref.nn import functional as F
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import bind, entry

bind(
    gather=tensor.gather,
    index_add=tensor.index_add,
    index_copy=tensor.index_copy,
    index_fill=tensor.index_fill,
    index_select=tensor.index_select,
    masked_scatter=tensor.masked_scatter,
    masked_select=tensor.masked_select,
    scatter_add=tensor.scatter_add,
    scatter_reduce=tensor.scatter_reduce,
    take=tensor.take,
)


@entry("scatter")
def scatter(x: Array, dim: int, index: Array, src: Any, *, reduce: str | None = None) -> tuple[Array, Backward]:
    if reduce is not None:
        raise NotImplementedError("scatter with a reduction is not differentiable in torch; use scatter_reduce")
    return tensor.scatter(x, dim, index, src)


@entry("index", "_unsafe_index")
def index(x: Array, indices: Sequence[Array | None]) -> tuple[Array, Backward]:
    return tensor.index(x, *(slice(None) if i is None else i for i in indices))


@entry("index_put", "_index_put_impl", "_unsafe_index_put")
def index_put(
    x: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False, unsafe: bool = False
) -> tuple[Array, Backward]:
    y, put_backward = tensor.index_put(x, list(indices), values, accumulate)
    given = [i for i in indices if i is not None]

    def backward(dy: Array) -> list[Any]:
        dx, _, dvalues = put_backward(dy)
        return [dx, *(None for _ in given), dvalues]

    return y, backward


@entry("embedding")
def embedding(
    weight: Array, x: Array, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> tuple[Array, Backward]:
    y, rows_backward = F.embedding(
        x, weight, padding_idx if padding_idx >= 0 else None, scale_grad_by_freq=scale_grad_by_freq
    )

    def backward(dy: Array) -> Any:
        gradients = rows_backward(dy)
        return gradients[-1] if isinstance(gradients, tuple) else gradients

    return y, backward


@entry("_embedding_bag")
def embedding_bag(
    weight: Array,
    x: Array,
    offsets: Array,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> tuple[tuple[Array], Backward]:
    y, bag_backward = F.embedding_bag(
        x,
        weight,
        offsets,
        scale_grad_by_freq=scale_grad_by_freq,
        mode=("sum", "mean", "max")[mode],
        per_sample_weights=per_sample_weights,
        include_last_offset=include_last_offset,
        padding_idx=padding_idx if padding_idx >= 0 else None,
    )

    def backward(doutputs: tuple[Array | None, ...]) -> list[Any]:
        _, dweight, _, dsamples = bag_backward(doutputs[0])
        return [dweight, None, None, dsamples]

    return (y,), backward
