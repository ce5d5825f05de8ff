"""What has been found in one reading of a user's code, question after question."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from torchref.check.report.verdict import Confidence, Finding


@dataclass
class Found:
    """The findings and notes so far."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)  # the values of options that it was run with, too

    def add(
        self,
        gradient: str,
        slug: str,
        evidence: str,
        confidence: Confidence,
        sentence: str = "",
        correction: str = "",
        consequences: Iterable[str] = (),
    ) -> None:
        self.findings.append(Finding(gradient, slug, evidence, confidence, sentence, correction, list(consequences)))
