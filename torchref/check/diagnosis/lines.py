"""Where in the user's source a gradient is made: the source itself, and the line of a variable or a gradient in it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from torchref.check.reading.forms.class_names import BACKWARDS
from torchref.check.reading.forms.form import Form
from torchref.check.reading.forms.naming import gradient_name

LONGEST = 400  # lines that are shown
LEADS_BACK = (*BACKWARDS, "grad", "deriv", "vjp", "bprop")


def source_of(form: Form) -> list[dict[str, Any]]:
    """The user's functions or classes as they wrote them, each with the number of its first line."""
    pieces = {first: text for text, first in texts(form)}
    return [{"first": first, "text": pieces[first]} for first in sorted(pieces)]


def texts(form: Form) -> Iterator[tuple[str, int]]:
    """The source of each of the form's functions and classes, with the number of its first line, where it is found."""
    try:
        targets = form.code()
    except NotImplementedError:
        return
    for target in targets:
        try:
            lines, first = inspect.getsourcelines(inspect.unwrap(target))
        except (OSError, TypeError):
            continue
        yield "".join(lines[:LONGEST]), max(first, 1)


def line_of(form: Form, gradient: str) -> int:
    """The line that makes a gradient: the last that binds its variable, else the return; 0 where it is not seen."""
    if gradient not in {a.name for a in form.op.arrays}:
        return 0
    found = 0
    for back in backwards(form):
        made = (line for name, line in bound(back) if gradient_name(form.op, name, form.matching) == gradient)
        found = max(found, *made, 0)
    return found or max((returned(back) for back in backwards(form)), default=0)


def line_that_binds(form: Form, variable: str) -> int:
    """The last line of a backward that binds this variable; 0 where there is none."""
    return max((line for back in backwards(form) for name, line in bound(back) if name == variable), default=0)


def backwards(form: Form) -> list[ast.AST]:
    """The functions that lead back; where none is called so, the last lambda, or the first function."""
    every = [node for text, first in texts(form) for node in parsed(text, first)]
    functions = [n for n in every if isinstance(n, ast.FunctionDef)]
    lambdas: list[ast.AST] = [n for n in every if isinstance(n, ast.Lambda)]
    named: list[ast.AST] = [n for n in functions if any(w in n.name.lower() for w in LEADS_BACK)]
    return named or lambdas[-1:] or list(functions[:1])


def parsed(text: str, first: int) -> list[ast.AST]:
    """The nodes of a source's syntax tree, with the line numbers of its file; none where it does not parse."""
    try:
        tree = ast.increment_lineno(ast.parse(textwrap.dedent(text)), first - 1)
    except SyntaxError:  # a lambda inside a call
        return []
    return list(ast.walk(tree))


def bound(function: ast.AST) -> Iterator[tuple[str, int]]:
    """The names that a function binds, with the lines: variables, attributes, keys of dictionaries."""
    for node in sorted((n for n in ast.walk(function) if isinstance(n, ast.stmt)), key=lambda n: n.lineno):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else targets
        for target in (part for t in targets for part in (t.elts if isinstance(t, ast.Tuple) else [t])):
            name = name_of(target)
            if name:
                yield name, node.lineno


def name_of(target: ast.expr) -> str:
    """The variable, attribute or key that an assignment's target binds; empty for a target of another kind."""
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        return target.attr
    if isinstance(target, ast.Subscript):
        key = target.slice.value if isinstance(target.slice, ast.Constant) else None
        return key if isinstance(key, str) else name_of(target.value)
    return ""


def returned(function: ast.AST) -> int:
    """The line of the last return; of a lambda its own."""
    lines = [n.lineno for n in ast.walk(function) if isinstance(n, ast.Return | ast.Lambda)]
    return max(lines, default=0)
