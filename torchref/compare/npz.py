"""npz files, as numpy.savez writes them, read without trust: a header is compared with the bytes that are there first.

numpy.load believes a header: one that promises terabytes is allocated before anything is read.
"""

from __future__ import annotations

import math
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from torchref.nn.module import Array

__all__ = ["BadArrays", "read_arrays"]

DEFLATED = 1032  # how many bytes one byte of deflate can stand for, at most
PACKED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED  # by numpy.savez, and by numpy.savez_compressed
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

Header = tuple[tuple[int, ...], bool, np.dtype]  # shape, whether columns come first, type of the entries


class BadArrays(ValueError):
    """The file is no npz file, is damaged, or holds what is no array of numbers or texts."""


def read_arrays(file: Path | IO[bytes]) -> dict[str, Array]:
    """The arrays of an npz file by name. BadArrays where it is damaged; OSError where it cannot be read.

    Of a path those that are stored uncompressed are memory-mapped, read-only.
    """
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name == member.filename:  # no array
                    continue
                with archive.open(member) as content:
                    header = _header(name, content, member)
                    mapped = isinstance(file, Path) and member.compress_type == zipfile.ZIP_STORED
                    if isinstance(file, Path) and mapped and 0 not in header[0]:
                        arrays[name] = _mapped(file, member, content.tell(), header)
                    else:
                        arrays[name] = _read(name, content, header)
    except BadArrays:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadArrays(f"it is cut short or no npz file: {error}") from None
    except (ValueError, RuntimeError, LookupError, OverflowError, struct.error) as error:  # encrypted, absurd offsets
        raise BadArrays(f"it is damaged: {error}") from None
    return arrays


def _header(name: str, content: IO[bytes], member: zipfile.ZipInfo) -> Header:
    """Read an array's header, and check that the bytes fit it."""
    try:
        shape, columns_first, dtype = HEADERS[np.lib.format.read_magic(content)](content)
    except Exception as error:  # noqa: BLE001 (its text is parsed as Python: a damaged one can end in any exception)
        raise BadArrays(f"the header of {name} is damaged: {type(error).__name__}: {error}") from None
    if dtype.hasobject:
        raise BadArrays("it holds Python objects, and arrays alone are admitted")
    if dtype.kind not in "biufcSU" or not dtype.itemsize:
        raise BadArrays(f"{name} is {dtype} of shape {shape}; arrays of numbers or texts are admitted")
    wanted, there = math.prod(shape) * dtype.itemsize, member.file_size - content.tell()
    if min(shape, default=0) < 0 or len(shape) > 64 or wanted != there:
        raise BadArrays(f"{name} of shape {shape} needs {wanted} bytes, and there are {there}")
    if there > DEFLATED * member.compress_size or member.compress_type not in PACKED:
        raise BadArrays(f"{name} of {there} bytes is not packed as numpy.savez packs it")
    return shape, columns_first, dtype


def _read(name: str, content: IO[bytes], header: Header) -> Array:
    shape, columns_first, dtype = header
    data = bytearray(math.prod(shape) * dtype.itemsize)
    if content.readinto(data) != len(data) or content.read(1):  # type: ignore[attr-defined]
        raise BadArrays(f"it is cut short or no npz file: {name} ends early")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if columns_first else "C")


def _mapped(path: Path, member: zipfile.ZipInfo, behind_header: int, header: Header) -> Array:
    """An uncompressed array as a memory map. Its checksum is that of the whole: it is not verified."""
    shape, columns_first, dtype = header
    with path.open("rb") as raw:  # the local header: 30 bytes, the name, extra fields, then the data
        raw.seek(member.header_offset + 26)
        lengths = struct.unpack("<2H", raw.read(4))
    start = member.header_offset + 30 + sum(lengths) + behind_header
    if start + math.prod(shape) * dtype.itemsize > os.path.getsize(path):
        raise BadArrays("it is cut short or no npz file: its directory promises more than there is")
    return np.memmap(path, dtype, "r", start, shape, order="F" if columns_first else "C")
