"""NumPy's buffer is small while a function of a large array, or its backward, runs, and afterwards what it was."""

import numpy as np
import pytest

from torchref.nn.any_array import takes_any_array
from torchref.nn.ufunc_buffer import LARGE, SIZE

USUAL = 4096


@pytest.fixture(autouse=True)
def usual_buffer():
    with np.errstate():
        np.setbufsize(USUAL)
        yield


@takes_any_array
def sizes_seen(x, *, fails=False):
    """The size of the buffer as an output, and as a gradient."""
    if fails:
        raise ValueError

    def backward(dy):
        return np.array(np.getbufsize())

    return np.array(np.getbufsize()), backward


@pytest.mark.parametrize(("entries", "size"), [(LARGE - 1, USUAL), (LARGE, SIZE)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_large_arrays_alone_have_a_small_buffer(entries, size, dtype):
    """Catches a forward or backward with NumPy's own buffer, a small function that pays for it, a buffer that stays."""
    forward, backward = sizes_seen(np.zeros(entries, dtype))
    assert (forward, backward(forward)) == (size, size)
    assert np.getbufsize() == USUAL


def test_a_function_that_raises_leaves_the_buffer_alone():
    """Catches an exception that leaves the caller's NumPy with another buffer."""
    with pytest.raises(ValueError):
        sizes_seen(np.zeros(LARGE, np.float32), fails=True)
    assert np.getbufsize() == USUAL
