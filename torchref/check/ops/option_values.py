"""Which values an option may have, as torch refuses them: the error names the option and the value before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from torchref.check.ops.record import Argument, Op

COUNTS = (  # whole numbers from 1, alone or one for each axis
    "kernel_size", "stride", "dilation", "groups", "num_groups", "num_heads", "upscale_factor", "downscale_factor",
    "output_size", "size",
)  # fmt: skip
MARGINS = ("padding", "output_padding")  # whole numbers from 0
INDICES = ("dim", "start_dim", "end_dim", "blank", "ignore_index", "padding_idx", "divisor_override")
LENIENT = ("normalized_shape", "scale_factor", "pad")  # whether they fit is seen where the formula runs
SHARES = ("label_smoothing",)  # from 0 to 1
NOT_NEGATIVE = ("eps", "beta")


def refused(op: Op, options: Mapping[str, Any]) -> str:
    """Why torch takes no such value of an option, with its name and the value; "" if all may be."""
    for a in op.options:
        if a.name in options and (expected := _expected(op, a, options[a.name])):
            return f"{op.name} has no {a.name}={options[a.name]!r}: expected {expected}"
    return ""


def _expected(op: Op, a: Argument, value: Any) -> str:
    """What an option expects, if this value is nothing of the kind; else ""."""
    if a.name in LENIENT or (value is None and (a.default is None or None in a.vary)):
        return ""
    if isinstance(a.default, str):
        choices = (a.default, *a.vary)
        return "" if value in choices else " or ".join(map(repr, choices))
    if isinstance(a.default, bool):
        return "" if isinstance(value, bool) else "True or False"
    if a.name in COUNTS:
        return "" if _whole(value, 1, or_none=a.name == "output_size") else "whole numbers from 1"
    if a.name in MARGINS:
        by_word = op.kernel and value in ("same", "valid")
        return "" if by_word or _whole(value, 0) else "whole numbers from 0"
    if a.name in INDICES:
        along = isinstance(value, tuple | list) and op.statistics is None and a.name == "dim"
        return "" if along or (_whole(value, None) and not isinstance(value, tuple | list)) else "a whole number"
    return _expected_number(op, a, value) if isinstance(a.default, float) else ""


def _expected_number(op: Op, a: Argument, value: Any) -> str:
    """The same for an option that is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "a number"
    if a.name in SHARES or (a.name == "p" and op.draws is not None):
        return "" if 0 <= value <= 1 else "a number from 0 to 1"
    if a.name == "delta":
        return "" if value > 0 else "a number above 0"
    if a.name in NOT_NEGATIVE:
        return "" if value >= 0 else "a number from 0"
    return "" if np.isfinite(value) else "a finite number"


def _whole(value: Any, least: int | None, or_none: bool = False) -> bool:
    """Whether these are whole numbers, alone or in a tuple, none below `least`."""
    every = list(value) if isinstance(value, tuple | list) else [value]
    numbers = [v for v in every if not (or_none and v is None)]
    whole = all(isinstance(v, int) and not isinstance(v, bool) for v in numbers)
    return bool(every) and whole and (least is None or all(v >= least for v in numbers))
