"""A user's file, run as a module."""

import sys

import pytest

from torchref.load import load_file


def test_a_file_and_those_beside_it(tmp_path):
    """Catches a file that cannot import its neighbour, a search path that stays, and a module of ours that is lost."""
    (tmp_path / "beside_it.py").write_text("answer = 42\n")
    (tmp_path / "json.py").write_text("from beside_it import answer\n")
    before, json = list(sys.path), sys.modules.get("json")
    module = load_file(tmp_path / "json.py")
    assert module.answer == 42
    assert sys.path == before
    assert sys.modules.get("json") is json
    del sys.modules["beside_it"]


def test_what_the_file_raises_comes_out(tmp_path):
    """Catches an error that is swallowed, and one that leaves the search path longer."""
    (tmp_path / "mine.py").write_text("1 / 0\n")
    before = list(sys.path)
    with pytest.raises(ZeroDivisionError):
        load_file(tmp_path / "mine.py")
    assert sys.path == before
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(ImportError, match=r"mine\.txt cannot be imported: it is no Python file"):
        load_file(tmp_path / "mine.txt")


def project(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)


@pytest.fixture
def _modules():
    """Modules that a test imports leave with it."""
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


@pytest.mark.usefixtures("_modules")
def test_a_file_of_a_package(tmp_path):
    """Catches relative imports that fail, and a package whose outermost folder is not on the path."""
    files = {
        "outer_kit/__init__.py": "",
        "outer_kit/numbers_of.py": "answer = 42",
        "outer_kit/inner/__init__.py": "from .mine import twice",
        "outer_kit/inner/mine.py": "from ..numbers_of import answer\nfrom outer_kit import numbers_of\n"
        "twice = 2 * answer",
    }
    project(tmp_path, files)
    module = load_file(tmp_path / "outer_kit/inner/mine.py")
    assert (module.__name__, module.twice) == ("outer_kit.inner.mine", 84)


@pytest.mark.usefixtures("_modules")
def test_a_package_that_cannot_be_imported_whole(tmp_path):
    """Catches a file that is lost because its package's __init__.py asks for a module that is not there."""
    project(tmp_path, {"half_kit/__init__.py": "import no_such_module_here", "half_kit/a.py": "answer = 42",
                       "half_kit/mine.py": "from .a import answer"})  # fmt: skip
    assert load_file(tmp_path / "half_kit/mine.py").answer == 42


@pytest.mark.usefixtures("_modules")
def test_the_root_of_a_project(tmp_path, monkeypatch):
    """Catches imports written from the project's root, or from the current folder, that fail."""
    files = {"pyproject.toml": "", "kit_of/tools.py": "answer = 42", "src/mine.py": "from kit_of.tools import answer"}
    project(tmp_path, files)
    assert load_file(tmp_path / "src/mine.py").answer == 42
    project(tmp_path, {"elsewhere/other_kit.py": "answer = 43", "apart/mine.py": "from other_kit import answer"})
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_file(tmp_path / "apart/mine.py").answer == 43


@pytest.mark.usefixtures("_modules")
def test_names_of_the_standard_library(tmp_path):
    """Catches a types.py or a colorsys.py of the user's that is taken for the standard library's."""
    own = "import colorsys\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: int"
    project(tmp_path, {"types.py": own, "colorsys.py": "1 / 0"})
    sys.modules.pop("colorsys", None)
    before = sys.modules["types"]
    assert load_file(tmp_path / "types.py").P(3).x == 3
    assert sys.modules["types"] is before
    assert hasattr(sys.modules["colorsys"], "rgb_to_hls")


@pytest.mark.usefixtures("_modules")
def test_a_file_that_edits_the_path(tmp_path):
    """Catches an error where the file takes its own folder off the path, and a folder of its own that is taken off."""
    edits = "here = os.path.dirname(__file__)\nsys.path.remove(here)\nsys.path.append(here + '/lib')"
    mine = f"import os, sys\n{edits}\nfrom far_kit import answer"
    project(tmp_path, {"lib/far_kit.py": "answer = 42", "mine.py": mine})
    assert load_file(tmp_path / "mine.py").answer == 42
    assert sys.path.pop() == str(tmp_path / "lib")
