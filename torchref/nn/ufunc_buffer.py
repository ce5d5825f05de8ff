"""NumPy's buffer made small, so that a row or column of numbers is combined with a large matrix without copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from torchref.nn.errors import Array

LARGE = 2**15  # entries; below, the switch costs more than the copies
SIZE = 1024  # entries; measured beside 256, 512, 768, 2048 and NumPy's own 8192, with rows of 32 to 16,384
AS_IT_IS = nullcontext()


def buffer_for(arrays: Iterable[Array]) -> AbstractContextManager[None]:
    """While it lasts, NumPy's buffer is small, if one of `arrays` is large.

    From 2.3 on NumPy combines a column with the rows of a matrix (x - mean) through its buffer: it fills that with the
    number of a row, 8,192 entries at a time, which takes as long as the operation itself. It does not where the buffer
    is no longer than a row. Conversions go through the buffer, too, and are no slower in a small one.
    """
    return small_buffer() if max([array.size for array in arrays], default=0) >= LARGE else AS_IT_IS


@contextmanager
def small_buffer() -> Iterator[None]:
    """Between its two ends NumPy's buffer has SIZE entries, in this thread alone."""
    with np.errstate():  # which restores the size at its end, too
        np.setbufsize(SIZE)
        yield


def backward_in(buffer: AbstractContextManager[None], function_backward: Callable[..., Any]) -> Callable[..., Any]:
    """`function_backward`, run in a buffer as its forward."""
    if buffer is AS_IT_IS:
        return function_backward

    def backward(*doutput: Any) -> Any:
        with small_buffer():
            return function_backward(*doutput)

    return backward
