"""Lesson: a claim about neural networks, the trainings that measure it, and the rule from figures to findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torchref.compare.comparison import Comparison
from torchref.compare.lockstep.step import Step
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach.findings import Figures, Finding
from torchref.compare.teach.trained import Trained
from torchref.nn.module import Array

__all__ = ["Across", "Lesson"]

Across = Mapping[str, Mapping[str, Sequence[tuple[int, Array]]]]  # run -> tag -> [(what is varied, by seed), ...]


@dataclass(frozen=True)
class Lesson:
    """A claim, and what measures it.

    Each variant is a Comparison, trained in lockstep once per seed; `measure` turns a training into figures, and
    `judge` turns all figures into findings. With the effect switched off (the A/A control) every variant becomes
    `control`, each with seeds of its own, and `Trained.off` is True: the same `judge` must then answer that the claim
    does not hold.
    """

    name: str
    claim: str  # its first line is the claim
    variants: Mapping[str, Comparison]
    measure: Callable[[Trained], Mapping[str, float]]
    judge: Callable[[Figures], list[Finding]]
    control: str  # the variant that all become when the effect is switched off
    quick: int = 20  # steps in a training of a quick run, at most
    seeds: int = 10
    train: Callable[[Trained], None] | None = None  # instead of going through the data `epochs` times
    watch: Callable[[Trained, Step], None] | None = None  # called after every step
    show: Callable[[Recorder, Trained], None] | None = None  # pictures of a variant's first training
    across: Callable[[Figures], Across] | None = None  # curves over what is varied, instead of over steps
    page: str = "timeseries"  # of TensorBoard, where the claim is seen
    colors: str = ""  # a regular expression: runs whose group is the same have the same colour there
    cards: tuple[str, ...] = ()  # tags of the curves that show the claim: on top of TensorBoard's page, in this order

    @property
    def headline(self) -> str:
        """The claim in one line."""
        return self.claim.partition("\n")[0]
