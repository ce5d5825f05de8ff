"""Lesson: a claim about neural networks, the trainings that measure it, and the rule from figures to findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torchref.compare.comparison import Comparison
from torchref.compare.lockstep.outcome import Step
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach.findings import Figures, Finding
from torchref.compare.teach.trained import Trained
from torchref.nn.module import Array

__all__ = ["Across", "Lesson"]


@dataclass(frozen=True)
class Across:
    """Figures over a setting, which stands on the picture's axis: a line for each curve, a dot for each seed."""

    tag: str  # begins with "figures/"
    setting: str  # the axis
    figure: str  # the other axis
    curves: Mapping[str, Sequence[tuple[str, Array]]]  # label -> [(the setting's value, the figure of each seed), ...]


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
    across: Callable[[Figures], Sequence[Across]] | None = None  # pictures over what is varied, instead of over steps
    page: str = "timeseries"  # of TensorBoard, where the claim is seen
    colors: str = ""  # a regular expression: runs whose group is the same have the same colour there
    cards: tuple[str, ...] = ()  # what shows the claim, on top of TensorBoard's page: curves, and `figures/...`
    runs: str = ""  # a regular expression: the runs that are switched on there at first, at most eight
    tags: Mapping[str, str] = field(default_factory=dict)  # what the lesson's own curves and pictures show

    @property
    def headline(self) -> str:
        """The claim in one line."""
        return self.claim.partition("\n")[0]
