"""The report of a class: which mistakes, how often, with the smallest example of each; as text and as a page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

from torchref.check.report.html import STYLE, piece
from torchref.check.report.judgement import SLUGS, WRONG, Finding, Judgement, title
from torchref.classroom.assignment import Assignment
from torchref.classroom.grade import WORDS
from torchref.classroom.marking import Student

__all__ = ["Mistake", "as_page", "as_text", "mistakes"]

HEADINGS = ".torchref th{text-align:left;padding:.15em 1.2em .15em 0}"


@dataclass
class Mistake:
    """One mistake in one gradient of one task, and who made it."""

    task: str
    gradient: str
    slug: str
    students: list[str] = field(default_factory=list)
    finding: Finding | None = None  # of the smallest example
    judgement: Judgement | None = None

    @property
    def sentence(self) -> str:
        return self.finding.sentence if self.finding and self.finding.sentence else SLUGS[self.slug]

    def add(self, student: str, finding: Finding, judgement: Judgement) -> None:
        """One more. The smallest example is the shortest code, of those whose faulty line is known."""
        if student not in self.students:
            self.students.append(student)
        if self.finding is None or _size(finding, judgement) < _size(self.finding, self.judgement or judgement):
            self.finding, self.judgement = finding, judgement


def _size(finding: Finding, judgement: Judgement) -> tuple[bool, int]:
    return not finding.line, sum(len(part["text"]) for part in judgement.source)


def mistakes(students: Sequence[Student]) -> list[Mistake]:
    """The mistakes of the class, the most frequent first."""
    found: dict[tuple[str, str, str], Mistake] = {}
    for student in students:
        for grade in student.grades:
            for finding in grade.judgement.findings if grade.judgement.verdict == WRONG else ():
                what = (grade.task.name, finding.gradient, finding.slug)
                found.setdefault(what, Mistake(*what)).add(student.name, finding, grade.judgement)
    return sorted(found.values(), key=lambda mistake: -len(mistake.students))


def _counts(assignment: Assignment, students: Sequence[Student]) -> list[tuple[str, list[int]]]:
    """How many students got each word, a row a task."""
    rows = []
    for i, task in enumerate(assignment.tasks):
        words = [student.grades[i].word for student in students]
        rows.append((task.name, [words.count(word) for word in WORDS]))
    return rows


def as_text(assignment: Assignment, students: Sequence[Student]) -> str:
    """The report for a terminal."""
    found = mistakes(students)
    lines = [] if found else ["no mistakes were found"]
    for mistake in found:
        lines.append(f"{len(mistake.students)} x {mistake.task}, {title(mistake.gradient)}: {mistake.slug}")
        lines.append(f"    {mistake.sentence}")
        lines += [f"    {example}" for example in _example(mistake)]
        lines.append(f"    by {', '.join(mistake.students)}")
    counts = _counts(assignment, students)
    width = max(len(name) for name, _ in counts)
    for name, numbers in counts:
        said = ", ".join(f"{n} {word}" for word, n in zip(WORDS, numbers, strict=True) if n)
        lines.append(f"{name:{width}}  {said}")
    return "\n".join(lines)


def _example(mistake: Mistake) -> list[str]:
    """The faulty line of the smallest example, what should stand there, and numbers where there are any."""
    finding, judgement = mistake.finding, mistake.judgement
    assert finding is not None
    assert judgement is not None
    lines = []
    if line := _line(judgement, finding.line):
        lines.append(f"for example: {line}")
    if finding.correction:
        lines.append(f"instead: {finding.correction}")
    if finding.example:
        lines.append(f"in numbers: {finding.example}")
    return lines


def _line(judgement: Judgement, number: int) -> str:
    """A line of the judged code; "" if it is not known."""
    for part in judgement.source:
        lines = part["text"].split("\n")
        if number and part["first"] <= number < part["first"] + len(lines):
            return str(lines[number - part["first"]].strip())
    return ""


def as_page(assignment: Assignment, students: Sequence[Student]) -> str:
    """The report as a page, whole in itself: the tasks, the mistakes with their smallest example, the students."""
    name = html.escape(assignment.title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{STYLE}{HEADINGS}</style></head><body class="torchref"><h1>{name}</h1>'
        f"<h2>Tasks</h2>{_tasks(assignment, students)}"
        f"<h2>Mistakes</h2>{''.join(map(_mistake, mistakes(students))) or '<p>No mistakes were found.</p>'}"
        f"<h2>Students</h2>{_students(assignment, students)}</body></html>\n"
    )


def _tasks(assignment: Assignment, students: Sequence[Student]) -> str:
    counts = _counts(assignment, students)
    used = [i for i in range(len(WORDS)) if any(numbers[i] for _, numbers in counts)]
    head = "".join(f"<th>{WORDS[i]}</th>" for i in used)
    rows = ""
    for name, numbers in counts:
        cells = "".join(f"<td>{numbers[i] or ''}</td>" for i in used)
        rows += f"<tr><td>{html.escape(name)}</td>{cells}</tr>"
    return f"<table><tr><th>task</th>{head}</tr>{rows}</table>"


def _mistake(mistake: Mistake) -> str:
    finding, judgement = mistake.finding, mistake.judgement
    assert finding is not None
    assert judgement is not None
    marks = {finding.line: [mistake.slug]} if finding.line else {}
    code = "".join(piece(part["first"], part["text"], marks) for part in judgement.source)
    lines = [html.escape(mistake.sentence)]
    lines += [f"Instead: <code>{html.escape(finding.correction)}</code>"] if finding.correction else []
    lines += [f"In numbers: {html.escape(finding.example)}"] if finding.example else []
    lines += [f"Made by {html.escape(', '.join(mistake.students))}"]
    said = "".join(f"<div>{line}</div>" for line in lines)
    heading = f"{len(mistake.students)} &times; {mistake.task}, {title(mistake.gradient)}: {mistake.slug}"
    return f'<h3>{heading}</h3><div class="finding">{said}{code}</div>'


def _students(assignment: Assignment, students: Sequence[Student]) -> str:
    head = "".join(f"<th>{html.escape(task.name)}</th>" for task in assignment.tasks)
    rows = []
    for student in students:
        colours = {"right": "right", "wrong": "wrong"}
        cells = "".join(
            f'<td class="{colours.get(g.word, "none")}" title="{html.escape(g.line)}">{g.points:g} {g.word}</td>'
            for g in student.grades
        )
        rows.append(f"<tr><td>{html.escape(student.name)}</td>{cells}<td>{student.points:g}</td></tr>")
    return f"<table><tr><th>student</th>{head}<th>points</th></tr>{''.join(rows)}</table>"
