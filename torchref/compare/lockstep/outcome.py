"""What a step in lockstep gives, what a training has compared, and the two ways in which it ends early."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from torchref.compare.lockstep.judge import Divergence, Judge
from torchref.compare.lockstep.observe import Seen
from torchref.compare.lockstep.watched import Watched
from torchref.nn.module import Array
from torchref.nn.random import Tape

__all__ = ["Diverged", "Ended", "Judged", "NotFinite", "Step"]


class Diverged(Exception):
    """The twins differ by more than rounding explains."""

    def __init__(self, divergence: Divergence, watched: Watched | None = None) -> None:
        super().__init__(str(divergence))
        self.divergence = divergence
        self.watched = watched  # the step once more; None where it could not be run again


class NotFinite(Exception):
    """The weights have grown until both twins overflow: nothing is left to be compared."""

    def __init__(self, step: int) -> None:
        super().__init__(
            f"the training diverged at step {step}, in both twins alike: their numbers are no longer finite"
        )
        self.step = step


Ended: TypeAlias = Diverged | NotFinite


@dataclass
class Step:
    """The results of one step, for the record."""

    numpy_loss: float
    torch_loss: float
    free_loss: float
    numpy_output: Any  # an array, or a tuple of them
    torch_output: Any
    largest_difference: dict[str, float]  # by kind of tensor: output, loss, gradient, buffer, update
    tape: Tape
    numpy_seen: Seen | None = None
    torch_seen: Seen | None = None
    numpy_gradients: dict[str, Array | None] = field(default_factory=dict)
    torch_gradients: dict[str, Array | None] = field(default_factory=dict)
    watched: Watched | None = None


class Judged(NamedTuple):
    """What a training has compared: the counts, by tensor whether its canary was noticed, and the kinks."""

    judge: Judge
    canary: dict[str, bool]
    kinks: int
