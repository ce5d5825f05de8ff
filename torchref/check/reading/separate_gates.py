"""Recurrences with one weight for each gate (Wi, Wf, Wo, Wg or W_ir, W_iz, W_in), told by their names."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops import Argument, Op, array
from torchref.check.ops.formula import Adapted
from torchref.check.ops.mistake import Gradients
from torchref.check.reading.arguments import normal

# how the letter of a gate, {g}, stands in the names of its arrays, in normal form
STYLES = (
    ("w{g}x", "w{g}h"),
    ("wx{g}", "wh{g}"),
    ("wi{g}", "wh{g}"),
    ("w{g}i", "w{g}h"),
    ("w{g}x", "u{g}"),
    ("w{g}", "u{g}"),
    ("u{g}", "w{g}"),
    ("w{g}", "r{g}"),
    ("w{g}", "wh{g}"),
    ("w{g}", "wr{g}"),
)
BIASES = (("b{g}x", "b{g}h"), ("bx{g}", "bh{g}"), ("bi{g}", "bh{g}"), ("b{g}i", "b{g}h"), ("b{g}", ""))


def split_names(op: Op, names: Iterable[str]) -> dict[str, list[str]] | None:
    """torch's stacked array: the user's arrays of its gates, in torch's order; None if there are none such."""
    table = {normal(n): n for n in names}
    for gates in itertools.product(*op.gates):
        for ih, hh in STYLES:
            found = {
                key: [table.get(style.format(g=g), "") for g in gates]
                for key, style in (("weight_ih", ih), ("weight_hh", hh))
            }
            if not all(n for parts in found.values() for n in parts) or set(found["weight_ih"]) & set(
                found["weight_hh"]
            ):
                continue
            for bi, bh in BIASES:
                first = [table.get(bi.format(g=g), "") for g in gates]
                second = [table.get(bh.format(g=g), "") for g in gates] if bh else []
                if all(first):
                    found["bias_ih"] = first
                    if second and all(second):
                        found["bias_hh"] = second
                    break
            return found
    return None


def per_gate(op: Op, parts: dict[str, list[str]]) -> Op:
    """The operation with the user's array of each gate in place of torch's stacked ones."""

    def stacked(v: Any) -> Any:
        whole = {n: np.concatenate([getattr(v, p) for p in own]) for n, own in parts.items()}
        return SimpleNamespace(**{**vars(v), **whole})

    def apart(gradients: Gradients) -> Gradients:
        result = dict(gradients)
        for name, own in parts.items():
            result.update(zip(own, np.split(result.pop(name), len(own)), strict=True))
        return result

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            whole = arrays.pop(name)
            if name in parts:
                arrays.update(zip(parts[name], np.split(whole, len(parts[name])), strict=True))
        return arrays

    own: list[Argument] = [a for a in op.arguments if a.name in ("input", "hx", "cx")]
    axes = {"weight_ih": "H D", "weight_hh": "H H", "bias_ih": "H", "bias_hh": "H"}
    own += [array(p, axes=axes[name]) for name in axes for p in parts.get(name, ())]
    sizes = tuple((size, parts[name][0], axis) for size, name, axis in op.sizes)
    made = {name: f"np.concatenate(({', '.join(own)}))" for name, own in parts.items()}
    formula = Adapted(op, values=stacked, gradients=apart, home=home(parts), made=made)
    return replace(op, arguments=tuple(own), formula=formula, make=make, sizes=sizes)


def home(parts: dict[str, list[str]]) -> dict[str, str]:
    """The user's array of a gate: torch's stacked one."""
    return {p: name for name, own in parts.items() for p in own}
