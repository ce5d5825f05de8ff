"""Several verdicts as one answer: the exit status, the text and the JSON of `torchref check`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from torchref.check.report.judgement import COULD_NOT_RUN, RIGHT, WRONG, Judgement, listed, title

AnyJudgement = TypeVar("AnyJudgement", bound=Judgement)

_NONE: Mapping[str, Sequence[str]] = MappingProxyType({})


def status(verdicts: Sequence[Judgement]) -> int:
    """0: all are right. 1: one is wrong. 2: one could not be run, or a part of it was not judged."""
    return max((v.status for v in verdicts), default=0)


def first_not_right(verdicts: Iterable[AnyJudgement]) -> AnyJudgement:
    """The first verdict that is not right, else the last. No further one is asked for: an iterator can go on there."""
    for verdict in verdicts:
        if not verdict.ok:
            break
    return verdict


def as_text(
    verdicts: Sequence[Judgement], hints: int, listing: bool = False, passed_over: Mapping[str, Sequence[str]] = _NONE
) -> str:
    """One verdict: its text. Several: a line for each, then the details, then how many there are of each kind.

    `listing`: also one verdict has its line, as where a directory was named. `passed_over`: {file: names}, what has a
    backward there and was not judged.
    """
    details = [v.text(hints) for v in verdicts]
    if len(verdicts) == 1 and not listing:
        return details[0]
    width = max((len(v.place) for v in verdicts), default=0)
    lines = [f"{v.place:{width}}  {in_one_line(v, hints)}" for v in verdicts]
    left = [f"not judged, as no operation has this name: {path}: {', '.join(n)}" for path, n in passed_over.items()]
    left += ["A comment in the file says what it should be: # torchref: NAME against OP"] if left else []
    return "\n".join([*lines, "", *details, "", *left, summary(verdicts)])


def in_one_line(v: Judgement, hints: int) -> str:
    """The verdict in one line: its word, and as much more as the level of hints allows."""
    if v.verdict == COULD_NOT_RUN:
        lines = (line for line in v.error.splitlines() if line[:1].strip())  # without those of a traceback
        said = [line for line in lines if not line.endswith("(most recent call first):")]
        return f"could not be run: {(said or [''])[-1].removesuffix('; it was at:')}"
    if v.verdict == RIGHT or hints == 0:
        return v.outcome
    wrong = (title(f.gradient) + (f" {f.slug}" if hints >= 2 else "") for f in v.findings)
    return f"{v.outcome}: {', '.join(dict.fromkeys(wrong))}"


def summary(verdicts: Sequence[Judgement]) -> str:
    """12 in all: 9 right, 1 wrong and 2 could not be run"""
    part = sum(v.verdict == RIGHT and not v.ok for v in verdicts)
    counts = {
        "right": sum(v.ok for v in verdicts),
        "right in a part": part,
        "wrong": sum(v.verdict == WRONG for v in verdicts),
        "could not be run": sum(v.verdict == COULD_NOT_RUN for v in verdicts),
    }
    return f"{len(verdicts)} in all: {listed([f'{n} {word}' for word, n in counts.items() if n])}"


def as_json(verdicts: Sequence[Judgement], hints: int) -> str:
    """One verdict: its fields. Several: a list "results", and the worst of them as the verdict."""
    answers = [v.as_dict(hints) for v in verdicts]
    if len(answers) == 1:
        return json.dumps(answers[0], indent=2)
    worst = max(verdicts, key=lambda v: v.status).verdict
    findings = [{"name": a["name"], **f} for a in answers for f in a["findings"]]
    return json.dumps({"verdict": worst, "findings": findings, "results": answers}, indent=2)
