"""A gradient that the closure takes itself, in the middle of its run: whose backward made it.

For the judgement it is a part of the forward: its operations are recorded, and their own derivative is judged. So a
custom backward, or a hook, that makes it wrong would pass. It is not judged, and that has to be said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.autograd.function import BackwardCFunction

__all__ = ["REASON", "backwards_inside"]

REASON = "it ran in a gradient that the closure itself takes, and that is not judged; `torchref check` judges it alone"
APPLIED = ("apply", "apply_boxed", "apply_jvp")  # what torch calls to run a Function's backward, or its jvp


@contextmanager
def backwards_inside(enter: Callable[[str, str], object]) -> Iterator[None]:
    """Within this context `enter` gets the name and the place of each custom Function whose backward or jvp torch runs.

    Not every backward runs an operation: `return dy` runs none. So it is seen where torch calls it.
    """
    kept = {name: BackwardCFunction.__dict__[name] for name in APPLIED if name in BackwardCFunction.__dict__}

    def seen(run: Callable[..., Any]) -> Callable[..., Any]:
        def applied(self: Any, *args: Any) -> Any:
            function = self._forward_cls
            transformed = function.__module__.startswith("torch._functorch")  # made by torch.func, of the user's
            if transformed or not function.__module__.startswith("torch."):
                name = function.__name__
                enter(*((original(name), "") if transformed else (name, place_of(function))))
            return run(self, *args)

        return applied

    try:
        for name, run in kept.items():
            setattr(BackwardCFunction, name, seen(run))
        yield
    finally:
        for name, run in kept.items():
            setattr(BackwardCFunction, name, run)


def original(name: str) -> str:
    """The name of the user's Function, of which torch.func has made one of that name."""
    while name.endswith("Generated") or name.startswith("Vmapped"):
        name = name.removesuffix("Generated").removeprefix("Vmapped")
    return name


def place_of(function: type) -> str:
    """Where the backward of the Function is written."""
    code = getattr(getattr(function, "backward", None), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"
