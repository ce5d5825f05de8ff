"""torch.nn in NumPy: `output, backward = module(*inputs)`. One concept a file, the derivation above the code."""

from torchref.nn import functional, init, random
from torchref.nn.activation import ReLU
from torchref.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from torchref.nn.container import ModuleDict, ModuleList, Sequential
from torchref.nn.linear import Identity, Linear
from torchref.nn.module import Module, Parameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Identity",
    "Linear",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "functional",
    "init",
    "random",
]
