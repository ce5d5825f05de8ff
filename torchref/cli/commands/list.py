"""`torchref list`: the comparisons that ship."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from torchref.cli.commands import option
from torchref.compare.catalogue import listing

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """List the comparisons that ship with torchref, each with what it shows."""

    json: Annotated[bool, option()] = False
    """Print the list as JSON."""


def run(options: Options) -> int:
    """Print the list."""
    known = listing()
    if options.json:
        print(json.dumps(known, indent=2))
        return 0
    width = max(map(len, known), default=0)
    for name, claim in known.items():
        print(f"{name:<{width}}  {claim}")
    return 0
