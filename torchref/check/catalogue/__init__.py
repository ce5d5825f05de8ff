"""The operations, a file for each family, with the arrays that their probes are made of.

Sizes are small distinct primes, options are not their neutral values, ties, zeros and repeated indices are planted.
A maker gets a generator, the options and a variant; "square" makes all sizes equal, for code that breaks otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from torchref.check.catalogue.activations import ACTIVATIONS
from torchref.check.catalogue.losses import LOSSES
from torchref.check.catalogue.products import PRODUCTS
from torchref.check.catalogue.rows import DISTANCES, ROWS
from torchref.check.catalogue.sequences import OTHERS
from torchref.check.catalogue.windows import WINDOWS
from torchref.check.ops.attention import ATTENTION
from torchref.check.ops.norms import NORMS
from torchref.check.ops.record import Op
from torchref.check.ops.recurrences import RECURRENCES

# What the records of the families that are not yet in ops/ say here, for now.
SLUGS: dict[str, dict[str, str]] = {
    "embedding": {"assignment": "repeated-index-overwritten"},
    "conv": {"place": "kernel-flipped", "flip": "kernel-flipped"},
    "pool": {"comparison": "pool-ties", "mean": "wrong-reduction"},
    "dropout": dict.fromkeys(("factor", "constant", "mask", "upstream"), "dropout-mask-or-scale"),
}
SOFTMAX = ("softmax", "softmin", "log_softmax", "cross_entropy")


def bridged(op: Op) -> Op:
    slugs = SLUGS.get(op.family, {})
    if op.name in SOFTMAX:
        slugs = {**slugs, "axis": "softmax-wrong-axis"}
    if op.loss:
        slugs = {**slugs, "mean": "wrong-reduction"}
    deeper = op.name in ("linear", "softmax", "log_softmax", "softmin") or op.family == "elementwise"
    return replace(
        op,
        slugs=slugs,
        deeper=deeper,
        affine=op.family in ("conv", "linear"),
        sums=op.family in ("conv", "linear"),
    )


CATALOGUE: tuple[Op, ...] = (
    *map(bridged, (*ACTIVATIONS, *ROWS, *PRODUCTS, *LOSSES, *DISTANCES)),
    *NORMS,
    *RECURRENCES,
    *ATTENTION,
    *map(bridged, (*WINDOWS, *OTHERS)),
)
