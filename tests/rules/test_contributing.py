"""The worked example of CONTRIBUTING.md: one file, and one line in the list of cases, are all that an operation needs.

That the page shows what stands in the files is tested with the manual's pages.
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE, CASES = "torchref/check/ops/log_cosh_loss.py", "tests/check/textbook/test_textbook.py"


def test_the_whole_file_is_shown():
    """Catches a part of the file that a newcomer would have to guess."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert (ROOT / FILE).read_text(encoding="utf-8") in page


def test_no_other_file_names_it():
    """Catches an operation that needs more than its file and its case."""
    files = [p for folder in ("torchref", "tests", "manual") for p in (ROOT / folder).rglob("*") if p.is_file()]
    sources = [p for p in files if p.suffix in (".py", ".md", ".json", ".txt") and p != Path(__file__)]
    naming = {str(p.relative_to(ROOT)) for p in sources if "log_cosh" in p.read_text(encoding="utf-8")}
    assert naming == {FILE, CASES}
