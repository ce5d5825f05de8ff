"""What `torchref check` does: judge each target, print the verdicts, write the page."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from torchref.check.api import in_file
from torchref.check.catalogue import CATALOGUE
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.verdict import COULD_NOT_RUN, STATUS, Verdict


def judge(
    targets: Sequence[str],
    against: str | None = None,
    form: str | None = None,
    arguments: str | None = None,
    timeout: float = 60.0,
    device: str | None = None,
) -> list[Verdict]:
    """The verdict on each `FILE.py:NAME` or `FILE.py:NAME=OP`."""
    verdicts: list[Verdict] = []
    for target in targets:
        place, equals, op = target.partition("=")
        path, colon, name = place.rpartition(":")
        wanted = op if equals else against
        if not colon or not path or not name:
            error = f"expected FILE.py:NAME or FILE.py:NAME=OP, found {target!r}"
            verdicts.append(Verdict(COULD_NOT_RUN, name=target, error=error))
        elif not wanted:
            error = "say what it should compute: --against OP, or FILE.py:NAME=OP"
            verdicts.append(Verdict(COULD_NOT_RUN, name=name, error=error))
        else:
            verdicts.append(in_file(path, name, wanted, form, arguments, timeout=timeout, device=device))
    return verdicts


def status(verdicts: Sequence[Verdict]) -> int:
    """0 if all are right, 1 if one is wrong, 2 if one could not be run."""
    return max((STATUS[v.verdict] for v in verdicts), default=0)


def as_json(verdicts: Sequence[Verdict], hints: int) -> str:
    """One verdict as it is; several under "results", with the worst of them as the verdict."""
    answers = [v.as_dict(hints) for v in verdicts]
    if len(answers) == 1:
        return json.dumps(answers[0], indent=2)
    worst = max(verdicts, key=lambda v: STATUS[v.verdict]).verdict
    findings = [{"name": a["name"], **f} for a in answers for f in a["findings"]]
    return json.dumps({"verdict": worst, "findings": findings, "results": answers}, indent=2)


def listing() -> str:
    """Every operation that `against` may name, family by family, and the optimizers."""
    families: dict[str, list[str]] = {}
    for op in CATALOGUE:
        families.setdefault(op.family, []).append(op.name)
    families["optimizer"] = list(OPTIMIZERS)
    return "\n".join(textwrap.fill(f"{family}: {', '.join(names)}", 120) for family, names in families.items())
