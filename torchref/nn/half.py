"""float16: computed in float32 and rounded once, as torch's kernels for the processor do.

float16 holds 11 bits and ends at 65504: the squares of a layer norm over entries of 300 are infinite in it, an eps of
1e-12 is 0. So no function computes in it: `takes_any_array`, over every function's definition, widens what comes in and
rounds what goes out. Where a module computes by itself, it calls `widened` and `rounded`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def dtypes_of(arrays: Sequence[Any]) -> list[Any]:
    """The dtypes of the floating-point arrays, each once, in the order of their first."""
    return list(dict.fromkeys(array.dtype for array in arrays if array.dtype.kind == "f"))


def takes_half(arrays: Sequence[Any], single_beside_half: bool) -> bool:
    """Whether all arrays are float16 or, with `single_beside_half`, the first is and all else is float32.

    Other mixtures pass through untouched, for the function to refuse.
    """
    dtypes = dtypes_of(arrays)
    alone = sum(array.dtype == HALF for array in arrays) == 1
    return dtypes == [HALF] or (single_beside_half and dtypes == [HALF, SINGLE] and alone)


def widened(value: Any) -> Any:
    """float16 arrays as float32, also in tuples of outputs; all else as it is."""
    return converted(value, np.float16, np.float32)


def rounded(value: Any) -> Any:
    """float32 arrays as float16 (infinite beyond 65504), also in tuples of gradients; all else as it is."""
    with np.errstate(over="ignore"):
        return converted(value, np.float32, np.float16)


def rounded_backward(wide_backward: Callable[..., Any], beside_single: bool) -> Callable[..., Any]:
    """The backward of a function that was called with `widened` arrays: it takes and returns float16.

    `beside_single`: of its arguments the first alone was float16, and the gradients of the others stay float32.
    """

    def backward(*doutput: Any) -> Any:
        gradients = wide_backward(*map(widened, doutput))
        return (rounded(gradients[0]), *gradients[1:]) if beside_single else rounded(gradients)

    return backward


def converted(value: Any, source: Any, target: Any) -> Any:
    """The arrays of dtype `source` in dtype `target`, also in tuples and lists; all else as it is."""
    if isinstance(value, np.ndarray | np.generic):
        return value.astype(target) if value.dtype == source else value
    if isinstance(value, tuple | list):
        parts = [converted(part, source, target) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
