"""What the updates share: blocks cover an array once, averages end where they must, nothing else is written to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchref.optim import inplace


@given(size=st.integers(0, 3 * inplace.BLOCK_BYTES // 8 + 5))
def test_blocks_cover_everything_once(size: int) -> None:
    """Catches an entry at a border that is skipped or done twice, and scratch that is too short."""
    array, other = np.zeros(size), np.arange(size, dtype=np.float64)
    for piece, same, absent, one, two in inplace.blocks(array, other, None, scratch=2):
        assert absent is None
        assert piece.shape == same.shape == one.shape == two.shape
        assert not np.shares_memory(one, two)
        piece += same + 1
    assert np.array_equal(array, np.arange(size) + 1)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_lerp(weight: float) -> None:
    """Catches the far end: with weight 1 the average must be the target itself, not the target to rounding."""
    rng = np.random.default_rng(1)
    average, target = 1e8 * rng.standard_normal(100), rng.standard_normal(100)
    kept, expected = target.copy(), torch.lerp(torch.from_numpy(average), torch.from_numpy(target), weight).numpy()
    inplace.lerp_(average, target, weight, np.empty(100))
    np.testing.assert_allclose(average, expected, rtol=1e-15, atol=1e-7)
    assert np.array_equal(target, kept)
    if weight == 1.0:
        assert np.array_equal(average, target)
