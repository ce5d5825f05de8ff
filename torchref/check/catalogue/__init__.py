"""The operations, a file for each family, with the arrays that their probes are made of.

Sizes are small distinct primes, options are not their neutral values, ties, zeros and repeated indices are planted.
A maker gets a generator, the options and a variant; "square" makes all sizes equal, for code that breaks otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from torchref.check.catalogue.losses import LOSSES
from torchref.check.catalogue.rows import DISTANCES
from torchref.check.catalogue.sequences import OTHERS
from torchref.check.catalogue.windows import SHAPES
from torchref.check.ops.activations import ACTIVATIONS
from torchref.check.ops.attention import ATTENTION
from torchref.check.ops.norms import NORMS
from torchref.check.ops.products import GATES, PRODUCTS
from torchref.check.ops.record import Op
from torchref.check.ops.recurrences import RECURRENCES
from torchref.check.ops.rows import ROWS
from torchref.check.ops.windows import WINDOWS

# What the records of the families that are not yet in ops/ say here, for now.
SLUGS: dict[str, dict[str, str]] = {
    "dropout": dict.fromkeys(("factor", "constant", "mask", "upstream"), "dropout-mask-or-scale"),
}
SOFTMAX = ("cross_entropy",)


def bridged(op: Op) -> Op:
    slugs = SLUGS.get(op.family, {})
    if op.name in SOFTMAX:
        slugs = {**slugs, "axis": "softmax-wrong-axis"}
    if op.loss:
        slugs = {**slugs, "mean": "wrong-reduction"}
    return replace(op, slugs=slugs)


CATALOGUE: tuple[Op, ...] = (
    *ACTIVATIONS,
    *ROWS,
    *GATES,
    *PRODUCTS,
    *map(bridged, (*LOSSES, *DISTANCES)),
    *NORMS,
    *RECURRENCES,
    *ATTENTION,
    *WINDOWS,
    *map(bridged, (*SHAPES, *OTHERS)),
)
