"""The one exception for what a user can put right: printed as one line, exit status 2."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """A mistake in an argument, a file or the machine's set-up; the message names it and its value, in one line."""


def nearest(value: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(value, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "there is none"


def own_line(error: BaseException) -> str:
    """Where in the user's own code an exception arose: ", FILE, line N", or nothing if all of it is a package's."""
    packages = Path(__file__).parents[1] / "comparisons", Path(__file__).parents[1] / "torchref"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and "site-packages" not in path.parts and not any(p in path.parents for p in packages):
            return f", {path}, line {frame.lineno}"
    return ""
