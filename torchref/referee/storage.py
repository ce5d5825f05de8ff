"""Where tensors keep their numbers: storages, their versions, and the windows through which tensors see them.

A tensor is a window (size, stride, offset) on a flat storage. So a view needs no derivation: it is another window. A
write in place makes a new version of the storage; the old one stays as it was for whoever read it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torchref.nn.module import Array

__all__ = ["Ref", "Storage", "Version", "covers", "distinct", "place", "window"]


class Storage:
    """One piece of memory of the run. It is kept alive, so that no later tensor gets the same address."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.dtype = tensor.dtype
        self.size = tensor.untyped_storage().nbytes() // tensor.itemsize
        self.flat = flat(tensor, self.size)
        self.version = Version(self)
        self.call: int | None = None  # the custom Function's call in which it was written

    @property
    def floating(self) -> bool:
        return self.dtype.is_floating_point

    @property
    def differentiable(self) -> bool:
        return self.dtype.is_floating_point or self.dtype.is_complex


class Version:
    """What a storage held between two writes."""

    def __init__(self, storage: Storage, base: Version | None = None) -> None:
        self.storage = storage
        self.base = base  # the version of which one window was overwritten
        self.maker: int | None = None  # the node that wrote it; None: it is taken as it was in the run
        self.snapshot: torch.Tensor | None = None  # None: the storage still holds it
        self.read = False  # by a node

    def keep(self) -> None:
        """Copy the numbers, for the storage is about to be overwritten."""
        if self.snapshot is None and self.read:
            self.snapshot = self.storage.flat.clone()

    def tensor(self) -> torch.Tensor:
        """torch's own numbers, flat."""
        return self.storage.flat if self.snapshot is None else self.snapshot


class Ref:
    """A tensor of the run: a window on a version of a storage."""

    __slots__ = ("dtype", "needs", "offset", "size", "stride", "version")

    def __init__(self, version: Version, tensor: torch.Tensor, needs: bool) -> None:
        self.version = version
        self.dtype = tensor.dtype
        self.size = tuple(tensor.shape)
        self.stride = tuple(tensor.stride())
        self.offset = int(tensor.storage_offset())
        self.needs = needs  # whether a gradient goes back to it

    @property
    def storage(self) -> Storage:
        return self.version.storage

    @property
    def readable(self) -> bool:
        """Whether the entries can read it: no complex numbers, and no view of the memory in another dtype."""
        return self.dtype == self.storage.dtype and not self.dtype.is_complex

    def given(self) -> Array:
        """torch's own values; floating-point ones in float64."""
        flat_tensor = self.version.tensor()
        if self.dtype != self.storage.dtype:
            flat_tensor = flat_tensor.view(self.dtype)
        view = torch.as_strided(flat_tensor, self.size, self.stride, self.offset)
        copy: Array = view.cpu().to(torch.float64 if self.storage.floating else view.dtype, copy=True).numpy()
        return copy


def flat(tensor: torch.Tensor, size: int) -> torch.Tensor:
    """The whole storage of `tensor` as one row that shares its memory."""
    return torch.as_strided(tensor.detach(), (size,), (1,), 0)


def window(array: Array, ref: Ref) -> Array:
    """What `ref` sees of the flat `array`; it shares its memory."""
    item = array.itemsize
    return np.lib.stride_tricks.as_strided(
        array[ref.offset :], ref.size, tuple(s * item for s in ref.stride), writeable=array.flags.writeable
    )


def covers(ref: Ref) -> bool:
    """Whether the window sees every place of the storage exactly once."""
    return int(np.prod(ref.size, dtype=np.int64)) == ref.storage.size and distinct(ref.size, ref.stride)


def distinct(size: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether no place is seen twice, as far as the strides alone can tell."""
    reach = 0  # the furthest place that the axes so far can reach
    for step, length in sorted((s, n) for s, n in zip(stride, size, strict=True) if n > 1):
        if step <= reach:
            return False
        reach += step * (length - 1)
    return True


def place(array: Array, ref: Ref, values: Any) -> None:
    """Add `values`, of the shape of `ref`, to the places of the flat `array` that it sees.

    A place that is seen twice gets the sum: the axes that were expanded are summed first, and what overlaps in another
    way is added place by place.
    """
    if 0 in ref.size:
        return
    expanded = tuple(i for i, (n, s) in enumerate(zip(ref.size, ref.stride, strict=True)) if s == 0 and n > 1)
    if expanded:
        values = values.sum(axis=expanded, keepdims=True)
    size = tuple(1 if i in expanded else n for i, n in enumerate(ref.size))
    if distinct(size, ref.stride):
        view = np.lib.stride_tricks.as_strided(array[ref.offset :], size, tuple(s * array.itemsize for s in ref.stride))
        view += values
    else:
        steps = (np.arange(n) * s for n, s in zip(size, ref.stride, strict=True))
        places = sum(np.ix_(*steps), start=np.array(ref.offset))
        np.add.at(array, places, values)


def written(array: Array, ref: Ref, values: Any) -> Array:
    """A copy of the flat `array` with `values` where `ref` looks."""
    copy = np.array(array)
    window(copy, ref)[...] = values
    return copy
