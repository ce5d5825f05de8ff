"""What was found of the gradient of one tensor."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["Judgement"]


@dataclass(frozen=True)
class Judgement:
    """The gradient of one tensor, or an operation that could not be judged.

    `kind` is "parameter", "input" (another leaf), "intermediate", "buffer" (what was written into it is judged), or
    "operation". `op`, `module` and `source` are those
    of the reader that is to blame where the gradient parts, else of the operation that made the tensor. `error` is the
    largest difference in units of the gradient's largest entry, `bound` how much of it rounding explains there.
    `coefficient`: torch's share of the gradient is this many times what it should be, where one number says it.
    """

    name: str
    kind: str
    op: str = ""
    module: str = ""
    source: str = ""
    error: float = 0.0
    bound: float = 0.0
    shape: tuple[int, ...] = ()
    worst: tuple[int, ...] = ()
    coefficient: float | None = None
    feeds: str = ""
    judged: str = "locally"  # or "globally"
    diagnosis: str = ""  # which mistake it is, where that is known
    reason: str = ""

    def where(self) -> str:
        """The operation, and its module."""
        return (self.op or self.name) + (f" in {self.module}" if self.module else "")

    def shown_source(self) -> str:
        """FILE:LINE as a user would type it: from the present folder where that is shorter."""
        try:
            return min(os.path.relpath(self.source), self.source, key=len) if self.source else ""
        except ValueError:  # another drive
            return self.source

    def lines(self) -> list[tuple[str, str]]:
        """What there is to say of a tensor that parts, each with its name."""
        said = [
            ("line", self.shown_source()),
            ("tensor", f"{self.name}, shape {self.shape}, worst entry {self.worst}"),
            ("error", f"{self.error:.3g} of the largest entry; rounding explains {self.bound:.3g}"),
            (
                "share",
                "" if self.coefficient is None else f"torch's is {self.coefficient:.4f} times what it should be",
            ),
            ("feeds", self.feeds),
            ("mistake", self.diagnosis),
        ]
        return [(name, text) for name, text in said if text]

    def line(self) -> str:
        """The judgement in one line."""
        where = f" in {self.module}" if self.module else ""
        at = f" at {self.shown_source()}" if self.source else ""
        if self.reason:
            return f"{self.name}: {self.reason}{where}{at}"
        text = f"{self.name} {self.shape}: error {self.error:.2g}, bound {self.bound:.2g}"
        if self.op:
            text += f", by {self.op}{where}{at}"
        if self.coefficient is not None:
            text += f"; its share is {self.coefficient:.4f} times what it should be"
        return text + (f"; {self.diagnosis}" if self.diagnosis else "")
