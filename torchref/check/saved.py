# ruff: noqa: E501
"""What a plain gradient function may ask for beside the arguments: statistics, probabilities, sizes, shapes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from torchref.check.arguments import aliases
from torchref.check.mistakes.base import softmax
from torchref.check.ops import Known, Op
from torchref.check.ops.formula import saved

Compute = Callable[[Op, dict[str, Any], dict[str, Any]], Any]


SAVED: dict[str, tuple[tuple[str, ...], tuple[str, ...], Compute]] = {
    "probabilities": (("probs", "p", "softmax", "probabilities", "s", "sm", "y_hat", "softmax_out", "softmax_output"), ("cross entropy",), lambda op, v, y: softmax(v["input"], 1)),
    "input_shape": (("x_shape", "input_shape", "shape", "xshape", "in_shape", "orig_shape", "shape_x"), ("shape",), lambda op, v, y: v["input"].shape),
}  # fmt: skip


def families(op: Op) -> tuple[str, ...]:
    return (op.family, "cross entropy") if op.name == "cross_entropy" else (op.family,)


def known(op: Op) -> dict[str, tuple[tuple[str, ...], Compute]]:
    """What can be asked for with `op`: role -> (names, how it is computed)."""
    if op.known:
        own = {n for a in op.arguments for n in aliases(op, a.name)}
        asked = {k.name: (tuple(n for n in k.names.split() if n not in own), value(k)) for k in op.known if k.saved}
        return asked
    mine = families(op)
    return {role: (names, compute) for role, (names, where, compute) in SAVED.items() if set(where) & set(mine)}


def value(k: Known) -> Compute:
    return lambda op, v, y: saved(op, k, SimpleNamespace(**{**op.fixed, **v}))
