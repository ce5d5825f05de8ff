"""torch's generator in NumPy, bit for bit. A failure here after an update of torch means that torch draws otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.nn.torch_generator import TorchGenerator

SEEDS = [0, 1, 42, 2**32 - 1, 2**32 + 7, 2**63 + 5, -1, -(2**63)]


def pair(seed: int) -> tuple[TorchGenerator, torch.Generator]:
    return TorchGenerator(seed), torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rand(seed: int, dtype: str) -> None:
    """Catches another seeding, other bits of a word, another order of two words."""
    ours, theirs = pair(seed)
    for shape in ((), (3,), (5, 7), (0, 3), (1000,)):
        draws = ours.rand(shape, dtype)
        expected = torch.rand(shape, generator=theirs, dtype=getattr(torch, dtype)).numpy()
        assert draws.dtype == dtype
        assert draws.shape == expected.shape
        assert np.array_equal(draws, expected)


RANGES = [(0, 10), (-5, 7), (0, 2**25), (3, 3 + 2**28), (3, 4 + 2**28), (0, 2**32), (-(2**62), 2**62)]
RANGES += [(-(2**63), 2**63 - 1), (5, 6)]


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_randint(low: int, high: int) -> None:
    """Catches the place from where on a range takes two words, and a range that overflows."""
    ours, theirs = pair(7)
    for shape in ((), (3, 5), (100,)):
        assert np.array_equal(ours.randint(low, high, shape), torch.randint(low, high, shape, generator=theirs).numpy())


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "uint8"])
def test_randint_dtype(dtype: str) -> None:
    """Catches a draw whose words depend on the dtype."""
    ours, theirs = pair(7)
    draws = ours.randint(0, 100, 50, dtype)
    assert draws.dtype == dtype
    assert np.array_equal(draws, torch.randint(0, 100, (50,), generator=theirs, dtype=getattr(torch, dtype)).numpy())


@given(n=st.integers(0, 200), seed=st.integers(0, 2**32 - 1))
def test_randperm(n: int, seed: int) -> None:
    """Catches another shuffle, and a word more or less than torch takes for it."""
    ours, theirs = pair(seed)
    assert np.array_equal(ours.randperm(n), torch.randperm(n, generator=theirs).numpy())
    assert ours.rand() == torch.rand((), generator=theirs).numpy()


def test_randperm_of_many() -> None:
    """Catches a size at which torch changes its method."""
    ours, theirs = pair(3)
    for n in (29_999, 30_001, 100_000):
        assert np.array_equal(ours.randperm(n), torch.randperm(n, generator=theirs).numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_randn_of_few(dtype: str) -> None:
    """Catches a second draw of a pair that is not kept for the next call."""
    for seed in range(50):
        ours, theirs = pair(seed)
        for shape in ((3,), (), (2, 3), (15,), (1,)):
            expected = torch.randn(shape, generator=theirs, dtype=getattr(torch, dtype)).numpy()
            assert np.array_equal(ours.randn(shape, dtype), expected)
            assert ours.rand() == torch.rand((), generator=theirs).numpy()


@pytest.mark.parametrize("count", [16, 17, 31, 32, 33, 100])
def test_randn_of_many(count: int) -> None:
    """Catches blocks that are cut elsewhere: float64, whose cosine is the C library's."""
    ours, theirs = pair(5)
    for _ in range(3):
        expected = torch.randn(count, generator=theirs, dtype=torch.float64).numpy()
        assert np.array_equal(ours.randn(count, np.float64), expected)


def test_manual_seed_starts_anew() -> None:
    """Catches a spare normal draw that survives."""
    ours = TorchGenerator(3)
    ours.randn(3)
    kept = TorchGenerator(3).randn(2)
    assert np.array_equal(ours.manual_seed(3).randn(2), kept)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, t: g.randint(5, 5, (2,)) if t is None else torch.randint(5, 5, (2,), generator=t), "low=5, high=5"),
        (lambda g, t: g.randperm(-1) if t is None else torch.randperm(-1, generator=t), "n=-1"),
        (
            lambda g, t: g.rand(2, np.int64) if t is None else torch.rand(2, generator=t, dtype=torch.int64),
            "int64",
        ),
        (lambda g, t: g.manual_seed(2**64) if t is None else t.manual_seed(2**64), str(2**64)),
    ],
)
def test_errors(call: Any, message: str) -> None:
    """Catches another exception than torch's, and a message without the value."""
    ours, theirs = pair(1)
    with pytest.raises(Exception) as expected:
        call(None, theirs)
    with pytest.raises(expected.type, match=message):
        call(ours, None)


def test_what_is_not_exact_is_refused() -> None:
    """Catches numbers that would differ from torch's on another processor."""
    with pytest.raises(RuntimeError, match="16 entries"):
        TorchGenerator(1).randn(16)
