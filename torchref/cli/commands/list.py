"""`torchref list`: the comparisons that ship."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from torchref.cli.commands import option
from torchref.compare.catalogue import lessons, listing, seconds

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """List the comparisons that ship with torchref, each with what it shows."""

    json: Annotated[bool, option()] = False
    """Print the list as JSON."""


def run(options: Options) -> int:
    """Print the list: comparisons first, then the lessons in the order in which one builds on the other."""
    known = listing()
    if options.json:
        print(json.dumps(known, indent=2))
        return 0
    taught = lessons()
    width = max(map(len, known), default=0)
    compared = [name for name in known if name not in taught]
    titles = {
        "Comparisons, with about how long each takes on two cores": compared,
        "Lessons, in teaching order": taught,
    }
    for i, (title, names) in enumerate(titles.items()):
        print("\n" * (i > 0) + title)
        for name in names:
            print(f"  {name:<{width}}  {seconds(name):>3} s  {known[name]}")
    return 0
