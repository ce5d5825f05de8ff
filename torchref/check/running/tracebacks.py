"""An exception as the user sees it: with the lines of their own code alone, none of ours and none of a library's."""

from __future__ import annotations

import traceback

from torchref.check.reading.forms.calling import TimeOut, UserError
from torchref.check.running.observed import users

LAST = 4  # frames that are shown
LONGEST = 1000  # characters of a line that is shown: an exception may say anything


def last_lines(error: BaseException) -> str:
    """The last lines of the user's own traceback, and the exception."""
    original = error.original if isinstance(error, UserError) else error
    frames = [f for f in traceback.extract_tb(original.__traceback__) if users(f.filename)]
    lines = [line.rstrip() for line in traceback.format_list(frames[-LAST:])]
    if not isinstance(original, TimeOut):
        lines += [line.rstrip() for line in traceback.format_exception_only(type(original), original)]
    return "\n".join(line if len(line) <= LONGEST else f"{line[:LONGEST]} ..." for line in lines)
