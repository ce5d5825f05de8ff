"""Large arrays block by block: a block of rows stays in the cache from the first operation on it to the last.

A forward is a chain of operations. Over a large array each of them fetches all numbers from memory and writes as many
back; over a block that fits the processor's level-2 cache only the first one fetches, and only the last one writes.
Where a row of the output depends on the same row of the input alone, a function can be called for each block by itself,
its backward, too: its definition stays as it is, and holds for every block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from torchref.nn.module import Array, Backward

BLOCK_BYTES = (
    1 << 18
)  # of each array; measured: smaller ones cost more calls than they save, and 1 MiB is a level-2 cache


def row_blocks(rows: Array) -> Iterator[slice]:
    """Slices of `rows` with about BLOCK_BYTES each, and one row at least."""
    step = max(1, BLOCK_BYTES // max(1, rows.itemsize * math.prod(rows.shape[1:])))
    return (slice(start, start + step) for start in range(0, len(rows), step))


def in_blocks(
    function: Callable[..., tuple[Any, Backward]], *rows: Array, shared: Sequence[Array | None] = ()
) -> tuple[Any, Backward]:
    """`function(*rows, *shared)`, which is `output, backward`, block of rows by block of rows.

    All of `rows` have the same length, and `function` makes each row of its output (or outputs) of the same row of
    each of them, and of `shared`. Backward: a block's gradients of `rows` are a block of the gradients; those of
    `shared` are terms of sums over all rows, and are added up.
    """
    blocks = list(row_blocks(rows[0]))
    if len(blocks) <= 1:
        return function(*rows, *shared)
    length, backwards = len(rows[0]), []

    def outputs() -> Iterator[Any]:
        for block in blocks:
            output, block_backward = function(*(array[block] for array in rows), *shared)
            backwards.append(block_backward)
            yield output

    def backward(dy: Array) -> Any:
        gradients = (block_backward(dy[block]) for block, block_backward in zip(blocks, backwards, strict=True))
        return joined(gradients, blocks, length, len(rows))

    return joined(outputs(), blocks, length), backward


def joined(results: Iterable[Any], blocks: Sequence[slice], length: int, stacked: int | None = None) -> Any:
    """Of each block's result, an array or a tuple of arrays, the first `stacked` (None: all) one under the other in
    `length` rows, and the others added up. What is absent (None) stays absent."""
    whole: list[Any] = []
    result: Any = None
    for block, result in zip(blocks, results, strict=True):
        parts = result if isinstance(result, tuple) else (result,)
        for i, part in enumerate(parts):
            in_rows = part is not None and (stacked is None or i < stacked)
            if len(whole) == i:  # the first block
                whole.append(np.empty_like(part, shape=(length, *part.shape[1:]), order="C") if in_rows else part)
            elif part is not None and not in_rows:
                whole[i] = whole[i] + part
            if in_rows:
                whole[i][block] = part
    return tuple(whole) if isinstance(result, tuple) else whole[0]


def entries_in_blocks(function: Callable[[Array], tuple[Array, Backward]], x: Array) -> tuple[Array, Backward]:
    """`function(x)`, which is `y, backward` of one shape, entry by entry: in blocks of any entries of x."""
    if x.nbytes <= BLOCK_BYTES:
        return function(x)
    y, flat_backward = in_blocks(function, x.reshape(-1))

    def backward(dy: Array) -> Array:
        dx: Array = flat_backward(dy.reshape(-1)).reshape(x.shape)
        return dx

    return y.reshape(x.shape), backward
