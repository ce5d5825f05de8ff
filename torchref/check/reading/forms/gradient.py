"""A plain gradient function: the upstream gradient and the forward's arguments in, the gradients out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops import Known, Op
from torchref.check.ops.formula import handed
from torchref.check.reading import arguments
from torchref.check.reading.config import Values
from torchref.check.reading.forms.calling import CouldNotRun, Run, Snapshot, call, fresh
from torchref.check.reading.forms.closure import Closure, copied, repeated
from torchref.check.reading.forms.naming import gradient_name, name_gradients, returned_names
from torchref.nn.module import Array

Compute = Callable[[Op, Values, Values], Any]
CELL = ("dc", "dcnext", "dnextc", "dcn", "dct", "dcout", "gradc")  # the upstream gradient of LSTM's cell


class Gradient(Closure):
    """`function(dy, *arrays) -> gradients`; for a loss also `function(x, t) -> (loss, dx)`."""

    name = "function"

    def __init__(self, function: Callable[..., Any], op: Op, stated: list[str] | None = None) -> None:
        self.function, self.op = function, op
        params = arguments.parameters(function)
        self.saved = self.match_saved(params)
        self.cell = next((p.name for p in params if "c_n" in op.outputs and arguments.normal(p.name) in CELL), None)
        if not any(p.name != self.cell and arguments.normal(p.name) in arguments.aliases(op, "dy") for p in params):
            self.cell = None  # one upstream gradient alone, whatever its name
        rest = [p for p in params if p.name not in (*self.saved, self.cell)]
        self.matching = arguments.match(op, rest, ("dy", "output", "cache"), stated=stated)
        self.matching.roles.update({name: f"saved {role}" for name, role in self.saved.items()})
        if self.cell:
            self.matching.roles[self.cell] = "saved dc"
        self.use_probabilities = False
        self.takes = self.matching.takes | self.beside()
        self.upstream = "dy" in self.takes
        self.with_momentum = True
        self.use_output = False  # hand the output where the input's name is not certain

    def beside(self) -> set[str]:
        """The bias of a linear function or a norm: its gradient is returned, but needs no bias to be computed."""
        taken = {a.name for a in self.op.arrays} & self.matching.takes
        names = returned_names(self.function)
        if not self.op.has("bias") or "bias" in taken or not names:
            return set()
        named = {gradient_name(self.op, n, self.matching) for n in names if n}
        return (
            {"bias"}
            if "bias" in named or ((None in named or not all(names)) and len(names) == len(taken) + 1)
            else set()
        )

    def match_saved(self, params: list[inspect.Parameter]) -> dict[str, str]:
        """The parameters that ask for what the forward computed: statistics, probabilities, shapes."""
        own = {arguments.normal(n) for a in self.op.arguments for n in (a.name, *a.aliases)}
        found: dict[str, str] = {}
        for role, (names, _) in what_is_saved(self.op).items():
            for p in params:
                n = arguments.normal(p.name)
                clear = n in map(arguments.normal, names) and n not in own
                if clear and p.name not in found and role not in found.values() and (len(n) > 1 or role == "weights"):
                    found[p.name] = role
        if "weight" in {arguments.normal(p.name) for p in params}:
            found = {p: r for p, r in found.items() if r != "weight_shape"}
        return found

    def ambiguous(self) -> bool:
        """Whether the array that stands for the input might as well be the output."""
        role = self.matching.user("input")
        product = self.op.has("weight") and not self.op.argument("weight").optional  # dweight needs the input itself
        if role is None or product or (self.op.loss and not self.op.probabilities) or "output" in self.takes:
            return False
        return arguments.normal(role) not in ("x", "input", "inp", "inputs", "z", "xs", "data", "logits", "scores")

    def run(
        self,
        values: Values,
        upstreams: list[Values],
        expected: Values,
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        run = Run({}, [], handed=["output", "c_n"] if self.cell else None)
        order = [r for r in dict.fromkeys(self.matching.roles.values()) if r in shapes]
        if not order or ("weight" in shapes and "weight" not in order):
            order = list(shapes)
        order += [n for n in shapes if n not in order]
        for i, upstream in enumerate(upstreams):
            current, handed = self.handed(values, expected), fresh(upstream)
            special = self.special(values, current, handed, expected)
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
                    run.handed = None
                    return run
                raise
            if self.op.loss and returns_the_loss(value):
                run.outputs = {"output": np.array(value[0])}
                value = value[1] if len(value) == 2 else tuple(value[1:])
            self.gradient_count(value)
            if len(shapes) > 1 and not isinstance(value, tuple | list | dict):
                fit = [n for n, s in shapes.items() if s == np.shape(value)]
                order = fit if len(fit) == 1 else order
            names = self.names_of(value, also_loss=bool(run.outputs))
            run.gradients.append(copied(name_gradients(self.op, value, names, order, shapes, self.matching)))
            run.changed += [n for n in watch.changed() if n not in run.changed]
        return run

    def handed(self, values: Values, expected: Values) -> Values:
        """The values as this code wants them: the output, or its probabilities, in the place of the input."""
        current = fresh(values)
        if self.use_output:
            current["input"] = np.array(expected["output"])
        if self.use_probabilities:
            current["input"] = softmax(values["input"], 1)
        return current

    def special(self, values: Values, current: Values, handed: Values, expected: Values) -> Values:
        """What is handed over beside the arguments, by role."""
        special: Values = {
            "dy": handed["output"],
            "output": np.array(expected["output"]),
            "cache": current.get("input"),
            "saved dc": handed.get("c_n"),
        }
        for role, (_, compute) in what_is_saved(self.op).items():
            if role in self.saved.values():
                special[f"saved {role}"] = compute(self.op, values, expected)
        return special

    def names_of(self, value: Any, also_loss: bool) -> list[str]:
        """The names in the return statement, without that of a loss."""
        names = returned_names(self.function)
        if not also_loss:
            return names
        return names[-len(value) :] if isinstance(value, tuple) else names[1:]


def returns_the_loss(value: Any) -> bool:
    """Whether what comes back begins with a number: the loss."""
    several = isinstance(value, tuple | list) and len(value) >= 2
    return several and np.ndim(value[0]) == 0 and not isinstance(value[0], dict)


def what_is_saved(op: Op) -> dict[str, tuple[tuple[str, ...], Compute]]:
    """What may be asked for beside the arguments: role -> (names, how it is computed)."""
    own = {n for a in op.arguments for n in arguments.aliases(op, a.name)}
    return {k.name: (tuple(n for n in k.names.split() if n not in own), computed(k)) for k in op.known if k.handed}


def computed(k: Known) -> Compute:
    """The way to compute what the record `k` describes, from the operation, the values and the output."""
    return lambda op, v, y: handed(op, k, SimpleNamespace(**{**op.fixed, **v}))


def softmax(x: Array, axis: Any = -1) -> Array:
    """exp(x) / sum exp(x) along `axis`."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))
