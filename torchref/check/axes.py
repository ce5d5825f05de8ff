"""What the axes of an operation's arrays are called."""

from __future__ import annotations

from torchref.check.ops import Op

SPACE = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


def axes(op: Op, name: str, ndim: int) -> tuple[str, ...]:
    """The names of the `ndim` axes of the array `name`, in torch's layout."""
    named = " ".join(op.argument(name).axes).split("|") if op.has(name) else []
    own = next((tuple(a.split()) for a in named if len(a.split()) == ndim), None)
    known = own or layout(op, name, ndim)
    return known if known is not None and len(known) == ndim else tuple(f"axis {i}" for i in range(ndim))


def layout(op: Op, name: str, ndim: int) -> tuple[str, ...] | None:
    image = ("N", "C", *SPACE.get(ndim - 2, ()))
    if ndim == 1:
        return ("N",) if op.loss else ("D",)
    return ("N", "D") if ndim == 2 else image if ndim > 2 else None
