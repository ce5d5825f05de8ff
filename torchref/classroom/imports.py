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
BY_NAME = ("__import__", "import_module", "importlib", "runpy", "pkgutil")
WHY = {  # what honest code for a gradient has no need of
    "imports by a name made at run time": BY_NAME,
    "runs code made at run time": ("exec", "eval", "compile", "pickle", "marshal", "settrace", "setprofile"),
    "reaches into memory": ("ctypes", "mmap"),
    "reaches objects that are not its own": (
        "gc",
        "builtins",
        "__builtins__",
        "__subclasses__",
        "__globals__",
        "modules",
        "meta_path",
    ),
    "reaches its caller's variables": ("inspect", "_getframe", "f_back", "tb_frame", "traceback"),
    "starts programs": ("subprocess", "system", "popen", "execv", "execve", "execl", "spawnv", "posix_spawn"),
    "starts processes": ("fork", "forkpty", "multiprocessing", "setsid"),
    "ends processes": ("kill", "killpg", "_exit", "abort"),
    "runs beside the judge, or after it": ("threading", "_thread", "atexit", "signal", "asyncio"),
    "reads or writes files": ("open", "pathlib", "shutil", "tempfile", "io"),
    "uses the network": ("socket", "urllib", "http", "requests", "ssl"),
}
LOOK_AT = {name: why for why, names in WHY.items() for name in names}
BUILT_IN = ("exec", "eval", "compile", "open", "__import__", "__builtins__")  # as a name by itself
OF_A_MODULE = ("os", "sys")  # whose attributes count: `self.system` is honest
ALWAYS = ("__subclasses__", "__globals__", "f_back", "tb_frame")  # as an attribute of anything


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
        for name, line in _replaced(_tree(file)):
            found.append(f"{name}: changes a module ({file.name}, line {line})")
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
        elif isinstance(node, ast.Call) and _last(node.func) in ("__import__", "import_module"):
            yield from (
                (a.value, node.lineno) for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
            )


def _last(node: ast.expr) -> str:
    """The last word of a.b.c."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _used(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The names and attributes that a file uses, and the modules that it imports."""
    yield from ((module.partition(".")[0], line) for module, line in _imported(tree))
    modules = {bound: module for module, bound, _ in _bound(tree) if module in OF_A_MODULE}
    own = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in BUILT_IN and node.id not in own:
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            if node.attr in ALWAYS or (isinstance(node.value, ast.Name) and node.value.id in modules):
                yield node.attr, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module in OF_A_MODULE:
            yield from ((alias.name, node.lineno) for alias in node.names)


def _bound(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """What `import` binds: the module, the name in this file, the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, alias.asname or alias.name.partition(".")[0], node.lineno


def _replaced(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """What the file changes in a module that it imports: np.allclose = ..., with the line."""
    modules = {bound for _, bound, _ in _bound(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in modules:
                yield ast.unparse(node), node.lineno
        elif isinstance(node, ast.Call) and _last(node.func) in ("setattr", "delattr"):
            yield from ((a.id, node.lineno) for a in node.args[:1] if isinstance(a, ast.Name) and a.id in modules)
