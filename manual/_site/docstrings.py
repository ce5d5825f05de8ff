"""Docstrings as they stand in the source, made into reStructuredText: sentences, and formulas set as code."""

from __future__ import annotations

import re
from typing import Any

ITEM = re.compile(r"(- |\d+\. )")
CODE = re.compile(r"(`[^`]+`)")
ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
TORCH = "https://docs.pytorch.org/docs/stable/"
# names in backquotes -> what documents them, filled by reference.py
DOCUMENTED: dict[str, str] = {}


def marked(sentence: str) -> str:
    """A line of prose: what reStructuredText would take for a sign of its own is escaped; `code` leads somewhere."""
    return "".join(code(part[1:-1]) if CODE.fullmatch(part) else escaped(part) for part in CODE.split(sentence))


def escaped(text: str) -> str:
    """A `*`, a `|` and a `_` at a word's end are themselves."""
    return re.sub(r"_(?!\w)", r"\\_", re.sub(r"([\\*|])", r"\\\1", text))


def code(text: str) -> str:
    """`linear` becomes a link to its page, `torch.nn.Linear` a link to torch's, anything else stays code."""
    if text in DOCUMENTED:
        return f":py:obj:`{text} <{DOCUMENTED[text]}>`"
    if re.fullmatch(r"torch\.[\w.]+", text):
        return f"`{text} <{torch_address(text)}>`__"
    return f"``{text}``"


def torch_address(name: str) -> str:
    """Where torch's manual describes this name."""
    if name.startswith("torch.nn.init"):
        return f"{TORCH}nn.init.html#{name}"
    return f"{TORCH}generated/{name}.html"


def blocks(lines: list[str]) -> list[str]:
    """A run of indented lines is a block of formulas, but where it goes on with an item of a list."""
    made: list[str] = []
    in_list, formulas = False, False
    for line in lines:
        indented = line.startswith("  ") and line.strip()
        if not line.strip():
            made.append("")
            in_list = False
        elif indented and (not in_list or formulas):
            if not formulas:
                made += ["", "::", ""]
            formulas = True
            made.append("    " + line)
        elif indented:
            made.append(marked(line))
        else:
            starts = bool(ITEM.match(line))
            if formulas or (starts and made and made[-1] and not in_list):
                made.append("")
            in_list = starts or (in_list and not formulas)
            formulas = False
            made.append(marked(line))
    return made


def to_rst(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Sphinx calls this with the lines of a docstring, and takes what is left in them."""
    lines[:] = [*blocks(lines), ""]


def plain_signature(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Aliases of types by their names."""

    def plain(text: str | None) -> str | None:
        return None if text is None else ALIAS.sub(r"\1", text)

    return plain(signature), plain(returns)
