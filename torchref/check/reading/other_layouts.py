"""Operations on inputs of another number of axes: one example, one image, one sequence, (N, T, D) alone, images.

A piece of code that runs on no batch may be written for one example (`x.ndim == 1`, an image (C, H, W), a sequence
(T, D)); one that runs on no rows, for (N, T, D).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.conventions import Convention
from torchref.check.ops.find import find
from torchref.check.ops.formula import Adapted
from torchref.check.ops.mistake import Gradients
from torchref.check.reading import joined_gates
from torchref.check.reading.planes import planes
from torchref.nn.module import Array

POSITIONS = "it has a bias for each position of the output (torch: for each channel)"


def other_layouts(op: Op) -> Iterator[tuple[Op, str]]:
    """The operation on inputs of other numbers of axes, each with a note."""
    yield from _of_more_axes(op)
    yield from _of_joined_weights(op)
    yield from _of_fewer_axes(op)


def _of_more_axes(op: Op) -> Iterator[tuple[Op, str]]:
    if op.images:
        images = find(op.images)
        yield replace(images, given=op.given), "it is judged on images, (N, C, H, W)"
    if op.by_rows:
        yield on_sequences(op), "it is judged on (N, T, D)"
    if any(name == "num_parameters" for name, _, _ in op.sizes):
        yield on_places(op), "it is judged on (N, C, L)"


def _of_joined_weights(op: Op) -> Iterator[tuple[Op, str]]:
    if op.joins_bias:
        for last in (True, False):
            where = "last" if last else "first"
            yield joined_bias(op, last), f"the bias is the {where} row of the weight, for a column of ones"
    if op.has("weight_hh") and op.has("weight_ih"):
        for joined in joined_gates.whole(op):
            yield joined, "the weights are one matrix on [h, x]"


def _of_fewer_axes(op: Op) -> Iterator[tuple[Op, str]]:
    if batch_axes(op):
        single = one_example(op)
        yield single, "it is judged on one example, without the axis of the batch"
        if op.kernel:
            yield (
                of_positions(single),
                "it is judged on one image, with a bias for each position of the output (torch: for each channel)",
            )
    if op.kernel:
        yield of_positions(op), POSITIONS
    yield from planes(op)


def batch_axes(op: Op) -> dict[str, int]:
    """Which axis of which argument is the batch."""
    return {a.name: a.axes.index("N") for a in op.arrays if "N" in a.axes and "|" not in a.axes}


def one_example(op: Op) -> Op:
    """The operation on one example."""
    axes = batch_axes(op)
    first, *others = axes.values()
    of_outputs = [first, *(others or [first])]

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        return {n: np.take(a, 0, axes[n]) if n in axes and a is not None else a for n, a in arrays.items()}

    def batch(v: Any) -> Any:
        own = {n: np.expand_dims(getattr(v, n), axis) for n, axis in axes.items() if getattr(v, n, None) is not None}
        return SimpleNamespace(**{**vars(v), **own})

    def alone(outputs: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(np.take(y, 0, of_outputs[min(i, 1)]) for i, y in enumerate(outputs))

    def together(dys: tuple[Any, ...], _: Any) -> tuple[Any, ...]:
        return tuple(None if dy is None else np.expand_dims(dy, of_outputs[min(i, 1)]) for i, dy in enumerate(dys))

    def apart(gradients: Gradients) -> Gradients:
        return {n: np.take(g, 0, axes[n]) if n in axes else g for n, g in gradients.items()}

    formula = Adapted(op, values=batch, outputs=alone, upstream=together, gradients=apart)
    named = tuple(replace(a, axes=tuple(x for x in a.axes if x != "N")) for a in op.arguments)
    return replace(
        op, arguments=named, formula=formula, make=make, variants=op.variants[:1], conventions=on_batches(op)
    )


def on_batches(op: Op) -> Any:
    """The operation's conventions, for arrays without the axis of the batch: each is one of a batch of one."""
    first = [n for n, axis in batch_axes(op).items() if axis == 0]
    alone = {*first, *op.outputs} if len(first) == len(batch_axes(op)) else set()

    def of_one(turn: Any) -> Any:
        return lambda a: np.asarray(turn(np.asarray(a)[None]))[0]

    def taken(c: Convention) -> Convention:
        there, back = ({k: of_one(f) if k in alone else f for k, f in part.items()} for part in (c.there, c.back))
        return replace(c, there=there, back=back)

    def conventions(values: Mapping[str, Any]) -> list[list[Any]]:
        batches = {n: v[None] if n in alone and isinstance(v, np.ndarray) else v for n, v in values.items()}
        try:
            groups = [] if op.conventions is None else op.conventions(batches)
        except (IndexError, ValueError, KeyError):
            return []
        return [[taken(c) for c in group] for group in groups]

    return conventions


def one_row(op: Op) -> Op:
    """The operation on a batch of one."""
    axes = batch_axes(op)

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        return {n: np.take(a, [0], axes[n]) if n in axes and a is not None else a for n, a in arrays.items()}

    return replace(op, make=make, variants=op.variants[:1])


def square(op: Op) -> Op:
    """The operation on its square probe alone."""
    return replace(op, make=lambda rng, options, _: op.make(rng, options, "square"), variants=op.variants[:1])


def one_column(op: Op) -> Op:
    """The operation on one example that stands in a column, (D, 1)."""
    single = one_example(op) if batch_axes(op) else replace(op, variants=("vector",))
    name = single.arguments[0].name

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = single.make(rng, options, variant)
        return {**arrays, name: arrays[name].reshape(-1, 1)}

    def flat(v: Any) -> Any:
        return SimpleNamespace(**{**vars(v), name: getattr(v, name).reshape(-1)})

    def columns(outputs: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(y.reshape(-1, 1) for y in outputs)

    def rows(dys: tuple[Any, ...], _: Any) -> tuple[Any, ...]:
        return tuple(None if dy is None else dy.reshape(-1) for dy in dys)

    def back(gradients: Gradients) -> Gradients:
        return {n: g.reshape(-1, 1) if n == name else g for n, g in gradients.items()}

    return replace(
        single, formula=Adapted(single, values=flat, outputs=columns, upstream=rows, gradients=back), make=make
    )


def on_sequences(op: Op) -> Op:
    """The operation on (N, T, D)."""
    return on_one_axis_more(op, 1)


def on_places(op: Op) -> Op:
    """The operation on (N, C, L)."""
    return on_one_axis_more(op, 2)


def on_one_axis_more(op: Op, axis: int) -> Op:
    """The operation on the inputs of several probes, stacked along a new axis."""

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        others = [op.make(rng, options, variant)["input"] for _ in range(axis)]
        return {**arrays, "input": np.stack([arrays["input"], *others], axis=axis)}

    named = tuple(replace(a, axes=()) if a.name == "input" else a for a in op.arguments)
    return replace(op, arguments=named, make=make, deeper=False, variants=op.variants[:1])


def joined_bias(op: Op, last: bool) -> Op:
    """A linear layer with the bias in its weight: the input gets a column of ones."""
    at = slice(None, -1) if last else slice(1, None)

    def two(v: Any) -> Any:
        return SimpleNamespace(**{**vars(v), "weight": v.weight[:, at], "bias": v.weight[:, -1 if last else 0]})

    def joint(weight: Array, bias: Array) -> Array:
        column = bias[:, None]
        return np.concatenate((weight, column) if last else (column, weight), axis=1)

    def one(gradients: Gradients) -> Gradients:
        return {"input": gradients["input"], "weight": joint(gradients["weight"], gradients["bias"])}

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        return {**arrays, "weight": joint(arrays["weight"], arrays.pop("bias"))}

    arguments = tuple(a for a in op.arguments if a.name != "bias")
    sizes = (("in_features", "input", -1), ("out_features", "weight", 0))
    return replace(op, arguments=arguments, formula=Adapted(op, values=two, gradients=one), make=make, sizes=sizes)


def bias_as_row(op: Op) -> Op:
    """A linear layer whose constructor is handed its bias as a row, (1, out)."""

    def flat(v: Any) -> Any:
        return v if v.bias is None else SimpleNamespace(**{**vars(v), "bias": np.reshape(v.bias, -1)})

    def row(gradients: Gradients) -> Gradients:
        return {k: g.reshape(1, -1) if k == "bias" else g for k, g in gradients.items()}

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        return {**arrays, "bias": arrays["bias"].reshape(1, -1)}

    return replace(op, formula=Adapted(op, values=flat, gradients=row), make=make)


def column_and_row(op: Op) -> Op:
    """A loss entry by entry of predictions in a column, (N, 1), and targets in a row, (N,)."""

    def flat(v: Any) -> Any:
        return SimpleNamespace(**{**vars(v), "input": np.reshape(v.input, -1)})

    def column(gradients: Gradients) -> Gradients:
        return {k: g.reshape(-1, 1) if k == "input" else g for k, g in gradients.items()}

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        return {**arrays, "input": arrays["input"][:, :1], "target": arrays["target"][:, 0]}

    return replace(op, formula=Adapted(op, values=flat, gradients=column), make=make, variants=op.variants[:1])


def of_positions(op: Op) -> Op:
    """A convolution with a bias for each channel and position of the output."""

    def without(v: Any) -> Any:
        return SimpleNamespace(**{**vars(v), "bias": None})

    inner = Adapted(op, values=without)

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        (y,), _ = inner(SimpleNamespace(**{**op.fixed, **{o.name: options[o.name] for o in op.options}, **arrays}))
        return {**arrays, "bias": rng.normal(size=y.shape[-(arrays["weight"].ndim - 1) :])}

    return replace(op, formula=WithBias(op, values=without), make=make, variants=op.variants[:1])


class WithBias(Adapted):
    """y = the inner operation + bias; dbias is the upstream gradient, summed over the batch where there is one."""

    def __call__(self, v: Any, wrong: frozenset[str] = frozenset()) -> Any:
        (y, *others), inner_backward = super().__call__(v, wrong)
        if v.bias is None:
            return (y, *others), inner_backward

        def backward(*dys: Any) -> Gradients:
            dbias = dys[0].sum(0) if dys[0].ndim > v.bias.ndim else dys[0]
            return {**inner_backward(*dys), "bias": dbias}

        return (y + v.bias, *others), backward
