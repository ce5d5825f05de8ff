"""How much Python a piece of code runs: the lines of the user's files, counted. No clock has a say in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from torchref.check.running.observed import users


class TooLong(BaseException):
    """Raised inside the user's code where it runs more lines than it may; no `except Exception` catches it."""


@dataclass
class _Lines:
    """The lines that have been run."""

    count: int = 0


@contextmanager
def counting(limit: float = float("inf")) -> Iterator[_Lines]:
    """In this context the user's lines are counted; TooLong ends what runs more than `limit`."""
    lines = _Lines()

    def step(_: FrameType, event: str, __: Any) -> Any:
        lines.count += event == "line"
        if lines.count > limit:
            raise TooLong(f"it runs more than {limit:,.0f} lines")
        return step

    def enter(frame: FrameType, _: str, __: Any) -> Any:
        return step if users(frame.f_code.co_filename) else None

    kept = sys.gettrace()
    sys.settrace(enter)
    try:
        yield lines
    finally:
        sys.settrace(kept)
