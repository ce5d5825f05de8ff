"""Code that is not written yet: a skeleton whose backward is still empty. It is no mistake, and gets no traceback.

The file is read here, never run.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torchref.check.reading.forms.class_names import BACKWARDS, ZERO
from torchref.check.reading.targets import PAIRS

__all__ = ["NOT_DONE", "unfinished", "unfinished_code"]

NOT_DONE = "it is not done yet"  # how the sentence begins


def unfinished(path: str | Path, name: str) -> str:
    """Which part of `name` is still empty, in a sentence; "" if none is, or if the file cannot be read."""
    try:
        return _open_end(Path(path).read_bytes(), name)  # as Python reads it: in the encoding that the file declares
    except OSError:
        return ""


def unfinished_code(function: Any) -> str:
    """The same of a function or a class that is there, in a notebook perhaps; "" if nothing knows its source."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return ""
    return _open_end(textwrap.dedent("".join(lines)), getattr(function, "__name__", ""), first - 1)


def _open_end(source: str | bytes, name: str, before: int = 0) -> str:
    """The sentence about the first empty part; `before` lines stand above the source."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    empty = next((part for part in _parts(tree, name) if _is_empty(part)), None)
    return f"{NOT_DONE}: {empty.name} (line {empty.lineno + before}) is still empty" if empty is not None else ""


def _parts(tree: ast.Module, name: str) -> Iterator[ast.FunctionDef]:
    """What has to be written for `name`: itself, a backward inside it, its half of a pair."""
    wanted = {name, *(name + suffix for pair in PAIRS for suffix in pair)}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in wanted:
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef) and (inner is node or _goes_back(inner.name)):
                    yield inner


def _goes_back(name: str) -> bool:
    """Whether this is what people call a backward: forward may be handed down, `zero_grad` may do nothing."""
    return name in BACKWARDS or (any(word in name for word in ("backward", "bwd")) and name not in ZERO)


def _is_empty(function: ast.FunctionDef) -> bool:
    """Whether a function has nothing but a docstring, `pass`, a NotImplementedError, and names that are None."""
    unset: set[str] = set()  # names of this function that are None
    for statement in function.body:
        match statement:
            case ast.Pass() | ast.Expr(ast.Constant()) | ast.Return(None):
                pass
            case ast.Raise(ast.Name("NotImplementedError") | ast.Call(ast.Name("NotImplementedError"))):
                pass
            case ast.Assign(value=value) if _is_nothing(value, unset):  # dx, dw = None, None
                unset |= {n.id for target in statement.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
            case ast.Return(ast.expr() as value) if _is_nothing(value, unset):
                pass
            case _:
                return False
    return True


def _is_nothing(value: ast.expr, unset: set[str]) -> bool:
    """None, a name that is None, or a tuple of these."""
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(
        (isinstance(part, ast.Constant) and part.value is None) or (isinstance(part, ast.Name) and part.id in unset)
        for part in parts
    )
