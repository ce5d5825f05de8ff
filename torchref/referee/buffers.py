"""The buffers that a run writes, running statistics above all: what was written, computed by hand from what was read.

No gradient shows a wrong one before the model is evaluated. Each write is judged alone, from the values of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.check.tolerance.rounding import finite
from torchref.nn.module import Array
from torchref.referee.compare import Difference, difference
from torchref.referee.entries import find
from torchref.referee.entries.table import WRITERS
from torchref.referee.globally import TRIALS, is_open
from torchref.referee.local import dtypes_of
from torchref.referee.noise import Noise, settled
from torchref.referee.recording import Node, Recording, tensors_in
from torchref.referee.report import Judgement, Report
from torchref.referee.storage import Ref
from torchref.referee.tape import called

__all__ = ["expected", "judge_buffers"]


def judge_buffers(recording: Recording, report: Report) -> None:
    """Compare what was written into each buffer with what should have been."""
    for node, written in recording.writes:
        values = expected(node, Ref.given)
        for i, ref in enumerate(written):
            name = recording.buffers.get(ref.storage)
            if name is None:
                continue
            place: dict[str, Any] = {"op": node.op, "module": node.module, "source": node.place.source}
            if isinstance(values, str):
                if ref.storage.floating:
                    report.not_judged.append(Judgement(name, "buffer", reason=values, **place))
            elif i < len(values):  # else it was drawn
                found = compared(recording, node, ref, i, np.asarray(values[i], dtype=np.float64))
                judgement = Judgement(
                    name, "buffer", error=found.error, bound=found.bound, shape=ref.size, worst=found.worst, **place
                )
                (report.judged if found.equal else report.parted).append(judgement)


def expected(node: Node, value: Callable[[Ref], Array]) -> list[Array] | str:
    """What the operation should write, in the order of its targets; or why nobody knows."""
    writer = WRITERS.get(node.name) or find(node.name)
    if writer is None:
        return "no entry for what was written into it"
    if not all(ref.readable and not ref.complex for ref in node.inputs):
        return "it was written from complex numbers, or memory in another dtype"
    try:
        result = called(writer, node, value)
    except Exception as error:  # noqa: BLE001 (an entry may be a user's own)
        return f"the entry of what was written into it failed: {error!r}"
    return tensors_in(result if node.name in WRITERS else result[0], np.ndarray)


def compared(recording: Recording, node: Node, ref: Ref, i: int, exact: Array) -> Difference:
    """How far the i-th thing that the operation wrote is off; trials of rounding are added while it is in doubt."""
    theirs = ref.given().astype(np.float64)
    spread = np.zeros_like(exact)
    found = difference(exact, theirs, spread, ref.dtype)
    for trial in range(1, TRIALS + 1):
        if not ref.storage.floating or found.equal or (trial > 1 and not is_open(found, trial)):
            break
        moved = moved_by(node, Noise(dtypes_of(recording), trial))
        if moved is not None:
            spread = np.fmax(spread, moved[1] * finite(np.abs(moved[0][i] - exact)))
            found = difference(exact, theirs, spread, ref.dtype)
    return found


def moved_by(node: Node, noise: Noise) -> tuple[list[Array], float] | None:
    """What the operation writes in one trial of rounding, and the scale of its errors."""

    def stored(ref: Ref) -> Array:
        return noise.stored(ref.given(), ref.storage.dtype)

    with noise.on():
        moved = expected(node, stored)
    return None if isinstance(moved, str) else ([settled(array) for array in moved], noise.scale)
