"""One way to read a user's code: the search makes many of these, and changes none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torchref.check.ops import Op
from torchref.check.ops.conventions import TORCH, Convention
from torchref.check.ops.probe import Probe, deeper_probe, make_probe
from torchref.check.reading.forms.form import Form


@dataclass(frozen=True)
class Reading:
    """How the code is called, what it should compute, how its arrays are written, how closely it is compared."""

    form: Form
    variant: str  # of the probe
    tolerance: float  # of the largest entry: what is nearer than that is no mistake
    convention: Convention = TORCH
    stated: tuple[str, ...] = ()  # what the user has said of the arguments
    notes: tuple[str, ...] = ()  # what a user should know of this reading
    laid_out: bool = False  # whether the operation is one on inputs of another number of axes
    strict: bool = False  # whether the conventions of other texts are mistakes

    @property
    def op(self) -> Op:
        return self.form.op

    @property
    def takes(self) -> set[str]:
        return self.form.takes

    def calling(self, **changes: Any) -> Reading:
        """The reading with another form: `op`, `takes`, `dtype` and what else a form has may be changed."""
        return replace(self, form=self.form.changed(**changes))

    def noting(self, note: str) -> Reading:
        return replace(self, notes=(*self.notes, note))

    def probe(self, seed: int, variant: str | None = None) -> Probe:
        """Arguments for this code."""
        return make_probe(self.op, seed, self.takes, variant or self.variant)

    def deeper_probe(self, seed: int) -> Probe:
        """Arguments of one axis more."""
        return deeper_probe(self.op, seed, self.takes, self.variant)
