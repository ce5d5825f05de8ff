"""npz files: arrays by name, without pickles; those stored uncompressed are memory-mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from torchref.compare.data import Data, Rows, split
from torchref.compare.errors import UserError
from torchref.compare.faults import reason
from torchref.compare.npz import BadArrays, read_arrays
from torchref.nn.module import Array

__all__ = ["read_npz"]

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
        if len(array) and array.min() < 0:
            raise UserError(f"data: {path}: {name}[{array.argmin()}] is {array.min()}; labels begin with 0")
        if len(array) and array.max() > np.iinfo(np.int64).max:
            raise UserError(f"data: {path}: {name}[{array.argmax()}] is {array.max()}; int64 holds no such number")
        return array.astype(np.int64)
    return Rows(array)


def map_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an npz file by name. UserError if it is none, is damaged, or holds objects."""
    try:
        return read_arrays(path)
    except OSError as error:
        raise UserError(f"data: cannot read {path}: {reason(error)}") from None
    except BadArrays as error:
        raise UserError(f"data: {path} is refused: {error}") from None
