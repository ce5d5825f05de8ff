"""Operations as a user's code may ask for them: one x for query, key and value; the last state alone; axes left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake
from torchref.check.ops import Op
from torchref.nn.module import Array

ALONE = tuple(
    Mistake(f"{name} forgotten", "overwritten-not-accumulated", "query",
            f"x is query, key and value: the gradient of its {name} is not added.", "dx = dquery + dkey + dvalue")
    for name in ("query", "key", "value", "key and value", "query and key", "query and value")
)  # fmt: skip


def self_attention(op: Op) -> Op:
    """Attention of one x with itself: its gradient is the sum of three."""

    def formula(v: Any, wrong: frozenset[str]) -> Any:
        v.key = v.value = v.query
        outputs, backward = op.formula(v, wrong)

        def total(*upstream: Any) -> Gradients:
            parts = backward(*upstream)
            lost = {n for m in ALONE if m.flag in wrong for n in m.flag.split() if n in parts}
            return {"query": sum(parts[n] for n in ("query", "key", "value") if n not in lost)}

        return outputs, total

    own = tuple(a for a in op.arguments if a.name not in ("key", "value"))
    query = replace(own[0], aliases=(*own[0].aliases, "x", "input"))
    variants = tuple(v for v in op.variants if v.startswith("self"))
    return replace(op, arguments=(query, *own[1:]), formula=formula, mistakes=(*op.mistakes, *ALONE), variants=variants)


def last_state(op: Op) -> Op:
    """A recurrence that returns its last state, not the sequence of its outputs."""

    def formula(v: Any, wrong: frozenset[str]) -> Any:
        outputs, backward = op.formula(v, wrong)
        nothing = np.zeros_like(outputs[0])
        return outputs[1:], lambda *upstream: backward(nothing, *upstream)

    return replace(op, outputs=("output", *op.outputs[2:]), formula=formula)


def other_function(op: Op) -> tuple[Op, str] | None:
    """Another function that goes by the operation's name in other texts."""
    if "reset_before" in op.fixed and not op.fixed["reset_before"]:
        told = "the reset gate multiplies h, before the matrix product (Cho et al. 2014; torch: the product)"
        return replace(op, fixed={**op.fixed, "reset_before": True}), told
    return None


def squeezed(op: Op) -> Op:
    """An output without its axes of length 1."""

    def formula(v: Any, wrong: frozenset[str]) -> Any:
        (y,), backward = op.formula(v, wrong)

        def reshaped(dy: Array) -> Gradients:
            return backward(dy.reshape(y.shape))

        return (y.reshape(*y.shape[:1], *(n for n in y.shape[1:] if n > 1)),), reshaped

    return replace(op, formula=formula)


def fitting(op: Op, outputs: dict[str, Any], expected: dict[str, Any]) -> Op | None:
    """The operation whose output has the shape that the user's code returned, if it is one of these."""
    mine, right = np.shape(outputs.get("output", 0)), np.shape(expected["output"])
    if op.family == "recurrent" and "h_n" in expected and mine == np.shape(expected["h_n"]) != right:
        return last_state(op)
    if op.family == "pool" and mine != right and mine == (*right[:1], *(n for n in right[1:] if n > 1)):
        return squeezed(op)
    return None
