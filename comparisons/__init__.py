"""A NumPy network and its torch twin, trained side by side, every gradient of every step compared."""

from comparisons.comparison import Comparison
from comparisons.data import Data

__all__ = ["Comparison", "Data", "run"]


def __getattr__(name: str) -> object:
    """`comparisons.run`, loaded when first used: it imports torch, which takes seconds."""
    if name == "run":
        from comparisons.training import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
