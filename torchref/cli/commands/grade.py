"""`torchref grade`: the gradients of a class, graded."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from torchref.cli.commands import option
from torchref.compare.errors import UserError

if TYPE_CHECKING:
    from torchref.classroom.assignment import Assignment
    from torchref.classroom.marking import JudgeAll, Student
    from torchref.classroom.submissions import Submission

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """Grade what a class has handed in.

    torchref grade assignment.toml submissions: a folder, a zip archive or a file for each student. One folder that
    holds the assignment's files is one submission: torchref grade assignment.toml . at home gives the verdict that the
    teacher's command gives. The code runs with your rights: see the manual, Grading a class.
    Exit status of a class: 0 when it is graded. Of one submission 0: all is right, 1: something is not, 2: something
    was not judged.
    """

    assignment: Annotated[Path | None, tyro.conf.Positional, option("ASSIGNMENT.toml")] = None
    """The tasks."""
    submissions: Annotated[Path | None, tyro.conf.Positional, option("SUBMISSIONS")] = None
    """What was handed in."""
    out: Annotated[Path | None, option("DIR")] = None
    """Where the grades go: grades.csv, grades.json, junit.xml, report.html, gradescope/, prairielearn/. Default:
    grades; for one submission nothing is written without it."""
    resume: Annotated[bool, option()] = False
    """Go on where a run was stopped: a task is judged again only if it, or the submission, has changed."""
    workers: Annotated[int | None, option("N")] = None
    """How many tasks are judged at a time. Default: one for each core."""
    scheduler: Annotated[str | None, option("ADDRESS")] = None
    """Judge on the cluster of this scheduler of dask.distributed, as in tcp://HOST:8786. Its workers must see the
    submissions and DIR."""
    quiet: Annotated[bool, option()] = False
    """Show no progress."""


def run(options: Options) -> int:
    """Judge, print, write."""
    if options.assignment is None or options.submissions is None:
        raise UserError("grade: say what to grade: torchref grade ASSIGNMENT.toml SUBMISSIONS")
    if options.workers is not None and options.workers < 1:
        raise UserError(f"grade: --workers must be positive, not {options.workers}")
    if options.workers is not None and options.scheduler is not None:
        raise UserError("grade: --workers are processes of this machine, and --scheduler has workers of its own")
    from torchref.classroom import assignment, submissions

    asked = assignment.read(options.assignment)
    found, others = submissions.find(asked, options.submissions)
    alone = len(found) == 1 and found[0].path == options.submissions
    if not alone or options.out is not None:
        out = options.out or Path("grades")
        students = _graded(asked, found, out, options)
        _report(asked, students, out, alone)
        if others:
            print(f"no submissions, and left out: {', '.join(others)}")
        return _status(students[0]) if alone else 0
    with tempfile.TemporaryDirectory(prefix="torchref-") as place:
        students = _graded(asked, found, Path(place), options)
    _report(asked, students, None, alone)
    return _status(students[0])


def _graded(asked: Assignment, found: list[Submission], out: Path, options: Options) -> list[Student]:
    """The grades of all students."""
    from torchref.classroom.marking import as_tasks, at_once, mark
    from torchref.compare.tasks import cluster
    from torchref.compare.train.progress import ProgressDisplay

    def marked(judge_all: JudgeAll) -> list[Student]:
        with ProgressDisplay(quiet=options.quiet, unit="task") as progress:
            return mark(asked, found, out, options.resume, judge_all, lambda done, of: progress("graded", done, of))

    if options.scheduler is None:
        return marked(partial(at_once, options.workers or os.cpu_count() or 1))

    def tell(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr)

    with cluster.connected(options.scheduler, out, tell) as run_tasks:
        return marked(partial(as_tasks, run_tasks))


def _report(asked: Assignment, students: list[Student], out: Path | None, alone: bool) -> None:
    """Print what a teacher, or a student at home, wants to know, and write the files."""
    from torchref.classroom.results import mistakes, table, write

    if out is not None:  # first of all: a terminal may be gone after an hour
        write.write(out, asked, students)
    table.show(asked, students)
    if alone:
        print("\n".join(grade.feedback for grade in students[0].grades))
    else:
        print(mistakes.as_text(asked, students))
    if out is not None:
        print(f"the grades are in {out}: grades.csv, grades.json, report.html, gradescope/, prairielearn/, junit.xml")


def _status(student: Student) -> int:
    """Of one submission: 0 if all is right, 1 if something is not, 2 if something was not judged."""
    words = {grade.word for grade in student.grades}
    if words <= {"right"}:
        return 0
    return 1 if words <= {"right", "partly right", "wrong"} else 2
