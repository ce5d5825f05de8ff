"""The manual stays true: the code it shows is the code that runs, and its links lead somewhere."""

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "manual" / "reference" / "api"  # written by `make docs`
PAGES = sorted(
    [*(p for p in ROOT.glob("manual/**/*.md") if p.parent != BUILT), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
)
BLOCK = re.compile(r"<!-- source: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
FENCED = re.compile(r"^ *(`{3,})[^\n]*\n.*?^ *\1", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


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


def anchors(page):
    """The names by which GitHub, and the site, link to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Catches a link to a page, a file or a heading that is not there."""
    for target, heading in LINK.findall(FENCED.sub("", page.read_text())):
        if "://" in target or target.startswith("mailto:"):
            continue
        path = page.parent / target if target else page
        assert path.exists(), f"{page.name}: {target} does not exist"
        if heading and path.suffix == ".md":
            assert heading in anchors(path), f"{page.name}: {target} has no heading #{heading}, but {anchors(path)}"
