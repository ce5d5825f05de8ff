"""The rules that make a backward readable, held by looking at the syntax tree of every function."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("torchref/nn", "torchref/tensor", "torchref/models")
FILES = sorted(path for package in PACKAGES for path in ROOT.glob(f"{package}/**/*.py"))
ROOMS = ("reading", "running", "tolerance", "diagnosis", "report")
CHECKER = sorted(path for room in ROOMS for path in ROOT.glob(f"torchref/check/{room}/**/*.py"))
LINES = 700
LONGEST = 50  # lines of a function of the checker


def functions(tree: ast.AST):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_backward_is_the_last_statement_before_return(path):
    """Catches a backward that captures a name which is changed after it was defined."""
    for function in functions(ast.parse(path.read_text())):
        for i, statement in enumerate(function.body):
            if isinstance(statement, ast.FunctionDef) and statement.name == "backward":
                rest = function.body[i + 1 :]
                where = f"{path.name}:{statement.lineno}: in {function.name}"
                assert len(rest) == 1, f"{where}, {len(rest)} statements follow def backward"
                assert isinstance(rest[0], ast.Return), f"{where}, def backward is not followed by return"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_backward_changes_nothing_it_captured(path):
    """Catches an in-place operation on an array of the forward: a second backward would give another answer."""
    for function in functions(ast.parse(path.read_text())):
        for backward in (s for s in function.body if isinstance(s, ast.FunctionDef) and s.name == "backward"):
            own = {a.arg for a in (*backward.args.args, *backward.args.kwonlyargs)}
            given = set(own)
            for node in ast.walk(backward):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    own.add(node.id)
            for node in ast.walk(backward):
                assert not isinstance(node, ast.Nonlocal | ast.Global), (
                    f"{path.name}:{node.lineno}: nonlocal in backward"
                )
                if isinstance(node, ast.AugAssign):
                    target = node.target
                    while isinstance(target, ast.Subscript | ast.Attribute):
                        target = target.value
                    assert isinstance(target, ast.Name), f"{path.name}:{node.lineno}"
                    assert target.id in own - given, f"{path.name}:{node.lineno}: backward changes {target.id}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_can_be_read_in_one_sitting(path):
    """Catches a file that has become several concepts."""
    assert len(path.read_text().splitlines()) <= LINES, f"{path.name}: split it by concept"


@pytest.mark.parametrize("path", CHECKER, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_of_the_checker_asks_one_question(path):
    """Catches a function that has grown too long to be seen at once."""
    lengths = {f"{f.name}:{f.lineno}": f.end_lineno - f.lineno + 1 for f in functions(ast.parse(path.read_text()))}
    assert not {name: n for name, n in lengths.items() if n > LONGEST}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_and_classes_say_what_they_are(path):
    """Catches a public function or module without a docstring, and a function with a backward that derives nothing."""
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            doc = ast.get_docstring(node)
            has_backward = any(isinstance(s, ast.FunctionDef) and s.name == "backward" for s in ast.walk(node))
            in_nn = "torchref/nn" in path.as_posix() and not any(
                isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list
            )
            if isinstance(node, ast.FunctionDef) and (has_backward or in_nn):
                assert doc, f"{path.name}:{node.lineno}: {node.name} has no docstring"
