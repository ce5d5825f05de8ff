"""What is special about an operation stands in its record: nobody else asks which operation it is."""

import ast
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "torchref" / "check"
FILES = [p for p in sorted(CHECK.glob("**/*.py")) if p.parent.name != "ops"]


def asks(node: ast.AST) -> bool:
    """Whether it is `op.name` or `op.family`, of whatever op."""
    if not isinstance(node, ast.Attribute) or node.attr not in ("name", "family"):
        return False
    return ast.unparse(node.value).split(".")[-1] == "op"


def questions(tree: ast.AST) -> list[str]:
    """The comparisons, look-ups in tables and questions to the text in which an operation's name or family decides."""
    found = []
    for node in ast.walk(tree):
        asked: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            asked = [node.left, *node.comparators]
        elif isinstance(node, ast.Subscript):
            asked = [node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("startswith", "endswith"):
                asked = [node.func.value]
            elif node.func.attr == "get":
                asked = list(node.args)
        if any(map(asks, asked)):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CHECK)))
def test_nobody_asks_for_a_name(path):
    """Catches knowledge of one operation outside its record."""
    assert not (found := questions(ast.parse(path.read_text()))), "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "code.op.name == 'relu'",
        "p.op.family in ('conv', 'pool')",
        "'avg' in op.name",
        "TABLE[op.name]",
        "TABLE.get(self.op.family)",
        "op.name.startswith('conv')",
    ],
)
def test_a_question_is_seen(text):
    """Catches a search that overlooks a way of asking."""
    assert questions(ast.parse(text))
    assert not questions(ast.parse("print(op.name, file.name == 'relu')"))
