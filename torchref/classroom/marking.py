"""A whole class: every task of every student, several at a time; each grade is kept as soon as it is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torchref.classroom.assignment import Assignment, Task
from torchref.classroom.grade import NOT_RUN, Grade, without
from torchref.classroom.judging import judge
from torchref.classroom.submissions import Submission
from torchref.compare.errors import UserError
from torchref.compare.faults import writing
from torchref.compare.tasks.task import Report, RunTasks

__all__ = ["JudgeAll", "Student", "as_tasks", "at_once", "mark"]

RESULTS = "results"  # the folder of the grades that are kept


class Job(NamedTuple):
    """One task of one student, and the file where its grade is kept."""

    assignment: Assignment
    task: Task
    submission: Submission
    kept: Path


JudgeAll = Callable[[list[Job]], Iterator[Grade]]  # in any order; a grade that is kept and holds is not made again


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
    judge_all: JudgeAll,
    tell: Callable[[int, int], None],
) -> list[Student]:
    """The grades of the class. `judge_all` is `at_once` or `as_tasks`; `tell(done, of)` is called after each grade.

    Errors: UserError if grades are there and they are not to be gone on with, or where they cannot be written.
    """
    results = out / RESULTS
    if results.exists() and not resume:
        raise UserError(f"grade: {out} has grades: go on with them with --resume, or name another folder with --out")
    with writing(results):
        for one in submissions:
            (results / one.student).mkdir(parents=True, exist_ok=True)
    done: dict[tuple[str, str], Grade] = {}
    jobs = [
        Job(assignment, task, one, results / one.student / f"{task.name}.json")
        for one in submissions
        for task in assignment.tasks
    ]
    for grade in judge_all(jobs):
        done[grade.student, grade.task.name] = grade
        tell(len(done), len(jobs))
    return [Student(s.student, [done[s.student, task.name] for task in assignment.tasks]) for s in submissions]


def at_once(workers: int, jobs: list[Job]) -> Iterator[Grade]:
    """Judge so many at a time on this machine."""
    stop = threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(judge, *job, stop) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            stop.set()  # each thread ends its process
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def as_tasks(run_tasks: RunTasks, jobs: list[Job]) -> Iterator[Grade]:
    """Judge each as a task, on a cluster's workers."""
    for number, grade, error in run_tasks(judge_one, jobs, lambda *_: None):
        job = jobs[number]
        yield grade if error is None else without(job.submission.student, job.task, NOT_RUN, error)


def judge_one(_report: Report, assignment: Assignment, task: Task, submission: Submission, kept: Path) -> Grade:
    """In a process of its own: one task of one student."""
    return judge(assignment, task, submission, kept, threading.Event())
