"""Where in the user's program an operation was called: the line, and the custom autograd.Function around it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
import torch.utils.checkpoint

__all__ = ["Place", "Shape", "find_place"]

TORCH = str(Path(torch.__file__).parent)
HERE = str(Path(__file__).parent)
FUNCTION = str(Path(torch.autograd.function.__file__))
ENGINE = torch.autograd.graph._engine_run_backward.__code__
CHECKPOINT = str(Path(torch.utils.checkpoint.__file__))


@dataclass(frozen=True)
class Place:
    """A line of the user's, and the custom Function in whose forward it is (its name, and which call of it)."""

    source: str
    function: str | None
    call: int | None
    custom: type | None = None
    arguments: tuple[Any, ...] = ()  # of the Function: the shapes of floating-point tensors, all else as it was
    hook: bool = (
        False  # whether torch's backward called it: no Function's backward, no forward that a checkpoint repeats
    )


@dataclass(frozen=True)
class Shape:
    """Stands for a tensor of this size."""

    size: tuple[int, ...]


def find_place(end: CodeType) -> tuple[Place, list[torch.Tensor]]:
    """The place of the operation that is dispatched now, and the tensors that the custom Function around it was given.

    The search ends at the frame that runs `end`.
    """
    frame: FrameType | None = sys._getframe(2)
    source, call = "", None
    custom: type | None = None
    given: tuple[Any, ...] = ()
    hook = known = False
    while frame is not None and frame.f_code is not end:
        code = frame.f_code
        name = code.co_filename
        if not source and not name.startswith((TORCH, HERE)):
            source = f"{name}:{frame.f_lineno}"
        if code.co_name == "apply" and name == FUNCTION and code.co_varnames[:1] == ("cls",):
            custom, call = frame.f_locals["cls"], id(frame)  # the outermost one is the one that torch sees
            given = frame.f_locals["args"]
        known = known or name == CHECKPOINT or (name == FUNCTION and code.co_varnames[:1] == ("self",))
        hook = hook or (code is ENGINE and bool(source) and not known)
        frame = frame.f_back
    place = Place(source, None if custom is None else custom.__name__, call, custom, tuple(map(described, given)), hook)
    return place, [argument for argument in given if isinstance(argument, torch.Tensor)]


def described(argument: Any) -> Any:
    """What is kept of a Function's argument."""
    if isinstance(argument, torch.Tensor) and argument.is_floating_point():
        return Shape(tuple(argument.shape))
    return argument.detach() if isinstance(argument, torch.Tensor) else argument
