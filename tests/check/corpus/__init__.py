"""Right and wrong gradients as students write them: each entry says what it should be found to be."""

from __future__ import annotations

import importlib
import pkgutil
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
    convention: bool = False  # right for its own forward; with strict=True this slug

    @property
    def name(self) -> str:
        target = self.target[1] if isinstance(self.target, tuple) else self.target
        return f"{target.__module__.split('.')[-1]}.{target.__qualname__}={self.against}"


ENTRIES: list[Entry] | tuple[Entry, ...] = []


def entries() -> tuple[Entry, ...]:
    """The entries of every file."""
    global ENTRIES
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    ENTRIES = tuple(ENTRIES)
    return ENTRIES


def add(*entry: Any) -> None:
    """One more entry, until all files are loaded: the search for a repair runs them again, with one change."""
    if isinstance(ENTRIES, list):
        ENTRIES.append(Entry(*entry))


def right(against: str, arguments: str | None = None) -> Any:
    """Mark what is right."""

    def mark(target: Any) -> Any:
        add(target, against, None, None, arguments)
        return target

    return mark


def wrong(
    against: str, slug: str, gradient: str | None = None, arguments: str | None = None, second: str | None = None
) -> Any:
    """Mark what is wrong, and how."""

    def mark(target: Any) -> Any:
        add(target, against, slug, gradient, arguments, second)
        return target

    return mark


def conventional(against: str, slug: str, gradient: str | None = None, arguments: str | None = None) -> Any:
    """Mark what other texts have so: right with a note, and a mistake where torch's way is asked for strictly."""

    def mark(target: Any) -> Any:
        add(target, against, slug, gradient, arguments, None, True)
        return target

    return mark


def right_pair(against: str, forward: Any) -> Any:
    def mark(backward: Any) -> Any:
        add((forward, backward), against, None)
        return backward

    return mark


def wrong_pair(against: str, slug: str, gradient: str | None, forward: Any, second: str | None = None) -> Any:
    def mark(backward: Any) -> Any:
        add((forward, backward), against, slug, gradient, None, second)
        return backward

    return mark


def conventional_pair(against: str, slug: str, gradient: str | None, forward: Any) -> Any:
    def mark(backward: Any) -> Any:
        add((forward, backward), against, slug, gradient, None, None, True)
        return backward

    return mark


def right_made(against: str, make: Any) -> None:
    """`make()` builds what is right: its helpers stay out of the module's other names."""
    add(make(), against, None)


def wrong_made(against: str, slug: str, gradient: str | None, make: Any) -> None:
    add(make(), against, slug, gradient)


def conventional_made(against: str, slug: str, gradient: str | None, make: Any) -> None:
    add(make(), against, slug, gradient, None, None, True)
