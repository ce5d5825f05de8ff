"""The folder of the page: it is whole, it is small, and what is in its archive judges every exercise by itself."""

import gzip
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.browser.folder import LOCK, WASM, WHEEL, built, pyodide
from tests.classroom.solutions import solved
from torchref.browser.build import PYODIDE, build, core
from torchref.classroom.exercises.catalogue import EXERCISES

ROOT = Path(__file__).parents[2]
IMPORT = re.compile(r'(?:from|import|new URL\() ?"(\./[\w./-]+)"')
PARTS = re.compile(r'(?:src|href)="([\w./-]+)"')


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return built(tmp_path_factory.mktemp("built"))


def test_every_file_that_is_named_is_there(page):
    """Catches a script, a style or a module that draws that is left out, and a file that is fetched in vain."""
    folder, _ = page
    named = {folder / part for part in PARTS.findall((folder / "index.html").read_text())}
    for script in [*folder.glob("*.js"), *folder.glob("drawing/*.js")]:
        named |= {script.parent / part for part in IMPORT.findall(script.read_text())}
        named |= {folder / part for part in re.findall(r'here\("([\w./-]+)"\)', script.read_text())}
        named |= {folder / part for part in re.findall(r'"([\w/-]+\.json)"', script.read_text())}
    assert len(named) > 15
    assert not [str(path) for path in named if not path.exists()]


def test_the_runtime(page):
    """Catches a runtime that does not unpack to what it was, sizes that are not the files', and a second package."""
    folder, size = page
    runtime = folder / "pyodide"
    assert gzip.decompress((runtime / "pyodide.asm.wasm.gz").read_bytes()) == WASM
    sizes = json.loads((folder / "sizes.json").read_text())
    files = {path.name: path.stat().st_size for path in [*runtime.iterdir(), folder / "torchref.zip"]}
    assert sizes == {name: count for name, count in files.items() if name != "pyodide-lock.json"}
    assert size == sum(sizes.values())
    packages = json.loads((runtime / "pyodide-lock.json").read_text())["packages"]
    assert packages == {"numpy": LOCK["packages"]["numpy"]}


def test_without_numpy_the_cdn_has_it(tmp_path):
    """Catches an address of another version's NumPy, and a lost checksum."""
    build(tmp_path / "page", pyodide(tmp_path / "pyodide"))
    entry = json.loads((tmp_path / "page/pyodide/pyodide-lock.json").read_text())["packages"]["numpy"]
    assert entry["file_name"] == f"https://cdn.jsdelivr.net/pyodide/v9.8.7/full/{WHEEL}"
    assert entry["sha256"] == LOCK["packages"]["numpy"]["sha256"]
    assert not list(tmp_path.glob("page/pyodide/*.whl"))


def test_another_numpy_is_refused(tmp_path):
    """Catches a wheel of another version in the folder: Pyodide would refuse it in every visitor's browser."""
    (tmp_path / WHEEL).write_bytes(b"another wheel")
    with pytest.raises(ValueError, match=f"is not the wheel for this Pyodide, {WHEEL}"):
        build(tmp_path / "page", pyodide(tmp_path / "pyodide"), tmp_path / WHEEL)


def test_no_script_asks_another_host(page):
    """Catches a font, a style or a script of somebody else's: what is written in the page must stay there."""
    folder, _ = page
    for path in [*folder.glob("*.*"), *folder.glob("drawing/*")]:
        if path.suffix in (".js", ".css"):
            text = path.read_text().replace("http://www.w3.org/2000/svg", "").replace('"https://"', "")
            assert "://" not in text, path.name
    assert re.findall(r'(?:src|<link[^>]*href)="\w+:', (folder / "index.html").read_text()) == [
        '<link rel="icon" href="data:'
    ]


def test_it_is_small(page):
    """Catches a core that grows: with Pyodide's 7.3 MB and NumPy's 3.1 MB the page must stay within 12 MB."""
    folder, _ = page
    assert (folder / "torchref.zip").stat().st_size < 1.2e6
    assert PYODIDE == "314.0.7", "weigh the new one, and say so here"


def test_one_pyodide():
    """Catches a corpus that is judged in another Pyodide than the page has."""
    assert f"pyodide@{PYODIDE}" in (ROOT / ".github/workflows/tests.yml").read_text()


def test_the_core_is_closed(page):
    """Catches a file that imports what is not in the archive."""
    with zipfile.ZipFile(page[0] / "torchref.zip") as archive:
        names = set(archive.namelist())
    assert names == {f"torchref/{path.relative_to(ROOT / 'torchref').as_posix()}" for path in core()}
    assert not [name for name in names if name.startswith(("torchref/compare", "torchref/referee", "torchref/twin"))]


RUN = """
import json, sys
sys.path.insert(0, ARCHIVE)
sys.path.append(ROOT)
from tests.browser.alone import as_in_a_browser
as_in_a_browser()
import torchref
assert torchref.__file__.startswith(ARCHIVE), torchref.__file__
from torchref.browser.answer import answer
print(json.dumps([json.loads(answer(json.dumps(question))) for question in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def answers(page, tmp_path_factory):
    """What the archive's torchref says to questions, as in a browser: in a process that has NumPy and the archive."""
    folder = tmp_path_factory.mktemp("archive")
    with zipfile.ZipFile(page[0] / "torchref.zip") as archive:
        archive.extractall(folder)

    def ask(questions):
        code = RUN.replace("ARCHIVE", repr(str(folder))).replace("ROOT", repr(str(ROOT)))
        asked = json.dumps(questions)
        ran = subprocess.run(
            [sys.executable, "-P", "-c", code], input=asked, cwd=folder, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        return json.loads(ran.stdout)

    return ask


def test_every_exercise_is_judged(page, answers):
    """Catches an exercise that the page cannot judge: its skeleton is not done yet, its solution is right."""
    asked = json.loads((page[0] / "exercises.json").read_text())
    assert [each["name"] for each in asked] == [each.name for each in EXERCISES]
    assert len(asked) == 20
    common = [{"name": each["name"], "operations": each["operations"], "hints": 2} for each in asked]
    empty = [{**question, "code": each["code"]} for question, each in zip(common, asked, strict=True)]
    done = [{**question, "code": solved(each.name)} for question, each in zip(common, EXERCISES, strict=True)]
    said = answers(empty + done)
    for each, before, after in zip(asked, said[:20], said[20:], strict=True):
        assert "not done yet" in before["text"], f"{each['name']}: {before['text']}"
        assert after["status"] == 0, f"{each['name']}: {after['text']}"


WRONG = (
    "def relu(x):\n    y = x * (x > 0)\n    def backward(dy):\n        return -dy * (x > 0)\n    return y, backward\n"
)


def test_what_the_page_gets(answers):
    """Catches a level of hints that says too much or nothing, a line that is not marked, and a code that is not read
    again."""
    asked = {"name": "relu", "operations": ["relu"], "code": WRONG}
    levels = answers([{**asked, "hints": hints} for hints in range(4)])
    assert [said["status"] for said in levels] == [1] * 4
    assert [said["lines"] for said in levels] == [{}, {}, *[{"4": "dinput (your x): wrong-sign"}] * 2]
    assert ["wrong-sign" in said["html"] for said in levels] == [False, False, True, True]
    assert ["Instead:" in said["html"] for said in levels] == [False] * 3 + [True]
    assert ["<svg" in said["html"] for said in levels] == [False, False, True, True]
    changed = answers([asked, {**asked, "code": WRONG.replace("-dy", "+dy")}, asked])
    assert [said["status"] for said in changed] == [1, 0, 1]
    alone, strange, broken = answers(
        [{**asked, "name": ""}, {**asked, "operations": ["rellu"]}, {**asked, "code": "def relu(x:"}]
    )
    assert alone["status"] == 1
    assert "did you mean" in strange["text"]
    assert "SyntaxError" in broken["text"] or "cannot be read" in broken["text"]
