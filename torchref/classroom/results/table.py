"""The grades as a table: for a terminal, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from torchref.classroom.assignment import Assignment
from torchref.classroom.grade import RIGHT_WORD, Grade
from torchref.classroom.marking import Student

__all__ = ["as_csv", "show"]

STYLES = {RIGHT_WORD: "green", "partly right": "yellow", "wrong": "red"}


def show(assignment: Assignment, students: Sequence[Student]) -> None:
    """Print the table: a row a student and a column a task; of one student, a row a task."""
    console = Console()
    table = _of_one(students[0]) if len(students) == 1 else _of_all(assignment, students)
    wanted = Console(width=10_000).measure(table).maximum
    if not console.is_terminal and wanted > console.width:
        console.width = wanted
    console.print(Text(assignment.title))
    console.print(table)
    for student in students:
        for grade in student.grades:
            for what in grade.look_at:
                line = f"look at {student.name}, {grade.task.name}: {what}"
                console.print(line, markup=False, highlight=False, soft_wrap=True)


def _of_one(student: Student) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_footer=True)
    table.add_column("task", "together")
    table.add_column("", "")
    table.add_column("points", f"{student.points:g}", justify="right")
    table.add_column("of", f"{student.of:g}", justify="right")
    for grade in student.grades:
        table.add_row(grade.task.name, _cell(grade, grade.word), f"{grade.points:g}", f"{grade.task.points:g}")
    return table


def _of_all(assignment: Assignment, students: Sequence[Student]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("student")
    for task in assignment.tasks:
        table.add_column(f"{task.name} / {task.points:g}", justify="right")
    table.add_column(f"points / {assignment.points:g}", justify="right")
    for student in students:
        cells = [
            _cell(g, f"{g.points:g}" if g.word == RIGHT_WORD else f"{g.word} {g.points:g}") for g in student.grades
        ]
        table.add_row(Text(student.name), *cells, f"{student.points:g}")
    return table


def _cell(grade: Grade, said: str) -> Text:
    return Text(said, style=STYLES.get(grade.word, ""))


def as_csv(assignment: Assignment, students: Sequence[Student]) -> str:
    """A row a student: the points, and for each task its points and its word."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [task.name for task in assignment.tasks]
    writer.writerow(["student", "points", "of", *names, *(f"{name} word" for name in names)])
    for student in students:
        points = [f"{grade.points:g}" for grade in student.grades]
        words = [grade.word for grade in student.grades]
        writer.writerow([student.name, f"{student.points:g}", f"{student.of:g}", *points, *words])
    return text.getvalue()
