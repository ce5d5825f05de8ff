"""How much a failing test tells: as the teacher chose, by argument, by environment, or in pytest's own file."""

import subprocess
import sys

import pytest

from torchref.check import assert_gradient

LEVELS = {0: "WRONG\n", 1: "wrong  dbias", 2: "mean-instead-of-sum", 3: "instead: dbias"}
CODE = """
def linear(x, weight, bias):
    def backward(dy):
        return dy @ weight, dy.T @ x, dy.mean(axis=0)
    return x @ weight.T + bias, backward

def test_linear(assert_gradient):
    assert_gradient(linear, "linear")

def test_by_name():
    from torchref.check import assert_gradient
    assert_gradient(linear, "linear")
"""


def linear(x, weight, bias):
    def backward(dy):
        return dy @ weight, dy.T @ x, dy.mean(axis=0)

    return x @ weight.T + bias, backward


def says(text: str, level: int) -> None:
    """It says what belongs to this level, and nothing of a higher one."""
    text += "\n"
    assert LEVELS[level] in text, text
    higher = [said for n, said in LEVELS.items() if n > level]
    assert not [said for said in higher if said in text], text


@pytest.mark.parametrize("level", LEVELS)
def test_the_argument_chooses(monkeypatch, level):
    """Catches a message that tells a student more than the teacher wants; the argument is stronger than the rest."""
    monkeypatch.setenv("TORCHREF_HINTS", "3")
    with pytest.raises(AssertionError) as failed:
        assert_gradient(linear, "linear", hints=level)
    says(str(failed.value), level)


@pytest.mark.parametrize("level", LEVELS)
def test_the_environment_chooses(monkeypatch, level):
    """Catches a notebook's or a server's setting that is not read."""
    monkeypatch.setenv("TORCHREF_HINTS", str(level))
    with pytest.raises(AssertionError) as failed:
        assert_gradient(linear, "linear")
    says(str(failed.value), level)


@pytest.mark.parametrize("value", ["4", "-1", "many", "1.0"])
def test_a_level_that_is_none_is_named(monkeypatch, value):
    """Catches a slip of the pen that shows everything."""
    monkeypatch.setenv("TORCHREF_HINTS", value)
    with pytest.raises(ValueError, match=f"TORCHREF_HINTS must be 0, 1, 2 or 3, not '{value}'"):
        assert_gradient(linear, "linear")
    with pytest.raises(ValueError, match="hints must be 0, 1, 2 or 3, not True"):
        assert_gradient(linear, "linear", hints=True)


@pytest.mark.parametrize(("environment", "by_fixture", "by_name"), [("", 1, 3), ("2", 2, 2)])
def test_pytests_own_file_chooses_for_the_fixture(tmp_path, monkeypatch, environment, by_fixture, by_name):
    """Catches an ini option that is not read, and one that is stronger than the environment."""
    monkeypatch.setenv("TORCHREF_HINTS", environment)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntorchref_hints = 1\n", encoding="utf-8")
    (tmp_path / "test_student.py").write_text(CODE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line"]
    for test, level in (("test_linear", by_fixture), ("test_by_name", by_name)):
        ran = subprocess.run(
            [*command, f"test_student.py::{test}", "--tb=short"], cwd=tmp_path, capture_output=True, text=True
        )
        assert ran.returncode == 1, ran.stdout + ran.stderr
        says(ran.stdout.partition("short test summary")[0], level)
