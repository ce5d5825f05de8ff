"""The operations, a file for each family, with the arrays that their probes are made of.

Sizes are small distinct primes, options are not their neutral values, ties, zeros and repeated indices are planted.
A maker gets a generator, the options and a variant; "square" makes all sizes equal, for code that breaks otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from torchref.check.catalogue.windows import WINDOWS
from torchref.check.ops.activations import ACTIVATIONS
from torchref.check.ops.attention import ATTENTION
from torchref.check.ops.distances import DISTANCES
from torchref.check.ops.dropout import DROPOUT
from torchref.check.ops.labels import LABELS
from torchref.check.ops.losses import LOSSES
from torchref.check.ops.norms import NORMS
from torchref.check.ops.products import GATES, PRODUCTS
from torchref.check.ops.record import Op
from torchref.check.ops.recurrences import RECURRENCES
from torchref.check.ops.rows import ROWS
from torchref.check.ops.shapes import SHAPES

# What the records of the families that are not yet in ops/ say here, for now.
SLUGS: dict[str, dict[str, str]] = {
    "conv": {"place": "kernel-flipped", "flip": "kernel-flipped"},
    "pool": {"comparison": "pool-ties", "mean": "wrong-reduction"},
}


def bridged(op: Op) -> Op:
    slugs = SLUGS.get(op.family, {})
    return replace(op, slugs=slugs, affine=op.family == "conv", summed=op.family == "conv")


CATALOGUE: tuple[Op, ...] = (
    *ACTIVATIONS,
    *ROWS,
    *GATES,
    *PRODUCTS,
    *LOSSES,
    *LABELS,
    *DISTANCES,
    *NORMS,
    *RECURRENCES,
    *ATTENTION,
    *map(bridged, WINDOWS),
    *SHAPES,
    *DROPOUT,
)
