"""What a user may have meant by a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest"]

SHOWN = 40  # names, at most, that a message lists


def nearest(value: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known ones, or all of them."""
    names = list(known)
    lowered: dict[str, list[str]] = {}
    for name in names:
        lowered.setdefault(name.lower(), []).append(name)
    close = [repr(name) for key in difflib.get_close_matches(value.lower(), lowered, n=3) for name in lowered[key]]
    if close:
        return f"did you mean {' or '.join(close)}?"
    if len(names) > SHOWN:
        return f"none of the {len(names)} known names is like it"
    return f"known: {', '.join(names)}" if names else "there is none"
