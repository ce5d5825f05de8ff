"""One task in a process of its own: `python -m torchref.classroom.one_task`, with the request on stdin.

The answer is a file: a token and the verdict's document, as in the checker's own pipe. The code that is judged runs in
a child of this process. What it prints is thrown away, its folder is a copy, and it finds no package that is forbidden.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from torchref.check.api import Asked, in_file
from torchref.check.diagnosis.example import FOR_ALL
from torchref.check.report.several import first_not_right
from torchref.check.report.verdict import COULD_NOT_RUN, Verdict
from torchref.check.running.child import Limits
from torchref.check.running.message import encode

__all__ = ["main"]

LARGEST_FILE = 64 << 20  # bytes of a file that the code writes


class _Forbidden:
    """Finds no module of these packages."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"{name} is not allowed in this task", name=name)
        return None


def _limit_files() -> None:
    """A program that fills the disk gets an OSError."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


def _judged(request: dict[str, Any]) -> Verdict:
    """The verdict: the first that is not right, of the operation and of its variants.

    A gradient is right if it is right under all of them, so those after it are judged while one is right; what is wrong
    there alone is said, too.
    """
    verdicts = (_under(operation, request) for operation in request["operations"])
    verdict = first_not_right(verdicts)
    while verdict.right and (other := next(verdicts, None)) is not None:
        if other.verdict == COULD_NOT_RUN:
            return other
        for finding in other.findings:
            if finding.gradient in (*verdict.right, "output"):
                finding.evidence = f"under {other.against}: {finding.evidence}"
                verdict.findings.append(finding)
        verdict.right = {name: share for name, share in verdict.right.items() if name in other.right}
    return verdict


def _under(operation: str, request: dict[str, Any]) -> Verdict:
    """The verdict against one operation; it names its options, too."""
    only, arguments = request["only"] or None, request["arguments"] or None
    how = Asked(operation, request["form"], arguments, only=only, strict=request["strict"])
    limits = Limits(request["wall"], request["cpu"], request["memory"])
    verdict = in_file(request["path"], request["function"], how, limits)
    verdict.against = how.label
    verdict.pictures = []
    return verdict


def main() -> None:
    """Read the request, judge, write the answer."""
    request = json.load(sys.stdin)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    _limit_files()
    FOR_ALL.set(True)  # the report of the class shows each mistake in numbers
    sys.meta_path.insert(0, _Forbidden([name for name in request["forbidden"] if name not in sys.modules]))
    document = encode(_judged(request))
    with open(request["answer"], "xb") as file:
        file.write(bytes.fromhex(request["token"]) + document)


if __name__ == "__main__":
    main()
