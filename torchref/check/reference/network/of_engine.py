"""A class of values with operators, as a small engine has it: each operation is judged by the value that it gives.

    class Value:                                    a + b, a * a, a.tanh() * b + a, ...
        def __add__(self, other): ...
        def tanh(self): ...
        def backward(self): ...

The values are numbers or arrays. A value that is used twice shows a gradient that is set where it must be added to.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.values import HOLDS, array_of
from torchref.check.reference.network.form import Passed
from torchref.nn.module import Array

Expression = Callable[..., Any]
ASIDE = ("backward", "zero_grad", "item", "numpy", "detach", "parameters", "zero", "step", "copy", "clone", "lift")
GRADIENTS = ("grad", "g", "gradient", "_grad", "adjoint")
WANTS = ("requiresgrad", "requiresgradient", "needsgrad", "trackgrad")
TWO: tuple[tuple[str, str], ...] = (
    ("__add__", "a + b"), ("__add__", "a + a"), ("__mul__", "a * b"), ("__mul__", "a * a"), ("__sub__", "a - b"),
    ("__truediv__", "a / b"), ("__neg__", "-a"), ("__pow__", "a ** 3"), ("__matmul__", "a @ c"),
    ("__matmul__", "a @ c + a @ c"),
)  # fmt: skip
TWICE = {"a + a": "a + b", "a * a": "a * b", "a @ c + a @ c": "a @ c"}  # the same operation on two values
SHAPES: tuple[tuple[str, dict[str, tuple[int, ...]]], ...] = (  # of arrays
    ("", {"a": (3, 4), "b": (3, 4), "c": (4, 2)}),
    (", b broadcast", {"a": (3, 4), "b": (4,), "c": (4, 2)}),
    (", square", {"a": (3, 3), "b": (3, 3), "c": (3, 3)}),  # for a backward that confuses axes, and raises on others
)


@dataclass
class OfEngine:
    """One expression of values."""

    cls: Any
    text: str
    weights: dict[str, Array]
    description: str
    number: bool  # whether a value holds a number, and no array
    data: dict[str, Any] = field(default_factory=dict)

    def code(self) -> list[Any]:
        return [self.cls]

    def goes_back(self) -> Callable[..., Any]:
        method: Callable[..., Any] = self.cls.backward
        return method

    def with_weights(self, weights: dict[str, Array], left: dict[str, Array]) -> OfEngine:  # noqa: ARG002 -- it keeps none
        return replace(self, weights=weights)

    def without_gradient(self) -> list[str]:
        return []

    def passed(self, weights: dict[str, Any], code: list[Any], loss_alone: bool = False) -> Passed:
        values = {
            n: _value(code[0], w.reshape(())[()] if self.number else np.array(w, subok=True))
            for n, w in weights.items()
        }
        output = eval(self.text, {}, values)
        loss = np.sum(_held(output))
        if loss_alone:
            return Passed(loss, {})
        _go_back(output)
        return Passed(loss, {n: np.asarray(_gradient(v)) for n, v in values.items()})

    def runs_forward(self) -> bool:
        """Whether the expression has a value: then its backward must not raise."""
        try:
            return bool(np.isfinite(self.passed(self.weights, self.code(), loss_alone=True).loss))
        except Exception:  # noqa: BLE001 -- whatever the user's code raises
            return False


def _value(cls: Any, value: Any) -> Any:
    """A value of the user's class that wants a gradient: Tensor(x, requires_grad=True)."""
    asked = [p.name for p in parameters(cls.__init__)[1:] if normal(p.name) in WANTS]
    return cls(value, **dict.fromkeys(asked, True))


def _go_back(output: Any) -> None:
    """output.backward(), or with ones as the upstream gradient where it asks for one, as an array or as a value."""
    ones = np.ones_like(_held(output))
    if not _asked(type(output)):
        with suppress(AssertionError, RuntimeError, ValueError):  # grad must be specified for a tensor of many entries
            output.backward()
            return
    try:
        output.backward(ones)
    except (AttributeError, TypeError):
        output.backward(type(output)(ones))


def _held(value: Any) -> Any:
    """The number or the array that a value holds."""
    return next(getattr(value, n) for n in HOLDS if isinstance(getattr(value, n, None), np.ndarray | np.number | float))


def _gradient(value: Any) -> Any:
    """The gradient that a value holds, as a number, an array, or a value of its own."""
    return array_of(next(getattr(value, n) for n in GRADIENTS if getattr(value, n, None) is not None))


def _made(cls: Any, value: Any) -> bool:
    """Whether a value can be made of this, and holds it beside a gradient."""
    try:
        made = _value(cls, value)
        gradients = [array_of(getattr(made, n)) for n in GRADIENTS if hasattr(made, n)]
        alike = [g is None or np.shape(g) == np.shape(value) for g in gradients]  # 0.0 beside an array: for numbers
        return np.shape(_held(made)) == np.shape(value) and any(alike)
    except Exception:  # noqa: BLE001 -- a class of something else
        return False


def is_engine(cls: Any) -> bool:
    """Whether a class holds a number or an array and its gradient, and has operators and a backward."""
    if not inspect.isclass(cls) or not any(n in vars(cls) for n, _ in TWO) or "backward" not in vars(cls):
        return False
    needed = [p for p in parameters(cls.__init__)[1:] if p.default is p.empty]
    return len(needed) == 1 and len(_asked(cls)) < 2 and (_made(cls, np.ones((2, 3))) or _made(cls, 1.5))


def _asked(cls: Any) -> list[Any]:
    """What the backward of a class cannot do without."""
    return [p for p in parameters(cls.backward)[1:] if p.default is p.empty]


def of_engine(cls: Any) -> Iterator[OfEngine]:
    """The expressions that run, those of one operation first."""
    number = not _made(cls, np.ones((2, 3)))
    for told, shapes in SHAPES[:1] if number else SHAPES:
        for text in _expressions(cls):
            names = [n for n in ("a", "b", "c") if f" {n} " in f" {_spaced(text)} "]
            if "broadcast" in told and "b" not in names:
                continue
            rng = np.random.default_rng(0)
            weights = {n: np.asarray(rng.uniform(0.6, 1.9, () if number else shapes[n])) for n in names}
            yield OfEngine(cls, text, weights, text + told, number)


def _spaced(text: str) -> str:
    """An expression with spaces between its parts."""
    return "".join(c if c.isalnum() or c == "_" else f" {c} " for c in text)


def _expressions(cls: Any) -> Iterator[str]:
    """The operators, each also behind another where there is a product; then the methods without arguments."""
    there = [text for n, text in TWO if hasattr(cls, n)]
    yield from there
    behind = " * b + a" if hasattr(cls, "__mul__") and hasattr(cls, "__add__") else ""
    yield from (f"({text}) * a + b" for text in there if behind and "c" not in text)
    for name, method in vars(cls).items():
        known = inspect.isfunction(method) and not name.startswith("_") and name not in ASIDE
        if known and not [p for p in parameters(method)[1:] if p.default is p.empty]:
            yield f"a.{name}(){behind}"
