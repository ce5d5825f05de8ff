"""What a user can put right."""

from __future__ import annotations

__all__ = ["RefereeError"]


class RefereeError(ValueError):
    """The model or the closure cannot be judged; the message says why, in one line."""
