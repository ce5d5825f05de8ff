"""`torchref compare LESSON` and `torchref compare --all`: run lessons, print their verdicts, write their table."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from comparisons.catalogue import find_lesson, lessons
from comparisons.errors import UserError
from comparisons.faults import writing

if TYPE_CHECKING:
    from comparisons.commands.compare import Options
    from comparisons.lesson_training import Taught

ACCEPTED = ("name", "out", "quick", "all", "json", "seeds", "dry_run")


def run_lessons(options: Options, out: Path) -> int:
    """Run one lesson or all; exit status 1 where a gradient differs. A claim that does not hold is a result."""
    for field in fields(options):
        name = field.name
        if name not in ACCEPTED and getattr(options, name) != field.default:
            raise UserError(f"{name.replace('_', '-')}: a lesson brings its own settings (its variants, rates, epochs)")
    if options.all and options.name:
        raise UserError(f"all: it runs every lesson; leave out {options.name!r}, or --all")
    if options.seeds is not None and options.seeds < 2:
        raise UserError(f"seeds: a verdict needs two trainings at least, not {options.seeds}: one seed shows nothing")
    names = lessons() if options.all else [str(options.name).replace("-", "_")]

    from comparisons.lesson_training import QUICK_SEEDS, teach

    if options.dry_run:
        for name in names:
            lesson = find_lesson(name)
            seeds = options.seeds or (QUICK_SEEDS if options.quick else lesson.seeds)
            print(f"would train {name} with {seeds} seeds each, into {out / name}: {'; '.join(lesson.variants)}")
        return 0

    taught = []
    for name in names:
        show = None if options.json else Line()
        taught.append(teach(find_lesson(name), out=out, quick=options.quick, seeds=options.seeds, on_progress=show))
        if show is not None:
            show.clear()
            print(taught[-1].text())
            print(f"recorded in {out / name}; to look at it: torchref view {out / name}\n")
    if options.all:
        write_table(taught, out)
        if not options.json:
            print(f"{out / 'lessons.md'}, {out / 'lessons.json'}: {len(taught)} verdicts")
    if options.json:
        documents = [json.loads(each.to_json()) for each in taught]
        print(json.dumps(documents if options.all else documents[0], indent=2))
    return 0 if all(each.passed for each in taught) else 1


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
    with writing(out):
        (out / "lessons.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (out / "lessons.json").write_text(json.dumps(documents, indent=2) + "\n", encoding="utf-8")


class Line:
    """Progress: one line that is overwritten on a terminal, a line every five seconds elsewhere; on stderr."""

    def __init__(self) -> None:
        self.terminal, self.shown = sys.stderr.isatty(), time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        line = f"{what} ({done + 1} of {total})"
        if self.terminal:
            print(f"\r{line:<79}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.shown > 5:
            self.shown = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave no line behind."""
        if self.terminal:
            print("\r" + " " * 79 + "\r", end="", file=sys.stderr, flush=True)
