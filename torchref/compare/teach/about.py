"""A lesson's page "about this run": claim, verdict and findings, what to look at, what was trained."""

from __future__ import annotations

from collections.abc import Mapping

from torchref.compare.configuration import shown
from torchref.compare.lockstep.twins import NumpyTwin
from torchref.compare.record.tags import AGREEMENT, describe
from torchref.compare.teach.lesson import Lesson
from torchref.compare.train.about import in_a_line, listed

__all__ = ["page"]


def page(lesson: Lesson, result: str, twins: Mapping[str, NumpyTwin]) -> str:
    """The page, as Markdown: how it ends, or that it has not; `twins`: each variant's that was trained, of one seed."""
    looks = [(tag, describe(tag, lesson.tags)) for tag in lesson.cards[:2]]
    looks.append((AGREEMENT, "NumPy's curve on torch's, and their largest difference"))
    _, _, measured = lesson.claim.partition("\n")
    lines = [f"# {lesson.name}", "", result, "", "## What to look at", "", *listed(looks), ""]
    lines += ["## How it is measured", "", measured.strip(), ""]
    lines += ["## What was trained", ""] if twins else []
    for variant, twin in twins.items():
        comparison = lesson.variants[variant]
        setting = f"{in_a_line(twin.optimizer)}, {type(twin.criterion).__name__}, batches of {comparison.batch_size}"
        lines += [f"**{variant}**: {setting}", "", "```", shown(twin.model), "```", ""]
    return "\n".join(lines)
