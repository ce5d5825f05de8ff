"""A class is graded in one command, which is killed half-way and goes on: the table is right; nothing is done twice.

Each student costs their own task alone: who hangs, crashes, cheats, or ends the judge's process.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest

from tests.classroom import made_up
from torchref.cli.command_line import main

FEW = ("ada", "chloe", "fay", "jan", "nils", "pia", "xenia", "anton")


def killed_and_resumed(folder, names, after, cpu, wall):
    """Grade these students; kill the command when so many grades are kept; go on. Returns what was kept then."""
    made_up.hand_in(folder / "submissions", names)
    (folder / "assignment.toml").write_text(made_up.ASSIGNMENT.format(cpu=cpu, wall=wall), encoding="utf-8")
    words = ["grade", str(folder / "assignment.toml"), str(folder / "submissions"), "--out", str(folder / "grades")]
    words += ["--workers", "2", "--quiet"]
    command = subprocess.Popen([sys.executable, "-m", "torchref", *words], stdout=subprocess.DEVNULL)
    while command.poll() is None and len(list((folder / "grades").glob("results/*/*.json"))) < after:
        time.sleep(0.02)
    assert command.poll() is None, "it has ended before it was killed"
    command.send_signal(signal.SIGKILL)
    command.wait()
    kept = {path: path.stat().st_mtime_ns for path in (folder / "grades").glob("results/*/*.json")}
    assert main(words) == 2, "without --resume it must not begin again"
    assert main([*words, "--resume"]) == 0
    return kept


def is_right(folder, names):
    grades = json.loads((folder / "grades" / "grades.json").read_text(encoding="utf-8"))
    found = {s["student"]: ([t["word"] for t in s["tasks"]], s["points"]) for s in grades["students"]}
    assert found == {name: (made_up.expected(name), made_up.points(name)) for name in names}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The folder of a small class, and when each grade was kept that the killed command had."""
    folder = tmp_path_factory.mktemp("class")
    return folder, killed_and_resumed(folder, FEW, 3, cpu=3, wall=120)


def test_the_table_is_right(graded):
    """Catches a word or points that a student has not earned."""
    is_right(graded[0], FEW)
    with open(graded[0] / "grades" / "grades.csv", encoding="utf-8", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert {name: float(row["points"]) for name, row in rows.items()} == {name: made_up.points(name) for name in FEW}
    assert rows["chloe"]["linear"] == "2"
    assert rows["chloe"]["linear word"] == "partly right"


def test_what_was_kept_is_not_judged_again(graded):
    """Catches a --resume that begins again."""
    _, kept = graded
    assert len(kept) >= 3
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_what_has_changed_is_judged_again(graded, tmp_path, capsys):
    """Catches a resubmission that keeps its old grade, and a changed task that does; the rest stays."""
    folder, _ = graded
    results = folder / "grades" / "results"
    before = {path: path.stat().st_mtime_ns for path in results.glob("*/*.json")}
    (folder / "submissions" / "xenia" / "relu.py").write_text(made_up.relu(), encoding="utf-8")
    words = ["grade", str(folder / "assignment.toml"), str(folder / "submissions"), "--out", str(folder / "grades")]
    assert main([*words, "--resume", "--quiet"]) == 0
    after = {path: path.stat().st_mtime_ns for path in results.glob("*/*.json")}
    assert {path.parent.name for path in after if after[path] != before[path]} == {"xenia"}
    (folder / "submissions" / "xenia" / "relu.py").unlink()
    assert main([*words, "--resume", "--quiet"]) == 0
    is_right(folder, FEW)


def test_a_grade_that_cannot_be_read_is_made_again(graded):
    """Catches a damaged file that stops the class, or is believed."""
    folder, _ = graded
    path = folder / "grades" / "results" / "pia" / "relu.json"
    good = path.read_text(encoding="utf-8")
    for text in ("", good[: len(good) // 2], "[]", good.replace('"not allowed"', '"excellent"', 1)):
        path.write_text(text, encoding="utf-8")
        words = ["grade", str(folder / "assignment.toml"), str(folder / "submissions"), "--out", str(folder / "grades")]
        assert main([*words, "--resume", "--quiet"]) == 0
        assert path.read_text(encoding="utf-8") == good


def test_gradescope_and_prairielearn_get_points_and_feedback_at_the_level_asked_for(graded):
    """Catches points that do not add up, and feedback that says more than the teacher chose."""
    folder, _ = graded
    for name in FEW:
        scope = json.loads((folder / "grades" / "gradescope" / f"{name}.json").read_text(encoding="utf-8"))
        assert scope["score"] == sum(test["score"] for test in scope["tests"]) == made_up.points(name)
        assert [test["max_score"] for test in scope["tests"]] == [2, 3]
        learn = json.loads((folder / "grades" / "prairielearn" / f"{name}.json").read_text(encoding="utf-8"))
        assert learn["score"] == pytest.approx(made_up.points(name) / 5)
        assert learn["gradable"] is True
    chloe = json.loads((folder / "grades" / "gradescope" / "chloe.json").read_text(encoding="utf-8"))
    relu, linear = (test["output"] for test in chloe["tests"])
    assert "wrong  dinput" in relu  # level 1: which gradient, and no more
    assert "missing" not in relu
    assert "mean-instead-of-sum" in linear  # level 2: what kind of mistake, without the correction
    assert "instead:" not in linear


def test_junit_counts_what_is_not_right(graded):
    """Catches a failure that CI does not see."""
    root = ElementTree.parse(graded[0] / "grades" / "junit.xml").getroot()
    suite = root[0]
    words = [word for name in FEW for word in made_up.expected(name)]
    assert suite.get("tests") == str(len(words))
    assert suite.get("failures") == str(sum(word in ("wrong", "partly right") for word in words))
    assert suite.get("errors") == str(sum(word not in ("right", "wrong", "partly right") for word in words))
    assert {case.get("classname") for case in suite} == set(FEW)


def test_the_report_counts_each_mistake_and_shows_its_smallest_example(graded):
    """Catches a mistake that is lost, and one without an example in numbers."""
    text = (graded[0] / "grades" / "report.txt").read_text(encoding="utf-8")
    assert "1 x linear, dbias: mean-instead-of-sum" in text
    assert "for example: return dy @ weight, dy.T @ x, dy.mean(axis=0)" in text
    assert "in numbers: dbias[0] should be" in text
    page = (graded[0] / "grades" / "report.html").read_text(encoding="utf-8")
    assert 'class="hit"' in page  # the faulty line is marked
    assert "http" not in page.replace("http://www.w3.org/", "")  # nothing is asked of another host


def running():
    """The processes that judge a task."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                ours = b"PYTHONHASHSEED=0" in file.read()
            found += [pid] if ours and "/torchref-" in os.readlink(f"/proc/{pid}/cwd") else []
        except OSError:  # it has ended, or is another user's
            continue
    return found


def none_is_left():
    """Wait for the tasks of the command that was killed: they end by their own limits."""
    while running():
        time.sleep(0.1)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="there is no /proc")
@pytest.mark.usefixtures("graded")
def test_no_process_is_left():
    """Catches a program of a student's that runs on: the test's own limit of time ends it then."""
    none_is_left()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_class_of_thirty(tmp_path):
    """Catches one of thirty who costs another a point."""
    kept = killed_and_resumed(tmp_path, tuple(made_up.STUDENTS), 25, cpu=5, wall=60)
    assert len(made_up.STUDENTS) == 30
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    is_right(tmp_path, sorted(made_up.STUDENTS))
    none_is_left()
