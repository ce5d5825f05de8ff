"""Pages as GitHub shows them, made fit for the site: links that leave the manual, and code that is indented."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "manual"
ADDRESS = "https://github.com/torchref/torchref/blob/main/"
CODE = re.compile(r"(?<=```python\n)( +.*?)(?=```)", re.DOTALL)
RELATIVE = re.compile(r"\]\((\.\./[^)\s]+)\)")


def outside(app: Any, docname: str, source: list[str]) -> None:
    """`](../../torchref/nn/linear.py)` becomes its address on GitHub. What stays inside the manual is left alone."""
    folder = (MANUAL / docname).parent

    def address(match: re.Match[str]) -> str:
        path = Path(os.path.normpath(folder / match[1]))
        return match[0] if path.is_relative_to(MANUAL) else f"]({ADDRESS}{path.relative_to(ROOT).as_posix()})"

    source[0] = RELATIVE.sub(address, source[0])


def to_the_left(app: Any, docname: str, source: list[str]) -> None:
    """Lines shown from the inside of a function begin at the left margin."""
    source[0] = CODE.sub(lambda block: textwrap.dedent(block[1]), source[0])
