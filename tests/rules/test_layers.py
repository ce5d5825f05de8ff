"""Dependencies run one way: nn <- optim <- models <- twin <- check <- compare <- cli; NumPy alone below twin."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("torchref/**/*.py"), *ROOT.glob("comparisons/**/*.py")])
ALLOWED = {  # package -> what its files may import, of ours
    "torchref/nn": {"torchref.nn"},
    "torchref/optim": {"torchref.nn", "torchref.optim"},
    "torchref/models": {"torchref.nn", "torchref.optim", "torchref.models"},
    "torchref/twin": {"torchref.nn", "torchref.optim", "torchref.models", "torchref.twin"},
    "torchref/check": {"torchref.nn", "torchref.optim", "torchref.models", "torchref.twin", "torchref.check"},
    "torchref/compare": {"torchref"},
    "torchref/cli": {"torchref"},
    "comparisons": {"torchref", "comparisons"},
}
NO_TORCH = ("torchref/nn", "torchref/optim")


def imported(path: Path) -> set[str]:
    """The dotted names that a file imports, wherever in the file the import stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    """Catches a lower layer that reaches up, and torch or TensorBoard where NumPy alone should stand."""
    where = str(path.relative_to(ROOT).as_posix())
    package = next((p for p in ALLOWED if where.startswith(p + "/")), None)
    if package is None:  # torchref/__init__.py, torchref/circuit.py
        return
    names = imported(path)
    ours = {name for name in names if name.split(".")[0] in ("torchref", "comparisons")}
    wrong = {name for name in ours if not any(name.startswith(allowed) for allowed in ALLOWED[package])}
    if package == "torchref/nn":
        wrong = {name for name in wrong if name != "torchref.nn"}
    assert not wrong, f"{where} may not import {sorted(wrong)}"
    if package in NO_TORCH:
        foreign = {name.split(".")[0] for name in names} & {"torch", "tensorboard", "sklearn", "rich", "tyro"}
        assert not foreign, f"{where} may not import {sorted(foreign)}"
    tensorboard = {name for name in names if "tensorboard" in name}
    assert not tensorboard or where.startswith("torchref/compare/record/"), f"{where}: {tensorboard}"


def test_importing_torchref_does_not_import_torch():
    """Catches an import that costs every NumPy user two seconds."""
    code = "import sys, torchref, torchref.nn, torchref.optim; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
