"""npz files: arrays by name, without pickles; those stored uncompressed are memory-mapped."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from torchref.compare.data import Data, Rows, split
from torchref.compare.errors import UserError
from torchref.nn.module import Array

# training inputs and targets, held-out inputs and targets: this project's names, Keras', then a file without a split
SPLIT_NAMES = (
    ("train_inputs", "train_targets", "validation_inputs", "validation_targets"),
    ("x_train", "y_train", "x_test", "y_test"),
)
WHOLE_NAMES = (("inputs", "targets"), ("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"))


def read_npz(path: Path) -> Data:
    """The examples in an npz file, under one of the sets of names above; without a held-out part, 20 % are held out."""
    arrays = map_arrays(path)
    for names in SPLIT_NAMES:
        if all(name in arrays for name in names):
            return Data(*(examples(path, name, arrays[name]) for name in names))
    for x, y in WHOLE_NAMES:
        if x in arrays and y in arrays:
            inputs, targets = examples(path, x, arrays[x]), examples(path, y, arrays[y])
            if len(inputs) != len(targets):
                raise UserError(f"data: {path}: {len(inputs)} {x}, but {len(targets)} {y}")
            return split(inputs, targets, 0.2)
    wanted = "; or ".join(", ".join(names) for names in (*SPLIT_NAMES, *WHOLE_NAMES))
    raise UserError(f"data: {path} holds {', '.join(arrays) or 'nothing'}; it must hold {wanted}")


def examples(path: Path, name: str, array: Array) -> Array | Rows:
    """`array` as inputs or targets: whole where labels must be looked through, by rows where it is large."""
    kind = array.dtype.kind
    if array.ndim == 0 or kind not in "uifb":
        raise UserError(
            f"data: {path}: {name} is {array.dtype} of shape {array.shape}, not numbers, one row an example"
        )
    if kind == "b":
        return np.asarray(array)
    if array.ndim == 1 and kind in "ui":  # labels
        labels = array.astype(np.int64)
        if len(labels) and labels.min() < 0:
            raise UserError(f"data: {path}: {name}[{labels.argmin()}] is {labels.min()}; labels begin with 0")
        return labels
    return Rows(array)


def map_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an npz file by name. UserError if it is none, is damaged, or holds objects."""
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as loaded:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                mapped = None
                if member.compress_type == zipfile.ZIP_STORED:
                    mapped = _mapped(path, archive, member)
                arrays[name] = loaded[name] if mapped is None else mapped
    except OSError as error:
        raise UserError(f"data: cannot read {path}: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UserError(f"data: {path} is cut short or no npz file: {error}") from None
    except ValueError as error:
        what = "it holds Python objects, and arrays alone are admitted" if "allow_pickle" in str(error) else str(error)
        raise UserError(f"data: {path} is refused: {what}") from None
    return arrays


def _mapped(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array | None:
    """An uncompressed member as a memory map; None where it can be read, but not mapped."""
    with archive.open(member) as file:  # the checksum is that of the whole: it is not verified here
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            return None
        shape, columns_first, dtype = read_header[version](file)
        behind_header = file.tell()
    if dtype.hasobject or columns_first or not np.prod(shape):
        return None
    with path.open("rb") as raw:  # the local header: 30 bytes, the name, extra fields, then the data
        raw.seek(member.header_offset + 26)
        lengths = np.frombuffer(raw.read(4), "<u2")
    start = member.header_offset + 30 + int(lengths.sum()) + behind_header
    return np.memmap(path, dtype, "r", start, shape)
