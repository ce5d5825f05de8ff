"""Bring other data into the form of a network's input. `Comparison.adapt` uses it for `torchref compare --data`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.compare.data import Data
from torchref.compare.errors import UserError

__all__ = ["as_images", "as_symbols", "as_values", "as_vectors"]

Adapted = tuple[Data, dict[str, Any]]
SIDE = 4  # pixels, at least: LeNet halves an image twice
FEW = 10_000  # classes or symbols that any data may have, however few the examples are


def as_vectors(data: Data) -> Adapted:
    """Each example as one row of numbers, with a label: the sizes `inputs` and `classes`."""
    check_floating(data)
    parts = [inputs.reshape(len(inputs), -1) for inputs in (data.train_inputs, data.validation_inputs)]
    sizes = {"inputs": math.prod(data.train_inputs.shape[1:]), "classes": count_classes(data)}
    return Data(parts[0], data.train_targets, parts[1], data.validation_targets), sizes


def as_values(data: Data) -> Adapted:
    """Each example as one row of numbers, with numbers to be predicted: the sizes `inputs` and `outputs`."""
    check_floating(data)
    inputs = [part.reshape(len(part), -1) for part in (data.train_inputs, data.validation_inputs)]
    targets = []
    for part in (data.train_targets, data.validation_targets):
        if part.dtype == np.bool_ or part.ndim > 2:
            raise UserError(f"data: numbers are wanted as targets, and these are {part.dtype} of shape {part.shape}")
        values = part[:].astype(np.float64) if part.dtype == np.int64 else part
        targets.append(values.reshape(len(values), -1) if values.ndim == 1 else values)
    sizes = {"inputs": math.prod(data.train_inputs.shape[1:]), "outputs": targets[0].shape[1]}
    return Data(inputs[0], targets[0], inputs[1], targets[1]), sizes


def as_images(data: Data) -> Adapted:
    """Each example a square image (C, S, S), with a label: the sizes `channels`, `side` and `classes`."""
    check_floating(data)
    shape = data.train_inputs.shape[1:]
    if len(shape) == 2:
        shape = (1, *shape)
    if len(shape) == 1 and math.isqrt(shape[0]) ** 2 == shape[0]:
        shape = (1, math.isqrt(shape[0]), math.isqrt(shape[0]))
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] < SIDE:
        own = data.train_inputs.shape[1:]
        rows = ": torchref compare tables (or digits) takes rows of numbers" if len(own) == 1 else ""
        size = f"of {SIDE} x {SIDE} pixels at least"
        raise UserError(f"data: square images {size} are wanted, and an example has shape {own}{rows}")
    parts = [inputs.reshape(len(inputs), *shape) for inputs in (data.train_inputs, data.validation_inputs)]
    sizes = {"channels": shape[0], "side": shape[1], "classes": count_classes(data)}
    return Data(parts[0], data.train_targets, parts[1], data.validation_targets), sizes


def as_symbols(data: Data) -> Adapted:
    """Windows of symbols, with the next symbols as targets: the sizes `vocabulary` and `length`."""
    if data.train_inputs.dtype != np.int64 or data.train_targets.shape != data.train_inputs.shape:
        raise UserError("data: a text is wanted, and this is none: tables takes rows of numbers, images takes pixels")
    length = data.train_inputs.shape[1]
    if getattr(data.train_inputs, "symbols", False):  # bytes, which nobody has counted
        return data, {"vocabulary": 256, "length": length}
    names = ("train_inputs", "train_targets", "validation_inputs", "validation_targets")
    return data, {"vocabulary": count_values(data, names, "symbol", "symbols"), "length": length}


def check_floating(data: Data) -> None:
    """UserError for symbols where numbers are needed."""
    if data.train_inputs.dtype.kind != "f":
        raise UserError(
            f"data: numbers or pixels are wanted as inputs, and these are {data.train_inputs.dtype} symbols"
        )


def count_classes(data: Data) -> int:
    """The number of labels 0 .. K - 1. UserError where there are no labels, or one that is no number of a class."""
    if data.train_targets.dtype != np.int64 or data.train_targets.ndim != 1:
        whole = data.train_targets.dtype.kind == "f" and not (data.train_targets[:] % 1).any()
        classes = "; for classes save them as whole numbers, labels.astype(numpy.int64)" if whole else ""
        raise UserError(
            f"data: a label is wanted as each example's target, and the targets are {data.train_targets.dtype} "
            f"of shape {data.train_targets.shape}: torchref compare regression predicts numbers{classes}"
        )
    if (data.train_targets[:] == data.train_targets[0]).all():
        raise UserError(f"data: every label is {data.train_targets[0]}: with one class there is nothing to be learned")
    return count_values(data, ("train_targets", "validation_targets"), "label", "classes")


def count_values(data: Data, names: tuple[str, ...], what: str, counted: str) -> int:
    """One more than the largest number: a network has an output, or a row, for each."""
    most = max(FEW, data.train_targets.size if isinstance(data.train_targets, np.ndarray) else len(data.train_targets))
    largest = 0
    for name in names:
        values = getattr(data, name)[:]
        for value, say in ((int(values.min()), values.argmin), (int(values.max()), values.argmax)):
            if not 0 <= value < most:
                index = [int(i) for i in np.unravel_index(int(say()), values.shape)]
                raise UserError(
                    f"data: {name}{index} is {value}, which is no {what}: "
                    f"they begin with 0, and {most} {counted} are the most that these data can have"
                )
        largest = max(largest, int(values.max()))
    return largest + 1
