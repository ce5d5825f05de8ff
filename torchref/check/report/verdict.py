"""The verdict that a user gets: a judgement that a notebook shows as a page."""

from __future__ import annotations

from torchref.check.report.html import cell
from torchref.check.report.judgement import (
    COULD_NOT_RUN,
    RIGHT,
    SLUGS,
    STATUS,
    WRONG,
    Confidence,
    Finding,
    Judgement,
    inside,
)

__all__ = ["COULD_NOT_RUN", "RIGHT", "SLUGS", "STATUS", "WRONG", "Confidence", "Finding", "Verdict", "inside"]


class Verdict(Judgement):
    """The answer to "is this gradient right?", with its findings."""

    def _repr_html_(self) -> str:
        """The verdict as a notebook shows it."""
        return cell(self)
