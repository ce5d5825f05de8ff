"""Code on values of the user's own: a class Tensor or Variable that holds an array and its gradient.

    class Tensor:                               y = x.relu(); y._backward()         a small engine
        def relu(self): ...
    class Tanh(Function):                       y = Tanh()(Variable(x)); y.data     a function of such values
        def forward(self, x): ...

A function of such values becomes one that returns its output and its backward.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from torchref.check.reading.arguments import parameters
from torchref.check.reading.source import text_of

HOLDS = ("data", "value", "array", "_data")  # what such a class calls its array


def class_of_values(function: Any) -> type | None:
    """The class of a function's file whose instances are made of one array, and hold it and a gradient."""
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    own = [c for c in scope.values() if inspect.isclass(c) and c.__module__ == getattr(function, "__module__", "")]
    return next((c for c in own if holds_an_array(c)), None)


def class_of_arguments(method: Any) -> type | None:
    """The class of values that a `__call__` takes: it reads the array that they hold, or names the class."""
    cls = class_of_values(method)
    source = text_of(method)
    asked = cls is not None and re.search(rf"\b{cls.__name__}\b|\w\.({'|'.join(HOLDS)})\b", source)
    return cls if asked else None


def holds_an_array(cls: type) -> bool:
    """Whether an instance of the class wraps an array, with its gradient beside it."""
    if "__init__" not in vars(cls) or len([p for p in parameters(cls) if p.default is p.empty]) != 1:
        return False
    try:
        made = cls(np.ones((2, 3)))
    except Exception:  # noqa: BLE001 -- a class of something else
        return False
    return isinstance(array_of(made), np.ndarray) and any("grad" in k for k in vars(made))


def array_of(value: Any) -> Any:
    """The array that such a value holds; what is no such value as it is."""
    held = vars(value) if hasattr(value, "__dict__") and not isinstance(value, np.ndarray) else {}
    return next((held[n] for n in HOLDS if isinstance(held.get(n), np.ndarray)), value)


def wrapped(cls: type, value: Any) -> Any:
    """An array of floats as such a value; whatever else as it is."""
    return cls(np.array(value)) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def on_values(function: Callable[..., Any], cls: type) -> Callable[..., Any]:
    """The function on arrays: it returns its output, and a backward that asks the engine."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        given = [wrapped(cls, a) for a in args]
        named = {k: wrapped(cls, v) for k, v in kwargs.items()}
        output = function(*given, **named)
        leaves = [v for v in (*given, *named.values()) if isinstance(v, cls)]

        def backward(dy: Any) -> Any:
            go_back(output, dy)
            found = tuple(array_of(vars(leaf)[gradient_key(leaf)]) for leaf in leaves)
            return found if len(found) > 1 else found[0]

        return array_of(output), backward

    return called


def gradient_key(value: Any) -> str:
    """The attribute in which such an object keeps its gradient."""
    return next((k for k in ("grad", "gradient", "_grad") if k in vars(value)), "grad")


def go_back(output: Any, dy: Any) -> None:
    """Let the engine go back from an output with this upstream gradient."""
    steps = list(behind(output, type(output)))
    for value in steps:
        vars(value)[gradient_key(value)] = np.zeros_like(array_of(value))
    vars(output)[gradient_key(output)] = np.array(dy)
    own = {id(v): step for v in steps if (step := own_step(v)) is not None}
    if own:
        for value in steps:
            if id(value) in own:
                own[id(value)]()
    elif [p for p in parameters(output.backward) if p.name not in ("self", "retain_grad", "create_graph")]:
        output.backward(type(output)(np.array(dy)) if takes_values(output) else np.array(dy))
    else:
        output.backward()


def takes_values(output: Any) -> bool:
    """Whether an output keeps its gradient as a value of its own class."""
    return isinstance(vars(output).get(gradient_key(output)), type(output))


def own_step(value: Any) -> Callable[[], Any] | None:
    """The function that a value keeps to hand its gradient on: value._backward."""
    held = ((k, v) for k, v in vars(value).items() if inspect.isfunction(v) and ("back" in k or "grad" in k))
    return next((v for _, v in held if not parameters(v)), None)


def behind(output: Any, cls: type) -> Iterator[Any]:
    """An output and the values that it was made of, each before those that it was made of itself."""
    order: list[Any] = []
    seen: set[int] = set()

    def visit(value: Any) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        for held in vars(value).values():
            for v in held if isinstance(held, set | tuple | list) else ():
                if isinstance(v, cls):
                    visit(v)
        order.append(value)

    visit(output)
    return iter(order[::-1])
