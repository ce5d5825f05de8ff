"""The examples of the manual's pages on broadcasting, indexing and reductions, and their three mistakes each."""

import numpy as np
import pytest

from torchref import tensor


def test_broadcasting_by_hand():
    """Catches a page whose numbers are not the code's."""
    x, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 20.0])
    y, backward = tensor.mul(x, b)
    dx, db = backward(np.ones_like(y))
    np.testing.assert_array_equal(dx, [[10, 20], [10, 20]])
    np.testing.assert_array_equal(db, [4, 6])


def test_indexing_by_hand():
    """Catches a gradient that an index read twice has once."""
    x, i, dy = np.array([5.0, 6.0, 7.0]), np.array([2, 0, 2]), np.array([1.0, 10.0, 100.0])
    y, backward = tensor.index(x, i)
    np.testing.assert_array_equal(y, [7, 5, 7])
    np.testing.assert_array_equal(backward(dy), [10, 0, 101])
    lost = np.zeros(3)
    lost[i] += dy
    np.testing.assert_array_equal(lost, [10, 0, 100])


@pytest.mark.parametrize("name", ["expand", "sum_to_size"])
def test_a_copy_and_a_sum_are_each_others_backward(name):
    """Catches one of the two that is not the other's transpose: <f(x), dy> = <x, backward(dy)>."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 1) if name == "expand" else (2, 3, 5))
    y, backward = getattr(tensor, name)(x, *((2, 3, 5) if name == "expand" else (3, 1)))
    dy = rng.standard_normal(y.shape)
    np.testing.assert_allclose(np.vdot(y, dy), np.vdot(x, backward(dy)), rtol=1e-12)


def test_gather_and_scatter_add_are_each_others_backward():
    """Catches reading and adding by index that do not belong to each other."""
    rng = np.random.default_rng(1)
    x, index, s = rng.standard_normal((3, 5)), rng.integers(0, 3, (4, 5)), rng.standard_normal((4, 5))
    _, gather_backward = tensor.gather(x, 0, index)
    added, add_backward = tensor.scatter_add(np.zeros_like(x), 0, index, s)
    np.testing.assert_allclose(gather_backward(s)[0], added, rtol=1e-12)
    np.testing.assert_array_equal(add_backward(x)[2], tensor.gather(x, 0, index)[0])


def test_a_sum_of_a_square_tells_the_axes_apart():
    """Catches dy laid along the wrong axis, which N = D lets pass without an error."""
    x = np.arange(9.0).reshape(3, 3)
    _, backward = tensor.sum(x, dim=1)
    np.testing.assert_array_equal(backward(np.array([1.0, 2.0, 3.0])), [[1, 1, 1], [2, 2, 2], [3, 3, 3]])
