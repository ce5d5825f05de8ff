"""What a file imports: packages that would compute the gradient for the student, and ways round this question.

Files are read here, never run. That finds what stands in the file, and no more: code that is made to deceive builds the
name of a package at run time. Such means are named, for a teacher to look at; they cost no points.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["FORBIDDEN", "forbidden_imports", "modules_of", "to_look_at"]

FORBIDDEN = ("torch", "torchref", "autograd", "jax", "tensorflow", "keras", "mlx", "tinygrad", "sympy", "casadi")
LOOK_AT = {  # what honest code for a gradient has no need of
    "__import__": "imports by a name made at run time",
    "importlib": "imports by a name made at run time",
    "exec": "runs code made at run time",
    "eval": "runs code made at run time",
    "ctypes": "reaches into memory",
    "gc": "reaches objects that are not its own",
    "inspect": "reaches its caller's variables",
    "_getframe": "reaches its caller's variables",
    "subprocess": "starts programs",
    "fork": "starts processes",
    "kill": "ends processes",
    "modules": "reaches other modules",
}


def forbidden_imports(files: list[Path], names: tuple[str, ...]) -> str:
    """The first forbidden import, as "imports torch (relu.py, line 1)"; "" if there is none."""
    for file in files:
        for module, line in _imported(_tree(file)):
            if module.partition(".")[0] in names:
                return f"imports {module} ({file.name}, line {line})"
    return ""


def to_look_at(files: list[Path]) -> list[str]:
    """What a teacher should look at: "exec: runs code made at run time (relu.py, line 7)"."""
    found = []
    for file in files:
        for name, line in _used(_tree(file)):
            if name in LOOK_AT:
                found.append(f"{name}: {LOOK_AT[name]} ({file.name}, line {line})")
    return list(dict.fromkeys(found))


def modules_of(file: Path) -> list[Path]:
    """The file, and the files of its folder that it imports, each once."""
    found, waiting = [], [file]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.append(path)
        for module, _ in _imported(_tree(path)):
            place = file.parent.joinpath(*module.split("."))
            waiting += [p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()]
    return found


def _tree(file: Path) -> ast.Module:
    """The syntax tree; an empty one where Python cannot read the file: it is not run, either."""
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The modules that a file imports, wherever in the file, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield module, node.lineno
            yield from ((f"{module}.{alias.name}".strip("."), node.lineno) for alias in node.names)


def _used(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The names and attributes that a file uses, and the modules that it imports."""
    yield from ((module.partition(".")[0], line) for module, line in _imported(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("os", "sys"):
                yield node.attr, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
            yield from ((alias.name, node.lineno) for alias in node.names)
