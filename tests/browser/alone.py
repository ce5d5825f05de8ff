"""Python as a browser has it, in a process of its own: NumPy alone, and no process can be forked.

`python -m tests.browser.alone FIRST STEP` judges entries[FIRST::STEP] of the corpus, and prints {entry: what is wrong}.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
import warnings
from pathlib import Path

MISSING = frozenset(
    ("torch", "scipy", "tensorboard", "sklearn", "tyro", "rich", "tomli_w", "PIL", "google_crc32c", "matplotlib")
)


class NotInstalled:
    """Says of every package in MISSING that it is not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def refuse():
    raise OSError("a browser has no processes")


def as_in_a_browser():
    """From here on this process is one, as far as torchref can see."""
    assert not MISSING & sys.modules.keys(), f"loaded already: {MISSING & sys.modules.keys()}"
    sys.meta_path.insert(0, NotInstalled())
    importlib.import_module("torchref.check.api")  # NumPy asks for the platform itself
    sys.platform, os.fork = "emscripten", refuse


def entries():
    """The corpus, but for files that know torch and for code that itself imports SciPy."""
    from tests.check import corpus

    for path in sorted(Path(corpus.__path__[0]).glob("*.py")):
        if not re.search(r"^\s*(import|from) torch\b", path.read_text(), re.MULTILINE) and path.stem != "__init__":
            importlib.import_module(f"tests.check.corpus.{path.stem}")
    return [entry for entry in corpus.ENTRIES if "scipy" not in source(entry.target)]


def source(target):
    """The text of what an entry judges."""
    parts = target if isinstance(target, tuple) else (target,)
    return "".join(inspect.getsource(part) for part in parts)


def main():
    first, step = map(int, sys.argv[1:])
    as_in_a_browser()
    from tests.check.figures import misjudged

    warnings.simplefilter("ignore")
    print(json.dumps({entry.name: misjudged(entry) for entry in entries()[first::step]}))


if __name__ == "__main__":
    main()
