"""Right and wrong gradients as students write them: each entry says what it should be found to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    target: Any
    against: str
    slug: str | None  # None: right
    gradient: str | None = None
    arguments: str | None = None
    second: str | None = None  # a second mistake

    @property
    def name(self) -> str:
        target = self.target[1] if isinstance(self.target, tuple) else self.target
        return f"{target.__module__.split('.')[-1]}.{target.__qualname__}={self.against}"


ENTRIES: list[Entry] = []


def right(against: str, arguments: str | None = None) -> Any:
    """Mark what is right."""

    def mark(target: Any) -> Any:
        ENTRIES.append(Entry(target, against, None, None, arguments))
        return target

    return mark


def wrong(
    against: str, slug: str, gradient: str | None = None, arguments: str | None = None, second: str | None = None
) -> Any:
    """Mark what is wrong, and how."""

    def mark(target: Any) -> Any:
        ENTRIES.append(Entry(target, against, slug, gradient, arguments, second))
        return target

    return mark


def right_pair(against: str, forward: Any) -> Any:
    def mark(backward: Any) -> Any:
        ENTRIES.append(Entry((forward, backward), against, None))
        return backward

    return mark


def wrong_pair(against: str, slug: str, gradient: str | None, forward: Any, second: str | None = None) -> Any:
    def mark(backward: Any) -> Any:
        ENTRIES.append(Entry((forward, backward), against, slug, gradient, None, second))
        return backward

    return mark


def right_made(against: str, make: Any) -> None:
    """`make()` builds what is right: its helpers stay out of the module's other names."""
    ENTRIES.append(Entry(make(), against, None))


def wrong_made(against: str, slug: str, gradient: str | None, make: Any) -> None:
    ENTRIES.append(Entry(make(), against, slug, gradient))
