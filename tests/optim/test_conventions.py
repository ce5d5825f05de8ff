"""The rules side by side: the first is what torchref.optim does, and each pair parts where it is said to."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import torchref
from torchref.nn import Parameter
from torchref.optim import conventions
from torchref.optim.conventions import CHANGE, PAIRS, START, Pair, compare, gradient, learning_rate, trajectory

# When the pairs part: with the learning rate, at the first step, at the second, never.
PARTED = [CHANGE + 1, CHANGE + 1, 1, 1, 1, 1, 1, 1, 1, None, 1]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.title)
def test_first_rule_is_the_optimizer(pair: Pair) -> None:
    """Catches a textbook rule that is not what the optimizer does."""
    name, options = pair.torch
    p = Parameter(START.copy())
    optimizer = getattr(torchref.optim, name)([p], **options)
    points = [START]
    for t in range(1, 31):
        optimizer.param_groups[0]["lr"] = learning_rate(t)
        p.grad = gradient(p.data)
        optimizer.step()
        points.append(p.data.copy())
    np.testing.assert_allclose(trajectory(pair.first), points, rtol=1e-12, atol=1e-14)


def test_decoupled_is_adamw() -> None:
    """Catches a second rule that is not AdamW."""
    p = Parameter(START.copy())
    optimizer = torchref.optim.AdamW([p], betas=(0.9, 0.99), eps=1e-3, weight_decay=0.1)
    for t in range(1, 31):
        optimizer.param_groups[0]["lr"] = learning_rate(t)
        p.grad = gradient(p.data)
        optimizer.step()
    np.testing.assert_allclose(trajectory(conventions.adam_decoupled)[-1], p.data, rtol=1e-12)


@pytest.mark.parametrize(("pair", "parted"), list(zip(PAIRS, PARTED, strict=True)), ids=lambda x: str(x)[:40])
def test_where_they_part(pair: Pair, parted: int | None) -> None:
    """Catches a pair that is one rule, or parts elsewhere than is said of it."""
    comparison = compare(pair)
    assert comparison.parted == parted
    assert np.array_equal(comparison.first[0], comparison.second[0])


def test_prints_without_torch() -> None:
    """Catches an import of torch, which costs seconds, and a module that does not run by itself."""
    code = "import sys; from torchref.optim.conventions import main; main(); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(PAIRS)
    assert "part at step 11" in done.stdout
    assert "never part" in done.stdout
