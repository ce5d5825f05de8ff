"""The pure functions, each returning its output and its backward; mirrors `torch.nn.functional`."""

from torchref.nn.activation import sigmoid, tanh
from torchref.nn.batchnorm import batch_norm
from torchref.nn.dropout import dropout
from torchref.nn.linear import linear
from torchref.nn.rectifier import leaky_relu, relu
from torchref.nn.shape import flatten, unflatten
from torchref.nn.softmax import log_softmax, softmax

__all__ = [
    "batch_norm",
    "dropout",
    "flatten",
    "leaky_relu",
    "linear",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
    "unflatten",
]
