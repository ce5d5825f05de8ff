"""What a formula is, and a mistake in it.

A formula is a function `formula(v, wrong)` of the values `v` (arrays and options under torch's names) and the set
`wrong` of the wrong lines in it. It returns `outputs, backward`: a tuple of arrays, and a function of one upstream
gradient per output that returns a dictionary of gradients under torch's names. With an empty set it is right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, TypeAlias

from torchref.nn.module import Array

Values: TypeAlias = SimpleNamespace
Gradients: TypeAlias = dict[str, Any]
Evaluated: TypeAlias = tuple[tuple[Array, ...], Callable[..., Gradients]]  # the outputs, and the backward


class Formula(Protocol):
    """A formula as described above, and the wrong formulas that it has."""

    def __call__(self, v: Values, wrong: frozenset[str] = frozenset()) -> Evaluated: ...

    def listed(self, op: Any, /) -> tuple[Mistake, ...]: ...


@dataclass(frozen=True)
class Mistake:
    """One mistake in a formula: its name and sentence for a student, and the gradient with the faulty term."""

    flag: str  # the wrong line
    slug: str
    gradient: str  # the gradient in whose formula the faulty term stands ("output": in the forward)
    sentence: str  # what is wrong, for a student
    correction: str = ""  # what to write
    convention: str = ""  # a note, for code in which this is no mistake but a convention

    @property
    def forward(self) -> bool:
        """Whether the mistake stands in the forward."""
        return self.gradient == "output" or self.gradient.startswith("running_")


@dataclass(frozen=True)
class Unreduced:
    """The gradient of a broadcast parameter before the sum: its terms, and the axes of the sum."""

    terms: Array
    axes: tuple[int, ...]
