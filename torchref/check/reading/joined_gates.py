"""Recurrences with one matrix on [h, x]: one for each gate (Wf, Wi, Wo, Wc), or one for all of them.

concat = np.concatenate((h_prev, x), axis=1)
f = sigmoid(concat @ Wf + bf)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops import Op, array
from torchref.check.ops.conventions import Convention, flip_T, forget_plus_one, in_columns, update_gate
from torchref.check.ops.formula import Adapted
from torchref.check.ops.mistake import Gradients
from torchref.check.reading.arguments import normal
from torchref.nn.module import Array

Parts = dict[str, list[str]]  # "weight" and "bias": the user's arrays of the gates, in torch's order
STYLES = (("w{g}", "b{g}"), ("w{g}gate", "b{g}gate"), ("weight{g}", "bias{g}"), ("u{g}", "b{g}"))
SIZES = (("input_size", "input", -1), ("hidden_size", "hx", -1))


def joined_names(op: Op, names: Iterable[str]) -> Parts | None:
    """The user's arrays of the gates, where each gate has one matrix; None if there are none such."""
    table = {normal(n): n for n in names}
    for gates in itertools.product(*op.gates):
        for w, b in STYLES:
            weights = [table.get(w.format(g=g), "") for g in gates]
            biases = [table.get(b.format(g=g), "") for g in gates]
            if len(gates) > 1 and all(weights) and len(set(weights)) == len(gates):
                return {"weight": weights, "bias": biases if all(biases) else []}
    return None


def joined(op: Op, parts: Parts) -> Iterator[Op]:
    """The operation with a matrix for each gate: on [h, x], then on [x, h]."""
    for h_first in (True, False):
        yield per_gate(op, parts, h_first)


def apart(w: Array, hidden: int, h_first: bool) -> tuple[Array, Array]:
    """A joined matrix as the one that meets x and the one that meets h."""
    first, second = np.split(w, [hidden if h_first else w.shape[1] - hidden], axis=1)
    return (second, first) if h_first else (first, second)


def together(ih: Array, hh: Array, h_first: bool) -> Array:
    """The two matrices side by side: [hh, ih], or [ih, hh]."""
    return np.concatenate((hh, ih) if h_first else (ih, hh), axis=1)


def per_gate(op: Op, parts: Parts, h_first: bool) -> Op:
    """The operation with one matrix on [h, x] for each gate, and its bias where it has one."""
    weights, biases, count = parts["weight"], parts["bias"], len(parts["weight"])

    def stacked(v: Any) -> Any:
        pairs = [apart(getattr(v, n), getattr(v, n).shape[0], h_first) for n in weights]
        ih, hh = (np.concatenate([p[k] for p in pairs]) for k in (0, 1))
        bias = np.concatenate([getattr(v, n) for n in biases]) if biases else np.zeros(len(ih))
        return SimpleNamespace(
            **{**vars(v), "weight_ih": ih, "weight_hh": hh, "bias_ih": bias, "bias_hh": np.zeros(len(ih))}
        )

    def own(gradients: Gradients) -> Gradients:
        result = {k: g for k, g in gradients.items() if not k.startswith(("weight_", "bias_"))}
        whole = together(gradients["weight_ih"], gradients["weight_hh"], h_first)
        result.update(zip(weights, np.split(whole, count), strict=True))
        result.update(zip(biases, np.split(gradients["bias_ih"], count), strict=False))
        return result

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        whole = together(arrays.pop("weight_ih"), arrays.pop("weight_hh"), h_first)
        arrays.update(zip(weights, np.split(whole, count), strict=True))
        arrays.update(zip(biases, np.split(arrays.pop("bias_ih"), count), strict=False))
        arrays.pop("bias_hh")
        return arrays

    arguments = [a for a in op.arguments if a.name in ("input", "hx", "cx")]
    arguments += [array(n, axes="H H+D") for n in weights] + [array(n, axes="H") for n in biases]
    formula = Adapted(op, values=stacked, gradients=own, home=home(parts))
    return replace(
        op, arguments=tuple(arguments), formula=formula, make=make, sizes=SIZES, conventions=conventions(op, parts)
    )


def conventions(op: Op, parts: Parts) -> Any:
    """The conventions of code with joined gates, in groups, from the values of the probe."""

    def every(values: Mapping[str, Any]) -> list[list[Convention]]:
        weights = dict.fromkeys(parts["weight"], flip_T)
        groups = [[Convention("the weights are stored as (in, out); torch stores (out, in)", weights, weights)]]
        columns = in_columns()
        cells = dict.fromkeys(("cx", "c_n"), columns.there["hx"])
        there = {**columns.there, **cells, **dict.fromkeys(parts["bias"], columns.there["bias_ih"])}
        back = {**columns.back, **cells, **dict.fromkeys(parts["bias"], columns.back["bias_ih"])}
        groups.append([Convention(columns.sentence, there, back)])
        if op.has("cx") and parts["bias"]:
            groups.append([forget_plus_one(parts["bias"][1], 1)])
        if len(op.gates) == 3:
            groups.append([update_gate(values)])
        return groups

    return every


def home(parts: Parts) -> dict[str, str]:
    """The user's array of a gate: torch's stacked one."""
    return {**dict.fromkeys(parts["weight"], "weight_ih"), **dict.fromkeys(parts["bias"], "bias_ih")}


def whole(op: Op) -> Iterator[Op]:
    """The operation with one matrix on [h, x] for all gates, in the place of weight_ih."""
    for h_first in (True, False):
        yield one_matrix(op, h_first)


def one_matrix(op: Op, h_first: bool) -> Op:
    """The operation with [weight_hh, weight_ih] as its weight_ih, or [weight_ih, weight_hh]."""
    gates = max(len(op.gates), 1)

    def two(v: Any) -> Any:
        ih, hh = apart(v.weight_ih, v.weight_ih.shape[0] // gates, h_first)
        return SimpleNamespace(**{**vars(v), "weight_ih": ih, "weight_hh": hh})

    def one(gradients: Gradients) -> Gradients:
        joint = together(gradients["weight_ih"], gradients["weight_hh"], h_first)
        return {**{k: g for k, g in gradients.items() if k != "weight_hh"}, "weight_ih": joint}

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        return {**arrays, "weight_ih": together(arrays["weight_ih"], arrays.pop("weight_hh"), h_first)}

    arguments = tuple(a for a in op.arguments if a.name != "weight_hh")
    formula = Adapted(op, values=two, gradients=one)
    return replace(op, arguments=arguments, formula=formula, make=make, sizes=SIZES)
