"""What the axes of an operation's arrays are called."""

from __future__ import annotations

from torchref.check.ops import Op

SPACE = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


def axes(op: Op, name: str, ndim: int) -> tuple[str, ...]:
    """The names of the `ndim` axes of the array `name`, in torch's layout."""
    own = op.argument(name).axes if op.has(name) else ()
    known = own or OWN.get(op.family, {}).get(name) or layout(op, name, ndim)
    return known if known is not None and len(known) == ndim else tuple(f"axis {i}" for i in range(ndim))


OWN: dict[str, dict[str, tuple[str, ...]]] = {
    "linear": {"input": ("N", "in"), "weight": ("out", "in"), "bias": ("out",)},
    "embedding": {"weight": ("V", "D")},
    "recurrent": {
        "hx": ("N", "H"), "cx": ("N", "H"), "weight_ih": ("gates H", "D"), "weight_hh": ("gates H", "H"),
        "bias_ih": ("gates H",), "bias_hh": ("gates H",),
    },
}  # fmt: skip


def layout(op: Op, name: str, ndim: int) -> tuple[str, ...] | None:
    image = ("N", "C", *SPACE.get(ndim - 2, ()))
    if op.family == "conv":
        sides = tuple(f"k{s}" for s in SPACE.get(ndim - 2, ()))
        first = ("in", "out") if "transpose" in op.name else ("out", "in")
        return {"input": image, "weight": (*first, *sides), "bias": ("out",)}.get(name)
    if op.family == "recurrent":
        return ("T", "N", "D") if ndim == 3 else ("N", "D")
    if op.name == "multi_head_attention":
        return {3: ("T", "N", "E"), 2: ("out", "in"), 1: ("out",)}.get(ndim)
    if op.family == "attention":
        return {4: ("N", "H", "T", "d"), 3: ("N", "T", "d"), 2: ("T", "d")}.get(ndim)
    if ndim == 1:
        return ("N",) if op.loss else ("D",)
    return ("N", "D") if ndim == 2 else image if ndim > 2 else None
