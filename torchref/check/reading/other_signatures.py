"""Operations as a user's code may ask for them: one x for query, key and value; the last state alone; axes left out."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.formula import Adapted
from torchref.check.ops.probabilities import of_probabilities
from torchref.nn.module import Array

# options that a text settles without a word: other values make another approximation, or another variant
SETTLED = ("approximate", "nonlinearity", "align_corners", "padding_mode", "full", "log_input")


def self_attention(op: Op) -> Op:
    """Attention of one x with itself."""

    def alone(v: Any) -> Any:
        return SimpleNamespace(**{**vars(v), "key": None, "value": None})

    own = tuple(a for a in op.arguments if a.name not in ("key", "value"))
    query = replace(own[0], aliases=(*own[0].aliases, "x", "input"))
    variants = tuple(v for v in op.variants if v.startswith("self"))
    return replace(op, arguments=(query, *own[1:]), formula=Adapted(op, values=alone), variants=variants)


def last_state(op: Op) -> Op:
    """A recurrence that returns its last state, not the sequence of its outputs."""

    def nothing_for_the_sequence(dys: tuple[Any, ...], _: Any) -> tuple[Any, ...]:
        return (None, *dys)

    formula = Adapted(op, outputs=lambda outputs: outputs[1:], upstream=nothing_for_the_sequence)
    return replace(op, outputs=("output", *op.outputs[2:]), formula=formula)


def other_functions(op: Op, takes: Set[str]) -> Iterator[tuple[Op, str]]:
    """Other functions that go by the operation's name in other texts, each with a note.

    Among them the operation under another value of an option that the code, which takes `takes`, leaves no choice of.
    """
    for fixed, told in op.elsewhere:
        if op.fixed != (there := {**op.fixed, **fixed}):
            yield replace(op, fixed=there), told
    if op.probabilities:
        yield of_probabilities(op), "it takes probabilities: a softmax stands before it (torch's takes the logits)"
    if op.logarithms:
        yield of_probabilities(op), "it takes probabilities, and their logarithm itself (torch's takes the logarithms)"
    for a in op.options:
        if a.name in SETTLED and a.name not in takes and a.name not in op.given:
            for value in a.vary:
                told = f"{a.name}={value!r} in this code (torch: {a.default!r})"
                yield replace(op, given={**op.given, a.name: value}), told


def squeezed(op: Op) -> Op:
    """An output without its axes of length 1."""

    def without(outputs: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(y.reshape(*y.shape[:1], *(n for n in y.shape[1:] if n > 1)) for y in outputs)

    def back(dys: tuple[Any, ...], outputs: tuple[Array, ...]) -> tuple[Any, ...]:
        return tuple(dy.reshape(y.shape) for dy, y in zip(dys, outputs, strict=True))

    return replace(op, formula=Adapted(op, outputs=without, upstream=back))


def fitting(op: Op, outputs: dict[str, Any], expected: dict[str, Any]) -> Op | None:
    """The operation whose output has the shape that the user's code returned, if it is one of these."""
    mine, right = np.shape(outputs.get("output", 0)), np.shape(expected["output"])
    if "h_n" in expected and mine == np.shape(expected["h_n"]) != right:
        return last_state(op)
    if op.pools and mine != right and mine == (*right[:1], *(n for n in right[1:] if n > 1)):
        return squeezed(op)
    return None
