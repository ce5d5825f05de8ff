"""Lessons: a claim, the trainings that measure it, and the rule from figures to a verdict.

Here is all that a lesson imports; `torchref.compare.teach.teach` runs it.
"""

from torchref.compare.teach.findings import Figures, Finding, always, equal, larger, within
from torchref.compare.teach.lesson import Across, Lesson
from torchref.compare.teach.trained import Trained, epochs, follow, gradients_of, steps

__all__ = [
    "Across",
    "Figures",
    "Finding",
    "Lesson",
    "Trained",
    "always",
    "epochs",
    "equal",
    "follow",
    "gradients_of",
    "larger",
    "steps",
    "within",
]
