"""Integer arrays where torch takes them: as numbers of another array's dtype, and without a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.errors import check_arrays, check_floating
from torchref.nn.module import Array


def promoted(function: str, *, booleans: bool = False, **arrays: Any) -> list[Array]:
    """`arrays`, the integer ones (and with `booleans` the boolean ones) in the dtype of the floating-point ones.

    RuntimeError if none is floating point, for floating-point dtypes that differ, and for booleans without `booleans`.
    """
    check_arrays(function, **arrays)
    dtypes = [array.dtype for array in arrays.values() if not is_integer(array)]
    kinds = "iub" if booleans else "iu"
    taken = {name: a for name, a in arrays.items() if not (dtypes and a.dtype.kind in kinds)}
    check_floating(function, **taken)
    return [a.astype(dtypes[0], order="K") if is_integer(a) else a for a in arrays.values()]


def real(function: str, x: Array, kinds: str = "biu") -> Array:
    """An integer (or boolean) x in float32, as torch makes it where a function of integers is none; else x itself."""
    check_arrays(function, input=x)
    if x.dtype.kind in kinds:
        return x.astype(np.float32, order="K")
    check_floating(function, input=x)
    return x


def check_numeric(function: str, x: Array) -> None:
    """x holds floating-point numbers or integers. RuntimeError for booleans."""
    check_arrays(function, input=x)
    if x.dtype == bool:
        raise NotImplementedError(f"{function}(): argument 'input' must hold numbers, but got {x.dtype}")


def gradients_of(arrays: tuple[Any, ...], *gradients: Array) -> tuple[Array | None, ...]:
    """`gradients`, with None for each of `arrays` that is integer or no array."""
    pairs = zip(arrays, gradients, strict=True)
    return tuple(g if isinstance(a, np.ndarray) and not is_integer(a) else None for a, g in pairs)


def is_integer(value: Any) -> bool:
    """Whether `value` is an array of integers or booleans, which has no gradient."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "biu"
