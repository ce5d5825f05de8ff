"""Which mistake it is: `torchref check`'s diagnosis of the custom autograd.Function at which a gradient parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torchref.check.api import check
from torchref.check.reading.arguments import normal
from torchref.check.reading.targets import operations
from torchref.check.report.judgement import DOUBTS
from torchref.check.report.verdict import WRONG, Verdict
from torchref.referee.frames import Shape

__all__ = ["mistake"]

ENTRIES = 1300  # of all arguments together: with more, the check takes sizes of its own
SECONDS = 30.0  # for the diagnosis; without one, the verdict is the same


def mistake(function: type, arguments: tuple[Any, ...]) -> str:
    """The sentence for the mistake in a Function's backward, and how it is told; empty where it fits none.

    First against the operation whose name the Function has, if its forward is that; then against its own forward, on
    arguments of the shapes that the run had (`arguments`: shapes of floating-point tensors, all else as it was).
    """
    if normal(function.__name__) in operations():
        verdict = check(function, function.__name__, timeout=SECONDS)
        if not any(finding.gradient == "output" for finding in verdict.findings) and (said := sentence(verdict)):
            return said
    count = sum(int(np.prod(a.size)) for a in arguments if isinstance(a, Shape))
    inputs = None if count > ENTRIES else lambda: drawn(arguments)
    return sentence(check(function, "forward", timeout=SECONDS, inputs=inputs))


def sentence(verdict: Verdict) -> str:
    """The first finding that is a known mistake."""
    if verdict.verdict != WRONG:
        return ""
    for finding in verdict.findings:
        if finding.slug not in DOUBTS:
            return f"{finding.slug}: {finding.sentence} ({finding.evidence})"
    return ""


def drawn(arguments: tuple[Any, ...]) -> list[Any]:
    """Arguments of these shapes."""
    rng = np.random.default_rng(0)
    made: list[Any] = []
    for argument in arguments:
        if isinstance(argument, Shape):
            made.append(rng.uniform(0.3, 1.7, argument.size) * rng.choice([-1.0, 1.0], argument.size))
        else:
            made.append(argument.cpu().numpy() if isinstance(argument, torch.Tensor) else argument)
    return made
