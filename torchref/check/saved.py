# ruff: noqa: E501
"""What a plain gradient function may ask for beside the arguments: statistics, probabilities, sizes, shapes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from torchref.check.arguments import aliases
from torchref.check.ops import Known, Op
from torchref.check.ops.formula import saved

Compute = Callable[[Op, dict[str, Any], dict[str, Any]], Any]


SAVED: dict[str, tuple[tuple[str, ...], tuple[str, ...], Compute]] = {
    "weight_shape": (("w_shape", "weight_shape", "shape", "table_shape", "wshape", "emb_shape"), ("conv",), lambda op, v, y: v["weight"].shape),
    "input_shape": (("x_shape", "input_shape", "shape", "xshape", "in_shape", "orig_shape", "shape_x"), ("pool", "conv"), lambda op, v, y: v["input"].shape),
}  # fmt: skip


def known(op: Op) -> dict[str, tuple[tuple[str, ...], Compute]]:
    """What can be asked for with `op`: role -> (names, how it is computed)."""
    if op.known:
        own = {n for a in op.arguments for n in aliases(op, a.name)}
        asked = {k.name: (tuple(n for n in k.names.split() if n not in own), value(k)) for k in op.known if k.saved}
        return asked
    return {role: (names, compute) for role, (names, where, compute) in SAVED.items() if op.family in where}


def value(k: Known) -> Compute:
    return lambda op, v, y: saved(op, k, SimpleNamespace(**{**op.fixed, **v}))
