"""What a plain gradient function may ask for beside the arguments: statistics, probabilities, sizes, shapes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from torchref.check.arguments import aliases
from torchref.check.ops import Known, Op
from torchref.check.ops.formula import saved

Compute = Callable[[Op, dict[str, Any], dict[str, Any]], Any]


def known(op: Op) -> dict[str, tuple[tuple[str, ...], Compute]]:
    """What can be asked for with `op`: role -> (names, how it is computed)."""
    own = {n for a in op.arguments for n in aliases(op, a.name)}
    return {k.name: (tuple(n for n in k.names.split() if n not in own), value(k)) for k in op.known if k.saved}


def value(k: Known) -> Compute:
    return lambda op, v, y: saved(op, k, SimpleNamespace(**{**op.fixed, **v}))
