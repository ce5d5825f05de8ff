"""Make a notebook of each page with cells: python manual/notebooks.py OUT.

One source serves the site and the notebooks. In front of a page's own cells stand the links to Colab and Binder, and a
cell that installs what the notebook needs: the light wheel, in ranges of versions, so that what Colab has stays.
Both services read notebooks from a branch of the repository; OUT is what that branch holds.
"""

from __future__ import annotations

import posixpath
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import jupytext
import nbformat

import torchref

MANUAL = Path(__file__).parent
PROJECT = tomllib.loads((MANUAL.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCE = PROJECT["urls"]["Source"]
BRANCH = "notebooks"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(?=[)#])")  # the target of a link inside the manual
CELLS = "file_format: mystnb"  # in the header of a page with cells
WITH_TORCH = re.compile(r"^(?:from|import) (?:torch\b|torchref\.(?:compare\.(?!datasets)|twin|referee|models))", re.M)
BESIDE = ("matplotlib>=3.9", "scikit-learn>=1.6")  # what cells use beside torchref: to draw, and for data


def requirements(text: str) -> list[str]:
    """What a page's cells need. The light wheel of this version, and of those after it that break nothing."""
    major, minor = torchref.__version__.split(".")[:2]
    extra = "[torch]" if WITH_TORCH.search(text) else ""
    return [f"torchref-light{extra}>={major}.{minor},<{int(major) + 1}", *BESIDE]


def pages() -> list[Path]:
    """The pages of the manual that have cells."""
    return [p for p in sorted(MANUAL.glob("**/*.md")) if CELLS in p.read_text(encoding="utf-8").partition("\n---")[0]]


def notebook(page: Path, text: str) -> Any:
    """The notebook of a page, which stands at `page` seen from the manual."""
    header, rest = text.split("\n---\n", 1)
    header = re.sub(r"\nkernelspec:(\n +.*)*", "", header)  # a notebook asks for more of it than a page has
    made = jupytext.reads(f"{header}\n---\n{rest}", fmt="md:myst")
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(lambda found: _on_the_web(page, found[1]), cell.source)
    named = " ".join(f'"{name}"' for name in requirements(text))
    first = [
        nbformat.v4.new_markdown_cell(_badges(page.with_suffix(".ipynb").as_posix())),
        nbformat.v4.new_code_cell(f"%pip install --quiet {named}"),
    ]
    made.cells = [*first, *made.cells]
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"  # drawn at random otherwise: the same page gives the same file
    made.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return made


def _badges(place: str) -> str:
    """The links that open this notebook in a browser."""
    repository = SOURCE.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{place}"
    binder = f"https://mybinder.org/v2/gh/{repository}/{BRANCH}?labpath={place}"
    return f"[Open in Colab]({colab}) · [Open in Binder]({binder})"


def _on_the_web(page: Path, target: str) -> str:
    """A link from one page to another, as it leads there from a notebook that stands alone."""
    return f"{SOURCE}/blob/main/{posixpath.normpath(posixpath.join('manual', page.parent.as_posix(), target))}"


def main(out: Path) -> None:
    """Write the notebooks, and what Binder installs."""
    written = pages()
    for page in written:
        place = page.relative_to(MANUAL)
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook(place, page.read_text(encoding="utf-8")), out / place.with_suffix(".ipynb"))
    out.mkdir(parents=True, exist_ok=True)
    needed = requirements("\n".join(page.read_text(encoding="utf-8") for page in written))
    (out / "requirements.txt").write_text("".join(f"{name}\n" for name in needed), encoding="utf-8")
    print(f"{len(written)} notebooks are in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
