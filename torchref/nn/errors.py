"""The checks that every function makes of its arrays before any work, with torch's exception types."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NONE: Mapping[str, Any] = {}


USUAL = frozenset({np.dtype(np.float32), np.dtype(np.float64)})  # in the machine's byte order


def are_usual(optional: Mapping[str, Any], arrays: Mapping[str, Any]) -> bool:
    """Whether nothing needs to be checked: all are ndarrays, of one dtype of `USUAL`. Most calls end here.

    A step of a small network spends more time on the checks of its arrays than on their numbers.
    """
    given = list(arrays.values())
    if optional:
        given += [array for array in optional.values() if array is not None]
    dtype = None
    for array in given:
        if type(array) is not np.ndarray or (dtype is not None and array.dtype is not dtype):
            return False
        dtype = array.dtype
    return dtype in USUAL


def check_arrays(function: str, optional: Mapping[str, Any] = NONE, **arrays: Any) -> None:
    """Each of `arrays` must be an ndarray, and the floating-point ones must share one dtype; `optional` may be None.

    TypeError for what is no array, RuntimeError for dtypes that differ, as torch raises them; and see `check_plain`.
    """
    if are_usual(optional, arrays):
        return
    first = None
    for name, array in {**arrays, **optional}.items():
        if array is None and name in optional:
            continue
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{function}(): argument '{name}' must be numpy.ndarray, not {type(array).__name__}")
        check_plain(function, name, array)
        if array.dtype.kind in "fc":
            if first is None:
                first = name, array.dtype
            elif array.dtype != first[1]:
                raise RuntimeError(
                    f"{function}(): expected '{first[0]}' and '{name}' to have the same dtype, "
                    f"but got {first[1]} and {array.dtype}"
                )


def check_plain(function: str, name: str, array: Array) -> None:
    """TypeError for a matrix, whose `*` is a product of matrices, and a masked array, whose sums leave entries out.

    ValueError for numbers in another byte order than the machine's, as `torch.from_numpy` raises it.
    """
    if isinstance(array, np.matrix | np.ma.MaskedArray):
        raise TypeError(
            f"{function}(): argument '{name}' must be a plain numpy.ndarray, not {type(array).__name__}: "
            "np.asarray makes one of it"
        )
    if not array.dtype.isnative:
        raise ValueError(
            f"{function}(): argument '{name}' has the byte order of another machine, {array.dtype.str!r}: "
            f"array.astype({array.dtype.newbyteorder('=').str!r}) has this one's"
        )


def check_floating(function: str, optional: Mapping[str, Any] = NONE, **arrays: Any) -> None:
    """`check_arrays`, and integer or boolean arrays are refused: NotImplementedError (a RuntimeError), as in torch."""
    if are_usual(optional, arrays):
        return
    check_arrays(function, optional, **arrays)
    for name, array in {**arrays, **optional}.items():
        if array is not None and array.dtype.kind not in "fc":
            raise NotImplementedError(f"{function}(): argument '{name}' must be floating point, but got {array.dtype}")


def check_numbers(function: str, **values: Any) -> None:
    """Each of `values` must be a number. TypeError otherwise, as torch raises it."""
    for name, value in values.items():
        if not isinstance(value, (float, int, numbers.Real)):  # first the quick ones
            raise TypeError(f"{function}(): argument '{name}' must be a number, not {type(value).__name__}: {value!r}")


def check_integers(function: str, **values: Any) -> None:
    """Each of `values` must be an integer. TypeError otherwise, as torch raises it."""
    for name, value in values.items():
        if not isinstance(value, (int, numbers.Integral)) or isinstance(value, bool):
            raise TypeError(f"{function}(): argument '{name}' must be an int, not {type(value).__name__}: {value!r}")


def check_sizes(module: str, **sizes: Any) -> None:
    """Sizes of a module's parameters: integers, TypeError otherwise; RuntimeError for a negative one."""
    check_integers(module, **sizes)
    for name, size in sizes.items():
        if size < 0:
            raise RuntimeError(f"{module}(): {name} must not be negative, but got {name}={size}")


def check_device(device: Any) -> None:
    """NumPy's arrays live in the machine's memory: `device` is there for torch's signature and must be None."""
    if device is not None:
        raise ValueError(f"device must be None (NumPy has no devices), but got device={device!r}")


def normalize_dim(function: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front. IndexError if an array of `ndim` dimensions has no such one."""
    check_integers(function, dim=dim)
    limit = max(ndim, 1)  # torch lets 0-d arrays count as 1-d here
    if not -limit <= dim < limit:
        raise IndexError(
            f"{function}(): Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})"
        )
    return dim % limit
