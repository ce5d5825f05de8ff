"""The reference for backpropagation: torch.nn and torch.optim in plain NumPy, each backward derived by hand."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchref import nn, optim, tensor
    from torchref.nn.random import manual_seed

__version__ = "0.1.0"

__all__ = ["__version__", "manual_seed", "nn", "optim", "tensor"]


def __getattr__(name: str) -> object:
    """Load what is asked for when it is first used: `torchref --help` needs none of it."""
    if name in ("nn", "optim", "tensor"):
        return import_module(f"torchref.{name}")
    if name == "manual_seed":
        return import_module("torchref.nn.random").manual_seed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
