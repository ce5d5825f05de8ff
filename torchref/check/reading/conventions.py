"""Which conventions a user's code may follow: those that the user has stated, torch's, then the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from torchref.check.ops import Op
from torchref.check.ops.conventions import TORCH, Convention, both


def told_conventions(stated: list[str] | None) -> set[str]:
    """The arguments for which the user has stated a convention: W=weight.T, p=1-p."""
    told = set()
    for s in stated or ():
        _, equals, right = s.partition("=")
        right = right.replace(" ", "")
        if equals and right.endswith(".T"):
            told.add(right[:-2])
        elif equals and right.startswith("1-"):
            told.add(right[2:])
    return told


def as_stated(group: list[Convention], stated: list[str]) -> list[Convention]:
    """Of a group of conventions the one that the user has stated, if so."""
    said = [s.replace(",", "").replace(" ", "") for s in stated]
    asked = any(c.stated and s.startswith(c.stated.partition("=")[0] + "=") for c in group for s in said)
    return [c for c in group if c.stated in said] if asked else group


def possible_conventions(op: Op, values: dict[str, Any], stated: list[str] | None = None) -> Iterator[Convention]:
    """torch's convention, then the other common ones, the likelier first."""
    groups: list[list[Convention]] = []
    if op.conventions is not None:
        groups += [as_stated(group, stated or []) for group in op.conventions(values)]
    wanted = told_conventions(stated)
    if wanted:  # the user has said which
        said = [c for group in groups for c in group if any(w in c.there for w in wanted)]
        if said:
            result = TORCH
            for c in said:
                result = both(result, c)
            yield result
    yield TORCH
    depth = len(groups)
    for size in range(1, depth + 1):
        for chosen in itertools.combinations(groups, size):
            for combination in itertools.product(*chosen):
                result = TORCH
                for c in reversed(combination):  # the gates are put in order before a weight is transposed
                    result = both(result, c)
                yield result
