"""What stands between the manual's files and the site: docstrings, links, code, pictures, the side bar."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "manual"
sys.path.insert(0, str(MANUAL / "_site"))

import docstrings  # noqa: E402 - they help to build the site, and are in no package
import pages  # noqa: E402


def made(hook, docname, text):
    """The source that a hook leaves."""
    source = [text]
    hook(None, docname, source)
    return source[0]


def test_formulas_of_a_docstring_are_set_as_they_stand():
    """Catches formula lines that run together, and prose that is taken for code."""
    lines = [
        "Backward. With y = x:",
        "    dL/dx = dy  ->  dx = dy",
        "`backward(dy)` returns dx * 2.",
        "",
        "- an item",
        "  of a list",
    ]
    assert docstrings.blocks(lines) == [
        "Backward. With y = x:", "", "::", "", "        dL/dx = dy  ->  dx = dy", "",
        "``backward(dy)`` returns dx \\* 2.", "", "- an item", "  of a list",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "rst"),
    [
        ("a * b | c_ and d_e", r"a \* b \| c\_ and d_e"),
        (
            "`torch.nn.Linear`",
            "`torch.nn.Linear <https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html>`__",
        ),
        ("`x * 2`", "``x * 2``"),
    ],
)
def test_signs_that_would_be_taken_for_marks(written, rst):
    """Catches a `*` that begins an emphasis, and a name that leads nowhere."""
    assert docstrings.marked(written) == rst


def test_a_signature_has_names_for_types():
    """Catches Python's own word for an alias."""
    found = docstrings.plain_signature(None, "", "", None, None, "(x: TypeAliasForwardRef('Array'))", None)
    assert found == ("(x: Array)", None)


def test_a_link_that_leaves_the_manual():
    """Catches a path that the site does not have."""
    text = made(pages.outside, "learn/neuron", "[a](../../torchref/nn/linear.py) [b](../notation.md)")
    assert text == f"[a]({pages.ADDRESS}torchref/nn/linear.py) [b](../notation.md)"


def test_a_link_to_the_check_stays_on_the_site():
    """Catches a copy of the site that sends its readers to the published one."""
    link = "[the check](https://torchref.github.io/torchref/check/)"
    assert made(pages.to_the_check, "index", link) == '<a href="check/index.html">the check</a>'
    assert made(pages.to_the_check, "learn/neuron", link) == '<a href="../check/index.html">the check</a>'


def test_code_from_inside_a_function():
    """Catches lines that begin in the middle of the page, and lines that lose their own indentation."""
    text = made(pages.to_the_left, "", "```python\n    if a:\n        b\n```\n")
    assert text == "```python\nif a:\n    b\n```\n"


def test_a_picture_in_both_lights():
    """Catches a white picture on a dark page, and a picture that is not there."""
    text = made(pages.in_both_lights, "gallery", "![a](images/lesson-rnn-light.png)\n![b](images/none-light.png)")
    assert ":class: only-dark" in text
    assert "images/lesson-rnn-dark.png" in text
    assert "![b](images/none-light.png)" in text


def test_every_page_is_in_the_side_bar():
    """Catches a page that is written, and that no reader of the site finds."""
    listed = re.findall(r"^[\w/.-]+$", (MANUAL / "index.md").read_text(), re.MULTILINE)
    folders = {Path(page).parent for page in listed if page.endswith("/README")}
    there = [p.relative_to(MANUAL) for p in MANUAL.rglob("*.md") if "api" not in p.parts and p.name != "index.md"]
    missing = [p for p in there if str(p.with_suffix("")) not in listed and p.parent not in folders]
    assert missing == [Path("README.md")]


def test_the_first_page_leads_to_the_library():
    """Catches a README whose words have changed, so that nothing leads to the reference."""
    assert "](reference/api/index.md)" in made(pages.together, "index", (MANUAL / "index.md").read_text())


def test_a_folders_readme_lists_its_pages_in_its_own_order():
    """Catches a derivation that is in no list."""
    text = made(pages.with_contents, "derivations/README", (MANUAL / "derivations" / "README.md").read_text())
    contents = text.rpartition("```{toctree}")[2].split()[1:-1]
    assert contents[0] == "linear"
    assert sorted(contents) == sorted(p.stem for p in MANUAL.glob("derivations/*.md") if p.stem != "README")
