"""The line search takes torch's path on many one-dimensional functions: same point, same number of evaluations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lbfgs import _strong_wolfe

from torchref.optim.line_search import Point, strong_wolfe


def wave(rng: np.random.Generator) -> Any:
    """A function of t with many hills, which starts downhill; (value, slope)."""
    amplitudes, frequencies = rng.uniform(0, 1, 4), rng.uniform(0.1, 6, 4)
    phases, bend, tilt = rng.uniform(0, 6, 4), rng.uniform(0, 0.3), rng.uniform(-3, 0.5)

    def at(t: float) -> tuple[float, float]:
        value = bend * t * t + tilt * t + sum(amplitudes * np.sin(frequencies * t + phases))
        slope = 2 * bend * t + tilt + sum(amplitudes * frequencies * np.cos(frequencies * t + phases))
        return float(value), float(slope)

    return at


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 25])
def test_follows_torch(limit: int) -> None:
    """Catches a bracket, a safeguard or an ending that is another than torch's in any of 300 searches."""
    rng = np.random.default_rng(limit)
    searches = 0
    while searches < 300:
        at = wave(rng)
        loss, slope = at(0.0)
        t = float(10 ** rng.uniform(-3, 1.5))
        if slope > -1e-3:
            continue
        searches += 1

        def ours(t: Any, at: Any = at) -> Point:
            value, slope = at(float(t))
            return Point(t, value, np.array([slope]), np.float64(slope))

        def theirs(x: Any, t: Any, d: Any, at: Any = at) -> tuple[float, torch.Tensor]:
            value, slope = at(float(t))
            return value, torch.tensor([slope], dtype=torch.float64)

        d = torch.ones(1, dtype=torch.float64)
        g = torch.tensor([slope], dtype=torch.float64)
        expected_loss, _, expected_t, expected_calls = _strong_wolfe(
            theirs, None, t, d, loss, g, g.dot(d), max_ls=limit
        )
        with np.errstate(all="ignore"):
            best, calls = strong_wolfe(ours, Point(0, loss, g.numpy(), np.float64(slope)), t, np.float64(1.0), limit)
        assert calls == expected_calls, f"search {searches}"
        assert math.isclose(best.t, float(expected_t), rel_tol=1e-9, abs_tol=1e-12), f"search {searches}"
        assert math.isclose(best.loss, expected_loss, rel_tol=1e-9, abs_tol=1e-12), f"search {searches}"
