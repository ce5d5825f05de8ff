"""torch.optim in NumPy: one file an optimizer or a close family, the update equations above the code."""

from torchref.optim.adam import Adam, AdamW
from torchref.optim.optimizer import Optimizer
from torchref.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
