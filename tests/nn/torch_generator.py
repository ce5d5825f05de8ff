"""torch's generator for the processor, in NumPy: the same numbers from the same seed, where that can be exact.

    generator = TorchGenerator(7)                   g = torch.Generator().manual_seed(7)
    generator.rand((3, 2))                          torch.rand(3, 2, generator=g)
    generator.randperm(10)                          torch.randperm(10, generator=g)

Both are the Mersenne twister MT19937 with 32-bit output, seeded in the way of its authors of 2002. What differs between
libraries is how its words become numbers; that is written below, and is torch 2.13's: torch does not promise to keep
it between releases, and the tests say so when it changes. Exact, by integer arithmetic alone: rand, randint, randperm.
With the C library's logarithm and cosine: randn in float64 or below 16 entries. Not here, because torch's own result
depends on the processor: large float32 randn, bernoulli, dropout (`torchref.twin.draws` records them), and uniform_
with bounds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.module import Array

WIDE = 2**28  # ranges from here on take two words


class TorchGenerator:
    """A stream of torch's random numbers. Each method equals the torch function of its name, with this generator."""

    def __init__(self, seed: int) -> None:
        self.twister = np.random.MT19937()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> TorchGenerator:
        """Start anew. Only the last 32 bits of `seed` count; ValueError if it does not fit 64."""
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"TorchGenerator: seed must fit 64 bits, but got {seed=}")
        self.twister._legacy_seeding(seed % 2**32)
        self.spare_normal: float | None = None
        return self

    def words(self, count: int) -> Array:
        """The next `count` words of 32 bits, as uint64."""
        return np.asarray(self.twister.random_raw(count), np.uint64)

    def wide_words(self, count: int) -> Array:
        """The next `count` words of 64 bits, the upper half drawn first."""
        words = self.words(2 * count)
        return (words[::2] << np.uint64(32)) | words[1::2]

    def rand(self, size: int | tuple[int, ...] = (), dtype: DTypeLike = np.float32) -> Array:
        """Even draws from [0, 1): the last 24 bits of a word for float32, the last 53 of two words for float64."""
        shape, kind = shape_of(size), check_dtype("rand", dtype)
        bits = np.finfo(kind).nmant + 1
        words = (self.words if kind == np.float32 else self.wide_words)(math.prod(shape))
        draws = (words % 2**bits).astype(kind).reshape(shape)
        draws /= 2.0**bits
        return draws

    def randint(self, low: int, high: int, size: int | tuple[int, ...] = (), dtype: DTypeLike = np.int64) -> Array:
        """Integers from [low, high): a word modulo the range, two words for a range of 2^28 and more.

        RuntimeError unless low < high.
        """
        if low >= high:
            raise RuntimeError(f"randint: low must be less than high, but got {low=}, {high=}")
        shape = shape_of(size)
        words = (self.words if high - low < WIDE else self.wide_words)(math.prod(shape))
        return ((words % np.uint64(high - low)).astype(np.int64) + np.int64(low)).astype(dtype).reshape(shape)

    def randperm(self, n: int) -> Array:
        """A permutation of 0, ..., n - 1, by Fisher and Yates: place i is swapped with one of those from i on.

        RuntimeError for a negative n.
        """
        if n < 0:
            raise RuntimeError(f"randperm: n must be at least 0, but got {n=}")
        order = list(range(n))
        steps = self.words(max(n - 1, 0)) % np.arange(n, min(n, 1), -1, dtype=np.uint64)
        for i, step in enumerate(steps.tolist()):
            order[i], order[i + step] = order[i + step], order[i]
        return np.array(order, np.int64)

    def randn(self, size: int | tuple[int, ...] = (), dtype: DTypeLike = np.float32) -> Array:
        """Draws from the normal distribution, by Box and Muller: r cos and r sin of a random angle.

        RuntimeError for 16 or more entries in float32, where torch's result depends on the processor.
        """
        shape, dtype = shape_of(size), check_dtype("randn", dtype)
        count = math.prod(shape)
        if count < 16:
            return np.array([self.normal() for _ in range(count)], dtype).reshape(shape)
        if dtype == np.float32:
            raise RuntimeError(f"randn: float32 with {count} entries is not exact on every processor; below 16 it is")
        draws = self.rand(count, np.float64)
        for start in range(0, count - 15, 16):
            draws[start : start + 16] = box_muller(draws[start : start + 16])
        if count % 16:  # the last 16 are drawn once more, over what is there already
            draws[-16:] = box_muller(self.rand(16, np.float64))
        return draws.reshape(shape)

    def normal(self) -> float:
        """One normal draw; they come in pairs, of which the second is kept for the next call."""
        if self.spare_normal is not None:
            value, self.spare_normal = self.spare_normal, None
            return value
        angle, radius = self.rand(2, np.float64).tolist()
        angle, radius = 2 * math.pi * angle, math.sqrt(-2 * math.log1p(-radius))
        self.spare_normal = radius * math.sin(angle)
        return radius * math.cos(angle)


def box_muller(uniform: Array) -> list[float]:
    """16 normal draws from 16 even ones: the first 8 give the radii, the last 8 the angles."""
    radii = [math.sqrt(-2 * math.log(1 - u)) for u in uniform[:8].tolist()]
    angles = [2 * math.pi * u for u in uniform[8:].tolist()]
    pairs = list(zip(radii, angles, strict=True))
    return [r * math.cos(angle) for r, angle in pairs] + [r * math.sin(angle) for r, angle in pairs]


def shape_of(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else tuple(size)


def check_dtype(function: str, dtype: DTypeLike) -> Any:
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise NotImplementedError(f"{function}: dtype must be float32 or float64, but got {np.dtype(dtype)}")
    return np.dtype(dtype)
