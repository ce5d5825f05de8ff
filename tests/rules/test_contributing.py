"""CONTRIBUTING.md: the files that it names exist, and its worked example is whole.

That the page shows what stands in the files is tested with the manual's pages.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE, CASES = "torchref/check/ops/log_cosh_loss.py", "tests/check/textbook/test_textbook.py"
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TOPS = ("torchref/", "tests/", "comparisons/", "manual/", "runs/", ".ci/", ".github/")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
KINDS = ("module", "tensor function", "optimizer", "mistake", "comparison", "lesson", "exercise")
GUIDES = [*(f"Add a{'n' if kind[0] in 'aeiou' else ''} {kind}" for kind in KINDS), "Add an operation to the checker"]


def paths(text: str) -> list[str]:
    """The files and folders that a text names."""
    quoted = [word for words in re.findall(r"`([^`\n]+)`", text) for word in words.split()]
    rooms = [f"torchref/{word}" for word in quoted if word.startswith(("check/", "compare/"))]
    return rooms + [word for word in quoted if word.startswith(TOPS)]


@pytest.mark.parametrize("path", sorted(set(paths(PAGE))))
def test_what_is_named_exists(path):
    """Catches a page that sends a newcomer to a file that has moved."""
    assert (ROOT / path).exists()


@pytest.mark.parametrize("title", GUIDES)
def test_a_guide_says_where_what_is_tested_and_what_is_asked(title):
    """Catches a guide without its files, its tests, or the reviewer's questions."""
    named = paths(SECTIONS[title])
    assert [path for path in named if not path.startswith("tests/")], "no file to write"
    assert [path for path in named if path.startswith("tests/")], "no test to run"
    assert re.search(r"The reviewer\s+asks:[^.]*\?", SECTIONS[title]), "no question"


def test_the_whole_file_is_shown():
    """Catches a part of the file that a newcomer would have to guess."""
    assert (ROOT / FILE).read_text(encoding="utf-8") in PAGE


def test_no_other_file_names_it():
    """Catches an operation that needs more than its file and its case."""
    files = [p for folder in ("torchref", "tests", "manual") for p in (ROOT / folder).rglob("*") if p.is_file()]
    sources = [p for p in files if p.suffix in (".py", ".md", ".json", ".txt") and p != Path(__file__)]
    naming = {str(p.relative_to(ROOT)) for p in sources if "log_cosh" in p.read_text(encoding="utf-8")}
    assert naming == {FILE, CASES}
