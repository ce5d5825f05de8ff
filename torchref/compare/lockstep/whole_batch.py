"""Compare a batch in parts (`accumulate`) with the same batch whole: equal, but for batch norm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from torchref.compare.lockstep.bounds import results
from torchref.compare.lockstep.twins import NumpyTwin, parts
from torchref.nn.module import Array
from torchref.nn.random import Tape

__all__ = ["Apart", "JoinedTape", "Unjoined", "apart_from_whole", "distance"]

ROUNDING = 1e-9  # what lies further apart, in float64, computes something else


@dataclass(frozen=True)
class Apart:
    """How far parts are from the whole, in one step, relative to the whole; None where that cannot be measured."""

    loss: float | None
    gradient: float | None  # Euclidean norms over all parameters
    statistics: float | None  # ... and over all floating-point buffers: batch norm's running mean and variance

    def sentence(self, batch_norms: list[str]) -> str:
        """A sentence about the difference; empty where there is none."""
        if self.loss is None or self.gradient is None:
            return "the parts were not compared with the whole batch: what the network draws at random cannot be joined"
        if max(self.loss, self.gradient) <= ROUNDING:
            return ""
        if batch_norms:
            why = (
                f"batch norm ({', '.join(batch_norms)}) normalises each part by the part's own mean and variance, "
                f"and moves its running statistics once a part: they are {self.statistics:.1e} of their size away"
            )
        else:
            why = "the network looks at the other examples of its part"
        return (
            f"in parts the first step's gradient is {self.gradient:.1e} of its size away from the whole batch's, "
            f"its loss {self.loss:.1e}: {why}"
        )


def apart_from_whole(twin: NumpyTwin, x: Array, target: Array, tape: Tape) -> Apart:
    """Run one step in parts, with the draws of `tape`, and once whole; the twin (in float64) is left as it was."""
    accumulate, count = twin.accumulate, len(parts(len(x), twin.accumulate))
    ours = results(twin, x, target, tape, lambda value: value)
    twin.accumulate = 1
    try:
        whole = results(twin, x, target, JoinedTape(tape.draws, count), lambda value: value)
    except Unjoined:
        return Apart(None, None, None)
    finally:
        twin.accumulate = accumulate
    gradients = [name for name in whole if name.startswith("gradient ")]
    statistics = [name for name in whole if name.startswith("buffer ") and whole[name].dtype.kind == "f"]
    return Apart(*(distance(ours, whole, names) for names in (["loss "], gradients, statistics)))


def distance(ours: dict[str, Array], theirs: dict[str, Array], names: Iterable[str]) -> float:
    """|ours - theirs| / |theirs| over all of these arrays."""
    apart = sum(float(np.sum((ours[name] - theirs[name]) ** 2)) for name in names)
    size = sum(float(np.sum(theirs[name] ** 2)) for name in names)
    return float(np.sqrt(apart / size)) if size else float(apart > 0)


class Unjoined(Exception):
    """The parts' draws are no draw of the whole batch."""


class JoinedTape(Tape):
    """The draws of a batch's parts, joined to those of the whole batch, which has the same units dropped."""

    def __init__(self, draws: Iterable[Array], parts: int) -> None:
        super().__init__(draws)
        self.each, rest = divmod(len(self.draws), parts)
        if rest:
            raise Unjoined

    def next(self, shape: tuple[int, ...]) -> Array:
        """The next draw: the parts' draws, joined along the axis that gives this shape."""
        drawn = self.draws[self.position :: self.each]
        self.position += 1
        for axis in range(len(shape)):
            try:
                draw = np.concatenate(drawn, axis)
            except ValueError:  # other axes differ
                continue
            if draw.shape == tuple(shape):
                return draw
        raise Unjoined
