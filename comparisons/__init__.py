"""A NumPy network and its torch twin, trained side by side, every gradient of every step compared."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comparisons.comparison import Comparison
    from comparisons.data import Data
    from comparisons.report import Report
    from comparisons.training import run

__all__ = ["Comparison", "Data", "Report", "run"]

_HOME = {"Comparison": "comparison", "Data": "data", "Report": "report", "run": "training"}


def __getattr__(name: str) -> object:
    """Load what is asked for when it is first used: `run` needs torch, which takes seconds."""
    if name in _HOME:
        return getattr(import_module(f"comparisons.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
