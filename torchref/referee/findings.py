"""What the referee says: the verdict, what parted and where, what was judged and what was not."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from torchref.referee.judgement import Judgement

__all__ = ["Findings"]


@dataclass
class Findings:
    """What was found of a run, tensor by tensor."""

    judged: list[Judgement] = field(default_factory=list)  # equal, as far as rounding allows
    parted: list[Judgement] = field(default_factory=list)  # the first is where to look
    not_judged: list[Judgement] = field(default_factory=list)
    trusted: list[Judgement] = field(default_factory=list)
    engine: str = "eager"
    loss: float = 0.0
    operations: int = 0
    draws: int = 0
    given: int = 0
    decomposed: int = 0
    eager: Findings | None = None  # what was found of the eager run, beside an engine that cannot be looked into

    @property
    def passed(self) -> bool:
        """Whether every parameter was judged, and nothing parted. What was not judged is never a pass."""
        return not self.parted and not self.not_judged and any(j.kind == "parameter" for j in self.judged)

    @property
    def verdict(self) -> str:
        """EQUAL, PARTED, or NOT JUDGED (in parts, or at all)."""
        return "PARTED" if self.parted else "EQUAL" if self.passed else "NOT JUDGED"

    @property
    def status(self) -> int:
        """The command's exit status: 0 equal, 1 parted, 3 parts not judged."""
        return {"EQUAL": 0, "PARTED": 1, "NOT JUDGED": 3}[self.verdict]

    @property
    def first(self) -> Judgement | None:
        """The first operation that parts, counted from the loss."""
        return self.parted[0] if self.parted else None

    def counts(self, kind: str) -> tuple[int, int, int]:
        """How many tensors of a kind are equal, parted and not judged; each counts once, at its worst."""
        if kind == "intermediate":  # these have no names of their own, and are judged locally alone
            groups = (self.judged, self.parted, self.not_judged)
            equal, parted, absent = (sum(j.kind == kind for j in group) for group in groups)
            return equal, parted, absent
        apart = {j.name for j in self.parted if j.kind == kind}
        unknown = {j.name for j in self.not_judged if j.kind == kind} - apart
        same = {j.name for j in self.judged if j.kind == kind} - apart - unknown
        return len(same), len(apart), len(unknown)

    def text(self) -> str:
        """The report for people."""
        lines = [f"{self.verdict} (engine {self.engine}, loss {self.loss:.6g}, {self.operations} operations)"]
        for kind in ("parameter", "input", "intermediate", "buffer"):
            equal, parted, absent = self.counts(kind)
            if equal or parted or absent:
                lines.append(f"  {kind}s: {equal} equal, {parted} parted, {absent} not judged")
        lines.append(f"  taken as given: {self.draws} random draws, {self.given} operations without a gradient")
        if self.decomposed:
            lines.append(f"  by torch's decomposition: {self.decomposed} operations")
        if self.eager is not None:
            lines.append(f"  the eager run: {self.eager.verdict}")
            lines += self.eager._first_lines()
        lines += self._first_lines()
        lines += [f"  parted: {judgement.line()}" for judgement in self.parted[1:11]]
        if len(self.parted) > 11:
            lines.append(f"  ... and {len(self.parted) - 11} more")
        lines += [f"  NOT JUDGED: {judgement.line()}" for judgement in self.not_judged[:10]]
        if len(self.not_judged) > 10:
            lines.append(f"  ... and {len(self.not_judged) - 10} more")
        lines += [f"  trusted: {judgement.line()}" for judgement in self.trusted]
        return "\n".join(lines)

    def _first_lines(self) -> list[str]:
        if self.first is None:
            return []
        lines = [f"    {f'{name}:':7} {text}" for name, text in self.first.lines()]
        return [f"  first to part: {self.first.where()}", *lines]

    def as_json(self) -> str:
        """The report for programs."""
        return json.dumps({"verdict": self.verdict, "passed": self.passed, **asdict(self)}, indent=1)

    def write(self, writer: Any, step: int | None = None) -> None:
        """Beside a training's curves in TensorBoard: the counts, how much of its bound the worst error takes, the text.

        `writer` is a `torch.utils.tensorboard.SummaryWriter`, or has its `add_scalar` and `add_text`.
        """
        for name, group in (("judged", self.judged), ("parted", self.parted), ("not judged", self.not_judged)):
            writer.add_scalar(f"referee/{name}", len(group), step)
        shares = [j.error / j.bound for j in (*self.judged, *self.parted) if j.bound > 0]
        writer.add_scalar("referee/largest share of a bound", max(shares, default=0.0), step)
        writer.add_text("referee/report", f"```\n{self.text()}\n```", step)
