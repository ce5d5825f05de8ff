"""The notebooks are the manual's pages: their cells, with links that open them, and a cell that installs ranges."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="the notebooks need jupytext, which is not installed")

ROOT = Path(__file__).parents[2]
PAGE = """---
file_format: mystnb
kernelspec:
  name: python3
---
# A page

See [linear](../derivations/linear.md), [above](#a-page), [torch](https://pytorch.org) and ![a picture](x.png).

```{code-cell} ipython3
x = [1, 2]
f(x)[0](3)
```

Done.
"""


@pytest.fixture(scope="module")
def notebooks():
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "manual" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(notebooks):
    return notebooks.notebook(Path("learn/page.md"), PAGE)


def test_the_cells_are_the_pages(made):
    """Catches a cell that is lost, or code in which a call was taken for a link."""
    assert [cell.cell_type for cell in made.cells] == ["markdown", "code", "markdown", "code", "markdown"]
    assert made.cells[3].source == "x = [1, 2]\nf(x)[0](3)"


def test_the_first_cells_open_and_install_it(made, notebooks):
    """Catches a link to another repository than pyproject.toml's, and an exact version, which breaks on Colab."""
    badges, install = made.cells[0].source, made.cells[1].source
    repository = notebooks.PROJECT["urls"]["Source"].removeprefix("https://github.com/")
    place = f"{repository}/blob/notebooks/learn/page.ipynb"
    assert f"https://colab.research.google.com/github/{place}" in badges
    assert f"https://mybinder.org/v2/gh/{repository}/notebooks?labpath=learn/page.ipynb" in badges
    assert install.startswith('%pip install --quiet "torchref-light>=')
    assert "==" not in install
    versions = dict(re.findall(r'"([\w-]+)(>=[\d.]+)', install))
    stated = dict(re.match(r"([\w-]+)(>=[\d.]+)", name).groups() for name in notebooks.PROJECT["dependencies"])
    assert versions["scikit-learn"] == stated["scikit-learn"]


@pytest.mark.parametrize(
    ("line", "torch"),
    [
        ("import torch", True),
        ("from torchref.compare.teach.letters import text", True),
        ("from torchref.compare import Comparison", False),
        ("from torchref.compare.datasets import bundled", False),
        ("from torchref import nn", False),
    ],
)
def test_torch_is_installed_where_a_cell_needs_it(notebooks, line, torch):
    """Catches a notebook that fails at its second cell, and one that fetches torch for nothing."""
    assert ("[torch]" in notebooks.requirements(f"x = 1\n{line}\n")[0]) is torch


def test_links_lead_out_of_the_notebook(made, notebooks):
    """Catches a link to a file that a notebook on Colab has not; those inside the page and to the web stay."""
    links = re.findall(r"\]\(([^)]*)\)", made.cells[2].source)
    web = f"{notebooks.SOURCE}/blob/main/manual"
    assert links == [f"{web}/derivations/linear.md", "#a-page", "https://pytorch.org", f"{web}/learn/x.png"]


def test_the_same_page_gives_the_same_file(notebooks):
    """Catches cells named at random: each run would be another commit."""
    first, second = (json.dumps(notebooks.notebook(Path("learn/page.md"), PAGE)) for _ in range(2))
    assert first == second


def test_every_page_with_cells_becomes_one(notebooks, tmp_path, capsys):
    """Catches a page that cannot be made a notebook, and what Binder installs."""
    notebooks.main(tmp_path / "out")
    names = {p.relative_to(tmp_path / "out").with_suffix(".md") for p in (tmp_path / "out").glob("**/*.ipynb")}
    assert names == {page.relative_to(notebooks.MANUAL) for page in notebooks.pages()}
    assert (tmp_path / "out" / "requirements.txt").read_text(encoding="utf-8").startswith("torchref-light")
    assert f"{len(names)} notebooks" in capsys.readouterr().out
