"""Every operation that gradients are checked against, family by family."""

from __future__ import annotations

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
from torchref.check.ops.windows import WINDOWS

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
    *WINDOWS,
    *SHAPES,
    *DROPOUT,
)
