"""IDX files, as MNIST comes in (LeCun, Cortes & Burges 1998): plain ones are memory-mapped, gzip ones unpacked.

A file is: two zero bytes, a type code, the number of dimensions, each dimension as four bytes, then the entries, all
with the highest byte first.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from torchref.compare.errors import UserError
from torchref.compare.faults import reason
from torchref.nn.module import Array

__all__ = ["read_idx"]

GZIP = b"\x1f\x8b"  # what a packed file begins with, whatever it is called
CHUNK = 2**20  # bytes unpacked at once: a header may promise more than the memory holds
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> Array:
    """The array in the file. UserError for a wrong magic number, and for more or fewer entries than the header says."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        return _read_packed(path) if packed else _map_plain(path)
    except OSError as error:  # gzip.BadGzipFile is one
        raise UserError(f"data: cannot read {path}: {reason(error)}") from None
    except (EOFError, zlib.error) as error:
        raise UserError(f"data: {path} is cut short or damaged: {error}") from None


def _map_plain(path: Path) -> Array:
    with path.open("rb") as file:
        dtype, shape, start = _header(path, file)
    wanted, there = start + math.prod(shape) * dtype.itemsize, path.stat().st_size
    if there != wanted:
        raise _wrong_size(path, shape, wanted, there)
    return np.memmap(path, dtype, "r", start, shape)


def _read_packed(path: Path) -> Array:
    with gzip.open(path) as file:
        dtype, shape, start = _header(path, file)
        size = math.prod(shape) * dtype.itemsize
        data = bytearray()
        while part := file.read(min(CHUNK, size + 1 - len(data))):  # one byte more than there should be, and never more
            data += part
    if len(data) != size:
        raise _wrong_size(path, shape, start + size, start + len(data))
    return np.frombuffer(data, dtype).reshape(shape)


def _header(path: Path, file: object) -> tuple[np.dtype, tuple[int, ...], int]:
    """The entries' type, the shape, and where the entries begin."""
    magic = file.read(4)  # type: ignore[attr-defined]
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] == 0:
        raise UserError(f"data: {path} is no IDX file: its magic number is 0x{magic.hex()}, not 0x0000, a type, a rank")
    sizes = file.read(4 * magic[3])  # type: ignore[attr-defined]
    if len(sizes) < 4 * magic[3]:
        raise UserError(f"data: {path} is cut short in its header, which should be {4 + 4 * magic[3]} bytes long")
    shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4"))
    if len(shape) > 64 or 0 in shape:
        raise UserError(f"data: {path} has {len(shape)} dimensions {shape[:5]}, which is no array with an entry")
    return np.dtype(TYPES[magic[2]]), shape, 4 + len(sizes)


def _wrong_size(path: Path, shape: tuple[int, ...], wanted: int, there: int) -> UserError:
    what = "cut short" if there < wanted else "too long"
    least = "" if there < wanted else "at least "
    return UserError(f"data: {path} is {what}: shape {shape} needs {wanted} bytes, and there are {least}{there}")
