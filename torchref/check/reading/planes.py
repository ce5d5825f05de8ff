"""Windows on inputs without an axis of channels: one gray image (H, W), one signal (L,), gray images (N, H, W).

The kernels then are (out, kH, kW), or there is one alone, (kH, kW), whose output has no axis of channels, either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.conventions import Convention
from torchref.check.ops.formula import Adapted
from torchref.check.ops.mistake import Gradients
from torchref.check.ops.record import Argument
from torchref.nn.module import Array


def planes(op: Op) -> Iterator[tuple[Op, str]]:
    """The operation on inputs without channels, each with a note; none where it has no windows."""
    if op.kernel:
        yield without(op, ("N", "C", "in")), "it is judged on one input without channels, as a gray image (H, W)"
        one = "it is judged on one input without channels, as a gray image (H, W), and one kernel, (kH, kW)"
        yield without(op, ("N", "C", "in", "out")), one
        yield without(op, ("C", "in")), "it is judged on inputs without channels, as gray images (N, H, W)"
        both = "it is judged on inputs without channels, as gray images (N, H, W), and one kernel, (kH, kW)"
        yield without(op, ("C", "in", "out")), both
    elif op.pooling:
        yield without(op, ("N", "C")), "it is judged on one input without channels, as a gray image (H, W)"


def without(op: Op, letters: Collection[str]) -> Op:
    """The operation on arrays without the axes of these names; inside, these have the length 1.

    An array that has no other axes keeps one of length 1.
    """
    dropped = {a.name: _places(a, letters) for a in op.arrays}
    channel = "out" if op.kernel else "C"
    of_output = tuple(i for i, letter in enumerate(("N", channel)) if letter in letters)

    def make(rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:
        arrays = op.make(rng, options, variant)
        alone = [a.name for a in op.arrays if set(a.axes) <= set(letters)]
        return {n: a[:1] if n in alone else _first(a, dropped.get(n, ())) for n, a in arrays.items()}

    def whole(v: Any) -> Any:
        own = {n: np.expand_dims(a, at) for n, at in dropped.items() if (a := getattr(v, n, None)) is not None}
        return SimpleNamespace(**{**vars(v), **own})

    def plain(outputs: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(_first(y, of_output) for y in outputs)

    def back(dys: tuple[Any, ...], _: Any) -> tuple[Any, ...]:
        return tuple(None if dy is None else np.expand_dims(dy, of_output) for dy in dys)

    def reduced(gradients: Gradients) -> Gradients:
        return {n: _first(g, dropped[n]) if n in dropped else g for n, g in gradients.items()}

    named = tuple(_without_axes(a, dropped.get(a.name, ())) for a in op.arguments)
    left = [s for s in op.sizes if s[2] not in dropped[s[1]]]
    sizes = tuple((n, a, axis if axis < 0 else axis - sum(d < axis for d in dropped[a])) for n, a, axis in left)
    return replace(
        op, arguments=named, formula=Adapted(op, whole, plain, back, reduced), make=make, sizes=sizes,
        conventions=_conventions(op, letters), variants=op.variants[:1],
    )  # fmt: skip


def _places(a: Argument, letters: Collection[str]) -> tuple[int, ...]:
    """The axes of an argument that have one of these names; none where it would have no axis left."""
    found = tuple(i for i, letter in enumerate(a.axes) if letter in letters)
    return found if len(found) < len(a.axes) else ()


def _without_axes(a: Argument, dropped: Collection[int]) -> Argument:
    """The argument without these axes."""
    return replace(a, axes=tuple(letter for i, letter in enumerate(a.axes) if i not in dropped))


def _first(array: Any, axes: tuple[int, ...]) -> Any:
    """The first entry along these axes."""
    for axis in sorted(axes, reverse=True):
        array = np.take(array, 0, axis)
    return array


def _conventions(op: Op, letters: Collection[str]) -> Callable[[Mapping[str, Any]], list[list[Convention]]]:
    """The filters' axis last, in the output or in the kernels; a tuple where a number does."""
    axis = 0 if "N" in letters else 1

    def groups(values: Mapping[str, Any]) -> list[list[Convention]]:
        inside = {**values, "input": np.expand_dims(values["input"], _places(op.arguments[0], letters))}
        sizes = [] if op.conventions is None else op.conventions(inside)[-1:]
        if not op.kernel or "out" in letters:
            return sizes
        last = _moved("output", axis, "the filters come last in the output")
        return [[last], [_moved("weight", 0, "the filters come last in the kernels")], *sizes]

    return groups


def _moved(name: str, axis: int, sentence: str) -> Convention:
    """One axis of an array stands last."""

    def moved(a: Any, start: int, end: int) -> Any:
        return np.moveaxis(a, start, end) if np.ndim(a) > axis else a

    return Convention(sentence, {name: lambda a: moved(a, axis, -1)}, {name: lambda a: moved(a, -1, axis)})
