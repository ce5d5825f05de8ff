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
    """Print the table: a row a student, a column a task."""
    console = Console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("student")
    for task in assignment.tasks:
        table.add_column(f"{task.name} / {task.points:g}", justify="right")
    table.add_column(f"points / {assignment.points:g}", justify="right")
    for student in students:
        table.add_row(Text(student.name), *map(_cell, student.grades), f"{student.points:g}")
    wanted = Console(width=10_000).measure(table).maximum
    if not console.is_terminal and wanted > console.width:
        console.width = wanted
    console.print(Text(assignment.title))
    console.print(table)
    for student in students:
        for grade in student.grades:
            for what in grade.look_at:
                console.print(f"look at {student.name}, {grade.task.name}: {what}", markup=False, highlight=False)


def _cell(grade: Grade) -> Text:
    """The points, and the word where that is not "right"."""
    word = "" if grade.word == RIGHT_WORD else f"{grade.word} "
    return Text(f"{word}{grade.points:g}", style=STYLES.get(grade.word, ""))


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
