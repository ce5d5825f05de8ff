"""torch.nn in NumPy: `output, backward = module(*inputs)`. One concept a file, the derivation above the code."""

from torchref.nn import functional, init, random
from torchref.nn.activation import Sigmoid, Tanh
from torchref.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from torchref.nn.container import ModuleDict, ModuleList, Sequential
from torchref.nn.dropout import Dropout
from torchref.nn.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from torchref.nn.linear import Identity, Linear
from torchref.nn.local_response_norm import LocalResponseNorm
from torchref.nn.loss.binary import BCELoss, BCEWithLogitsLoss
from torchref.nn.loss.classification import CrossEntropyLoss, NLLLoss
from torchref.nn.loss.regression import L1Loss, MSELoss
from torchref.nn.module import Module, Parameter
from torchref.nn.normalization import GroupNorm, LayerNorm, RMSNorm
from torchref.nn.rectifier import LeakyReLU, ReLU
from torchref.nn.shape import Flatten, Unflatten
from torchref.nn.softmax import LogSoftmax, Softmax

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "GroupNorm",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "RMSNorm",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Unflatten",
    "functional",
    "init",
    "random",
]
