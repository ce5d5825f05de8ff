"""Where tensors keep their numbers: storages, their versions, and the windows through which tensors see them.

A tensor is a window (size, stride, offset) on a flat storage. So a view needs no derivation: it is another window. A
write in place makes a new version of the storage; the old one stays as it was for whoever read it.

A complex number is the pair of its real and imaginary part, as in memory: its tensor has one more axis here, the last,
of length 2. So all memory holds real numbers, its gradient the derivatives by each of them (which is torch's
gradient of a complex tensor, dL/dRe + i dL/dIm), and views as real or complex numbers are windows like others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torchref.nn.module import Array

__all__ = ["Ref", "Storage", "Version", "as_pairs", "covers", "distinct", "place", "window"]


class Storage:
    """One piece of memory of the run. It is kept alive, so that no later tensor gets the same address."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.dtype = real_dtype(tensor)
        self.size = tensor.untyped_storage().nbytes() // self.dtype.itemsize
        self.flat = flat(tensor)
        self.version = Version(self)
        self.resolved = False  # whether torch made it by itself, of a lazy conjugate or negative
        self.call: int | None = None  # the custom Function's call in which it was written

    @property
    def floating(self) -> bool:
        return self.dtype.is_floating_point


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

    __slots__ = ("complex", "dtype", "needs", "offset", "sign", "size", "stride", "version")

    def __init__(self, version: Version, tensor: torch.Tensor, needs: bool) -> None:
        self.version = version
        self.dtype = real_dtype(tensor)
        self.complex = tensor.is_complex()
        self.size, self.stride, self.offset = tuple(tensor.shape), tuple(tensor.stride()), int(tensor.storage_offset())
        if self.complex:
            self.size, self.stride, self.offset = (*self.size, 2), (*(2 * s for s in self.stride), 1), 2 * self.offset
        self.sign = sign_of(tensor)
        self.needs = needs  # whether a gradient goes back to it

    @property
    def storage(self) -> Storage:
        return self.version.storage

    @property
    def readable(self) -> bool:
        """Whether the entries can read it: no view of the memory in another dtype."""
        return self.dtype == self.storage.dtype

    def given(self) -> Array:
        """torch's own values; floating-point ones in float64."""
        flat_tensor = self.version.tensor()
        if self.dtype != self.storage.dtype:
            flat_tensor = flat_tensor.view(self.dtype)
        view = torch.as_strided(flat_tensor, self.size, self.stride, self.offset)
        copy: Array = view.cpu().to(torch.float64 if self.storage.floating else view.dtype, copy=True).numpy()
        return self.signed(copy)

    def signed(self, array: Array) -> Array:
        """What the tensor sees of these numbers; and the numbers of which it sees this."""
        return array if self.sign is None else array * self.sign


def real_dtype(tensor: torch.Tensor) -> torch.dtype:
    """The dtype of the tensor's numbers, of their parts where they are complex."""
    return tensor.dtype.to_real() if tensor.is_complex() else tensor.dtype


def sign_of(tensor: torch.Tensor) -> Array | None:
    """The factors that torch's lazy views put on the memory: conj() turns the imaginary part, a negative view all."""
    if not tensor.is_conj() and not tensor.is_neg():
        return None
    sign = np.array([1.0, -1.0] if tensor.is_conj() else 1.0)
    return -sign if tensor.is_neg() else sign


def as_pairs(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers of the tensor, complex ones as pairs in a last axis."""
    tensor = tensor.resolve_conj().resolve_neg()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def flat(tensor: torch.Tensor) -> torch.Tensor:
    """The whole storage of `tensor` as one row that shares its memory, without the signs of lazy views."""
    tensor = tensor.detach()
    tensor = tensor.conj() if tensor.is_conj() else tensor
    tensor = torch._neg_view(tensor) if tensor.is_neg() else tensor
    row = torch.as_strided(tensor, (tensor.untyped_storage().nbytes() // tensor.itemsize,), (1,), 0)
    return torch.view_as_real(row).view(-1) if row.is_complex() else row


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
