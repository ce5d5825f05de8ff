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
