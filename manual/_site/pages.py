"""Pages as GitHub shows them, made fit for the site: links, code that is indented, pictures in two lights."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "manual"
ADDRESS = "https://github.com/torchref/torchref/blob/main/"
CODE = re.compile(r"(?<=```python\n)( +.*?)(?=```)", re.DOTALL)
CHECK = re.compile(r"\[([^\]]+)\]\(https://torchref\.github\.io/torchref/(check/)\)")
LIBRARY = "The library, name by name"
IN_FOLDER = re.compile(r"\]\(([\w-]+\.md)")
LIGHTS = ("light", "dark")
PICTURE = re.compile(r"^!\[([^\]]*)\]\((\S+)-light\.png\)$", re.MULTILINE)
RELATIVE = re.compile(r"\]\((\.\./[^)\s]+)\)")


def together(app: Any, docname: str, source: list[str]) -> None:
    """The first page is the README of the manual, with the site's tables of contents behind it.

    What only the site has is linked there: the pages of the reference.
    """
    if docname == "index":
        readme = (MANUAL / "README.md").read_text()
        readme = readme.replace(LIBRARY, f"[{LIBRARY}](reference/api/index.md)")
        source[0] = source[0].replace("```{include} README.md\n```", readme)


def with_contents(app: Any, docname: str, source: list[str]) -> None:
    """A folder's README has the pages of its folder below it in the side bar: first those it links, in its order."""
    folder = MANUAL / docname
    if folder.name != "README":
        return
    linked = [page.removesuffix(".md") for page in IN_FOLDER.findall(source[0])]
    there = sorted(page.stem for page in folder.parent.glob("*.md") if page.stem != "README")
    contents = dict.fromkeys([page for page in linked if page in there] + there)
    source[0] += "\n".join(["", "```{toctree}", ":hidden:", "", *contents, "```", ""])


def outside(app: Any, docname: str, source: list[str]) -> None:
    """`](../../torchref/nn/linear.py)` becomes its address on GitHub. What stays inside the manual is left alone."""
    folder = (MANUAL / docname).parent

    def address(match: re.Match[str]) -> str:
        path = Path(os.path.normpath(folder / match[1]))
        return match[0] if path.is_relative_to(MANUAL) else f"]({ADDRESS}{path.relative_to(ROOT).as_posix()})"

    source[0] = RELATIVE.sub(address, source[0])


def to_the_check(app: Any, docname: str, source: list[str]) -> None:
    """The check in the browser is no page of Sphinx's: `make browser` puts it beside the pages, and so is it linked."""
    up = "../" * docname.count("/")
    source[0] = CHECK.sub(rf'<a href="{up}\2index.html">\1</a>', source[0])


def to_the_left(app: Any, docname: str, source: list[str]) -> None:
    """Lines shown from the inside of a function begin at the left margin."""
    source[0] = CODE.sub(lambda block: textwrap.dedent(block[1]), source[0])


def in_both_lights(app: Any, docname: str, source: list[str]) -> None:
    """A picture that has a twin for dark pages is shown in the light of the page."""
    folder = (MANUAL / docname).parent

    def both(match: re.Match[str]) -> str:
        if not (folder / f"{match[2]}-dark.png").exists():
            return match[0]
        each = [f"```{{image}} {match[2]}-{light}.png\n:alt: {match[1]}\n:class: only-{light}\n```" for light in LIGHTS]
        return "\n\n".join(each)

    source[0] = PICTURE.sub(both, source[0])
