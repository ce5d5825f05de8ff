"""torchref-light: the same files with NumPy alone, built, and tried in an environment that has nothing else."""

import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).parents[1]
LIGHT = ROOT / "torchref" / "browser" / "wheel"
WRONG = """
import numpy as np

def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    def backward(dy):
        return y * dy
    return y, backward
"""


def project(path):
    return tomllib.loads((ROOT / path).read_text())["project"]


def test_the_two_lists_agree():
    """Catches a dependency that is added to torchref alone, or with another range."""
    full, light = project("pyproject.toml"), project(LIGHT / "pyproject.toml")
    extras = light["optional-dependencies"]
    assert sorted(full["dependencies"]) == sorted(light["dependencies"] + extras["torch"])
    assert set(extras["command"]) < set(extras["torch"])
    assert light["requires-python"] == full["requires-python"]
    assert light["scripts"] == full["scripts"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling", reason="the build needs hatchling, which is not installed")
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", LIGHT, "--no-deps", "--no-build-isolation", "-w", out]
    ran = subprocess.run(list(map(str, build)), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (path,) = out.glob("torchref_light-*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A fresh environment's Python, which has the wheel and NumPy."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    wheel.extractall(site)
    for part in Path(numpy.__file__).parents[1].glob("numpy*"):
        (site / part.name).symlink_to(part)

    def run(*arguments):
        return subprocess.run(
            [folder / "bin" / "python", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )

    (folder / "mine.py").write_text(WRONG)
    return run


def test_its_metadata(wheel):
    """Catches a second hard dependency, a file of ours that is left out, and a wheel without its license."""
    names = wheel.namelist()
    metadata = next(wheel.read(name).decode() for name in names if name.endswith("/METADATA"))
    hard = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert [line.split()[1].split("<")[0] for line in hard] == ["numpy"]
    ours = {p.relative_to(ROOT).as_posix() for top in ("torchref", "comparisons") for p in (ROOT / top).rglob("*.py")}
    assert ours <= set(names), f"left out: {sorted(ours - set(names))[:5]}"
    assert "torchref/LICENSE" in names
    assert not [name for name in names if "__pycache__" in name]


def test_it_checks_a_gradient(python):
    """Catches a check that needs more than NumPy, and a verdict that is not the one of the whole package."""
    code = (
        "import mine; from torchref.check import check; v = check(mine.softmax, 'softmax'); print(v.findings[0].slug)"
    )
    ran = python("-c", code)
    assert (ran.returncode, ran.stdout.strip()) == (0, "softmax-elementwise"), ran.stdout + ran.stderr


def test_the_command_says_what_is_missing(python):
    """Catches a traceback where a line says what to install."""
    assert python("-m", "torchref", "--help").returncode == 0
    assert python("-m", "torchref", "--version").stdout.startswith("torchref ")
    ran = python("-m", "torchref", "check", "mine.py:softmax", "--against", "softmax")
    assert ran.returncode == 2
    assert ran.stderr == (
        "torchref: tyro is not installed: pip install 'torchref-light[command]' for `torchref check`, "
        "'torchref-light[torch]' for all of torchref\n"
    )
