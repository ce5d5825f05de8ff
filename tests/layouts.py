"""One array in the orders that its memory can have: the values are the same, the strides are not.

NumPy's users make such arrays without a word: `x.T`, `x[::-1]`, `x[:, ::2]`, `np.rot90`, an image read as (H, W, C) and
transposed, `np.broadcast_to`, a gradient that comes back from any of these. torch is right on all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

Array = np.ndarray
Layout = Callable[[Array], Array]


def permuted(axes: tuple[int, ...]) -> Layout:
    """The memory goes through the axes in this order, the last of them fastest: (0, 1, 2, ...) is C order."""

    def lay_out(array: Array) -> Array:
        return np.ascontiguousarray(array.transpose(axes)).transpose(np.argsort(axes))

    return lay_out


def backwards(array: Array) -> Array:
    """Every axis runs backwards through the memory: negative strides."""
    return np.flip(np.flip(array).copy())


def of_a_wider_array(array: Array) -> Array:
    """Every second entry, along every axis, of an array whose other entries are nan, the largest integer or True."""
    other = {"f": np.nan, "c": np.nan, "b": True}.get(array.dtype.kind) or np.iinfo(array.dtype).max
    wide = np.full([2 * n for n in array.shape], other, array.dtype)
    inside = wide[(slice(None, None, 2),) * array.ndim]
    inside[...] = array
    return inside


def covering(n: int) -> Iterator[tuple[int, ...]]:
    """Permutations of `n` axes: the reversed one, each axis moved to the front and to the end, each swap of neighbours.

    A reshape copies instead of giving a view exactly if two neighbouring axes that it joins (or a product reads as one)
    do not follow each other in memory. Each pair of neighbours is torn apart by the swap of it, alone; every axis is
    once the slowest and once the fastest; and all pairs are torn apart by the reversal. Up to three axes that is every
    permutation; of the 23 of four axes it is 8, of the 119 of five 11.
    """
    axes = tuple(range(n))
    yield axes[::-1]
    for k in range(n):
        rest = (*axes[:k], *axes[k + 1 :])
        yield (k, *rest)
        yield (*rest, k)
        yield (*axes[:k], *axes[k : k + 2][::-1], *axes[k + 2 :])


def layouts(array: Array, every: bool = False) -> dict[str, Layout]:
    """By name the layouts of an array of this shape that differ from C order, `every` permutation or a covering set."""
    found: dict[str, Layout] = {}
    if array.ndim == 0 or array.size == 0:
        return found
    in_c_order, seen = np.ascontiguousarray(array), set()
    named = {"backwards": backwards, "of a wider array": of_a_wider_array}
    axes = itertools.permutations(range(array.ndim)) if every else covering(array.ndim)
    for lay_out, name in [(permuted(a), f"memory in the order of axes {a}") for a in axes] + [
        (function, name) for name, function in named.items()
    ]:
        strides = seen_strides(lay_out(in_c_order))
        if strides != seen_strides(in_c_order) and strides not in seen:
            seen.add(strides)
            found[name] = lay_out
    return found


def seen_strides(array: Array) -> tuple[int, ...]:
    """The strides of the axes along which there is a step."""
    return tuple(stride for n, stride in zip(array.shape, array.strides, strict=True) if n > 1)


def constant_along(axes: tuple[int, ...]) -> Layout:
    """The entries at index 0 of these axes, repeated along them by stride 0: as `broadcast_to` gives it."""

    def lay_out(array: Array) -> Array:
        first = array[tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(array.ndim))]
        return np.broadcast_to(first, array.shape)

    return lay_out
