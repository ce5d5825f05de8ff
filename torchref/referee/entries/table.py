"""The table of entries: what an operation of ATen computes, and its backward, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["WRITERS", "Entry", "bind", "entry", "find"]

Entry = Callable[..., Any]
Function = TypeVar("Function", bound=Entry)

# What says how a result is stored, not what it is: everything is float64 here.
STORAGE = {"dtype", "layout", "device", "pin_memory", "memory_format", "generator", "non_blocking", "out"}
# The output in which an operation returns its draw, or what else it chooses (the signs of vectors, the order of rows):
# its entry gets it as `drawn`.
DRAWN = {
    "_linalg_eigh": 1, "_linalg_svd": 0, "linalg_lstsq": 1, "linalg_lu": 0, "linalg_lu_factor_ex": 1,
    "native_dropout": 1,
}  # fmt: skip
ENTRIES: dict[str, Entry] = {}
# What an operation writes into its arguments, in their order, where that is not its output.
WRITERS: dict[str, Callable[..., Any]] = {}


def entry(*names: str) -> Callable[[Function], Function]:
    """Enter a function of one's own as what the operations `names` compute: `@entry("mylib::op")`.

    The function takes the operation's arguments, arrays (float64) for tensors, and returns its output (a tuple of
    several; what it leaves away behind is taken as given) and `backward`. `backward(doutput)` takes a tuple if there
    are several outputs, None where there is no gradient, and returns a gradient, or None, for each of the arrays
    among the arguments, in their order; what it leaves away behind has none. ATen's operations go without "aten::",
    and a name without its trailing underscore serves the operation in place, too.
    """

    def enter(function: Function) -> Function:
        for name in names:
            ENTRIES[name] = function
        return function

    return enter


def bind(**functions: Entry) -> None:
    """Enter functions that take an operation's arguments as they are."""
    for name, function in functions.items():
        ENTRIES[name] = function


def find(name: str) -> Entry | None:
    """The entry of an operation; an operation in place, `add_`, has that of `add`."""
    found = ENTRIES.get(name)
    if found is None and name.endswith("_") and not name.endswith("__"):
        found = ENTRIES.get(name[:-1])
    return found
