"""CIFAR-10 (Krizhevsky 2009): the binary files, memory-mapped, and the python pickles, read without running them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from torchref.compare.errors import UserError
from torchref.compare.faults import reason
from torchref.nn.module import Array

__all__ = ["SHAPE", "read_binary", "read_pickle"]

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
CLASSES = 10


def read_binary(path: Path) -> tuple[Array, Array]:
    """Pixels (N, 3072) uint8, still on disk, and labels (N,). A record is a label and 3,072 pixels, a byte each."""
    try:
        size = path.stat().st_size
        if size == 0 or size % (PIXELS + 1):
            raise UserError(f"data: {path} has {size} bytes, which is no multiple of a record's {PIXELS + 1}")
        records = np.memmap(path, np.uint8, "r", shape=(size // (PIXELS + 1), PIXELS + 1))
    except OSError as error:
        raise UserError(f"data: cannot read {path}: {reason(error)}") from None
    return records[:, 1:], checked_labels(path, records[:, 0].astype(np.int64))


def read_pickle(path: Path) -> tuple[Array, Array]:
    """Pixels (N, 3072) uint8 and labels (N,) of a batch of the "python version".

    UserError for a pickle that holds, or would run, anything but arrays, numbers, texts, lists and dicts.
    """
    try:
        content = ArraysAlone(path.read_bytes()).load()
    except OSError as error:
        raise UserError(f"data: cannot read {path}: {reason(error)}") from None
    except Refused as error:
        raise UserError(f"data: {path} is refused: {error}") from None
    except Exception as error:  # noqa: BLE001 (a damaged pickle can end in any exception)
        raise UserError(f"data: {path} is cut short or no pickle: {type(error).__name__}: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"data: {path} holds a {type(content).__name__}, not a dict of data and labels")
    named = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in content.items()}
    missing = [key for key in ("data", "labels") if key not in named]
    if missing:
        raise UserError(f"data: {path} has no {missing[0]!r}; it holds {', '.join(map(str, named)) or 'nothing'}")
    pixels = named["data"].array if isinstance(named["data"], _StoredArray) else None
    labels = named["labels"].array if isinstance(named["labels"], _StoredArray) else named["labels"]
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != PIXELS:
        found = "no array" if pixels is None else f"{pixels.dtype} of shape {pixels.shape}"
        raise UserError(f"data: {path}: data must be uint8 of shape (N, {PIXELS}), and is {found}")
    if not isinstance(labels, list | np.ndarray) or not all(isinstance(label, int | np.integer) for label in labels):
        raise UserError(f"data: {path}: labels must be a list of whole numbers")
    if len(labels) != len(pixels):
        raise UserError(f"data: {path} has {len(pixels)} images, but {len(labels)} labels")
    return pixels, checked_labels(path, np.array(labels, np.int64))


def checked_labels(path: Path, labels: Array) -> Array:
    """The labels. UserError for one out of range."""
    wrong = np.flatnonzero((labels < 0) | (labels >= CLASSES))
    if len(wrong):
        raise UserError(f"data: {path}: label {wrong[0]} is {labels[wrong[0]]}; CIFAR-10 has the labels 0 to 9")
    return labels


class Refused(Exception):
    """What a pickle holds beside arrays of numbers."""


class ArraysAlone(pickle._Unpickler):
    """An unpickler that knows no function and no class: arrays are put together here, from their bytes.

    The one in Python: the one in C makes room for as many gigabytes of objects as a damaged byte says.

    A pickle is a program that calls what it names. Of names only those by which NumPy's arrays are written are known,
    and they stand for the harmless ones below; any other ends the reading before it is called.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        """What may be loaded: the parts that NumPy's arrays are made of."""
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return _StoredArray
        if (module, name) == ("numpy", "dtype"):
            return _StoredDtype
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for protocol 2
            return _latin_bytes
        raise Refused(f"it would load {module}.{name}, and arrays alone are admitted")

    def persistent_load(self, pid: Any) -> Any:  # noqa: ARG002 (pickle's signature)
        """Refused: nothing outside of the file is loaded."""
        raise Refused("it refers to objects outside of it, and arrays alone are admitted")


class _StoredDtype:
    """An array's type in a pickle: a letter and a size, then the order of the bytes."""

    def __init__(self, name: Any = "", *_: Any) -> None:
        self.name = name.decode("latin-1") if isinstance(name, bytes) else name
        self.order = "|"

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.order = order.decode("latin-1") if isinstance(order, bytes) else order

    def dtype(self) -> np.dtype:
        if not isinstance(self.name, str) or self.name[:1] not in tuple("uifb") or self.order not in tuple("<>|="):
            raise Refused(f"it holds an array of type {self.name!r}; numbers alone are admitted")
        return np.dtype(self.name if self.order == "|" else self.order + self.name)


class _StoredArray:
    """An array of a pickle, once its state is set."""

    array: Array | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, columns_first, data = state
        if not isinstance(dtype, _StoredDtype) or not isinstance(data, bytes):
            raise Refused("it holds an array of objects; numbers alone are admitted")
        flat = np.frombuffer(data, dtype.dtype())
        self.array = flat.reshape(shape, order="F" if columns_first else "C")


def _empty_array(*_: Any) -> _StoredArray:
    return _StoredArray()


def _latin_bytes(text: str, _encoding: Any = "latin1") -> bytes:
    return text.encode("latin-1")
