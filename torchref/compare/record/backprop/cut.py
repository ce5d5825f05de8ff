"""How much of a tensor is recorded: its first entries along each axis, and the tab says how many are left out."""

from __future__ import annotations

import math

__all__ = [
    "EXAMPLES",
    "LIMIT",
    "TIMES",
    "UNITS",
    "kept_of_draw",
    "kept_of_flow",
    "kept_of_sequence",
    "kept_of_weight",
    "limit_of",
]

EXAMPLES = 64  # examples of a batch, of all of which a weight's gradient is the sum
UNITS = 32  # entries along any other axis
TIMES = 64  # of a sequence
LIMIT = 8192  # entries of a tensor: 64 kB in float64
STEP = 2**18  # entries of all that flows in a step, in each engine: 2 MB


def limit_of(layers: int) -> int:
    """How many entries of an activation, or its gradient, are recorded in a network of so many layers."""
    return min(LIMIT, STEP // (2 * layers + 2))


def kept_of_flow(shape: tuple[int, ...], units: int, limit: int = LIMIT) -> tuple[int, ...]:
    """The part of an activation, or its gradient: a batch of units, of which axis `units` counts the units.

    Where the whole is too large, units go first, then examples: the sums over examples and positions stay whole.
    """
    kept = [min(size, EXAMPLES if axis == 0 else UNITS) for axis, size in enumerate(shape)]
    order = [units, *(axis for axis in range(len(shape)) if axis != units)]
    for axis in order:
        while math.prod(kept) > limit and kept[axis] > 1:
            kept[axis] = (kept[axis] + 1) // 2
    return tuple(kept)


def kept_of_sequence(shape: tuple[int, ...], examples: int, limit: int = LIMIT) -> tuple[int, ...]:
    """The part of what a recurrence takes in or puts out: all times and units of an example, as far as they go.

    The gradient at a time is made of all units at all later times, so examples (axis `examples`) go first.
    """
    kept = [min(size, EXAMPLES if axis == examples else TIMES) for axis, size in enumerate(shape)]
    for axis in (examples, *(axis for axis in range(len(shape)) if axis != examples)):
        while math.prod(kept) > limit and kept[axis] > 1:
            kept[axis] = (kept[axis] + 1) // 2
    return tuple(kept)


def kept_of_draw(shape: tuple[int, ...], examples: int, limit: int) -> tuple[int, ...]:
    """The part of a draw: whole examples, which axis `examples` counts; one at least."""
    each = math.prod(shape) // max(shape[examples], 1)
    kept = min(shape[examples], max(1, limit // max(each, 1)))
    return (*shape[:examples], kept, *shape[examples + 1 :])


def kept_of_weight(shape: tuple[int, ...], whole: bool = False) -> tuple[int, ...]:
    """The part of a weight, or its gradient: its axes 0 and 1 count units, all others belong to a window.

    With `whole`, for a recurrence, which needs all units, it is cut only where it is too large.
    """
    kept = [size if whole else min(size, UNITS) for size in shape]
    while math.prod(kept) > LIMIT:
        axis = max(range(len(kept)), key=lambda axis: kept[axis])
        kept[axis] = (kept[axis] + 1) // 2
    return tuple(kept)
