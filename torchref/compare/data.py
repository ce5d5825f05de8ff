"""The data of a comparison, checked once, and the order in which both twins see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.compare.errors import UserError
from torchref.nn.module import Array

__all__ = ["Data", "Rows", "batches", "split"]


class Rows:
    """Examples in memory-mapped files. They are read, and converted, when they are taken.

    `parts` are arrays that follow one another; one example is what a row of them becomes in `shape`. uint8 pixels
    become floats from 0 to 1, other integers int64, floats `dtype`; with `symbols` uint8 are symbols and become int64.
    `rows[index]` is an ordinary array; `take(indices)` picks examples and reads none.
    """

    def __init__(
        self,
        parts: Array | Sequence[Array],
        shape: tuple[int, ...] | None = None,
        *,
        symbols: bool = False,
        dtype: DTypeLike = np.float64,
        order: Array | None = None,
    ) -> None:
        self.parts = [parts] if isinstance(parts, np.ndarray) else list(parts)
        self.example = self.parts[0].shape[1:] if shape is None else shape
        self.starts = np.cumsum([0, *(len(part) for part in self.parts)])
        self.symbols = symbols
        self.pixels = self.parts[0].dtype == np.uint8 and not symbols
        floating = self.pixels or self.parts[0].dtype.kind == "f"
        self.dtype = np.dtype(dtype if floating else np.int64)
        self.order = order

    def __len__(self) -> int:
        return int(self.starts[-1]) if self.order is None else len(self.order)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all examples together."""
        return (len(self), *self.example)

    @property
    def ndim(self) -> int:
        """The number of dimensions of `shape`."""
        return len(self.shape)

    def __getitem__(self, index: Any) -> Array:
        wanted: Array = np.arange(len(self))[index] if self.order is None else self.order[index]
        rows = np.atleast_1d(wanted)
        part_of = np.searchsorted(self.starts, rows, side="right") - 1
        taken = np.empty((len(rows), *self.example), self.dtype)
        for number in np.unique(part_of):
            here = part_of == number
            read = self.parts[number][rows[here] - self.starts[number]]
            taken[here] = read.reshape(-1, *self.example)
        if self.pixels:
            taken /= 255
        elif taken.dtype.kind == "f" and not np.isfinite(taken).all():
            raise UserError("data: there is nan or infinity among the values; every value must be finite")
        return taken.reshape(*wanted.shape, *self.example)

    def take(self, indices: Array) -> Rows:
        """These examples, still unread."""
        return self._but(order=indices if self.order is None else self.order[indices])

    def reshape(self, *shape: int) -> Rows:
        """The same examples, each in the shape that follows the first entry of `shape` (their number, or -1)."""
        size = int(np.prod(self.example))
        known = int(np.prod([n for n in shape[1:] if n >= 0]))
        return self._but(shape=tuple(size // known if n < 0 else n for n in shape[1:]))

    def astype(self, dtype: DTypeLike) -> Rows:
        """The same examples, to be taken as floats of `dtype`."""
        return self._but(dtype=dtype)

    def _but(self, **changes: Any) -> Rows:
        same = {"shape": self.example, "symbols": self.symbols, "dtype": self.dtype, "order": self.order}
        return Rows(self.parts, **(same | changes))


@dataclass(frozen=True)
class Data:
    """Training examples and the held-out validation part; the first dimension counts the examples.

    Floating inputs and targets are cast to the comparison's dtype; integer ones (labels, symbols) must be int64.
    Each is an array, or `Rows` of files that are too large to be read whole.
    """

    train_inputs: Array | Rows
    train_targets: Array | Rows
    validation_inputs: Array | Rows
    validation_targets: Array | Rows

    def __post_init__(self) -> None:
        for name, array in vars(self).items():
            if not isinstance(array, np.ndarray | Rows):
                written = "np.array(...)" if isinstance(array, list | tuple) else "its .numpy()"
                instead = f": write {written}" if isinstance(array, list | tuple) or hasattr(array, "numpy") else ""
                raise UserError(f"data: {name} must be a numpy.ndarray, not {type(array).__name__}{instead}")
            if array.ndim == 0 or len(array) == 0:
                raise UserError(f"data: {name} holds no example (its shape is {array.shape})")
            if isinstance(array, np.ndarray):  # Rows are checked when they are taken
                _check_values(name, array)
        for part in ("train", "validation"):
            inputs, targets = getattr(self, f"{part}_inputs"), getattr(self, f"{part}_targets")
            if len(inputs) != len(targets):
                order = "the order is train_inputs, train_targets, validation_inputs, validation_targets"
                raise UserError(f"data: {len(inputs)} {part}_inputs, but {len(targets)} {part}_targets: {order}")
        for kind in ("inputs", "targets"):
            train, validation = getattr(self, f"train_{kind}"), getattr(self, f"validation_{kind}")
            if train.shape[1:] != validation.shape[1:]:
                raise UserError(
                    f"data: one example of train_{kind} has shape {train.shape[1:]}, "
                    f"one of validation_{kind} {validation.shape[1:]}"
                )

    def astype(self, dtype: np.dtype) -> Data:
        """The same data, floating-point arrays in `dtype`."""
        return Data(*(a.astype(dtype) if a.dtype.kind == "f" else a for a in vars(self).values()))


def _check_values(name: str, array: Array) -> None:
    if array.dtype.kind == "f":
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            index = tuple(int(i) for i in bad[0])
            raise UserError(f"data: {name}{list(index)} is {array[index]}; every value must be finite")
    elif array.dtype not in (np.int64, np.bool_):
        raise UserError(f"data: {name} has dtype {array.dtype}; use float32, float64, int64 or bool{_numbered(array)}")


def _numbered(array: Array) -> str:
    """What to write where labels are texts."""
    return ": number the texts, np.unique(labels, return_inverse=True)[1]" if array.dtype.kind in "UO" else ""


def split(inputs: Array | Rows, targets: Array | Rows, validation: float, seed: int = 0) -> Data:
    """Hold out the share `validation` of the examples, picked at random from a fixed seed."""
    order = np.random.default_rng(seed).permutation(len(inputs))
    held_out = round(len(inputs) * validation)
    train, rest = order[held_out:], order[:held_out]
    return Data(take(inputs, train), take(targets, train), take(inputs, rest), take(targets, rest))


def take(examples: Array | Rows, indices: Array) -> Array | Rows:
    """These examples; of Rows none is read."""
    return examples.take(indices) if isinstance(examples, Rows) else examples[indices]


def batches(examples: int, batch_size: int, rng: np.random.Generator) -> Iterator[Array]:
    """The indices of one epoch's batches in a fresh random order: both twins are handed the same ones.

    A last batch of a single example joins the one before it: batch norm cannot normalise a batch of one.
    """
    order = rng.permutation(examples)
    starts = list(range(0, examples, batch_size))
    if len(starts) > 1 and examples - starts[-1] == 1 and batch_size > 1:
        starts.pop()
    return (order[start:end] for start, end in zip(starts, [*starts[1:], examples], strict=True))
