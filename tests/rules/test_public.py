"""What is public is said, and others use that alone.

In tensor, twin, compare, classroom and cli each file has an `__all__`. In nn, optim and models the package itself has
one, and its files are read one by one: there only a name with an underscore is private.
"""

import ast

import pytest

from tests.rules.test_layers import MODULES, ROOT

PACKAGES = (
    "torchref/tensor",
    "torchref/twin",
    "torchref/compare",
    "torchref/classroom",
    "torchref/browser",
    "torchref/cli",
)
SINGLE = ("torchref/circuit.py", "torchref/load.py", "torchref/nearest.py")
STUDENTS = "skeletons"  # files that students fill in
OURS = [path for p in PACKAGES for path in ROOT.glob(f"{p}/**/*.py") if path.parent.name != STUDENTS]
FILES = sorted([*OURS, *(ROOT / name for name in SINGLE)])
WHOLE = ("torchref/nn", "torchref/nn/utils", "torchref/optim", "torchref/optim/lr_scheduler", "torchref/models")
EXCUSED = {
    ("torchref.check.edits", "Slot"),  # what `lines` yields
    ("torchref.check.running.observed", "Observer"),  # what `observing` yields
    ("torchref.check.plugin", "assert_gradient"),  # a fixture of pytest
    ("torchref.check.plugin", "pytest_addoption"),  # called by pytest
}
SHARED = {"_NormBase", "_BatchNorm"}  # torch's own names of bases, which it keeps out of torch.nn


def defined(tree: ast.Module) -> set[str]:
    """The names that a file defines."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {part.id for target in targets if target for part in ast.walk(target) if isinstance(part, ast.Name)}
    return names


def public(tree: ast.Module) -> list[str] | None:
    """What `__all__` says."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_what_is_public(path):
    """Catches a file without `__all__`, a name in it that is not there, and one that begins with an underscore."""
    tree = ast.parse(path.read_text())
    own = defined(tree) - {"__all__", "__getattr__"}
    names = public(tree)
    if not own and names is None:  # a docstring alone
        return
    assert names is not None, "there is no __all__"
    imported = {a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert set(names) <= own | imported
    assert not [name for name in names if name.startswith("_")]


def test_others_use_what_is_public_alone():
    """Catches a file that reaches into what another one keeps to itself."""
    inner = {name: public(ast.parse(path.read_text())) for name, path in MODULES.items() if path in FILES}
    wrong = []
    for path in sorted([*ROOT.glob("torchref/**/*.py"), *ROOT.glob("comparisons/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and inner.get(node.module) is not None:
                used = {alias.name for alias in node.names if f"{node.module}.{alias.name}" not in MODULES}
                wrong += [f"{path.relative_to(ROOT)}: {node.module}.{name}" for name in used - set(inner[node.module])]
    assert not wrong


@pytest.mark.parametrize("package", WHOLE)
def test_a_package_says_what_is_public(package):
    """Catches a package without `__all__`, and a name in it that is not there."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    names = public(tree)
    assert names, "there is no __all__"
    imported = {a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert set(names) <= imported | defined(tree)


def test_what_has_an_underscore_stays_in_its_file():
    """Catches a private name that another file imports, in whatever package."""
    wrong = []
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("torchref", "comparisons"):
                private = {alias.name for alias in node.names if alias.name.startswith("_")} - SHARED
                wrong += [f"{name} imports {node.module}.{each}" for each in private]
    assert not wrong


CHECK = "torchref/check"
ROOMS = ("ops", "reference", "report", "running", "tolerance")
HIDING = sorted(
    [
        *(path for room in ROOMS for path in ROOT.glob(f"{CHECK}/{room}/**/*.py")),
        *ROOT.glob(f"{CHECK}/*.py"),
    ]
)


def test_what_one_file_alone_uses_begins_with_an_underscore():
    """Catches a name of the checker that looks public and that no other file uses: it is private, or dead."""
    used = set()  # (module, name), of every import and every attribute of a module
    for folder in ("torchref", "comparisons", "tests"):
        for path in ROOT.glob(f"{folder}/**/*.py"):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            imports = [(n.module, a) for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names]
            used |= {(module, a.name) for module, a in imports}
            files = {a.asname or a.name: f"{module}.{a.name}" for module, a in imports}
            attributes = [n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
            used |= {(files[n.value.id], n.attr) for n in attributes if n.value.id in files}
    alone = []
    for path in HIDING:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (module, node.name) not in used | EXCUSED:
                formula = any(isinstance(s, ast.FunctionDef) and s.name == "backward" for s in node.body)
                alone += [] if node.name.startswith("_") or formula else [f"{module}.{node.name}"]
    assert not alone, alone
