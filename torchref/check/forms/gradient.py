"""A plain gradient function: the upstream gradient and the forward's arguments in, the gradients out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.check import arguments
from torchref.check.forms.base import CouldNotRun, Run, Snapshot, call, fresh, name_gradients, returned_names
from torchref.check.forms.closure import Closure, copied, repeated
from torchref.check.ops import Op


class Gradient(Closure):
    """`function(dy, *arrays) -> gradients`; for a loss also `function(x, t) -> (loss, dx)`."""

    name = "function"

    def __init__(self, function: Callable[..., Any], op: Op, stated: list[str] | None = None) -> None:
        self.function, self.op = function, op
        self.matching = arguments.match(op, arguments.parameters(function), ("dy", "output", "cache"), stated=stated)
        if op.family == "linear" and not op.loss and "dy" not in self.matching.takes:
            pass
        self.takes = self.matching.takes
        self.upstream = "dy" in self.takes
        self.with_momentum = True
        self.own_shapes = {}
        self.use_output = False  # hand the output where the input's name is not certain
        self.also_loss = False

    def ambiguous(self) -> bool:
        """Whether the array that stands for the input might as well be the output."""
        role = self.matching.user("input")
        if role is None or self.op.loss or "output" in self.takes or self.op.name in ("linear",):
            return False
        return arguments.normal(role) not in ("x", "input", "inp", "inputs", "z", "xs", "data", "logits", "scores")

    def run(
        self,
        values: dict[str, Any],
        upstreams: list[dict[str, Any]],
        expected: dict[str, Any],
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        gradients: list[dict[str, Any]] = []
        outputs: dict[str, Any] = {}
        changed: list[str] = []
        names = returned_names(self.function)
        order = [r for r in dict.fromkeys(self.matching.roles.values()) if r in shapes]
        if not order or ("weight" in shapes and "weight" not in order):
            order = list(shapes)
        for i, upstream in enumerate(upstreams):
            current = fresh(values)
            if self.use_output:
                current["input"] = np.array(expected["output"])
            handed = fresh(upstream)
            special = {"dy": handed["output"], "output": np.array(expected["output"]), "cache": current["input"]}
            watch = Snapshot({**{r: current[r] for r in self.takes if r in current}, "doutput": handed["output"]})
            try:
                value = call(
                    self.function,
                    self.matching,
                    current,
                    lambda c=current: self.config(c),
                    "the gradient function",
                    special,
                )
            except CouldNotRun:
                if repeated(upstreams, i):
                    return Run(outputs, gradients, changed, refused=True)
                raise
            if (
                self.op.loss
                and isinstance(value, tuple | list)
                and len(value) >= 2
                and np.ndim(value[0]) == 0
                and not isinstance(value[0], dict)
            ):
                outputs = {"output": np.array(value[0])}
                value = value[1] if len(value) == 2 else tuple(value[1:])
                self.also_loss = True
            self.gradient_count(value)
            if len(shapes) > 1 and not isinstance(value, tuple | list | dict):
                fit = [n for n, s in shapes.items() if s == np.shape(value)]
                order = fit if len(fit) == 1 else order
            trimmed = (
                names[-len(value) :]
                if self.also_loss and isinstance(value, tuple)
                else names[1:]
                if self.also_loss
                else names
            )
            gradients.append(copied(name_gradients(self.op, value, trimmed, order, shapes, self.matching)))
            changed += [n for n in watch.changed() if n not in changed]
        return Run(outputs, gradients, changed)
