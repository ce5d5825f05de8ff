"""A lesson's results: for the terminal, for TensorBoard, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from html import escape
from typing import Any

from torchref.compare.record.html import images
from torchref.compare.teach.findings import Finding
from torchref.compare.train.report import plain
from torchref.nn.module import Array

__all__ = ["Taught"]


@dataclass
class Taught:
    """A lesson's results."""

    name: str
    claim: str
    verdict: str
    findings: list[Finding]
    figures: dict[str, dict[str, list[float]]]  # variant -> figure -> one number per seed
    seeds: int
    steps: int
    gradients: int  # tensors of gradients asserted
    largest_difference: float  # of a gradient, NumPy - torch
    seconds: float
    quick: bool = False
    mismatch: str = ""  # the first tensor that differs by more than rounding explains, or a canary that was missed
    environment: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, Array] = field(default_factory=dict, repr=False)  # by tag, pixels; not in the JSON

    @property
    def passed(self) -> bool:
        """Whether every gradient was equal; a claim that does not hold is a result, not a failure."""
        return not self.mismatch

    @property
    def said(self) -> str:
        """The verdict with the number of seeds, which one that is not decided names itself."""
        return self.verdict if "seeds" in self.verdict else f"{self.verdict} ({self.seeds} seeds)"

    def text(self) -> str:
        """The verdict with its findings, for the terminal."""
        lines = [f"{self.name}: {self.claim}", ""]
        for finding in self.findings:
            mark = "yes" if finding.confirmed else "no "
            role = {"claim": "", "limit": "but: ", "instead": "instead: ", "beside": "beside: "}[finding.role]
            lines += [f"  {mark}  {role}{finding.text}", f"         {finding.figures}"]
        equality = (
            f"MISMATCH: {self.mismatch}"
            if self.mismatch
            else f"{self.gradients:,} gradients in {self.steps:,} steps equal to torch's"
            f" (largest difference {self.largest_difference:.1e})"
        )
        lines += ["", f"verdict: {self.said}, {self.seconds:.1f} s{', quick' * self.quick}"]
        return "\n".join([*lines, equality])

    def markdown(self) -> str:
        """The same for TensorBoard and for reports: a row for each finding."""
        words = {"claim": "", "limit": "*but:* ", "instead": "*instead:* ", "beside": "*beside:* "}
        rows = [f"| {'yes' if f.confirmed else 'no'} | {words[f.role]}{f.text} | {f.figures} |" for f in self.findings]
        seeds = f"{self.seeds} seeds, {self.steps:,} steps"
        equal = f"mismatch: {self.mismatch}" if self.mismatch else f"{self.gradients:,} gradients equal to torch's"
        head = [self.claim, "", f"**Verdict: {self.verdict}** ({seeds}; {equal})", ""]
        return "\n".join([*head, "| confirmed | finding | what the trainings show |", "|---|---|---|", *rows])

    def _repr_html_(self) -> str:
        """The verdict, its findings and pictures, for a notebook's cell."""
        head = "".join(f"<th>{escape(name)}</th>" for name in ("role", "finding", "confirmed", "figures"))
        rows = [(f.role, f.text, "yes" if f.confirmed else "no", f.figures) for f in self.findings]
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        said = f"<p><b>{escape(self.said)}</b>: {escape(self.claim)}</p>"
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return said + table + images(self.pictures)

    def to_json(self) -> str:
        """Everything, as JSON (nan and inf as strings)."""
        fields = {**asdict(replace(self, pictures={})), "passed": self.passed}
        del fields["pictures"]
        return json.dumps(plain(fields), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Taught:
        """What `to_json` has written. Errors: ValueError, LookupError, TypeError, AttributeError for anything else."""
        fields = json.loads(text)
        del fields["passed"]
        fields["findings"] = [Finding(**each) for each in fields["findings"]]
        fields["figures"] = {
            variant: {name: [float(value) for value in values] for name, values in figures.items()}
            for variant, figures in fields["figures"].items()
        }
        fields["largest_difference"] = float(fields["largest_difference"])
        return cls(**fields)
