"""The one exception for what a user can put right: printed as one line, exit status 2."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["UserError", "own_line"]


class UserError(Exception):
    """A mistake in an argument, a file or the machine's set-up; the message names it and its value, in one line."""


def own_line(error: BaseException) -> str:
    """Where in the user's own code an exception arose: ", FILE, line N", or nothing if all of it is a package's."""
    packages = Path(__file__).parents[1], Path(__file__).parents[2] / "comparisons"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and "site-packages" not in path.parts and not any(p in path.parents for p in packages):
            return f", {path}, line {frame.lineno}"
    return ""
