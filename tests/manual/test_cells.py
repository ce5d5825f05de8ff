"""The cells of the manual's pages run, as they do when the site is built; what they assert is so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
CELL = re.compile(r"^( *)```\{code-cell\}[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^!(.*)$", re.MULTILINE)
PAGES = sorted(page for page in ROOT.glob("manual/**/*.md") if "{code-cell}" in page.read_text())

mpl.use("Agg")


@pytest.fixture(autouse=True)
def as_it_was(tmp_path, monkeypatch):
    """A page may seed generators and open figures; what comes after it finds them as they were."""
    from matplotlib import pyplot

    import torchref.nn.random

    ours, theirs = torchref.nn.random.generator, torch.get_rng_state()
    monkeypatch.setattr(pyplot, "show", lambda: pyplot.close("all"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    yield
    pyplot.close("all")
    torchref.nn.random.generator = ours
    torch.set_rng_state(theirs)


def shell(names):
    """What `!command {NAME}` does in a notebook."""

    def run(command):
        command = re.sub(r"\{(\w+)\}", lambda found: str(names[found[1]]), command)
        done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    return run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT / "manual")))
def test_cells_run(page):
    """Catches a cell that raises, warns, or computes another number than the text says."""
    text = page.read_text()
    names: dict = {"__name__": "page"}
    names["_shell"] = shell(names)
    before = np.geterr()
    for found in CELL.finditer(text):
        line = text[: found.start()].count("\n") + 2
        code = SHELL.sub(lambda command: f"_shell({command[1]!r})", found[2])
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
    assert np.geterr() == before


def test_there_are_pages():
    """Catches a pattern that finds nothing, so that nothing is tested."""
    assert len(PAGES) > 20


def test_getting_started(tmp_path, monkeypatch, capsys):
    """Catches a first comparison that does not train."""
    from torchref.cli.command_line import main

    text = (ROOT / "manual" / "getting-started.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "spirals.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "spirals.py", "--epochs", "1"]) == 0
    assert "EQUAL" in capsys.readouterr().out
