"""Fold and unfold: any geometry against torch, and errors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchref.nn import functional as F

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    PAIRS,
    PAIRS,
    PAIRS,
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
)
def test_any_windows(kernel, dilation, stride, padding, sizes):
    """Catches a wrong slice or crop, and a fold that is not the transpose of unfold."""
    options = {"dilation": dilation, "padding": padding, "stride": stride}
    x = np.random.default_rng(0).standard_normal((2, 3, *sizes))
    tensor = torch.tensor(x, requires_grad=True)
    try:
        expected = torch.nn.functional.unfold(tensor, kernel, **options)
    except RuntimeError:
        with pytest.raises(RuntimeError, match="kernel_size"):
            F.unfold(x, kernel, **options)
        return
    y, backward = F.unfold(x, kernel, **options)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected.backward(torch.tensor(dy))
    folded, fold_backward = F.fold(dy, sizes, kernel, **options)
    np.testing.assert_allclose(backward(dy), tensor.grad.numpy(), atol=1e-13)
    np.testing.assert_array_equal(folded, backward(dy))
    np.testing.assert_array_equal(fold_backward(x), y)


@pytest.mark.parametrize(
    ("function", "shape", "args", "options"),
    [
        ("fold", (2, 12, 7), ((3, 4), 2), {}),
        ("fold", (2, 11, 6), ((3, 4), 2), {}),
        ("fold", (1, 2, 12, 6), ((3, 4), 2), {}),
        ("fold", (2, 12, 6), ((3, 4), 0), {}),
        ("fold", (2, 12, 6), ((3, 4), 2), {"stride": 0}),
        ("fold", (2, 12, 6), ((3, 4), 2), {"dilation": 0}),
        ("fold", (2, 12, 6), ((3, 4), 2), {"padding": -1}),
        ("fold", (2, 0, 6), ((3, 4), 2), {}),
        ("fold", (2, 12, 6), ((1, 1), 2), {}),
        ("fold", (2, 12, 6), ((3, 4, 5), 2), {}),
        ("fold", (2, 12, 6), ((3, 4), (2,)), {}),
        ("unfold", (2, 3, 4, 5), (6,), {}),
        ("unfold", (2, 3, 4, 5), (0,), {}),
        ("unfold", (2, 3, 4, 5), (2,), {"stride": 0}),
        ("unfold", (2, 3, 4, 5), (2,), {"padding": -1}),
        ("unfold", (2, 3, 4, 5), (2,), {"dilation": 0}),
        ("unfold", (2, 0, 4, 5), (2,), {}),
        ("unfold", (2, 3, 0, 5), (2,), {"padding": 1}),
        ("unfold", (2, 3, 4, 5), ((2, 2, 2),), {}),
    ],
)
def test_errors(function, shape, args, options):
    """Catches another exception than torch's."""
    with pytest.raises(Exception) as theirs:
        getattr(torch.nn.functional, function)(torch.zeros(shape), *args, **options)
    with pytest.raises(type(theirs.value), match=function):
        getattr(F, function)(np.zeros(shape, np.float32), *args, **options)
