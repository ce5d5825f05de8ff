"""The right formula of every gradient, in one line, for the verdict; its derivation stands where `derivations` says.

dy is the upstream gradient (dloss of a loss), y the output, N the batch, n the number of entries of a mean.
"""

from __future__ import annotations

from typing import Any

from torchref.check.ops import Op
from torchref.check.ops.formula import Written, shown_formula


def formula(op: Op, name: str, v: Any) -> str:
    """The right formula of the gradient of `name`, or of a running statistic, under the options `v`; empty: unknown."""
    if isinstance(op.formula, Written):
        return shown_formula(op, name, v)
    return ""
