"""Where a layer's gradient is derived: the formula of its docstring, and the lines of its backward."""

from __future__ import annotations

import inspect
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torchref

__all__ = ["derivation"]

QUOTED = re.compile(r"`(\w+)`")
GRADIENT = re.compile(r"(?:d\w+(?:, d\w+)* =|return .*\bd[a-z])")


@cache
def derivation(kind: Any) -> dict[str, Any]:
    """Of a layer or loss: the formula, the file, and the lines [number, text] that compute gradients.

    A class names its function first, and that perhaps another one, which does the work: the first that says "Backward".
    """
    function: Any = kind
    names = vars(sys.modules[kind.__module__])
    for _ in range(4):
        said = inspect.getdoc(function) or ""
        if "Backward" in said:
            break
        named = [names[name] for name in QUOTED.findall(said) if callable(names.get(name)) and names[name] != function]
        if not named:
            break
        function = named[0]
    function = inspect.unwrap(function)
    try:
        source, first = inspect.getsourcelines(function)
        file = Path(inspect.getsourcefile(function) or "")
    except (OSError, TypeError):  # a class made at run time has no source
        return {"function": kind.__name__, "formula": "", "file": "", "lines": []}
    home = Path(torchref.__file__).parents[1]
    start = next((i for i, line in enumerate(source) if "def backward" in line), len(source))
    inside = len(source[start]) - len(source[start].lstrip()) + 1 if start < len(source) else 0
    lines = [
        [first + i, line.strip()]
        for i, line in enumerate(source)
        if i > start and GRADIENT.match(line.strip()) and line.startswith(" " * inside)
    ]
    return {
        "function": function.__name__,
        "formula": formula(inspect.getdoc(function) or "")
        or formula(inspect.getdoc(inspect.getmodule(function)) or ""),
        "file": file.relative_to(home).as_posix() if file.is_relative_to(home) else file.name,
        "lines": lines,
    }


def formula(docstring: str) -> str:
    """The paragraphs from "Backward", or "Three facts", to the errors that follow; empty where there are none."""
    paragraphs = docstring.split("\n\n")
    start = next((i for i, text in enumerate(paragraphs) if "Backward" in text or "Three facts" in text), None)
    if start is None:
        return ""
    end = next((i for i in range(start + 1, len(paragraphs)) if paragraphs[i].startswith(("Error", "Equals"))), None)
    return "\n\n".join(paragraphs[start:end])
