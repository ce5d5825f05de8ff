"""A class with a value and a local derivative, and no upstream gradient: an activation, or a loss.

    class Logistic:                       class Huber:
        def fn(self, z): ...                  def __call__(self, y_pred, y_true): ...
        def grad(self, z): ...                def derivative(self, y_pred, y_true): ...

The derivative is a function of the input or of the output, or of what the value's call has kept. It is compared with
the gradient for an upstream gradient of ones.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any, Self

from torchref.check.ops import Op
from torchref.check.reading import arguments
from torchref.check.reading.arguments import ALIASES, normal
from torchref.check.reading.forms.layer import Layer
from torchref.check.reading.forms.methods import calls, class_of, forward_and_backward, two_alike

VALUES = (
    "__call__", "fn", "f", "forward", "function", "func", "activation", "activate", "value", "compute",
    "evaluate", "call", "apply", "output", "loss", "cost", "calculate",
)  # fmt: skip
DERIVATIVES = (
    "derivative", "gradient", "grad", "deriv", "derivate", "df", "dfn", "d", "prime", "fprime", "diff",
    "activationderivative", "derivativefunction", "functionderivative", "localgradient", "activateprime",
    "activationprime", "lossderivative", "lossgradient", "lossprime", "costderivative", "dloss", "delta",
)  # fmt: skip
SURELY_INPUT = ("x", "input", "inp", "inputs", "z", "xs", "data", "logits", "scores", "netinput", "preactivation")
UPSTREAM = {normal(n) for n in ALIASES["dy"]}


def derivative_methods(cls: Any) -> tuple[str, str] | None:
    """The names of the methods that give the value and the local derivative; None where the class has no such two."""
    names = {normal(n): n for n in dir(cls) if not n.startswith("_") and callable(getattr(cls, n))}
    derivative = next((names[d] for d in DERIVATIVES if d in names), None)
    own = {**names, "__call__": "__call__"} if calls(class_of(cls)) else names
    value = next((own[v] for v in VALUES if v in own and own[v] != derivative), None)
    if value and derivative:
        return value, derivative
    return two_alike(cls) if None in forward_and_backward(cls) else None


def has_derivative(cls: Any, op: Op) -> bool:
    """Whether a class is to be read in this form: it has no backward, and its derivative takes no upstream gradient."""
    methods = derivative_methods(cls)
    if methods is None or any(callable(getattr(cls, n, None)) for n in ("backward", "bwd", "backprop", "bprop")):
        return False
    params = arguments.parameters(getattr(cls, methods[1]))
    params = (
        params[1:] if not isinstance(inspect.getattr_static(cls, methods[1]), staticmethod | classmethod) else params
    )
    if op.loss:
        return len([p for p in params if p.default is p.empty]) == 2
    return not op.has("weight") and not any(normal(p.name) in UPSTREAM - {"a", "z", "g"} for p in params)


class Derivative(Layer):
    """A class whose derivative is handed what its value was handed, or the value itself."""

    use_output = False
    use_probabilities = False

    def __init__(self, cls: Any, op: Op, stated: list[str] | None = None) -> None:
        super().__init__(cls, op, stated)
        self.either = False
        own = self.own_parameters(self.backward_name)
        self.asks = arguments.match(op, [p for p in own if p.default is p.empty], ("output",))

    def methods(self) -> tuple[str, str]:
        found = derivative_methods(self.cls)
        assert found is not None
        return found

    def ambiguous(self) -> bool:
        name = self.asks.user("input")
        return name is not None and not self.op.loss and normal(name) not in SURELY_INPUT

    def exchanged(self) -> Self:
        return super().exchanged().changed(asks=Layer.exchanged(self.changed(matching=self.asks)).matching)

    def backward_arguments(
        self,
        instance: Any,  # noqa: ARG002 -- Layer's signature
        backward: Any,  # noqa: ARG002 -- Layer's signature
        structure: Any,  # noqa: ARG002 -- Layer's signature
        handed: dict[str, Any],  # noqa: ARG002 -- Layer's signature
        frozen: dict[str, Any],
        values: dict[str, Any],
    ) -> tuple[tuple[Any, ...], dict[str, Any], list[str]]:
        self.upstream = False
        known = {**values, "output": frozen["output"]}
        if self.use_output:
            known["input"] = frozen["output"]
        return (), {p: copy.copy(known.get(r)) for p, r in self.asks.roles.items()}, ["output"]
