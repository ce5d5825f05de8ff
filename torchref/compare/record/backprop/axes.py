"""The names of the axes of a layer's tensors."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["SEQUENCE", "axes_of_flow", "axes_of_weight", "units_axis"]

CONVOLUTIONS = ("Conv", "MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")
RECURRENT = ("RNN", "LSTM", "GRU")
SEQUENCE = (*RECURRENT, "MultiheadAttention")  # an entry of what they make takes all times of its example
SPATIAL = {1: ("position",), 2: ("row", "column"), 3: ("plane", "row", "column")}


def axes_of_flow(kind: str, batch_first: bool, rank: int, before: Sequence[str]) -> tuple[str, ...]:
    """The names of the axes of what a layer puts out; `before`: those of its input."""
    if kind.startswith((*CONVOLUTIONS, "BatchNorm2d", "BatchNorm3d")) and rank - 2 in SPATIAL:
        return ("example", "channel", *SPATIAL[rank - 2])
    if before and rank == len(before):
        return (*before[:-1], "unit") if kind == "Linear" else tuple(before)
    if rank == 4:
        return ("example", "channel", "row", "column")
    if rank == 3 and kind.startswith(SEQUENCE) and not batch_first:
        return ("time", "example", "unit")
    return {0: (), 1: ("example",), 2: ("example", "unit"), 3: ("example", "time", "unit")}.get(
        rank, ("example", *(f"axis {i}" for i in range(1, rank)))
    )


def units_axis(axes: Sequence[str]) -> int:
    """The axis that counts units or channels: the first to be cut."""
    return next((i for i, name in enumerate(axes) if name in ("channel", "unit")), len(axes) - 1)


def axes_of_weight(kind: str, name: str, rank: int) -> tuple[str, ...]:
    """The names of the axes of a parameter."""
    if rank == 1:
        norm = "Norm" in kind
        return ("channel" if norm and not kind.startswith(("Layer", "RMS")) else "unit",)
    if kind.startswith("Conv") and rank - 2 in SPATIAL:
        channels = ("output channel", "input channel")
        if kind.startswith("ConvTranspose"):
            channels = channels[::-1]
        return (*channels, *(f"kernel {axis}" for axis in SPATIAL[rank - 2]))
    if kind == "Embedding":
        return ("symbol", "unit")
    if rank == 2 and name == "in_proj_weight":
        return ("query, key, value unit", "input")
    if rank == 2 and "_hh_" in name:
        return ("gate and unit", "unit before")
    if rank == 2:
        return ("gate and unit" if "_ih_" in name else "output unit", "input")
    return tuple(f"axis {i}" for i in range(rank))
