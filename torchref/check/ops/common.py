"""Arguments and arrays that several families share."""

from __future__ import annotations

from numpy.random import Generator

from torchref.check.ops.record import array, option
from torchref.nn.module import Array

X = array("input")


def away(rng: Generator, shape: tuple[int, ...], low: float = 0.4, high: float = 1.9) -> Array:
    """Entries of both signs, in size between `low` and `high`: by default not near 0."""
    size = rng.uniform(low, high, shape)
    return size * rng.choice([-1.0, 1.0], shape)


WEIGHT, BIAS = array("weight", optional=True), array("bias", optional=True)
EPS = option("eps", 1e-5, 1e-2)
