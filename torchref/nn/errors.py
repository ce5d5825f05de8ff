"""The checks that every function makes of its arrays before any work, with torch's exception types."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def check_arrays(function: str, **arrays: Any) -> None:
    """Each of `arrays` must be an ndarray (None: absent), and the floating-point ones must share one dtype.

    TypeError for what is no array, RuntimeError for dtypes that differ, as torch raises them; and see `check_plain`.
    """
    first = None
    for name, array in arrays.items():
        if array is None:
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


def check_floating(function: str, **arrays: Any) -> None:
    """As `check_arrays`, and integer or boolean arrays are refused: RuntimeError, as torch raises it."""
    check_arrays(function, **arrays)
    for name, array in arrays.items():
        if array is not None and array.dtype.kind not in "fc":
            raise RuntimeError(f"{function}(): argument '{name}' must be floating point, but got {array.dtype}")


def check_device(device: Any) -> None:
    """NumPy's arrays live in the machine's memory: `device` is there for torch's signature and must be None."""
    if device is not None:
        raise ValueError(f"device must be None (NumPy has no devices), but got device={device!r}")


def normalize_dim(function: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front. IndexError if an array of `ndim` dimensions has no such one."""
    limit = max(ndim, 1)  # torch lets 0-d arrays count as 1-d here
    if not -limit <= dim < limit:
        raise IndexError(
            f"{function}(): Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})"
        )
    return dim % limit
