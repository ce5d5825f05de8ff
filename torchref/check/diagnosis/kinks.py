"""The slopes on the two sides of a kink."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from torchref.check.running.trial import Trial
from torchref.nn.module import Array

BESIDE = 1e-7  # how far beside a kink its sides are looked at
ALMOST = 1e-5  # how little a slope changes on that way


def both_sides(trial: Trial, name: str, x: Array) -> list[Array]:
    """The right gradient a little to the left of `x`, and a little to its right."""
    return [slopes_beside(trial, name, x + shift) for shift in (-BESIDE, BESIDE)]


def slopes_beside(trial: Trial, name: str, x: Array) -> Array:
    """The right gradient a little beside the probe."""
    there = replace(trial.probe, values={**trial.probe.values, name: x})
    return np.asarray(there.reference(trial.upstream, **trial.changes)[name])
