"""The result of `judge`: what was found, which a notebook shows as a page."""

from __future__ import annotations

from torchref.referee.findings import Findings
from torchref.referee.html import cell
from torchref.referee.judgement import Judgement

__all__ = ["Judgement", "Report"]


class Report(Findings):
    """The result of `judge`."""

    def _repr_html_(self) -> str:
        """The report for notebooks."""
        return cell(self)
