"""Code on torch's tensors that is no autograd.Function: written with torch as others are with NumPy.

A function is handed tensors in the place of arrays, and arrays come back. Of a class an instance holds tensors while
one of its methods runs, and arrays at all other times, so that it is read like any other. A tensor stays the same one
from call to call: what the code has left on it (`x.g`, `w.grad`) is found there again.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal
from torchref.check.reading.source import text_of

LEFT_ON = ("g", "grad")  # what a tensor's gradient is called, where it is an attribute of the tensor
DEEP = 4  # lists in dictionaries in objects


class Tensors:
    """Arrays and the tensors that stand for them; each is the other's for good."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        """Begin with none."""
        self.pairs: list[tuple[Any, Any]] = []

    def tensor(self, array: Any) -> Any:
        """The tensor of an array; it shares the array's memory, so that a change in place is seen."""
        import torch

        for a, t in self.pairs:
            if a is array:
                return t
        plain = type(array) is np.ndarray and array.flags.writeable and min(array.strides, default=0) >= 0
        tensor = torch.from_numpy(array if plain else np.array(array))
        self.pairs.append((array, tensor))
        return tensor

    def array(self, tensor: Any) -> Any:
        """The array of a tensor."""
        for a, t in self.pairs:
            if t is tensor:
                return a
        array = tensor.detach().numpy()
        self.pairs.append((array, tensor))
        return array

    def inside(self, value: Any, deep: int = DEEP) -> Any:
        """A value with tensors for its arrays."""
        return self.turned(value, self.tensor if isinstance(value, np.ndarray) else None, self.inside, deep)

    def outside(self, value: Any, deep: int = DEEP) -> Any:
        """A value with arrays for its tensors."""
        import torch

        if isinstance(value, torch.Size):
            return tuple(value)
        if inspect.isfunction(value):
            return on_tensors(value, self)
        return self.turned(value, self.array if isinstance(value, torch.Tensor) else None, self.outside, deep)

    def turned(self, value: Any, turn: Callable[[Any], Any] | None, again: Callable[..., Any], deep: int) -> Any:
        """A value with `turn` made of it, or `again` of what it holds."""
        if turn is not None:
            return turn(value)
        if deep and type(value) in (tuple, list):
            return type(value)(again(v, deep - 1) for v in value)
        if deep and type(value) is dict:
            return {k: again(v, deep - 1) for k, v in value.items()}
        return value

    def turn_members(self, instance: Any, turn: Callable[[Any], Any]) -> None:
        """Turn what an instance holds, and what the user's own objects in it hold."""
        waiting, seen = [instance], {id(instance)}
        while waiting:
            held = waiting.pop()
            for key, value in list(vars(held).items()):
                new = turn(value)
                if new is not value and not inspect.isfunction(value):
                    vars(held)[key] = new
                own = getattr(type(value), "__module__", "") == type(instance).__module__ and hasattr(value, "__dict__")
                if own and id(value) not in seen:
                    waiting.append(value)
                    seen.add(id(value))

    def hand_over(self, output: Any, gradient: Any) -> None:
        """Leave the upstream gradient on the output, for a backward that takes nothing."""
        for name in LEFT_ON:
            setattr(self.tensor(output), name, self.tensor(gradient).clone())

    def left_on(self, array: Any) -> Any:
        """The gradient that the code has left on a tensor; None where there is none."""
        import torch

        tensor = next((t for a, t in self.pairs if a is array), None)
        found = (getattr(tensor, n, None) for n in LEFT_ON)
        gradient = next((g for g in found if isinstance(g, torch.Tensor)), None)
        return None if gradient is None else gradient.detach().numpy()


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """What the code itself makes with torch is in float64, as what it is handed."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def on_tensors(function: Callable[..., Any], tensors: Tensors | None = None) -> Callable[..., Any]:
    """The function, handed tensors in the place of arrays; arrays come back."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        known = tensors or Tensors()
        with in_float64():
            given = {k: known.inside(v) for k, v in kwargs.items()}
            return known.outside(function(*(known.inside(a) for a in args), **given))

    return called


def leaves_gradients(function: Any) -> bool:
    """Whether a function leaves its gradients on the tensors that it is handed: inp.g = out.g @ w.t()."""
    source = text_of(function)
    return re.search(rf"\w\.({'|'.join(LEFT_ON)})\s*\+?=[^=]", source) is not None


def left_on_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its upstream gradient as first argument; it returns what was left on the tensors, by name."""
    own = list(inspect.signature(function).parameters.values())
    upstream = next((p.name for p in own if normal(p.name) in ("out", "output", "outp", "y", "res")), None)

    @functools.wraps(function)
    def called(dy: Any = None, *args: Any) -> Any:
        tensors = Tensors()
        given = dict(zip([p.name for p in own], args, strict=False))
        if upstream is not None:
            tensors.hand_over(given[upstream], dy)
        with in_float64():
            function(*(tensors.inside(a) for a in args))
        left = {n: tensors.left_on(a) for n, a in given.items() if n != upstream}
        return {n: g for n, g in left.items() if g is not None}

    first = [inspect.Parameter("dy", inspect.Parameter.POSITIONAL_OR_KEYWORD)] if upstream else []
    called.__signature__ = inspect.Signature([*first, *own])  # type: ignore[attr-defined]
    return called if upstream is not None else functools.wraps(called)(functools.partial(called, None))


def class_on_tensors(cls: type) -> type:
    """The class, its methods handed tensors in the place of arrays; arrays come back, and stand on the instance."""
    named = {n: m for base in reversed(cls.__mro__[:-1]) for n, m in vars(base).items()}
    methods = {n: method_on_tensors(m) for n, m in named.items() if inspect.isfunction(m) and n != "__repr__"}
    static = {n: staticmethod(on_tensors(m.__func__)) for n, m in named.items() if isinstance(m, staticmethod)}
    place = {n: vars(cls)[n] for n in ("__module__", "__qualname__", "__firstlineno__") if n in vars(cls)}
    made = type(cls.__name__, (cls,), {**methods, **static, **place, "_on_tensors": True})
    made.__qualname__ = cls.__qualname__
    return made


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of torch's."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def tensors_of(instance: Any) -> Tensors | None:
    """The arrays and tensors of an instance of a class that runs on tensors; None for any other."""
    found = vars(instance).get("_tensors") if hasattr(instance, "__dict__") else None
    return found if isinstance(found, Tensors) else None


def method_on_tensors(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, run on tensors; calls from within pass through."""

    @functools.wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        held = vars(self)
        if held.get("_running"):
            return method(self, *args, **kwargs)
        known = held.setdefault("_tensors", Tensors())
        held["_running"] = True
        try:
            with in_float64():
                known.turn_members(self, known.inside)
                given = {k: known.inside(v) for k, v in kwargs.items()}
                return known.outside(method(self, *(known.inside(a) for a in args), **given))
        finally:
            known.turn_members(self, known.outside)
            held["_running"] = False

    return called


def for_tensors(code: Any) -> bool:
    """Whether the file of a function or a class knows torch, and no NumPy."""
    modules = modules_of(code)
    return "torch" in modules and "numpy" not in modules and "torch" in sys.modules


def knows_torch(code: Any) -> bool:
    """Whether the file of a function or a class knows torch."""
    return "torch" in sys.modules and "torch" in modules_of(code)


def modules_of(code: Any) -> list[str]:
    """The modules that a function's or a class's file has imported, by name."""
    own = [m for m in vars(code).values() if inspect.isfunction(m)] if inspect.isclass(code) else [code]
    function = inspect.unwrap(own[0]) if own and callable(own[0]) else None
    scope = getattr(function, "__globals__", {})
    return [v.__name__ for v in scope.values() if isinstance(v, ModuleType)]
