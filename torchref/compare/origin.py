"""Digests of the user's files and of the data. A run continues only if they are the same."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from torchref.compare.comparison import FUNCTIONS, Comparison
from torchref.compare.configuration import read_config
from torchref.compare.data import Data, Rows
from torchref.compare.errors import UserError
from torchref.compare.faults import is_users
from torchref.nn.module import Array

__all__ = ["Origin", "check_origin", "digest_files", "origin_of"]

Origin = Mapping[str, Mapping[str, str]]  # "files", "data" -> name -> digest, as config.toml keeps it
CHUNK = 2**24  # bytes of a memory-mapped file that are read at once
REMEDY = "put it back as it was, or begin anew with --out FOLDER"


def check_origin(path: Path, now: Origin) -> None:
    """UserError unless the run whose config.toml is `path` was made from the same; of `now` what it holds is compared.

    Another network, or other data, would go on with weights and figures that are not its own.
    """
    then = read_config(path).get("origin")
    if not isinstance(then, dict) or not all(isinstance(then.get(kind), dict) for kind in ("files", "data")):
        raise UserError(f"resume: {path} does not say which files and data the run is of: begin anew with --out FOLDER")
    for kind, digests in now.items():
        for name in sorted(then[kind].keys() | digests.keys()):
            if then[kind].get(name) != digests.get(name):
                what = name if kind == "files" else f"the data ({name})"
                is_now = "has changed" if name in then[kind] and name in digests else "is another"
                raise UserError(f"resume: {what} {is_now} since {path.parent} began: {REMEDY}")


def digest_files(comparison: Comparison) -> dict[str, str]:
    """A digest of each file of a user's, or of those that ship in `comparisons`, that the comparison is made of.

    It is the file where a function of the comparison stands, and what it imports of the user's own; named from the
    folder of the comparison's file, so that the folder may be moved. What is typed in, in no file, has none.
    """
    seen: set[str] = set()
    functions = [getattr(comparison, name) for name in FUNCTIONS]
    files = [Path(comparison.file).resolve()] if comparison.file else []
    files += [file for function in functions if function is not None for file in _files(function, seen)]
    if not files:
        return {}
    folder = next(iter(files)).parent
    return {Path(os.path.relpath(f, folder)).as_posix(): _digest(f.read_bytes()) for f in files}


def origin_of(comparison: Comparison, data: Data) -> Origin:
    """A digest of each of the comparison's files, and of each array of its data: of shape, dtype and every entry."""
    arrays = {name: _digest_array(array) for name, array in vars(data).items()}
    return {"files": digest_files(comparison), "data": arrays}


def _files(value: Any, seen: set[str]) -> Iterator[Path]:
    """The file that a function, a class, an object or a module comes from, and those of what that file refers to."""
    names = _namespace(value)
    file = names.get("__file__")
    ships = str(names.get("__name__")).startswith("comparisons.")
    if file is None or file in seen or not (ships or is_users(file)):
        return
    seen.add(file)
    yield Path(file).resolve()
    for other in list(names.values()):
        if isinstance(other, ModuleType) or callable(other):
            yield from _files(other, seen)


def _namespace(value: Any) -> dict[str, Any]:
    """The names of the module that something comes from."""
    if isinstance(value, partial):
        value = value.func
    if isinstance(value, ModuleType):
        return vars(value)
    if hasattr(value, "__globals__"):
        names: dict[str, Any] = value.__globals__
        return names
    kind = value if isinstance(value, type) else type(value)
    return vars(sys.modules.get(kind.__module__, sys))


def _digest_array(array: Array | Rows) -> str:
    if not isinstance(array, Rows):
        return _digest(f"{array.shape} {array.dtype}".encode(), np.ascontiguousarray(array).data)
    order = [] if array.order is None else [np.ascontiguousarray(array.order).data]
    return _digest(f"{array.shape} {array.symbols}".encode(), *order, *_chunks(array.parts))


def _chunks(parts: list[Array]) -> Iterator[Any]:
    for part in parts:
        rows = max(1, CHUNK // max(1, part[:1].nbytes))
        for start in range(0, len(part), rows):
            yield np.ascontiguousarray(part[start : start + rows]).data


def _digest(*pieces: Any) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()[:32]
