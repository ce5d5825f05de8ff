"""Modules that move entries and change none: Flatten, Unflatten, PixelShuffle, ... Their backward moves them back."""

from __future__ import annotations

import math

from torchref.nn.errors import check_arrays, normalize_dim
from torchref.nn.module import Array, Backward, Module, bind


def flatten(x: Array, *, start_dim: int = 0, end_dim: int = -1) -> tuple[Array, Backward]:
    """Dimensions start_dim ... end_dim as one: (N, C, H, W) -> (N, C H W) with start_dim=1. A 0-d array becomes (1).

    Backward. Nothing is computed, so nothing but the shape changes:  dx = dy in x's shape.

    Errors: IndexError for a dimension out of range, RuntimeError if start_dim comes after end_dim.
    Equals `torch.flatten`.
    """
    check_arrays("flatten", input=x)
    start = normalize_dim("flatten", start_dim, x.ndim)
    end = normalize_dim("flatten", end_dim, x.ndim)
    if start > end:
        raise RuntimeError(f"flatten(): start_dim={start_dim} cannot come after end_dim={end_dim} for {x.shape}")
    y = x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])

    def backward(dy: Array) -> Array:
        return dy.reshape(x.shape)

    return y, backward


class Flatten(Module):
    """`flatten` as a module, from dimension 1 on. Equals `torch.nn.Flatten`."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(flatten, input, start_dim=self.start_dim, end_dim=self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


def unflatten(x: Array, *, dim: int, sizes: tuple[int, ...] | list[int]) -> tuple[Array, Backward]:
    """Dimension `dim` as several: (N, C H W) -> (N, C, H, W) with dim=1, sizes=(C, H, W). One size may be -1.

    Backward:  dx = dy in x's shape.

    Errors: IndexError for `dim` out of range, RuntimeError if the sizes do not multiply to the dimension's.
    Equals `torch.unflatten`.
    """
    check_arrays("unflatten", input=x)
    dim = normalize_dim("unflatten", dim, x.ndim)
    if len(sizes) == 0 or x.ndim == 0:
        raise RuntimeError(f"unflatten(): sizes {tuple(sizes)} and x of shape {x.shape} must be non-empty")
    known = math.prod(size for size in sizes if size != -1)
    unknown = sum(size == -1 for size in sizes)
    length = x.shape[dim]
    fits = length == known if unknown == 0 else unknown == 1 and known > 0 and length % known == 0
    if not fits or min(sizes) < -1:
        raise RuntimeError(
            f"unflatten(): sizes {tuple(sizes)} don't multiply up to the size of dim {dim} ({length}) of {x.shape}"
        )
    full = (length // known if size == -1 else size for size in sizes)
    y = x.reshape(*x.shape[:dim], *full, *x.shape[dim + 1 :])

    def backward(dy: Array) -> Array:
        return dy.reshape(x.shape)

    return y, backward


class Unflatten(Module):
    """`unflatten` as a module (dimensions by number; torch's named ones have no meaning here).

    Equals `torch.nn.Unflatten`.
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        if not isinstance(unflattened_size, tuple | list):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found type {type(unflattened_size).__name__}"
            )
        for i, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    f"unflattened_size must be tuple of ints, but found element {size!r} of type "
                    f"{type(size).__name__} at pos {i}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(unflatten, input, dim=self.dim, sizes=self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
