"""The variables of a user's backward when it returns: the named intermediates of their own code."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from torchref.check.reading.forms.calling import WATCH
from torchref.nn.module import Array

PACKAGE = Path(__file__).parents[2]
OURS = tuple(
    os.path.join(os.path.realpath(path), "")
    for path in (
        str(PACKAGE),
        str(Path(np.__file__).parents[1]),  # where packages are installed
        *(sysconfig.get_paths()[k] for k in ("stdlib", "purelib")),
    )
)


class Observer:
    """The variables of the last backward, by name, and its code object."""

    def __init__(self) -> None:
        self.values: dict[str, Array] = {}
        self.code: CodeType | None = None

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the backward and look at its frame, and those of the backwards inside it, as they return."""
        first: list[FrameType] = []

        def watch(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and not first and users(frame.f_code.co_filename):
                first.append(frame)
            elif event == "return" and first and (frame is first[0] or _inner(frame)):
                found = _arrays(frame.f_locals)
                if frame is first[0]:
                    self.values = {**self.values, **found}
                    self.code = frame.f_code
                else:
                    self.values.update(found)

        self.values, self.code = {}, None
        kept = sys.getprofile()
        sys.setprofile(watch)
        try:
            return function(*args, **kwargs)
        finally:
            sys.setprofile(kept)


@contextmanager
def observing() -> Iterator[Observer]:
    """In this context the observer reads the variables of every backward that is called."""
    observer = Observer()
    token = WATCH.set(observer.call)
    try:
        yield observer
    finally:
        WATCH.reset(token)


@cache
def users(filename: str) -> bool:
    """Whether a file is the user's: not ours, not Python's, not an installed package's."""
    return not filename.startswith("<frozen ") and not os.path.realpath(filename).startswith(OURS)


def _inner(frame: FrameType) -> bool:
    """Whether a frame inside the backward is the backward of a part: of one step, of one layer."""
    name = frame.f_code.co_name.lower()
    return users(frame.f_code.co_filename) and any(word in name for word in ("backward", "bwd", "grad", "step"))


def _arrays(variables: dict[str, Any]) -> dict[str, Array]:
    """The arrays of floats among a frame's variables: its own, those of `self`, those in a dictionary."""
    found: dict[str, Array] = {}
    for name, value in variables.items():
        if name == "self" and hasattr(value, "__dict__"):
            held = vars(value)
            for inside in (held, *(v for v in held.values() if isinstance(v, dict))):
                found.update({str(k): a for k, v in inside.items() if (a := _numbers(v)) is not None})
        elif isinstance(value, dict):
            found.update({str(k): a for k, v in value.items() if (a := _numbers(v)) is not None})
    found.update({k: a for k, v in variables.items() if (a := _numbers(v)) is not None})
    return found


def _numbers(value: Any) -> Array | None:
    if type(value).__module__ == "torch" and hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    if isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f":
        return np.array(value, dtype=float)
    return None
