"""A NumPy network and its torch twin, trained side by side, every gradient of every step compared."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchref.compare.comparison import Comparison
    from torchref.compare.data import Data
    from torchref.compare.train.report import Report
    from torchref.compare.train.run import run

__all__ = ["Comparison", "Data", "Report", "run"]

_HOME = {"Comparison": "comparison", "Data": "data", "Report": "train.report", "run": "train.run"}


def __getattr__(name: str) -> object:
    """Load what is asked for when it is first used: `run` needs torch, which takes seconds."""
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
