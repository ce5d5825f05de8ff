"""Other data in the form that a network takes: what `Comparison.adapt` is made of, for `torchref compare --data`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.compare.data import Data
from torchref.compare.errors import UserError

Adapted = tuple[Data, dict[str, Any]]


def as_vectors(data: Data) -> Adapted:
    """Each example as one row of numbers, with a label: the sizes `inputs` and `classes`."""
    check_floating(data)
    parts = [inputs.reshape(len(inputs), -1) for inputs in (data.train_inputs, data.validation_inputs)]
    sizes = {"inputs": math.prod(data.train_inputs.shape[1:]), "classes": count_classes(data)}
    return Data(parts[0], data.train_targets, parts[1], data.validation_targets), sizes


def as_images(data: Data) -> Adapted:
    """Each example a square image (C, S, S), with a label: the sizes `channels`, `side` and `classes`."""
    check_floating(data)
    shape = data.train_inputs.shape[1:]
    if len(shape) == 2:
        shape = (1, *shape)
    if len(shape) == 1 and math.isqrt(shape[0]) ** 2 == shape[0]:
        shape = (1, math.isqrt(shape[0]), math.isqrt(shape[0]))
    if len(shape) != 3 or shape[1] != shape[2]:
        raise UserError(f"data: square images are wanted, and an example has shape {data.train_inputs.shape[1:]}")
    parts = [inputs.reshape(len(inputs), *shape) for inputs in (data.train_inputs, data.validation_inputs)]
    sizes = {"channels": shape[0], "side": shape[1], "classes": count_classes(data)}
    return Data(parts[0], data.train_targets, parts[1], data.validation_targets), sizes


def as_symbols(data: Data) -> Adapted:
    """Windows of symbols, with the next symbols as targets: the sizes `vocabulary` and `length`."""
    if data.train_inputs.dtype != np.int64 or data.train_targets.shape != data.train_inputs.shape:
        raise UserError("data: a text is wanted, and this is none")
    length = data.train_inputs.shape[1]
    if getattr(data.train_inputs, "symbols", False):  # bytes, which nobody has counted
        return data, {"vocabulary": 256, "length": length}
    parts = (data.train_inputs, data.train_targets, data.validation_inputs, data.validation_targets)
    return data, {"vocabulary": max(int(part[:].max()) for part in parts) + 1, "length": length}


def check_floating(data: Data) -> None:
    if data.train_inputs.dtype.kind != "f":
        raise UserError(
            f"data: numbers or pixels are wanted as inputs, and these are {data.train_inputs.dtype} symbols"
        )


def count_classes(data: Data) -> int:
    """The number of labels 0 .. K - 1."""
    if data.train_targets.dtype != np.int64 or data.train_targets.ndim != 1:
        raise UserError(
            "data: a label is wanted as each example's target, and the targets are "
            f"{data.train_targets.dtype} of shape {data.train_targets.shape}"
        )
    return max(int(data.train_targets[:].max()), int(data.validation_targets[:].max())) + 1
