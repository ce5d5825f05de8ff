"""The reference for backpropagation: torch.nn and torch.optim in plain NumPy, each backward derived by hand."""

from torchref import nn, optim
from torchref.nn.random import manual_seed

__version__ = "0.1.0"

__all__ = ["__version__", "manual_seed", "nn", "optim"]
