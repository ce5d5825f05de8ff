"""How arrays are made: from arrays, with their memory order stated. Held by looking at every file's syntax tree."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTBOOK = ROOT / "torchref" / "check" / "textbook"  # read and written by index alone, as students write
FILES = sorted(
    path for path in [*ROOT.glob("torchref/**/*.py"), *ROOT.glob("comparisons/**/*.py")] if TEXTBOOK not in path.parents
)


def orderless(tree: ast.AST) -> list[int]:
    """The lines of calls like `np.empty_like(x, shape=...)` that do not say the order of the memory."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = {keyword.arg for keyword in node.keywords}
            if name.endswith("_like") and "shape" in given and "order" not in given:
                lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_array_of_another_shape_states_its_memory_order(path):
    """Catches `np.empty_like(x, shape=...)`: it keeps the order of x's axes, and a reshape meant as a view copies."""
    found = orderless(ast.parse(path.read_text(encoding="utf-8")))
    assert not found, f'{path.relative_to(ROOT)}: state order="C" in lines {found}'


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("np.empty_like(x, shape=n)", True),
        ("np.full_like(x, 0.5, shape=(n,))", True),
        ("zeros_like(x, shape=n)", True),
        ('np.zeros_like(x, shape=n, order="C")', False),
        ("np.zeros_like(x)", False),  # of x's own shape: read and written by index alone
    ],
)
def test_the_rule_sees_it(call, wrong):
    """Catches a rule that lets everything pass."""
    assert bool(orderless(ast.parse(call))) is wrong
