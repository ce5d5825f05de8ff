"""The manual's page on the referee: its code runs, and finds what the page says."""

import re
from pathlib import Path

import torch

from torchref.referee import judge
from torchref.referee.engines import ENGINES
from torchref.referee.entries.table import ENTRIES

PAGE = Path(__file__).parents[2] / "manual" / "referee.md"


def test_the_page_runs():
    """Catches a page whose example finds something else, or nothing."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 5
    torch.manual_seed(0)
    names: dict = {"__name__": "mine"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert ENTRIES.pop("mylib::cube") is names["cube"]
    assert judge(*names["make_for_ranks"](), engine="ddp").passed


def test_the_page_names_every_engine():
    """Catches an engine that nobody is told of."""
    text = PAGE.read_text()
    assert not [engine for engine in ENGINES if f"`{engine}`" not in text]
