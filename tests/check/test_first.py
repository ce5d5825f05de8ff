"""The formulas behind the diagnosis: right without a mistake, and every mistake visible."""

import numpy as np
import pytest

from torchref.check import probes
from torchref.check.catalogue import CATALOGUE


@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_formula_gradient_matches_richardson(op):
    """The right formula's gradients are the derivatives of its own forward (where no kink is planted)."""
    p = probes.make(op, 0)
    rng = np.random.default_rng(0)
    reference = probes.gradients_only(p.reference(p.upstream))

    def loss(name, value):
        p.values[name], old = value, p.values[name]
        outputs, _ = p.evaluate()
        p.values[name] = old
        return sum(float(np.sum(p.upstream[n] * outputs[n])) for n in p.upstream)

    for name, gradient in reference.items():
        x = p.values[name]
        for _ in range(12):
            i = tuple(rng.integers(0, n) for n in x.shape)
            step = np.zeros_like(x)
            step[i] = 1e-6
            left, right = (loss(name, x) - loss(name, x - step)) / 1e-6, (loss(name, x + step) - loss(name, x)) / 1e-6
            scale = max(1.0, np.abs(gradient).max())
            if abs(left - right) > 1e-3 * scale:
                continue  # a kink
            assert abs((left + right) / 2 - gradient[i]) < 2e-5 * scale, (name, i)
