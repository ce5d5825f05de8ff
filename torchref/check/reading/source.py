"""The source of a user's code as text and as a syntax tree, and code that is made, with a source that can be read."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable
from typing import Any


def text_of(code: Any) -> str:
    """The source of a function, class or module; empty where it has none, as what was typed in has not."""
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return ""


def tree_of(function: Any) -> ast.Module | None:
    """The syntax tree of a function's source; None where it has none, or one that does not stand alone."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None


def made(source: str, name: str, file: str, scope: dict[str, Any]) -> Callable[..., Any]:
    """The function `name` that `source` defines, on the variables of `scope`; tracebacks and `inspect` find `file`."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    defined: dict[str, Any] = {}
    exec(compile(source, file, "exec"), scope, defined)
    function: Callable[..., Any] = defined[name]
    return function
