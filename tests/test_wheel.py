"""The wheel is what users get: it is built, looked into, and tried from an empty folder, beside what it needs."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KINDS = ("*.py", "*.js", "*.css", "*.html")  # of the files that are ours
RIGHT = """
def linear(x, weight, bias):
    y = x @ weight.T + bias

    def backward(dy):
        return dy @ weight, dy.T @ x, dy.sum(axis=0)

    return y, backward
"""

pytestmark = pytest.mark.slow


def run(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)


def succeeds(*command, **options):
    ran = run(*command, **options)
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the sources, so that nothing is left behind in them."""
    pytest.importorskip("hatchling", reason="the build needs hatchling, which is not installed")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("torchref", "comparisons"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    succeeds(sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation", "-w", out)
    (path,) = out.glob("torchref-*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A fresh environment's Python with the wheel in it; what it needs is this environment's."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    # Paths of a .pth file come behind the folder itself, and the .pth files in them are not read.
    here = [p for p in sys.path if p.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join([sysconfig.get_path("purelib"), *here]))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return folder / "bin" / "python"


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A folder without a checkout, which no variable points to either."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    """Catches a file of ours that is left out, the mark of a typed package, and tests or runs that are packed in."""
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for top in ("torchref", "comparisons") for kind in KINDS for path in (ROOT / top).rglob(kind)]
    ours = {path.relative_to(ROOT).as_posix() for path in files}
    assert ours <= names, f"left out: {sorted(ours - names)[:5]}"
    assert "torchref/py.typed" in names
    assert {"torchref/compare/record/backprop/static/index.js", "torchref/page/static/embed.js"} <= set(names)
    extra = {name for name in names - ours if ".dist-info/" not in name} - {"torchref/py.typed"}
    assert not extra, f"packed in: {sorted(extra)[:5]}"
    metadata = next(zipfile.ZipFile(wheel).read(name).decode() for name in names if name.endswith("/METADATA"))
    assert "Requires-Dist: numpy" in metadata
    points = next(zipfile.ZipFile(wheel).read(name).decode() for name in names if name.endswith("/entry_points.txt"))
    assert "torchref = torchref.cli.command_line:main" in points
    assert "torchref = torchref.check.plugin" in points
    assert "backprop = torchref.compare.record.backprop.plugin:BackpropPlugin" in points


def test_it_runs_without_a_checkout(python, empty):
    """Catches a file that is read from the checkout, or that only the checkout's own path makes importable."""
    where = succeeds(python, "-c", "import torchref; print(torchref.__file__)", cwd=empty).strip()
    assert Path(where).is_relative_to(python.parents[1]), where
    assert "check" in succeeds(python, "-m", "torchref", "--help", cwd=empty)
    known = json.loads(succeeds(python, "-m", "torchref", "list", "--json", cwd=empty))
    shipped = [p.stem for p in ROOT.glob("comparisons/**/*.py") if p.stem != "__init__"]
    assert set(known) == set(shipped)
    assert "would train" in succeeds(python, "-m", "torchref", "compare", "regression", "--dry-run", cwd=empty)


def test_it_checks_a_gradient(python, empty):
    """Catches a checker that needs what is not in the wheel: a right gradient passes, a wrong one does not."""
    (empty / "mine.py").write_text(RIGHT)
    (empty / "wrong.py").write_text(RIGHT.replace("dy.sum(axis=0)", "dy.mean(axis=0)"))
    succeeds(python, "-m", "torchref", "check", "mine.py:linear=linear", cwd=empty)
    assert run(python, "-m", "torchref", "check", "wrong.py:linear=linear", cwd=empty).returncode == 1


def test_a_missing_or_hidden_folder_of_comparisons_is_said(python, empty):
    """Catches an empty list, and an ImportError, where the comparisons that ship cannot be found."""
    (empty / "comparisons").mkdir()
    (empty / "comparisons" / "__init__.py").touch()
    ran = run(python, "-m", "torchref", "compare", "regression", "--dry-run", cwd=empty)
    assert ran.returncode == 2
    assert "hides the comparisons that ship" in ran.stderr
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    (site / "comparisons").rename(site / "elsewhere")
    try:
        ran = run(python, "-m", "torchref", "list", cwd=empty)
    finally:
        (site / "elsewhere").rename(site / "comparisons")
    assert ran.returncode == 2
    assert "are not installed" in ran.stderr
