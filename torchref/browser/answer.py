"""In the browser: a question comes in, what the page shows goes out, both as JSON."""

from __future__ import annotations

import importlib
import json
import linecache
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchref.check.api import Asked, in_files
from torchref.check.report.html import cell
from torchref.check.report.several import first_not_right
from torchref.check.report.verdict import Verdict

__all__ = ["Question", "answer"]

FILE = Path("mine.py")  # as tracebacks name it


@dataclass(frozen=True)
class Question:
    """What is to be judged."""

    code: str
    name: str  # of the function or class in it; "": the one that is there
    operations: list[str]  # each is asked for: an operation, and other options of it
    hints: int = 3


def answer(question: str) -> str:
    """The first verdict that is not right, of all operations: as text, as HTML, and the lines to mark."""
    asked = Question(**json.loads(question))
    sys.dont_write_bytecode = True  # a file that is changed twice in a second would be taken for the first one
    FILE.write_text(asked.code, encoding="utf-8")
    verdict = first_not_right(_verdict(asked.name, operation) for operation in asked.operations)
    return json.dumps({"against": verdict.against, **shown(verdict, asked.hints)})


def _verdict(name: str, operation: str) -> Verdict:
    """The verdict on the file as it is now; it names the operation's options, too."""
    importlib.invalidate_caches()
    linecache.clearcache()
    target = f"{FILE}:{name}={operation}" if name else f"{FILE}={operation}"
    verdict = in_files([target], Asked(operation))[0]
    verdict.against = operation or verdict.against
    return verdict


def shown(verdict: Verdict, hints: int) -> dict[str, Any]:
    """A verdict as the page needs it, at a level of hints."""
    marks: dict[int, list[str]] = {}
    for finding in verdict.findings if hints >= 2 else ():
        if finding.line:
            marks.setdefault(finding.line, []).append(f"{verdict.title(finding.gradient)}: {finding.slug}")
    return {
        "status": verdict.status,
        "text": verdict.text(hints),
        "html": cell(verdict, hints),
        "lines": {str(line): "; ".join(said) for line, said in marks.items()},
        "seconds": verdict.seconds,
    }
