"""`torchref compare LESSON` and `torchref compare --all`: run lessons, print their verdicts, write their table."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torchref.compare.catalogue import find_lesson
from torchref.compare.files import write_whole

if TYPE_CHECKING:
    from torchref.compare.tasks.task import Report, RunTasks
    from torchref.compare.teach.lesson import Lesson
    from torchref.compare.teach.taught import Taught
    from torchref.compare.train.progress import OnProgress

__all__ = ["How", "run_lessons"]


@dataclass(frozen=True)
class How:
    """How lessons are trained."""

    seeds: int | None = None  # instead of their own
    quick: bool = False
    resume: bool = False  # leave out what is done already

    def count(self, lesson: Lesson) -> int:
        """The seeds of a lesson."""
        from torchref.compare.teach.teach import QUICK_SEEDS

        return self.seeds or (QUICK_SEEDS if self.quick else lesson.seeds)


def run_lessons(
    names: Sequence[str],
    out: Path,
    *,
    how: How,
    json_only: bool,
    dry_run: bool,
    table: bool,
    run_tasks: RunTasks | None = None,
) -> int:
    """Run lessons; exit status 1 where a gradient differs, 2 where one failed. A claim that does not hold is a result.

    `table`: write OUT/lessons.md and OUT/lessons.json. `json_only`: print the results as JSON, and no progress.
    `run_tasks`: train them side by side with it; without it one after the other, in this process.
    """
    if dry_run:
        return say_what_would_be_done(names, out, how)
    done = done_before(names, out, how) if how.resume else {}
    waiting = [name for name in names if name not in done]
    for name, result in done.items():
        if not json_only:
            print(f"{name} is done: {result.verdict}", file=sys.stderr)
    train = one_by_one if run_tasks is None else partial(side_by_side, run_tasks)
    for result in train(waiting, out, how, json_only):
        done[result.name] = result
        if not json_only:
            print(result.text())
            print(f"recorded in {out / result.name}; to look at it: torchref view {out / result.name}\n")
    taught = [done[name] for name in names if name in done]
    if table:
        write_table(taught, out)
        if not json_only:
            print(f"{out / 'lessons.md'}, {out / 'lessons.json'}: {len(taught)} verdicts")
    if json_only:
        documents = [json.loads(each.to_json()) for each in taught]
        print(json.dumps(documents if table else documents[0], indent=2))
    if not all(each.passed for each in taught):
        return 1
    return 0 if len(taught) == len(names) else 2


def say_what_would_be_done(names: Sequence[str], out: Path, how: How) -> int:
    """Print a line for each lesson."""
    for name in names:
        lesson = find_lesson(name)
        seeds, variants = how.count(lesson), "; ".join(lesson.variants)
        print(f"would train {name} with {seeds} seeds each, into {out / name}: {variants}")
    return 0


def done_before(names: Sequence[str], out: Path, how: How) -> dict[str, Taught]:
    """The results that are there already, of the same lessons trained in the same way."""
    from torchref.compare.teach.teach import kept

    found = {}
    for name in names:
        lesson = find_lesson(name)
        if (result := kept(lesson, out, how.quick, how.count(lesson))) is not None:
            found[name] = result
    return found


def one_by_one(names: Sequence[str], out: Path, how: How, quiet: bool) -> Iterator[Taught]:
    """The lessons' results, trained in this process."""
    from torchref.compare.teach.teach import teach
    from torchref.compare.train.progress import ProgressDisplay

    for name in names:
        lesson = find_lesson(name)
        count = how.count(lesson)
        if not quiet:
            trainings = (
                f"{len(lesson.variants)} variants with {count} seeds each, {len(lesson.variants) * count} trainings"
            )
            print(f"{name}: {trainings}; broken off, a lesson begins anew", file=sys.stderr)
        with ProgressDisplay(quiet=quiet, unit="training") as progress:
            yield teach(lesson, out=out, quick=how.quick, seeds=how.seeds, on_progress=partial(shown, name, progress))


def side_by_side(run_tasks: RunTasks, names: Sequence[str], out: Path, how: How, quiet: bool) -> Iterator[Taught]:
    """The lessons' results as they end, each trained as a task; one that fails is said on stderr."""
    from torchref.compare.train.progress import ProgressDisplay

    trainings = {name: len(find_lesson(name).variants) * how.count(find_lesson(name)) for name in names}
    done = dict.fromkeys(names, 0)
    over = 0
    with ProgressDisplay(quiet=quiet, unit="training") as progress:

        def on_progress(number: int, trained: int, _total: int) -> None:
            done[names[number]] = trained
            progress(f"{over} of {len(names)} lessons", sum(done.values()), sum(trainings.values()))

        tasks = [(name, out, how) for name in names]
        for number, result, error in run_tasks(teach_one, tasks, on_progress):
            over += 1
            on_progress(number, trainings[names[number]], 0)
            if error is None:
                yield result
            else:
                print(f"{names[number]} failed: {error}", file=sys.stderr)


def teach_one(report: Report, name: str, out: Path, how: How) -> Taught:
    """In a process of its own: one lesson."""
    from torchref.compare.teach.teach import teach

    def on_progress(_what: str, done: int, total: int) -> None:
        report(done, total)

    return teach(find_lesson(name), out=out, quick=how.quick, seeds=how.seeds, on_progress=on_progress)


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
    out.mkdir(parents=True, exist_ok=True)  # each lesson makes it, but all may have failed
    write_whole(out / "lessons.md", "\n".join(lines) + "\n")
    write_whole(out / "lessons.json", json.dumps(documents, indent=2) + "\n")
