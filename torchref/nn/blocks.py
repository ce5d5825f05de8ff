"""Large arrays block by block: a block stays in the cache from the first operation on it to the last.

A chain of operations over a large array fetches all numbers from memory, and writes as many back, in each of its
operations; over a block that fits the cache the first one fetches, and the last one writes. That pays where a chain is
long (GELU, cross-entropy, optimizers); where it is short the calls cost more than they save.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from torchref.nn.module import Array

BLOCK_BYTES = 1 << 18  # measured beside 2^15 ... 2^19, on a processor with a level-2 cache of 1 MiB


def row_blocks(rows: Array, times: int = 1) -> Iterator[slice]:
    """Slices of `rows` with about `times` BLOCK_BYTES each, and one row at least.

    A chain that needs few arrays beside `rows` has room for longer blocks, and then fewer calls.
    """
    step = max(1, times * BLOCK_BYTES // max(1, rows.itemsize * math.prod(rows.shape[1:])))
    return (slice(start, start + step) for start in range(0, len(rows), step))
