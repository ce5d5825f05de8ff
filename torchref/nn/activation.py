"""Smooth activations of each entry: sigmoid, tanh and what is made of them.

They take and return arrays of any one shape. Every backward is dx = dy y'(x), entry by entry; the docstrings say what
y' is. `inplace` is accepted and changes nothing: no array is ever overwritten here.
"""

from __future__ import annotations

import numpy as np

from torchref.nn.errors import check_floating
from torchref.nn.module import Array, Backward, Module, bind


class InplaceModule(Module):
    """An activation whose one option is torch's `inplace`."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


def sigmoid(x: Array) -> tuple[Array, Backward]:
    """y = 1 / (1 + exp(-x)).

    Backward. y' = exp(-x) / (1 + exp(-x))^2 = y (1 - y):  dx = dy y (1 - y).

    Equals `torch.sigmoid`.
    """
    check_floating("sigmoid", input=x)
    with np.errstate(over="ignore"):  # where exp(-x) overflows to inf, 1 / inf = 0 is right
        y = 1 / (1 + np.exp(-x))

    def backward(dy: Array) -> Array:
        return dy * (y * (1 - y))

    return y, backward


class Sigmoid(Module):
    """`sigmoid` as a module. Equals `torch.nn.Sigmoid`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(sigmoid, input)


def tanh(x: Array) -> tuple[Array, Backward]:
    """y = tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Backward, by the quotient rule. y' = 1 - y^2:  dx = dy (1 - y^2).

    Equals `torch.tanh`.
    """
    check_floating("tanh", input=x)
    y = np.tanh(x)

    def backward(dy: Array) -> Array:
        return dy * (1 - y * y)

    return y, backward


class Tanh(Module):
    """`tanh` as a module. Equals `torch.nn.Tanh`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(tanh, input)
