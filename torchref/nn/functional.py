"""The pure functions, each returning its output and its backward; mirrors `torch.nn.functional`."""

from torchref.nn.activation import relu
from torchref.nn.batchnorm import batch_norm
from torchref.nn.linear import linear

__all__ = ["batch_norm", "linear", "relu"]
