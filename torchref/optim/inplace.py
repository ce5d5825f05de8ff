"""What the updates share: blocks that fit the cache, and the three averages, written in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from torchref.nn.module import Array

BLOCK_BYTES = 1 << 19  # measured: with 128 KiB, six of which lie in a level-2 cache, the calls cost more than they save


def blocks(*arrays: Array | None, scratch: int = 1) -> Iterator[tuple[Any, ...]]:
    """The same piece of each of `arrays` (all of one shape), then `scratch` uninitialised arrays of that piece's shape.

    An elementwise update is a dozen passes over its arrays. Over a large array at once, each pass fetches everything
    from memory again; run block by block, only the first does. A small array is one block; so are arrays that are not
    contiguous. An absent array (None) stays absent.
    """
    first: Any = arrays[0]
    length = BLOCK_BYTES // first.itemsize
    if first.size <= length or not all(a is None or a.flags.c_contiguous for a in arrays):
        yield *arrays, *[np.empty_like(first) for _ in range(scratch)]
        return
    flat = [None if a is None else a.reshape(-1) for a in arrays]
    spare = [np.empty_like(first, shape=(length,), order="C") for _ in range(scratch)]
    for start in range(0, first.size, length):
        piece = slice(start, start + length)
        yield *[None if a is None else a[piece] for a in flat], *[s[: first.size - start] for s in spare]


def descent_gradient(grad: Array, param: Array, out: Array, *, maximize: bool, weight_decay: float) -> Array:
    """+-grad + weight_decay * param: what a step descends, with the L2 penalty. `grad` itself, or in `out`."""
    if weight_decay != 0:
        np.multiply(param, weight_decay, out=out)
        return np.subtract(out, grad, out=out) if maximize else np.add(out, grad, out=out)
    return np.negative(grad, out=out) if maximize else grad


def lerp_(average: Array, target: Array, weight: float, scratch: Array) -> None:
    """average <- average + weight (target - average), from the nearer end, as `torch.lerp` does."""
    np.subtract(target, average, out=scratch)
    if weight < 0.5:
        scratch *= weight
        average += scratch
    else:
        scratch *= 1 - weight
        np.subtract(target, scratch, out=average)


def average_square_(average: Array, grad: Array, beta: float, scratch: Array) -> None:
    """average <- beta average + (1 - beta) grad^2."""
    average *= beta
    np.multiply(grad, 1 - beta, out=scratch)
    scratch *= grad
    average += scratch
