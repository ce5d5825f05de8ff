"""The values of a table of a TOML file, each of the kind and in the range that is asked for."""

from __future__ import annotations

from typing import Any

from torchref.compare.errors import UserError
from torchref.nearest import nearest

__all__ = ["Table", "level", "names", "packages", "points", "positive", "whole"]

MOST_POINTS = 1_000_000


class Table:
    """A table of the file; what was not asked for in the end is unknown."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self.values, self.where = dict(values), where
        self.known: list[str] = []

    def take(self, key: str, kind: type | tuple[type, ...], default: Any) -> Any:
        """The value of a key, which must be of this kind."""
        self.known.append(key)
        value = self.values.pop(key, default)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if value is not default and (not isinstance(value, kind) or (isinstance(value, bool) and bool not in kinds)):
            raise self.wrong(key, value, _KINDS[kinds[-1]])
        return value

    def wrong(self, key: str, value: object, expected: str) -> UserError:
        return UserError(f"grade: {self.where}: {key} must be {expected}, not {value!r}")

    def done(self) -> None:
        """Errors: UserError for a key that nobody asked for."""
        for key in self.values:
            raise UserError(f"grade: {self.where}: there is no key {key!r}: {nearest(key, self.known)}")


_KINDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def points(table: Table, key: str, value: Any, default: float) -> float:
    """Points; the default where there is no value. Errors: UserError."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_POINTS:
        raise table.wrong(key, value, f"a number from 0 to {MOST_POINTS:,}")
    return float(value)


def level(table: Table, default: int) -> int:
    """The level of hints. Errors: UserError."""
    level: int = table.take("hints", int, default)
    if level not in (0, 1, 2, 3):
        raise table.wrong("hints", level, "0, 1, 2 or 3")
    return level


def positive(table: Table, key: str, default: float, most: int) -> float:
    """A number above 0. Errors: UserError."""
    value = table.take(key, (int, float), default)
    if not 0 < value <= most:
        raise table.wrong(key, value, f"a number above 0, and at most {most:,}")
    return float(value)


def whole(table: Table, key: str, default: int, most: int) -> int:
    """A whole number from 1 on. Errors: UserError."""
    value: int = table.take(key, int, default)
    if not 1 <= value <= most:
        raise table.wrong(key, value, f"a whole number from 1 to {most:,}")
    return value


def packages(table: Table, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Names of packages; a part of a package is none. Errors: UserError."""
    found = names(table, key, default)
    if strange := [name for name in found if not name.isidentifier()]:
        raise table.wrong(key, strange[0], "names of packages, such as 'torch'")
    return found


def names(table: Table, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """A list of texts. Errors: UserError."""
    value = table.take(key, list, None)
    if value is None:
        return default
    if not all(isinstance(name, str) and name for name in value):
        raise table.wrong(key, value, "a list of texts")
    return tuple(value)
