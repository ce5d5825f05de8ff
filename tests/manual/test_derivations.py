"""The derivations: none is forgotten, their numbers are printed by their code, their verdicts by `torchref check`."""

import contextlib
import io
import linecache
import re
import runpy
import warnings
from pathlib import Path

import pytest

from tests.manual.wrong import found_in, told
from torchref import nn, optim, tensor
from torchref.nn import functional, utils
from torchref.nn.utils import rnn
from torchref.optim import lr_scheduler, swa_utils

ROOT = Path(__file__).parents[2]
DERIVATIONS = ROOT / "manual" / "derivations"
PAGES = sorted(DERIVATIONS.glob("*.md"))
INDEX = DERIVATIONS / "README.md"
LINK = re.compile(r"\[`(\w+)`\]\((\S+?\.md)(?:#(\S+?))?\)")
RUN = re.compile(r"<!-- run -->\n```python\n(.*?)```\n(?:```text\n(.*?)```\n)?", re.DOTALL)
CHECKED = re.compile(r"<!-- check -->\n```python\n(.*?)```\n```text\n(.*?)```\n", re.DOTALL)
ROW = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \| `([\w-]+)`: (.*) \|$", re.MULTILINE)
ROOMS = {
    "torch.nn.functional": functional,
    "torch.nn": nn,
    "torch.nn.utils": utils,
    "torch.nn.utils.rnn": rnn,
    "torch.optim": optim,
    "torch.optim.lr_scheduler": lr_scheduler,
    "torch.optim.swa_utils": swa_utils,
    "torch": tensor,
}
ROOMS_WITHIN = {"functional", "init", "random", "utils", "parametrizations", "parametrize", "rnn"}
NOT_DERIVED = ROOMS_WITHIN | {"lr_scheduler", "swa_utils"}


def anchors(page):
    """The anchors that GitHub gives the headings of a page, each with the text of its section."""
    parts = re.split(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-"): title + text
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def room_table(title):
    """The links of one table of the index, by name."""
    sections = re.split(r"^## ", INDEX.read_text(), flags=re.MULTILINE)
    (section,) = [s for s in sections if s.startswith(f"{title}\n")]
    return {name: (page, anchor) for name, page, anchor in LINK.findall(section)}


@pytest.mark.parametrize("title", ROOMS)
def test_every_public_name_is_derived(title):
    """Catches a public name without a derivation: the index links each to a section, and the section names it."""
    table = room_table(title)
    public = set(ROOMS[title].__all__) - NOT_DERIVED
    assert set(table) == public, (sorted(public - set(table)), sorted(set(table) - public))
    for name, (page, anchor) in table.items():
        sections = anchors(DERIVATIONS / page)
        assert anchor in sections, f"{name}: {page} has no section {anchor!r}"
        assert re.search(rf"`{name}\b", sections[anchor]), f"{page}#{anchor} does not name `{name}`"


@pytest.mark.parametrize("page", [p for p in PAGES if RUN.search(p.read_text())], ids=lambda page: page.name)
def test_run_blocks_print_what_the_page_shows(page):
    """Catches a number on a page that the code above it does not print."""
    space = {"__name__": page.stem}
    for number, (code, shown) in enumerate(RUN.findall(page.read_text())):
        said, file = io.StringIO(), f"<{page.name}, block {number}>"
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            exec(compile(code, file, "exec"), space)
        assert said.getvalue() == shown, f"{page.name}, block {number} prints\n{said.getvalue()}"


@pytest.mark.parametrize("page", [p for p in PAGES if "<!-- check -->" in p.read_text()], ids=lambda page: page.name)
def test_check_says_what_the_page_shows(page, tmp_path):
    """Catches a verdict on a student's function that `torchref check` no longer gives, or gives in other words."""
    blocks = CHECKED.findall(page.read_text())
    assert len(blocks) == page.read_text().count("<!-- check -->")
    for code, shown in blocks:
        assert told(code, tmp_path) == shown


def rows():
    for page in PAGES:
        for operation, right, wrong, slug, sentence in ROW.findall(page.read_text()):
            cells = [cell.replace("\\|", "|") for cell in (operation, right, wrong, slug, sentence)]
            yield pytest.param(*cells, id=f"{page.stem}-{operation}-{wrong}")


@pytest.mark.parametrize(("operation", "right", "wrong", "slug", "sentence"), list(rows()))
def test_mistakes_get_the_sentence_that_the_page_shows(operation, right, wrong, slug, sentence):
    """Catches a row whose mistake `torchref check` does not find, or finds with other words."""
    finding, line = found_in(operation, wrong)
    assert (finding.slug, finding.sentence, line) == (slug, sentence, right)


def test_pictures_are_those_that_the_script_draws():
    """Catches a picture that was changed by hand, or a script that was changed without drawing."""
    drawings = runpy.run_path(str(ROOT / "manual" / "images" / "draw.py"))["PICTURES"]
    for name, draw in drawings.items():
        assert (ROOT / "manual" / "images" / f"{name}.svg").read_text() == draw(), f"run manual/images/draw.py: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_sections_lead_to_sections(page):
    """Catches a link to a heading that has another name now."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target, anchor in re.findall(r"\]\(([\w-]*(?:\.md)?)#([\w-]+)\)", text):
        assert anchor in anchors(DERIVATIONS / target if target else page), f"{page.name}: {target}#{anchor}"
