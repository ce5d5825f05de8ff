"""The operations, a file for each family, with the arrays that their probes are made of.

Sizes are small distinct primes, options are not their neutral values, ties, zeros and repeated indices are planted.
A maker gets a generator, the options and a variant; "square" makes all sizes equal, for code that breaks otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from torchref.check.catalogue.activations import ACTIVATIONS
from torchref.check.catalogue.products import PRODUCTS
from torchref.check.catalogue.rows import NORMALISED, ROWS
from torchref.check.catalogue.sequences import MULTI_HEAD, OTHERS
from torchref.check.catalogue.windows import WINDOWS
from torchref.check.ops.distances import DISTANCES
from torchref.check.ops.dropout import DROPOUT
from torchref.check.ops.labels import LABELS
from torchref.check.ops.losses import LOSSES
from torchref.check.ops.norms import NORMS
from torchref.check.ops.record import Op
from torchref.check.ops.shapes import SHAPES

# What the records of the families that are not yet in ops/ say here, for now.
SLUGS: dict[str, dict[str, str]] = {
    "recurrent": {"assignment": "recurrence-truncated", "place": "recurrence-truncated", "name": ""},
    "embedding": {"assignment": "repeated-index-overwritten"},
    "conv": {"place": "kernel-flipped", "flip": "kernel-flipped"},
    "pool": {"comparison": "pool-ties", "mean": "wrong-reduction"},
    "attention": {"constant": "attention-scale"},
}
SOFTMAX = ("softmax", "softmin", "log_softmax", "scaled_dot_product_attention", "multi_head_attention")


def bridged(op: Op) -> Op:
    slugs = SLUGS.get(op.family, {})
    if op.name in SOFTMAX:
        slugs = {**slugs, "axis": "softmax-wrong-axis"}
    deeper = op.name in ("linear", "softmax", "log_softmax", "softmin") or op.family == "elementwise"
    return replace(op, slugs=slugs, deeper=deeper, affine=op.family in ("conv", "linear"))


CATALOGUE: tuple[Op, ...] = (
    *map(bridged, (*ACTIVATIONS, *ROWS, *PRODUCTS)),
    *LOSSES,
    *LABELS,
    *map(bridged, NORMALISED),
    *DISTANCES,
    *NORMS,
    *map(bridged, WINDOWS),
    *SHAPES,
    *DROPOUT,
    *map(bridged, (*OTHERS, MULTI_HEAD)),
)
