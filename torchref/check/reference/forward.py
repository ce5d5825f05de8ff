"""The forward of a piece of code, as a function by which its backward is judged."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.beside import backward_beside, forward_beside
from torchref.check.reading.forms.class_names import FORWARDS
from torchref.check.reading.forms.recognise import as_pair, is_autograd
from torchref.check.reading.forms.tensors import class_on_tensors, for_tensors
from torchref.check.reference import asked
from torchref.check.reference.own import seeded
from torchref.check.reference.signature import INTEGERS
from torchref.check.reference.witness import NoWitness

HEADS, OF_HEADS = 2, ("numheads", "nheads", "nhead", "heads", "h")
LENGTHS = ((7, 11, 3, 5), (8, 12, 4, 6))  # of what a constructor asks for; even ones, for what splits an axis
SHAPE, ORDER = (-1,), (0, 2, 1)
MOVED = {  # what a constructor asks for that moves entries: Reshape(shape), Permute(axes)
    **dict.fromkeys(("shape", "newshape", "targetshape", "target", "outputshape", "outshape", "size"), SHAPE),
    **dict.fromkeys(("axes", "perm", "dims", "order", "permutation"), ORDER),
    **dict.fromkeys(("dim0", "axis1"), 1), **dict.fromkeys(("dim1", "axis2"), 2), "start": 1, "stop": 3, "end": 3,
}  # fmt: skip


def _forward_of(target: Any, form: str | None = None) -> Callable[..., Any]:
    """The forward. Errors: NoWitness where the code has none."""
    if is_autograd(target):
        return _of_autograd(target)
    pair = as_pair(target, form)
    if pair is not None:
        return _of_pair(pair[0])
    if inspect.isclass(target) or hasattr(target, "forward"):
        return _OfLayer(target)
    if not callable(target):
        raise NoWitness(f"a {type(target).__name__} has no forward; --against FILE.py:FUNCTION names one")
    return _of_pair(target) if backward_beside(target) is not None else _of_closure(target)


def _signed(function: Callable[..., Any], params: list[inspect.Parameter]) -> Callable[..., Any]:
    """The function with these parameters as its signature."""
    function.__signature__ = inspect.Signature(params)  # type: ignore[attr-defined]
    return function


def _of_autograd(cls: Any) -> Callable[..., Any]:
    """forward(ctx, ...) on tensors, run so that autograd sees what is inside."""
    method = cls.forward
    params = list(inspect.signature(method).parameters.values())
    with_context = "setup_context" not in vars(cls)

    @functools.wraps(method)
    def forward(*args: Any, **kwargs: Any) -> Any:
        context = SimpleNamespace(
            save_for_backward=lambda *tensors: None,
            mark_non_differentiable=lambda *tensors: None,
            set_materialize_grads=lambda value: None,
            needs_input_grad=(True,) * len(params),
        )
        return method(*((context,) if with_context else ()), *args, **kwargs)

    return _signed(forward, params[1:] if with_context else params)


def _of_pair(function: Any) -> Callable[..., Any]:
    """The first of a pair: what it returns beside its cache, which comes last."""

    @functools.wraps(function)
    def forward(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result[:-1] if isinstance(result, tuple) and len(result) > 1 else result

    return _signed(forward, list(inspect.signature(function).parameters.values()))


def _of_closure(function: Any) -> Callable[..., Any]:
    """A function that returns its output and its backward: the output."""

    @functools.wraps(function)
    def forward(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        items = result if isinstance(result, tuple | list) else [result]
        if not any(callable(i) and not isinstance(i, np.ndarray) for i in items):
            raise NoWitness(
                f"{function.__name__} returns no backward beside its output, so that it has no forward of its own; "
                "--against FILE.py:FUNCTION names one"
            )
        return tuple(i for i in items if not callable(i) or isinstance(i, np.ndarray))

    return _signed(forward, list(inspect.signature(function).parameters.values()))


def made_ready(code: Any) -> Any:
    """What is run by its own forward: an instance of a class that asks for a shape, a class that knows torch."""
    code = _made_to_move(code)
    on_tensors_alone = inspect.isclass(code) and not is_autograd(code) and for_tensors(code)
    return class_on_tensors(code) if on_tensors_alone else code


def with_reference(code: Any, against: Any, form: str | None) -> tuple[Any, Callable[..., Any], dict[str, Any]]:
    """The code, with the forward that stands beside it, its reference, and the options that this is given."""
    if against not in asked.FORWARD:
        return code, *asked.function_of(against)
    forward = forward_beside(code)
    target = code if forward is None else (forward, code)
    return target, _forward_of(target, form), {}


def _made_to_move(cls: Any) -> Any:
    """An instance of a class whose constructor asks for a shape, or an order of axes, alone; the class of any other."""
    if not inspect.isclass(cls) or is_autograd(cls) or "__init__" not in vars(cls):
        return cls
    params = list(inspect.signature(cls.__init__).parameters.values())[1:]
    needed = [p for p in params if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if not needed or any(normal(p.name) not in MOVED for p in needed):
        return cls
    first = MOVED[normal(needed[0].name)]
    try:
        if needed[0].kind is inspect.Parameter.VAR_POSITIONAL:
            return cls(*first) if isinstance(first, tuple) else cls
        return cls(**{p.name: MOVED[normal(p.name)] for p in needed})
    except Exception:  # noqa: BLE001 -- whatever the user's constructor raises on these
        return cls


class _OfLayer:
    """The forward of a class, as a function of its input and of the arrays that an instance holds."""

    def __init__(self, cls: Any, lengths: Sequence[tuple[int, ...]] = LENGTHS) -> None:
        self.cls, self.lengths = cls, lengths
        name = next((n for n in FORWARDS if n in dir(cls) and (n != "__call__" or not inspect.isclass(cls))), None)
        if name is None:
            raise NoWitness(f"the class {getattr(cls, '__name__', type(cls).__name__)} has no forward")
        self.method, self.__name__ = name, name
        self.__module__ = getattr(cls, "__module__", "")
        self.sizes: dict[str, int] = {}
        self.template = self.made()
        self.held = {n: v for n, v in vars(self.template).items() if _is_weight(n, v)}
        self.holders = {
            key: holder
            for holder in ("params", "parameters", "weights")
            for key, v in (_members(getattr(self.template, holder, None))).items()
            if _is_weight(key, v)
        }
        self.held |= {key: getattr(self.template, holder)[key] for key, holder in self.holders.items()}
        params = [p for p in parameters(getattr(self.template, name)) if p.name not in self.held]
        more = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in self.held]
        self.__signature__ = inspect.Signature([*params, *more])

    def made(self) -> Any:
        if not inspect.isclass(self.cls):
            return copy.deepcopy(self.cls)
        params = parameters(self.cls.__init__)[1:] if self.cls.__init__ is not object.__init__ else []
        needed = [p for p in params if p.default is p.empty]
        first: Exception | None = None
        for lengths in self.lengths:
            self.sizes = {p.name: n for p, n in zip(needed, lengths * 2, strict=False)}
            self.sizes |= {p.name: HEADS for p in needed if normal(p.name) in OF_HEADS}
            try:
                return seeded(lambda: self.cls(**self.sizes))
            except Exception as problem:  # noqa: BLE001 -- whatever the user's constructor raises on these numbers
                first = first or problem
        raise NoWitness(
            f"the constructor of {self.cls.__name__} raised {type(first).__name__}: {first}; "
            "judge an instance, or name a forward with --against FILE.py:FUNCTION"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        instance = copy.deepcopy(self.template)
        for name in [n for n in kwargs if n in self.held]:
            value = kwargs.pop(name)
            if name in self.holders:
                getattr(instance, self.holders[name])[name] = value
            else:
                setattr(instance, name, value)
        result = getattr(instance, self.method)(*args, **kwargs)
        return getattr(instance, "output", getattr(instance, "out", None)) if result is None else result

    def constructor_sizes(self) -> tuple[tuple[str, str, int], ...]:
        """Which length of which array each number of the constructor is."""
        found = []
        for parameter, number in self.sizes.items():
            at = ((n, v.shape.index(number)) for n, v in self.held.items() if number in v.shape)
            place = next(at, None)
            if place is not None:
                found.append((parameter, *place))
        return tuple(found)


def other_makings(cls: Any, forward: Any) -> Iterator[tuple[Any, Any]]:
    """A class, or an instance of it, that is made with even lengths, for what splits an axis; each with its forward."""
    if inspect.isclass(cls) and isinstance(forward, _OfLayer) and forward.sizes:
        try:
            even = _OfLayer(cls, LENGTHS[1:])
        except NoWitness:
            return
        yield cls, even
        yield even.template, even


def _members(value: Any) -> dict[str, Any]:
    """The value if it is a dictionary, else an empty one."""
    return value if isinstance(value, dict) else {}


def _is_weight(name: Any, value: Any) -> bool:
    """An array of floats with a name of its own, that is neither a gradient nor a statistic."""
    held = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0
    n = normal(str(name))
    return (
        held and str(name).isidentifier() and not n.startswith(("d", "grad", "running", "moving")) and n not in INTEGERS
    )
