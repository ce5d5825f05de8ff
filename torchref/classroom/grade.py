"""The grade of one task of one student: a word, points, and the judgement that they come from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from torchref.check.reading.unfinished import NOT_DONE
from torchref.check.report.several import in_one_line
from torchref.check.report.verdict import COULD_NOT_RUN, RIGHT, Verdict
from torchref.check.running.message import decode, encode
from torchref.classroom.assignment import Task

__all__ = ["MISSING", "NOT_ALLOWED", "NOT_DONE_WORD", "NOT_RUN", "RIGHT_WORD", "WORDS", "Grade", "grade", "without"]

RIGHT_WORD, PARTLY, WRONG_WORD, NOT_DONE_WORD = "right", "partly right", "wrong", "not done"
MISSING, NOT_ALLOWED, NOT_RUN = "missing", "not allowed", "not run"
WORDS = (RIGHT_WORD, PARTLY, WRONG_WORD, NOT_DONE_WORD, MISSING, NOT_ALLOWED, NOT_RUN)


@dataclass
class Grade:
    """One task of one student."""

    student: str
    task: Task
    word: str
    points: float
    judgement: Verdict
    look_at: list[str] = field(default_factory=list)  # what a teacher should look at

    @property
    def line(self) -> str:
        """The outcome in one line, at the level of hints that the teacher chose."""
        if self.word in (MISSING, NOT_ALLOWED, NOT_DONE_WORD):
            return self.judgement.error
        return in_one_line(self.judgement, self.task.hints)

    @property
    def feedback(self) -> str:
        """What the student reads, at the level of hints that the teacher chose."""
        if self.word == NOT_DONE_WORD:
            return f"{self.task.name}: {self.judgement.error}"
        if self.word in (MISSING, NOT_ALLOWED):
            return f"{self.task.name}: {self.word}: {self.judgement.error}"
        return self.judgement.text(self.task.hints)

    def as_document(self, key: str) -> str:
        """The grade as it is kept; `key` says what it is the grade of."""
        judgement: dict[str, Any] = json.loads(encode(self.judgement))
        kept = {"key": key, "student": self.student, "task": self.task.name, "word": self.word, "points": self.points}
        return json.dumps({**kept, "look_at": self.look_at, "judgement": judgement}, indent=1) + "\n"

    @classmethod
    def from_document(cls, text: str, key: str, student: str, task: Task) -> Grade | None:
        """The grade that was kept; None if it is the grade of something else, or cannot be read."""
        try:
            kept = json.loads(text)
            if kept["key"] != key or kept["word"] not in WORDS:
                return None
            judgement = decode(json.dumps(kept["judgement"]).encode("ascii"))
            return cls(student, task, kept["word"], float(kept["points"]), judgement, list(kept["look_at"]))
        except (ValueError, KeyError, TypeError):
            return None


def grade(student: str, task: Task, judgement: Verdict) -> Grade:
    """The grade that a judgement earns.

    All points if all is right. Else those of the gradients that are right, if the task gives points for each: but none
    where the forward is another function, for then a gradient is right by accident.
    """
    if judgement.ok:
        return Grade(student, task, RIGHT_WORD, task.points, judgement)
    if judgement.verdict == COULD_NOT_RUN:
        word = NOT_DONE_WORD if judgement.error.startswith(NOT_DONE) else NOT_RUN
        return Grade(student, task, word, 0.0, judgement)
    forward = any(f.gradient == "output" for f in judgement.findings)
    points = 0.0 if forward else sum((p for name, p in task.gradients.items() if name in judgement.right), 0.0)
    word = PARTLY if points > 0 or judgement.verdict == RIGHT else WRONG_WORD
    return Grade(student, task, word, points, judgement)


def without(student: str, task: Task, word: str, why: str) -> Grade:
    """The grade of what was not judged."""
    judgement = Verdict(COULD_NOT_RUN, name=task.function, against=task.operation, file=task.file, error=why)
    return Grade(student, task, word, 0.0, judgement)
