"""The one exception for a user's mistakes: printed as one line, exit status 2."""

from __future__ import annotations

__all__ = ["UserError"]


class UserError(Exception):
    """A mistake in an argument, a file or the machine's set-up; the message names it and its value, in one line."""
