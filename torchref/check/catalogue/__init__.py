"""Every operation that gradients are checked against: what the files of `ops` name OPERATIONS."""

from __future__ import annotations

import importlib
import pkgutil

from torchref.check import ops
from torchref.check.ops.record import Op


def found() -> tuple[Op, ...]:
    """The operations of every file, in the order of the files' names."""
    names = [m.name for m in pkgutil.iter_modules(ops.__path__, f"{ops.__name__}.")]
    return tuple(op for name in names for op in getattr(importlib.import_module(name), "OPERATIONS", ()))


CATALOGUE = found()
