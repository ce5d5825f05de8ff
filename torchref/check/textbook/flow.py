"""The data flow of a few lines of code: the lines that a variable needs, and the variables that need a line."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable

BLOCKS = (ast.For, ast.While, ast.If, ast.With)


def reads(node: ast.AST, sizes: tuple[str, ...] = ()) -> set[str]:
    """The variables that a line reads. One of which it reads only the attributes `sizes` does not count."""
    asked = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Attribute) and n.attr in sizes}
    found = {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and id(n) not in asked
    }
    return found | ({_base(node.target)} if isinstance(node, ast.AugAssign) else set())


def writes(node: ast.AST) -> set[str]:
    """The variables that a line binds or changes in place."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for n in ast.walk(node):
        if isinstance(n, ast.Subscript | ast.Attribute) and isinstance(n.ctx, ast.Store):
            found.add(_base(n))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "at" and n.args:
            found.add(_base(n.args[0]))  # np.add.at
    return found | ({node.name} if isinstance(node, ast.FunctionDef) else set())


def _base(node: ast.expr) -> str:
    """The variable that dx[...] or h.T is a part of."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def needed(body: list[ast.stmt], names: set[str]) -> list[ast.stmt]:
    """The lines of `body` that the variables `names` need. What these lines read is added to `names`."""
    kept: list[ast.stmt] = []
    for s in reversed(body):
        if isinstance(s, BLOCKS):
            before = -1
            while before != len(names):  # what one turn of a loop needs, the turn before it computes
                before = len(names)
                inner = needed(s.body, names)
                other = needed(s.orelse, names) if hasattr(s, "orelse") else []
                if inner or other:
                    names |= reads(s) - reads(ast.Module([*s.body, *getattr(s, "orelse", [])], []))
            if inner or other:
                block = copy.copy(s)
                block.body = inner or [ast.Pass()]
                if hasattr(s, "orelse"):
                    block.orelse = other  # type: ignore[union-attr]
                kept.append(block)
        elif writes(s) & names:
            names |= reads(s)
            kept.append(s)
    return kept[::-1]


def reached(body: Iterable[ast.stmt], line: ast.stmt) -> set[str]:
    """The variables among those of `body` that depend on what `line` computes."""
    found, before = writes(line), 0
    while before != len(found):
        before = len(found)
        for s in body:
            if reads(s) & found:
                found |= writes(s)
    return found
