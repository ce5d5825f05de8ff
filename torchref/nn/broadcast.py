"""The gradient of broadcasting: what a forward copies, its backward sums."""

from __future__ import annotations

from torchref.nn.module import Array


def sum_to_shape(gradient: Array, shape: tuple[int, ...]) -> Array:
    """`gradient`, of a shape that an array of `shape` was broadcast to, summed over the copies, back to `shape`."""
    leading = gradient.ndim - len(shape)
    copied = [i for i, n in enumerate(gradient.shape) if i < leading or (shape[i - leading] == 1 and n != 1)]
    return gradient.sum(axis=tuple(copied)).reshape(shape) if copied else gradient
