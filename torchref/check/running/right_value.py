"""The user's backward once more, with one of its variables replaced by the right value.

If all its gradients are right then, the mistake stands in the line that computes this variable, or before it. The
lines after it are right.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np

from torchref.check.reading.forms.form import Form
from torchref.nn.module import Array

HOOK = "_the_right_value"


class _Insert(ast.NodeTransformer):
    """Insert name = HOOK(name) after the last statement that binds `name` in the function `function`."""

    def __init__(self, function: str, line: int, name: str) -> None:
        self.function, self.line, self.name = function, line, name
        self.done = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name == self.function and self.line in (node.lineno, *(d.lineno for d in node.decorator_list)):
            places = [i for i, s in enumerate(node.body) if _binds(s, self.name)]
            if places:
                again = ast.parse(f"{self.name} = {HOOK}({self.name})").body[0]
                node.body.insert(places[-1] + 1, again)
                self.done = True
            return node
        self.generic_visit(node)
        return node


def _binds(statement: ast.stmt, name: str) -> bool:
    """Whether a statement of the function's own block assigns `name`; loops and branches are left alone."""
    if isinstance(statement, ast.Assign):
        targets: list[ast.expr] = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        targets = [statement.target]
    else:
        return False
    parts = [n for t in targets for n in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]
    return any(isinstance(n, ast.Name) and n.id == name for n in parts)


def _replaced(target: Any, code: CodeType, name: str, value: Array) -> Any:
    """`target`, a function or a class, in which `value` replaces the variable `name` of `code`; None if that fails."""
    try:
        lines, first = inspect.getsourcelines(target)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    insert = _Insert(code.co_name, code.co_firstlineno - first + 1, name)
    tree = insert.visit(tree)
    top = tree.body[0]
    if not insert.done or not isinstance(top, ast.FunctionDef | ast.ClassDef):
        return None
    top.decorator_list = []
    cells = _closure_of(target)
    body: list[ast.stmt] = [top, ast.Return(ast.Name(top.name, ast.Load()))]
    maker = ast.parse(f"def _maker({', '.join(cells)}): pass").body[0]
    assert isinstance(maker, ast.FunctionDef)
    maker.body = body
    module = ast.fix_missing_locations(ast.Module([maker], []))
    scope = dict(getattr(target, "__globals__", None) or vars(inspect.getmodule(target) or object))
    scope[HOOK] = _right_value(value)
    exec(compile(module, "<with the right value>", "exec"), scope)
    return scope["_maker"](**cells)


def _closure_of(target: Any) -> dict[str, Any]:
    """The variables of a function that belong to the functions around it."""
    if inspect.isclass(target):
        return {}
    names = target.__code__.co_freevars
    return {n: c.cell_contents for n, c in zip(names, target.__closure__ or (), strict=True)}


def _right_value(value: Array) -> Callable[[Any], Any]:
    def give(own: Any) -> Any:
        if np.size(own) != value.size or np.squeeze(own).shape != np.squeeze(value).shape:
            raise ValueError("another shape")
        return value.reshape(np.shape(own)).astype(np.asarray(own).dtype)

    return give


def with_value(form: Form, code: CodeType, name: str, value: Array) -> Form | None:
    """A form like `form` whose backward goes on with the right value; None if its source does not allow that."""
    for holder in ("back", "function", "cls"):
        target = getattr(form, holder, None)
        if target is None or (holder == "cls" and not inspect.isclass(target)):
            continue
        made = _replaced(inspect.unwrap(target), code, name, value)
        if made is not None:
            return form.changed(**{holder: made})
    return None
