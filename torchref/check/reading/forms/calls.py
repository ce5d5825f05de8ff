"""How a user's code was called, in words: which function, with arguments of which shapes.

Every call of a user's code is noted while `noting_calls` is open. What could not be run begins with these words: most
often the code is right, and was called in another way than its author meant.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from torchref.check.reading.arguments import parameters


class Call(NamedTuple):
    """One call of a user's function; `where` says which part of the code that is."""

    where: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


CALLS: ContextVar[list[Call] | None] = ContextVar("CALLS", default=None)
SHOWN = 8  # entries of a list, keys of a dictionary


@contextmanager
def noting_calls() -> Iterator[list[Call]]:
    """The calls that are made inside; an exception that leaves the context carries them as `calls`."""
    calls: list[Call] = []
    token = CALLS.set(calls)
    try:
        yield calls
    except BaseException as problem:
        if not getattr(problem, "calls", None):
            problem.calls = tuple(calls)  # type: ignore[attr-defined]
        raise
    finally:
        CALLS.reset(token)


def note(call: Call) -> None:
    """Keep a call, if calls are being noted."""
    calls = CALLS.get()
    if calls is not None:
        calls.append(call)


def how_called(calls: Sequence[Call], upstream: bool = True) -> str:
    """A sentence: "I called gradient(z) with z of shape (5, 7)." The last call of each part counts.

    Without an `upstream` gradient the code was taken at dy = 1.
    """
    last: dict[str, Call] = {}
    for c in calls:
        last.pop(c.where, None)
        last[c.where] = c
    parts = [one_call(c) for c in last.values()]
    if not parts:
        return ""
    told = "I called " + ", then ".join(parts)
    return f"{told}{'' if upstream else ', and took what it returned for dy = 1'}."


def one_call(call: Call) -> str:
    """One call in words: f(x, w) with x of shape (5, 7)."""
    given = arguments_of(call)
    with_these = [told for name, value in given.items() if (told := described(name, value))]
    listed = " and ".join([", ".join(with_these[:-1]), with_these[-1]]) if len(with_these) > 1 else "".join(with_these)
    return f"{name_of(call)}({', '.join(given)})" + (f" with {listed}" if listed else "")


def arguments_of(call: Call) -> dict[str, Any]:
    """The arguments by the names that the user has given them."""
    function = call.function
    cls: Any = getattr(function, "__self__", None)
    if getattr(function, "__name__", "") == "apply" and hasattr(cls, "forward"):  # a torch.autograd.Function
        names = [p.name for p in parameters(cls.forward)]
        return dict(zip(names if "setup_context" in vars(cls) else names[1:], call.args, strict=False))
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*call.args, **call.kwargs).arguments
    except (TypeError, ValueError):  # it does not take these
        return {**{f"argument {i}": v for i, v in enumerate(call.args, 1)}, **call.kwargs}
    given: dict[str, Any] = {}
    for name, value in bound.items():
        kind = signature.parameters[name].kind
        if kind == inspect.Parameter.VAR_POSITIONAL:
            given.update({f"{name}[{i}]": v for i, v in enumerate(value)})
        elif kind == inspect.Parameter.VAR_KEYWORD:
            given.update(value)
        else:
            given[name] = value
    return given


def name_of(call: Call) -> str:
    """How the user calls the function of a call; a lambda goes by its part."""
    name = str(getattr(call.function, "__qualname__", None) or type(call.function).__name__).rpartition("<locals>.")[2]
    return call.where.removeprefix("the ") if name == "<lambda>" else name


def described(name: str, value: Any) -> str:
    """One argument in a few words; nothing for what the code has made itself (a cache, a context)."""
    shape = getattr(value, "shape", None)
    if shape is not None and (np.ndim(value) or hasattr(value, "detach")):
        dtype = str(getattr(value, "dtype", "")).removeprefix("torch.")
        return f"{name} of shape {tuple(shape)}" + (f" ({dtype})" if dtype != "float64" else "")
    if value is None or isinstance(value, bool | int | float | str | np.generic | np.ndarray):
        return f"{name} = {value}"
    if isinstance(value, dict):
        keys = [str(k) for k in value]
        return f"{name} with the keys {', '.join(keys[:SHOWN])}{', ...' if len(keys) > SHOWN else ''}" if keys else ""
    if isinstance(value, tuple | list) and all(isinstance(v, int | float) for v in value):
        return f"{name} = {value}" if len(value) <= SHOWN else f"{name} of {len(value)} numbers"
    return ""
