"""Data made to a known truth: where a claim needs one. Everything is drawn from a seed."""

from __future__ import annotations

import numpy as np

from torchref.compare.data import Data, split
from torchref.nn.module import Array


def spirals(count: int = 600, classes: int = 2, turns: float = 1.5, noise: float = 0.05, seed: int = 0) -> Data:
    """Spirals wound around each other, one a class: (x, y) -> label. No line separates them (Lang & Witbrock 1988)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    radius = np.sqrt(rng.uniform(0.02, 1, count))  # evenly over the disc
    angle = 2 * np.pi * (turns * radius + labels / classes)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return split(points + noise * rng.standard_normal((count, 2)), labels, 0.3, seed)


def two_moons(count: int = 400, noise: float = 0.1, seed: int = 0) -> Data:
    """Two half circles that reach into each other: (x, y) -> label."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    angle = rng.uniform(0, np.pi, count)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(labels[:, None] == 0, upper, np.array([1.0, 0.5]) - upper)
    return split(points + noise * rng.standard_normal((count, 2)), labels, 0.3, seed)


def xor(count: int = 200, noise: float = 0.15, seed: int = 0) -> Data:
    """Four clouds at (+-1, +-1): label 1 where the signs differ. One line cannot do it (Minsky & Papert 1969)."""
    rng = np.random.default_rng(seed)
    signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])[np.arange(count) % 4]
    labels = (signs[:, 0] != signs[:, 1]).astype(np.int64)
    return split(signs + noise * rng.standard_normal((count, 2)), labels, 0.3, seed)


def parity(bits: int = 6) -> Data:
    """Every string of `bits` bits, as -1 and 1 -> whether the number of ones is odd. Held out: the same strings."""
    numbers = np.arange(2**bits)
    ones = (numbers[:, None] >> np.arange(bits)) & 1  # (2^bits, bits)
    inputs, labels = 2.0 * ones - 1, ones.sum(axis=1) % 2
    return Data(inputs, labels, inputs, labels)


def copy_task(count: int = 500, symbols: int = 8, length: int = 6, delay: int = 6, seed: int = 0) -> Data:
    """Remember `length` symbols over `delay` steps (Hochreiter & Schmidhuber 1997): (N, T) -> (N, T).

    T = 2 length + delay. The input shows the symbols 2.., then blanks (0), then `length` times "now" (1); the target is
    blank until then, and there names the symbols in order. V = symbols + 2.
    """
    rng = np.random.default_rng(seed)
    shown = rng.integers(2, symbols + 2, (count, length))
    inputs = np.zeros((count, 2 * length + delay), np.int64)
    targets = np.zeros_like(inputs)
    inputs[:, :length], inputs[:, length + delay :] = shown, 1
    targets[:, length + delay :] = shown
    return split(inputs, targets, 0.2, seed)


def reversal_task(count: int = 500, symbols: int = 8, length: int = 6, seed: int = 0) -> Data:
    """Read `length` symbols, write them in reverse: for an encoder-decoder, (N, 2 length) -> (N, length).

    The input is the source followed by what the decoder has written so far: a start sign (0), then the target but for
    its last symbol. V = symbols + 1.
    """
    rng = np.random.default_rng(seed)
    source = rng.integers(1, symbols + 1, (count, length))
    return split(*backwards(source), 0.2, seed)


def backwards(source: Array) -> tuple[Array, Array]:
    """Symbols 1.. (N, S), to be written in reverse: what an encoder-decoder reads (N, 2 S), and its target (N, S)."""
    target = source[:, ::-1].copy()
    written = np.concatenate([np.zeros((len(source), 1), np.int64), target[:, :-1]], axis=1)
    return np.concatenate([source, written], axis=1), target


def quadratic_bowl(curvatures: tuple[float, ...] = (1.0, 10.0), minimum: tuple[float, ...] | None = None) -> Data:
    """A linear layer without bias under MSELoss whose loss is 1/2 sum_d curvature_d (w_d - minimum_d)^2.

    With X = diag(sqrt(D curvature / 2)), D examples, the mean squared error has the Hessian 2/D X^T X =
    diag(curvatures): descent at a rate above 2 / max(curvatures) diverges. Held out: the same examples.
    """
    curvature = np.array(curvatures, dtype=np.float64)
    w = np.zeros_like(curvature) if minimum is None else np.array(minimum, dtype=np.float64)
    inputs = np.diag(np.sqrt(len(curvature) * curvature / 2))  # (D, D)
    targets = inputs @ w[:, None]  # (D, 1)
    return Data(inputs, targets, inputs, targets)


def double_well(count: int = 64, noise: float = 0.5, seed: int = 0) -> Data:
    """Noise (N, 1) of mean zero for `torchref.models.DoubleWell`, whose loss has two minima; the targets are zeros.

    Over all examples the noise cancels; a batch of few tilts the valley at random, as in stochastic descent.
    """
    tilt = noise * np.random.default_rng(seed).standard_normal((count, 1))
    tilt -= tilt.mean()
    targets = np.zeros((count, 1))
    return Data(tilt, targets, tilt, targets)
