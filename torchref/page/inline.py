"""The modules inside a page: it is whole as a file, opened from a disk, without a server and offline."""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from torchref.nn.module import Array

__all__ = ["RELATIVE", "STATIC", "as_json", "entries", "head", "script"]

STATIC = Path(__file__).parent / "static"
RELATIVE = re.compile(r'from "\./([\w-]+\.js)"')  # an import of a module beside it


@cache
def head() -> str:
    """What the page has once, in front of every `script`: the style, and the modules by their names, torchref/*.js.

    A browser loads no module from a file beside the page; from a data: address it does, and there "./x.js" has no
    meaning: so they import each other by name.
    """
    modules = {path.name: RELATIVE.sub(r'from "torchref/\1"', path.read_text("utf-8")) for path in STATIC.glob("*.js")}
    addresses = {f"torchref/{name}": address(text) for name, text in sorted(modules.items())}
    style = (STATIC / "style.css").read_text("utf-8")
    return f'<style>{style}</style><script type="importmap">{json.dumps({"imports": addresses})}</script>'


def address(text: str) -> str:
    """A module as a data: address."""
    return f"data:text/javascript;base64,{base64.b64encode(text.encode()).decode('ascii')}"


def script(code: str) -> str:
    """A script of the page, which imports from "torchref/embed.js"."""
    return f'<script type="module">{code}</script>'


def as_json(value: Any) -> str:
    """A value as a script's own text can hold it: no "</script>" ends it early."""
    return json.dumps(value).replace("<", "\\u003c")


def entries(array: Array) -> str:
    """The entries, row by row, as the modules read them: base64 of little-endian float64, no digit lost."""
    return base64.b64encode(np.ascontiguousarray(array, "<f8").tobytes()).decode("ascii")
