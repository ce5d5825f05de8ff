"""The data of a comparison, checked once, and the order in which both twins see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from comparisons.errors import UserError
from torchref.nn.module import Array


@dataclass(frozen=True)
class Data:
    """Training examples and the held-out validation part; the first dimension counts the examples.

    Floating inputs and targets are cast to the comparison's dtype; integer ones (labels, symbols) must be int64.
    """

    train_inputs: Array
    train_targets: Array
    validation_inputs: Array
    validation_targets: Array

    def __post_init__(self) -> None:
        for name, array in vars(self).items():
            if not isinstance(array, np.ndarray):
                raise UserError(f"data: {name} must be a numpy.ndarray, not {type(array).__name__}")
            if array.ndim == 0 or len(array) == 0:
                raise UserError(f"data: {name} holds no example (its shape is {array.shape})")
            if array.dtype.kind == "f":
                bad = np.argwhere(~np.isfinite(array))
                if len(bad):
                    index = tuple(int(i) for i in bad[0])
                    raise UserError(f"data: {name}{list(index)} is {array[index]}; every value must be finite")
            elif array.dtype != np.int64 and array.dtype != np.bool_:
                raise UserError(f"data: {name} has dtype {array.dtype}; use float32, float64, int64 or bool")
        for part in ("train", "validation"):
            inputs, targets = getattr(self, f"{part}_inputs"), getattr(self, f"{part}_targets")
            if len(inputs) != len(targets):
                raise UserError(f"data: {len(inputs)} {part}_inputs, but {len(targets)} {part}_targets")
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


def split(inputs: Array, targets: Array, validation: float, seed: int = 0) -> Data:
    """Hold out the share `validation` of the examples, picked at random from a fixed seed."""
    order = np.random.default_rng(seed).permutation(len(inputs))
    held_out = round(len(inputs) * validation)
    train, rest = order[held_out:], order[:held_out]
    return Data(inputs[train], targets[train], inputs[rest], targets[rest])


def batches(examples: int, batch_size: int, rng: np.random.Generator) -> Iterator[Array]:
    """The indices of one epoch's batches in a fresh random order: both twins are handed the same ones.

    A last batch of a single example joins the one before it: batch norm cannot normalise a batch of one.
    """
    order = rng.permutation(examples)
    starts = list(range(0, examples, batch_size))
    if len(starts) > 1 and examples - starts[-1] == 1 and batch_size > 1:
        starts.pop()
    return (order[start:end] for start, end in zip(starts, [*starts[1:], examples], strict=True))
