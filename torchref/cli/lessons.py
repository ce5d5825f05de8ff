"""`torchref compare LESSON` and `torchref compare --all`: run lessons, print their verdicts, write their table."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torchref.compare.catalogue import find_lesson
from torchref.compare.files import write_whole

if TYPE_CHECKING:
    from torchref.compare.teach.taught import Taught
    from torchref.compare.train.progress import OnProgress

__all__ = ["run_lessons"]


def run_lessons(
    names: Sequence[str], out: Path, *, seeds: int | None, quick: bool, json_only: bool, dry_run: bool, table: bool
) -> int:
    """Run lessons; exit status 1 where a gradient differs. A claim that does not hold is a result.

    `table`: write OUT/lessons.md and OUT/lessons.json. `json_only`: print the results as JSON, and no progress.
    """
    from torchref.compare.teach.teach import QUICK_SEEDS, teach
    from torchref.compare.train.progress import ProgressDisplay

    taught = []
    for name in names:
        lesson = find_lesson(name)
        count = seeds or (QUICK_SEEDS if quick else lesson.seeds)
        if dry_run:
            print(f"would train {name} with {count} seeds each, into {out / name}: {'; '.join(lesson.variants)}")
            continue
        if not json_only:
            trainings = (
                f"{len(lesson.variants)} variants with {count} seeds each, {len(lesson.variants) * count} trainings"
            )
            print(f"{name}: {trainings}; a lesson is not resumed: broken off, it begins anew", file=sys.stderr)
        with ProgressDisplay(quiet=json_only, unit="training") as progress:
            taught.append(teach(lesson, out=out, quick=quick, seeds=seeds, on_progress=partial(shown, name, progress)))
        if not json_only:
            print(taught[-1].text())
            print(f"recorded in {out / name}; to look at it: torchref view {out / name}\n")
    if dry_run:
        return 0
    if table:
        write_table(taught, out)
        if not json_only:
            print(f"{out / 'lessons.md'}, {out / 'lessons.json'}: {len(taught)} verdicts")
    if json_only:
        documents = [json.loads(each.to_json()) for each in taught]
        print(json.dumps(documents if table else documents[0], indent=2))
    return 0 if all(each.passed for each in taught) else 1


def shown(name: str, progress: OnProgress, _what: str, done: int, total: int) -> None:
    """A lesson's progress, in trainings."""
    progress(name, done, total, 0, 1)


def write_table(taught: list[Taught], out: Path) -> None:
    """OUT/lessons.md and OUT/lessons.json: claim, verdict, figures, time, gradients asserted."""
    lines = [
        "# Lessons",
        "",
        "| lesson | claim | verdict | gradients asserted | largest difference | seconds |",
        "|---|---|---|--:|--:|--:|",
    ]
    for each in taught:
        result = f"MISMATCH: {each.mismatch.partition(chr(10))[0]}" if each.mismatch else each.verdict
        figures = f"{each.gradients:,} | {each.largest_difference:.1e} | {each.seconds:.1f}"
        lines.append(f"| {each.name} | {each.claim} | {result} | {figures} |")
    for each in taught:
        lines += ["", f"## {each.name}", "", each.markdown()]
    documents = [json.loads(each.to_json()) for each in taught]
    write_whole(out / "lessons.md", "\n".join(lines) + "\n")
    write_whole(out / "lessons.json", json.dumps(documents, indent=2) + "\n")
