"""Find comparisons: those that ship, in the package `comparisons`, and a user's own in a Python file."""

from __future__ import annotations

import ast
import importlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchref.compare.errors import UserError
from torchref.load import load_file
from torchref.nearest import nearest

if TYPE_CHECKING:
    from torchref.compare.comparison import Comparison
    from torchref.compare.teach.lesson import Lesson

__all__ = ["DEFAULT", "find", "find_lesson", "lessons", "listing", "seconds"]

DEFAULT = "digits"
_PACKAGE = Path(__file__).parents[2] / "comparisons"  # content: it is found in its folder, and imported by name alone


def listing() -> dict[str, str]:
    """Name -> one-line claim of every comparison that ships, found without importing (so without torch and sklearn).

    It is a module of `comparisons`, or of its `lessons`, with a module-level `comparison = Comparison(...)` or
    `lesson = Lesson(...)`; its claim is the first line of its docstring. UserError where the folder is missing.
    """
    if not _PACKAGE.is_dir():
        raise UserError(f"the comparisons that ship are not installed: there is no folder {_PACKAGE}")
    found = {}
    for path in [*_ordered(_PACKAGE), *_ordered(_PACKAGE / "lessons")]:
        source = path.read_text(encoding="utf-8")
        if "\ncomparison" not in source and "\nlesson" not in source:  # most modules: spare them the parsing
            continue
        tree = ast.parse(source)
        if any({"comparison", "lesson"} & _assigned(node) for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def seconds(name: str) -> int:
    """About how long a comparison or a lesson that ships takes on two cores."""
    return (_order(_PACKAGE) | _order(_PACKAGE / "lessons"))[name]


def find(name_or_file: str) -> Comparison:
    """The comparison of this name, or the one in a Python file."""
    if name_or_file.endswith(".py"):
        return _from_file(Path(name_or_file))
    name = name_or_file.replace("-", "_")
    known = listing()
    if name not in known:
        raise UserError(f"there is no comparison {name_or_file!r}: {nearest(name, known)} (or give a file, FILE.py)")
    comparison: Comparison = _module(name).comparison
    return comparison


def lessons() -> list[str]:
    """The names of the lessons that ship."""
    return [name for name in listing() if (_PACKAGE / "lessons" / f"{name}.py").exists()]


def find_lesson(name: str) -> Lesson:
    """The lesson that ships under this name."""
    lesson: Lesson = _module(name).lesson
    return lesson


def _module(name: str) -> Any:
    """The module of a comparison or a lesson that ships. UserError where Python finds another package of that name."""
    found = Path(importlib.import_module("comparisons").__path__[0])
    if found.resolve() != _PACKAGE.resolve():
        raise UserError(f"{found} hides the comparisons that ship, which are in {_PACKAGE}: start from another folder")
    package = "comparisons.lessons" if (_PACKAGE / "lessons" / f"{name}.py").exists() else "comparisons"
    return importlib.import_module(f"{package}.{name}")


def _ordered(folder: Path) -> list[Path]:
    """The modules of a package of comparisons in its ORDER; those that it does not name come last."""
    order = list(_order(folder))
    return sorted(folder.glob("*.py"), key=lambda p: (order.index(p.stem) if p.stem in order else len(order), p.stem))


def _order(folder: Path) -> dict[str, int]:
    """What `ORDER` says in the package's __init__.py, read without importing it."""
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    assigned = [node for node in tree.body if "ORDER" in _assigned(node)]
    order: dict[str, int] = ast.literal_eval(assigned[0].value)  # type: ignore[attr-defined]
    return order


def _assigned(node: ast.stmt) -> set[str]:
    """The names that a statement assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _from_file(path: Path) -> Comparison:
    from torchref.compare.comparison import Comparison
    from torchref.compare.faults import explained, message, user_line

    if not path.is_file():
        raise UserError(f"there is no file {path}")
    try:
        module = load_file(path)
    except (Exception, SystemExit) as error:
        line = explained(error) if user_line(error) else f"{path}: {type(error).__name__}: {message(error)}"
        raise UserError(line) from error
    found = {id(value): value for value in vars(module).values() if isinstance(value, Comparison)}
    if len(found) != 1:
        names = ", ".join(comparison.name for comparison in found.values())
        what = f"{len(found)} Comparisons ({names})" if found else "no Comparison"
        raise UserError(f"{path} holds {what}; it must hold exactly one")
    return replace(next(iter(found.values())), file=str(path.resolve()))
