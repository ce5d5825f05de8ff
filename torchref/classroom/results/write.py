"""Write all that there is of a class's grades into one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from torchref.classroom.assignment import Assignment
from torchref.classroom.marking import Student
from torchref.classroom.results import documents, mistakes, table
from torchref.compare.files import write_whole

__all__ = ["write"]


def write(out: Path, assignment: Assignment, students: Sequence[Student]) -> None:
    """grades.csv, grades.json, junit.xml, report.html and report.txt; a file a student for Gradescope, PrairieLearn."""
    files = {
        "grades.csv": table.as_csv(assignment, students),
        "grades.json": json.dumps(documents.as_document(assignment, students), indent=2) + "\n",
        "junit.xml": documents.as_junit(students),
        "report.html": mistakes.as_page(assignment, students),
        "report.txt": mistakes.as_text(assignment, students) + "\n",
    }
    for student in students:
        name = f"{student.name}.json"
        files[f"gradescope/{name}"] = json.dumps(documents.for_gradescope(student), indent=2) + "\n"
        files[f"prairielearn/{name}"] = json.dumps(documents.for_prairielearn(student), indent=2) + "\n"
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(out / name, content.encode("utf-8", "backslashreplace"))
