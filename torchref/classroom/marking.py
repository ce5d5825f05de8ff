"""A whole class: every task of every student, several at a time; each grade is kept as soon as it is there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from torchref.classroom.assignment import Assignment
from torchref.classroom.grade import Grade
from torchref.classroom.judging import judge
from torchref.classroom.submissions import Submission
from torchref.compare.errors import UserError
from torchref.compare.faults import writing

__all__ = ["Student", "mark"]

RESULTS = "results"  # the folder of the grades that are kept


@dataclass
class Student:
    """One student's grades, in the order of the tasks."""

    name: str
    grades: list[Grade]

    @property
    def points(self) -> float:
        return sum((grade.points for grade in self.grades), 0.0)

    @property
    def of(self) -> float:
        return sum((grade.task.points for grade in self.grades), 0.0)


def mark(
    assignment: Assignment,
    submissions: list[Submission],
    out: Path,
    resume: bool,
    workers: int,
    tell: Callable[[int, int], None],
) -> list[Student]:
    """The grades of the class. `tell(done, of)` is called after each.

    Errors: UserError if grades are there and they are not to be gone on with, or where they cannot be written.
    """
    results = out / RESULTS
    if results.exists() and not resume:
        raise UserError(f"grade: {out} has grades: go on with them with --resume, or name another folder with --out")
    with writing(results):
        for one in submissions:
            (results / one.student).mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    done: dict[tuple[str, str], Grade] = {}
    jobs = [(task, one) for one in submissions for task in assignment.tasks]
    with ThreadPoolExecutor(workers) as pool:
        futures = [
            pool.submit(judge, assignment, task, one, results / one.student / f"{task.name}.json", resume, stop)
            for task, one in jobs
        ]
        try:
            for future in as_completed(futures):
                grade = future.result()
                done[grade.student, grade.task.name] = grade
                tell(len(done), len(jobs))
        except BaseException:
            stop.set()  # each thread ends its process
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [Student(s.student, [done[s.student, task.name] for task in assignment.tasks]) for s in submissions]
