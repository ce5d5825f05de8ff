"""Every operation that gradients are checked against: what the files of `ops` name OPERATIONS."""

from __future__ import annotations

import importlib
import pkgutil
import textwrap

from torchref.check import ops
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.ops.record import Op

READERS = (
    "catalogue",
    "find",
    "probe",
    "probabilities",
    "constructor",
)  # the files of `ops` that import the catalogue


def _found() -> tuple[Op, ...]:
    """The operations of every file, in the order of the files' names."""
    files = [m.name for m in pkgutil.iter_modules(ops.__path__) if m.name not in READERS]
    modules = [importlib.import_module(f"{ops.__name__}.{name}") for name in files]
    return tuple(op for module in modules for op in getattr(module, "OPERATIONS", ()))


CATALOGUE = _found()


def listing() -> str:
    """The names of all operations, a line for each family, and of the optimizers."""
    families: dict[str, list[str]] = {}
    for op in CATALOGUE:
        families.setdefault(op.family, []).append(op.name)
    families["optimizer"] = list(OPTIMIZERS)
    return "\n".join(textwrap.fill(f"{family}: {', '.join(names)}", 120) for family, names in families.items())
