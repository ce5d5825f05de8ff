"""What a user sees of an exception: the last lines of their own traceback, none of ours."""

from __future__ import annotations

import traceback

from torchref.check.reading.forms.calling import TimeOut, UserError


def last_lines(error: BaseException, skip: str = "torchref") -> str:
    """The last lines of the user's own traceback, none of ours."""
    original = error.original if isinstance(error, UserError) else error
    ours = (f"/{skip}/check/", f"/{skip}/cli/", f"/{skip}/load.py", "<frozen ")
    frames = [f for f in traceback.extract_tb(original.__traceback__) if not any(o in f.filename for o in ours)]
    lines = [line.rstrip() for line in traceback.format_list(frames[-4:])]
    if not isinstance(original, TimeOut):
        lines += [line.rstrip() for line in traceback.format_exception_only(type(original), original)]
    return "\n".join(lines)
