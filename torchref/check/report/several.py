"""Several verdicts as one answer: the exit status and the JSON of `torchref check`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from torchref.check.report.verdict import STATUS, Verdict


def status(verdicts: Sequence[Verdict]) -> int:
    """0 if all are right, 1 if one is wrong, 2 if one could not be run, or not all of it judged."""
    return max((v.status for v in verdicts), default=0)


def as_json(verdicts: Sequence[Verdict], hints: int) -> str:
    """One verdict as it is; several under "results", with the worst of them as the verdict."""
    answers = [v.as_dict(hints) for v in verdicts]
    if len(answers) == 1:
        return json.dumps(answers[0], indent=2)
    worst = max(verdicts, key=lambda v: STATUS[v.verdict]).verdict
    findings = [{"name": a["name"], **f} for a in answers for f in a["findings"]]
    return json.dumps({"verdict": worst, "findings": findings, "results": answers}, indent=2)
