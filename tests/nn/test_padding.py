"""Padding: any sizes and amounts against torch, and errors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchref import nn
from torchref.nn.functional import pad


@given(st.data(), st.sampled_from(["constant", "reflect", "replicate", "circular"]), st.integers(1, 3))
def test_any_padding(data, mode, dimensions):
    """Catches a wrong index at any size and amount, negative ones too; and another exception where torch refuses."""
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=dimensions, max_size=dimensions))
    amounts = data.draw(st.lists(st.integers(-3, 5), min_size=2 * dimensions, max_size=2 * dimensions))
    x = np.random.default_rng(0).standard_normal((2, *sizes))
    tensor = torch.tensor(x, requires_grad=True)
    pairs = zip(sizes, amounts[-2::-2], amounts[::-2], strict=True)
    if mode == "circular" and any(max(low, high) > n + min(low, 0) + min(high, 0) for n, low, high in pairs):
        with pytest.raises(RuntimeError, match="pad"):  # torch wraps around what is left, even where too little is
            pad(x, amounts, mode)
        return
    try:
        expected = torch.nn.functional.pad(tensor, amounts, mode)
    except RuntimeError:
        with pytest.raises(RuntimeError, match="pad"):
            pad(x, amounts, mode)
        return
    y, backward = pad(x, amounts, mode)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(backward(dy), tensor.grad.numpy(), atol=1e-14)


def test_integers_are_padded():
    """Catches a constant in another dtype than the input's."""
    y, _ = pad(np.arange(3), (1, 2), value=7)
    assert y.tolist() == [7, 0, 1, 2, 7, 7]
    assert y.dtype == np.int64


@pytest.mark.parametrize(
    ("shape", "amounts", "options"),
    [
        ((2, 3, 7), (1, 2, 3), {}),
        ((2, 3, 7), (1, 1, 1, 1, 1, 1, 1, 1), {}),
        ((2, 3, 7), (-4, -4), {}),
        ((2, 3, 7), (1, 2), {"mode": "foo"}),
        ((2, 3, 7), (1.0, 2), {}),
        ((2, 3, 7), 1, {}),
        ((2, 3, 7), (1, 2), {"mode": "reflect", "value": 2.0}),
        ((7,), (1, 2), {"mode": "reflect"}),
        ((2, 3, 5, 7), (1, 2), {"mode": "replicate"}),
        ((2, 3, 7), (), {"mode": "circular"}),
        ((2, 3, 7), (7, 0), {"mode": "reflect"}),
        ((2, 3, 7), (8, 0), {"mode": "circular"}),
        ((2, 0, 7), (1, 0), {"mode": "reflect"}),
        ((2, 3, 0, 7), (1, 0, 1, 0), {"mode": "replicate"}),
    ],
)
def test_errors(shape, amounts, options):
    """Catches another exception than torch's, or a message without function and value."""
    with pytest.raises(Exception) as theirs:
        torch.nn.functional.pad(torch.zeros(shape), amounts, **options)
    with pytest.raises(type(theirs.value), match=r"pad\(\)"):
        pad(np.zeros(shape, np.float32), amounts, **options)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 5, 5)])
def test_circular_padding_checks_its_dimensions(shape):
    """Catches torch's ValueError of this module alone."""
    with pytest.raises(ValueError, match="2D or 3D"):
        torch.nn.CircularPad1d(1)(torch.zeros(shape))
    with pytest.raises(ValueError, match="2D or 3D"):
        nn.CircularPad1d(1)(np.zeros(shape, np.float32))
