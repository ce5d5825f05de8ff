"""The manual stays true: the code it shows is the code that runs, and its links lead somewhere."""

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("manual/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(r"<!-- source: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)  # f(x)[1](dy) is no link


def dedented(lines):
    return [line.rstrip() for line in textwrap.dedent("\n".join(lines)).splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_shown_code_is_the_code_that_runs(page):
    """Catches a page that shows what the source no longer says."""
    for source, block in BLOCK.findall(page.read_text()):
        wanted = dedented(block.splitlines())
        lines = (ROOT / source).read_text().splitlines()
        found = any(
            dedented(lines[start : start + len(wanted)]) == wanted for start in range(len(lines) - len(wanted) + 1)
        )
        assert found, f"{page.name}: this is not in {source}:\n{block}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Catches a link to a page or file that is not there."""
    for target in LINK.findall(FENCED.sub("", page.read_text())):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name}: {target} does not exist"
