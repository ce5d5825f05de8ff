"""What an exercise is made of."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Exercise"]

SKELETONS = Path(__file__).with_name("skeletons")
DRAWN = 2  # variants of an exercise, where it has so many


@dataclass(frozen=True)
class Exercise:
    """A function whose forward is given, and whose backward is to be written."""

    name: str  # of the function, and of its file
    title: str
    operation: str  # as `torchref check --against` takes it
    gradients: tuple[str, ...]  # that are asked for, by torch's names of the arguments
    hints: tuple[str, str, str]  # each says more than the one before
    variants: tuple[str, ...] = ()  # other options of the operation

    @property
    def skeleton(self) -> str:
        """The file that a student fills in."""
        return (SKELETONS / f"{self.name}.py").read_text(encoding="utf-8")

    def drawn(self, seed: int) -> tuple[str, ...]:
        """The variants of this seed."""
        chance = random.Random(f"{seed} {self.name}")
        return tuple(chance.sample(self.variants, min(DRAWN, len(self.variants))))

    def file(self, seed: int) -> str:
        """The skeleton, with comments that tell `torchref check` what it should compute."""
        title, _, rest = self.skeleton.partition("\n")
        against = "".join(f"# torchref: {self.name} against {o}\n" for o in (self.operation, *self.drawn(seed)))
        return f"{title}\n\n{against}{rest}"
