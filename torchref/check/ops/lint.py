"""What given inputs cannot show: the coincidences that hide mistakes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from torchref.nn.module import Array


def lint(inputs: Mapping[str, Any], upstream: Any = None) -> list[str]:
    """Say what `inputs` (arrays and options by torch's names; `upstream` or a "dy" among them) cannot show.

    An empty list: none of the coincidences that commonly hide a mistake was found.
    """
    named = (inputs[k] for k in ("dy", "grad_output", "upstream", "dout") if k in inputs)
    dy = upstream if upstream is not None else next(named, None)
    arrays = {k: np.asarray(v) for k, v in inputs.items() if isinstance(v, np.ndarray) and v is not dy}
    x = arrays.get("input", next(iter(arrays.values()), np.zeros(0)))
    numbers = {k: float(v) for k, v in inputs.items() if isinstance(v, float | int) and not isinstance(v, bool) and v}
    sizes = {name: float(n) for name, n in zip("ND", (*x.shape[:1], *x.shape[1:][-1:]), strict=False)}
    return [
        *(_of_the_upstream(np.asarray(dy, dtype=float)) if dy is not None else ()),
        *_of_the_shapes(arrays, x),
        *_of_dropout({**sizes, **numbers}),
        *_of_the_input(x),
        *_of_the_parameters(arrays, inputs, numbers),
        *_of_a_recurrence(arrays, x),
        *_of_the_options({**sizes, **numbers}),
    ]


def _of_the_upstream(dy: Array) -> Iterator[str]:
    if dy.size and np.all(dy == 1):
        yield "upstream of ones hides a missing factor dy, the variance path, and softmax's whole gradient"
    elif dy.size > 1 and np.all(dy == dy.flat[0]):
        yield "a constant upstream hides sums over the wrong axis and the paths through mean and variance"
    elif dy.size and np.all(dy > 0):
        yield "an upstream of one sign hides a mask that is computed from it"


def _of_the_shapes(arrays: dict[str, Array], x: Array) -> Iterator[str]:
    for name, a in arrays.items():
        if a.ndim == 2 and a.shape[0] == a.shape[1]:
            yield f"square {name} {a.shape} hides a transpose"
    if len(set(x.shape)) < x.ndim:
        yield f"equal sizes in {x.shape} hide a sum over the wrong axis and a wrong divisor"
    if x.ndim and x.shape[0] == 1:
        yield "a batch of 1 hides a mean instead of a sum"


def _of_dropout(named: dict[str, float]) -> Iterator[str]:
    p = named.get("p", 0.0)
    if not 0 < p < 1:
        return
    if p == 0.5:
        yield "p = 0.5 hides 1/p instead of 1/(1-p)"
    others = {k: v for k, v in named.items() if k != "p"}
    for (one, a), (two, b) in itertools.permutations(others.items(), 2):
        if abs((1 - p) / p - a / b) < 1e-9:
            yield f"(1-p)/p = {one}/{two}: 1/p instead of 1/(1-p) looks like a wrong divisor"


def _of_the_input(x: Array) -> Iterator[str]:
    if x.dtype.kind == "f" and x.size:
        if not np.any(x == 0):
            yield "no exact zeros: they hide the choice at a kink"
        if np.all(x > 0) or np.all(x < 0):
            yield "an input of one sign hides every mask"
        if np.unique(x).size == x.size and x.size > 1:
            yield "no ties: they hide what a maximum does with them"
    if x.dtype.kind in "iu" and x.size and np.unique(x).size == x.size:
        yield "unique indices hide that a repeated index is overwritten"


def _of_the_parameters(arrays: dict[str, Array], inputs: Mapping[str, Any], numbers: dict[str, float]) -> Iterator[str]:
    weight, bias = arrays.get("weight", np.zeros(0)), arrays.get("bias", np.zeros(0))
    if weight.ndim == 1 and weight.size and np.all(weight == 1):
        yield "weight (gamma) of ones hides a forgotten gamma"
    if bias.ndim == 1 and bias.size and np.all(bias == 0):
        yield "bias (beta) of zeros hides the output taken for x_hat"
    if numbers.get("eps", 1.0) < 1e-4:
        yield f"eps = {numbers['eps']:g} hides where eps stands"
    if weight.ndim >= 3:
        if np.allclose(weight, np.flip(weight, tuple(range(2, weight.ndim)))):
            yield "a symmetric kernel hides a flipped one"
        if inputs.get("stride", 1) == 1:
            yield "stride 1 hides a wrong crop and windows that do not step"


def _of_a_recurrence(arrays: dict[str, Array], x: Array) -> Iterator[str]:
    if any(name.startswith("weight_hh") for name in arrays) and x.ndim == 3 and x.shape[0] == 1:
        yield "one time step hides every mistake of the recurrence"


def _of_the_options(named: dict[str, float]) -> Iterator[str]:
    if named.get("negative_slope") in (0.0, 1.0):
        yield "a slope of 0 or 1 hides a lost one"
    for name in ("alpha", "beta", "delta"):
        if named.get(name) == 1:
            yield f"{name} = 1 hides a forgotten {name}"
