"""What students hand in that is no honest file: archives that are damaged, trees without an end, names of any kind."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.classroom import made_up
from torchref.classroom import submissions
from torchref.classroom.assignment import Assignment, Task
from torchref.classroom.workplace import workplace
from torchref.cli.command_line import main
from torchref.compare.errors import UserError

ONE_TASK = 'cpu = 5\nwall = 60\n[[task]]\nname = "relu"\noperation = "relu"\n'
ONE = Assignment("T", (Task("relu", "relu.py", "relu", "relu"),))
ROOT = Path(__file__).parents[2]
DEEP = """
import os
os.chdir("..")
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
"""


def graded(folder, assignment=ONE_TASK, stdout=subprocess.PIPE, **more):
    """Grade what lies in folder/class, by the command; returns {student: (word, points, what is said)}."""
    (folder / "assignment.toml").write_text(assignment, encoding="utf-8")
    words = [
        "grade",
        str(folder / "assignment.toml"),
        str(folder / "class"),
        "--out",
        str(folder / "grades"),
        "--quiet",
    ]
    environment = {**os.environ, **more, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "torchref", *words],
        cwd=ROOT, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads((folder / "grades" / "grades.json").read_text(encoding="utf-8"))
    found = {s["student"]: (s["tasks"][0]["word"], s["points"], s["tasks"][0]["line"]) for s in document["students"]}
    return found, done


def archive(method, text):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as file:
        file.writestr("relu.py", text)
    return bytearray(held.getvalue())


def test_a_damaged_archive_costs_its_own_student_alone(tmp_path):
    """Catches an exception of zlib, lzma or zipfile that ends the class: every fifth byte is damaged, one at a time."""
    (tmp_path / "class").mkdir()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        good = archive(method, made_up.linear())  # no `relu` in it: none of them is run
        for place in range(0, len(good), 5):
            damaged = bytearray(good)
            damaged[place] ^= 0xFF
            (tmp_path / "class" / f"{method}-{place}.zip").write_bytes(damaged)
    (tmp_path / "class" / "ada").mkdir()
    (tmp_path / "class" / "ada" / "relu.py").write_text(made_up.relu(), encoding="utf-8")
    (tmp_path / "class" / "pipe").mkdir()
    os.mkfifo(tmp_path / "class" / "pipe" / "relu.py")
    asked = ONE_TASK.replace('name = "relu"', 'name = "relu"\nfile = "asked.py"', 1)
    (tmp_path / "class" / "ada" / "asked.py").write_text(made_up.relu(), encoding="utf-8")
    found, _ = graded(tmp_path, asked)
    assert found.pop("ada")[:2] == ("right", 1.0)
    assert found.pop("pipe")[2].endswith("is a named pipe")
    assert {word for word, _, _ in found.values()} == {"missing", "not run"}
    unreadable = [said for word, _, said in found.values() if word == "not run"]
    assert len(unreadable) > 100
    assert all("the submission cannot be read: " in said and "\n" not in said for said in unreadable)


def test_a_tree_without_an_end_is_removed(tmp_path):
    """Catches a class that ends in a RecursionError when a task's folder is removed, and a folder that is left."""
    (tmp_path / "class" / "bo").mkdir(parents=True)
    (tmp_path / "class" / "bo" / "relu.py").write_text(made_up.relu(top=DEEP), encoding="utf-8")
    (tmp_path / "t").mkdir()
    found, _ = graded(tmp_path, TMPDIR=str(tmp_path / "t"))
    assert found["bo"][0] in ("right", "not run")
    assert not [path.name for path in (tmp_path / "t").glob("torchref-*")]


def test_a_workplace_is_gone_afterwards(tmp_path, monkeypatch):
    """Catches what is left of a folder that may not be read, of a link, and of a folder that was taken away."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("", encoding="utf-8")
    with workplace() as place:
        (place / "a" / "b").mkdir(parents=True)
        (place / "a" / "b" / "link").symlink_to(outside)
        (place / "a" / "file").write_text("", encoding="utf-8")
        (place / "a").chmod(0)
    assert not place.exists()
    with workplace() as place:
        place.rmdir()
    assert [path.name for path in outside.iterdir()] == ["kept"]


NAMES = (
    "with space",
    "ünï",
    "a,b",
    'q"uote',
    "two\nlines",
    "esc\x1b[31m",
    "<b>&",
    "[red]x",
    "😀",
    "%s",
    b"no text \xff",
)


def test_names_of_any_kind(tmp_path):
    """Catches a name that breaks a line, a table, a page or a file for other programs."""
    for name in NAMES:
        folder = os.path.join(os.fsencode(tmp_path / "class"), os.fsencode(name))
        os.makedirs(folder)
    found, done = graded(tmp_path, PYTHONIOENCODING="utf-8")
    assert set(found) == {
        *(set(NAMES) - {"two\nlines", "esc\x1b[31m", b"no text \xff"}), "two#x0Alines", "esc#x1B[31m", "no text \ufffd",
    }  # fmt: skip
    assert "\x1b" not in done.stdout
    with open(tmp_path / "grades" / "grades.csv", encoding="utf-8", newline="") as file:
        assert {row["student"] for row in csv.DictReader(file)} == set(found)
    cases = ElementTree.parse(tmp_path / "grades" / "junit.xml").getroot()[0]
    assert {case.get("classname") for case in cases} == set(found)
    for name in found:
        assert json.loads((tmp_path / "grades" / "gradescope" / f"{name}.json").read_text(encoding="utf-8"))
        assert json.loads((tmp_path / "grades" / "prairielearn" / f"{name}.json").read_text(encoding="utf-8"))


def test_what_is_left_out_is_said(tmp_path):
    """Catches a student who is missing from the table without a word: an archive of another kind, ZIP in capitals."""
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ada.ZIP").write_bytes(archive(zipfile.ZIP_STORED, ""))
    for name in ("bo.tar.gz", "notes.txt", ".hidden"):
        (tmp_path / "class" / name).write_bytes(b"")
    found, done = graded(tmp_path)
    assert set(found) == {"ada"}
    assert "no submissions, and left out: bo.tar.gz, notes.txt\n" in done.stdout


def test_the_grades_are_written_before_they_are_printed(tmp_path):
    """Catches grades that are lost with the terminal: here nothing can be printed."""
    (tmp_path / "class" / "ünï").mkdir(parents=True)
    with open("/dev/full", "w", encoding="utf-8") as full:
        found, done = graded(tmp_path, stdout=full)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert set(found) == {"ünï"}


def test_a_relative_path_of_python(tmp_path):
    """Catches a class that is called "not run" since a task's process stands in another folder than the command."""
    (tmp_path / "class" / "ada").mkdir(parents=True)
    code = "import numpy as np\nfrom beside import given\n" + made_up.relu()
    (tmp_path / "class" / "ada" / "relu.py").write_text(code, encoding="utf-8")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "beside.py").write_text("given = 1\n", encoding="utf-8")
    found, _ = graded(tmp_path, PYTHONPATH=os.path.relpath(tmp_path / "lib", ROOT))
    assert found["ada"][0] == "right"


def test_an_exception_of_any_length(tmp_path):
    """Catches ten megabytes of an exception in every file of the grades."""
    (tmp_path / "class" / "ada").mkdir(parents=True)
    (tmp_path / "class" / "ada" / "relu.py").write_text(made_up.relu("raise ValueError('x' * 10**7)"), encoding="utf-8")
    found, _ = graded(tmp_path)
    assert found["ada"][0] == "not run"
    assert (tmp_path / "grades" / "grades.json").stat().st_size < 10_000


VARIANTS = """
[[task]]
name = "leaky_relu"
operation = "leaky_relu"
variants = ["leaky_relu(negative_slope=0.3)"]
[[task]]
name = "conv"
operation = "conv2d"
variants = ["conv2d(stride=2)"]
gradients = { input = 1, weight = 2, bias = 4 }
hints = 1
"""
CONV = """import numpy as np


def conv(x, weight, bias, stride=1):
    o, c, a, b = weight.shape
    p, q = (x.shape[2] - a) // stride + 1, (x.shape[3] - b) // stride + 1
    y = np.zeros((len(x), o, p, q)) + bias[:, None, None]
    for i in range(a):
        for j in range(b):
            seen = x[:, :, i : i + stride * p : stride, j : j + stride * q : stride]
            y += np.einsum("ncpq,oc->nopq", seen, weight[:, :, i, j])

    def backward(dy):
        dx, dweight = np.zeros_like(x), np.zeros_like(weight)
        for i in range(a):
            for j in range(b):
                at = (..., slice(i, i + stride * p, stride), slice(j, j + stride * q, stride))
                dweight[:, :, i, j] = np.einsum("nopq,ncpq->oc", dy, x[at])
                dx[at] += np.einsum("nopq,oc->ncpq", dy, weight[:, :, i, j])
        return dx, WEIGHT, BIAS

    return y, backward
"""
SLOPE = """import numpy as np


def leaky_relu(x):
    slope = np.where(x > 0, 1, 0.01)
    return x * slope, lambda dy: dy * slope
"""


def test_a_gradient_is_right_if_it_is_right_under_every_variant(tmp_path):
    """Catches points for a gradient that only the first operation finds right, and a verdict that hides the variant."""
    folder = tmp_path / "class" / "bo"
    folder.mkdir(parents=True)
    code = CONV.replace("WEIGHT", "dweight * (2 if stride == 2 else 1)").replace("BIAS", "dy.mean(axis=(0, 2, 3))")
    (folder / "conv.py").write_text(code, encoding="utf-8")
    (folder / "leaky_relu.py").write_text(SLOPE, encoding="utf-8")
    graded(tmp_path, VARIANTS)
    document = json.loads((tmp_path / "grades" / "grades.json").read_text(encoding="utf-8"))
    slope, convolution = document["students"][0]["tasks"]
    assert (convolution["word"], convolution["points"]) == ("partly right", 1.0)
    assert convolution["line"] == "WRONG: dbias, dweight"
    assert convolution["gradients"] == {"input": True, "weight": False, "bias": False}
    assert slope["word"] == "wrong"
    assert slope["against"] == "leaky_relu(negative_slope=0.3)"


def test_points_are_the_same_kind_of_number(tmp_path):
    """Catches a grade that is written as 0 in the first run, and as 0.0 in the next."""
    (tmp_path / "class" / "ada").mkdir(parents=True)
    (tmp_path / "class" / "ada" / "relu.py").write_text(made_up.relu("return dy"), encoding="utf-8")
    graded(tmp_path)
    path = tmp_path / "grades" / "grades.json"
    first = path.read_bytes()
    words = ["grade", str(tmp_path / "assignment.toml"), str(tmp_path / "class"), "--out", str(tmp_path / "grades")]
    assert main([*words, "--quiet", "--resume"]) == 0
    assert path.read_bytes() == first


def test_a_name_that_no_file_can_have_is_refused_before_any_work(tmp_path):
    """Catches a class that is judged for an hour, and whose files then cannot be written."""
    (tmp_path / ("ü" * 121)).mkdir()
    with pytest.raises(UserError, match="has more than 240 bytes"):
        submissions.find(ONE, tmp_path)
