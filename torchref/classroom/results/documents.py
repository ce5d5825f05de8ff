"""The grades for other programs: JSON, Gradescope's and PrairieLearn's results.json, JUnit XML.

What a student may see (Gradescope, PrairieLearn, JUnit) has the level of hints that the teacher chose. What is for the
teacher alone (JSON) has all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torchref.check.report.junit import junit
from torchref.classroom.assignment import Assignment
from torchref.classroom.grade import RIGHT_WORD, Grade
from torchref.classroom.marking import Student

__all__ = ["as_document", "as_junit", "for_gradescope", "for_prairielearn"]


def as_document(assignment: Assignment, students: Sequence[Student]) -> dict[str, Any]:
    """Everything."""
    return {
        "title": assignment.title,
        "of": assignment.points,
        "students": [
            {
                "student": student.name,
                "points": student.points,
                "of": student.of,
                "tasks": [_task(grade) for grade in student.grades],
            }
            for student in students
        ],
    }


def _task(grade: Grade) -> dict[str, Any]:
    return {
        "task": grade.task.name,
        "word": grade.word,
        "points": grade.points,
        "of": grade.task.points,
        "gradients": {name: name in grade.judgement.right for name in grade.task.gradients},
        "line": grade.line,
        "look_at": grade.look_at,
        **{key: value for key, value in grade.judgement.as_dict(3).items() if key != "name"},
    }


def for_gradescope(student: Student) -> dict[str, Any]:
    """results.json, as Gradescope's autograder reads it."""
    tests = [
        {
            "name": grade.task.name,
            "score": grade.points,
            "max_score": grade.task.points,
            "status": "passed" if grade.word == RIGHT_WORD else "failed",
            "output": grade.feedback,
            "output_format": "text",
            "visibility": "visible",
        }
        for grade in student.grades
    ]
    return {"score": student.points, "visibility": "visible", "tests": tests}


def for_prairielearn(student: Student) -> dict[str, Any]:
    """results.json, as PrairieLearn's external grader reads it: the score is a share from 0 to 1."""
    tests = [
        {
            "name": grade.task.name,
            "description": f"{grade.task.function} against {grade.task.operation}",
            "points": grade.points,
            "max_points": grade.task.points,
            "message": grade.line,
            "output": grade.feedback,
        }
        for grade in student.grades
    ]
    return {"gradable": True, "score": student.points / student.of if student.of else 0.0, "tests": tests}


def as_junit(students: Sequence[Student]) -> str:
    """JUnit XML: a case a task, its class the student."""
    graded = [(student.name, grade) for student in students for grade in student.grades]
    cases = [replace(grade.judgement, file=name, name=grade.task.name) for name, grade in graded]
    return junit(cases, [grade.task.hints for _, grade in graded], "torchref grade")
