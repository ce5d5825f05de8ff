"""Rectifiers: activations that pass x > 0 on as it is and treat x <= 0 otherwise (ReLU, LeakyReLU, ...).

They take and return arrays of any one shape. Every backward is dx = dy y'(x), entry by entry; the docstrings say what
y' is, and at a kink it is the one that torch returns.
"""

from __future__ import annotations

import numpy as np

from torchref.nn.activation import InplaceModule
from torchref.nn.errors import check_arrays, check_floating
from torchref.nn.module import Array, Backward, Module, bind


def zeros_row(x: Array) -> Array:
    """Zeros as long as x's last axis: np.maximum(x, row) takes less than half the time of np.maximum(x, 0)."""
    return np.zeros_like(x, shape=x.shape[-1:])


def relu(x: Array) -> tuple[Array, Backward]:
    """y = max(x, 0).

    Backward. y' = 1 where x > 0, else 0 (torch's choice at the kink x = 0):  dx = dy [y != 0].

    Equals `torch.nn.functional.relu`. Nair & Hinton 2010.
    """
    check_arrays("relu", input=x)
    y = np.maximum(x, zeros_row(x))

    def backward(dy: Array) -> Array:
        return dy * (y != 0)  # y >= 0, or nan, which torch passes on

    return y, backward


class ReLU(InplaceModule):
    """`relu` as a module. Equals `torch.nn.ReLU`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(relu, input)


def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> tuple[Array, Backward]:
    """y = x where x > 0, else negative_slope x.

    Backward. y' = 1 where x > 0, else negative_slope (so at the kink x = 0, too).

    Equals `torch.nn.functional.leaky_relu`. Maas, Hannun & Ng 2013.
    """
    check_floating("leaky_relu", input=x)
    zero = zeros_row(x)
    y = np.maximum(x, zero) + negative_slope * np.minimum(x, zero)

    def backward(dy: Array) -> Array:
        dpositive = dy * (x > 0)
        return dpositive + negative_slope * (dy - dpositive)  # exact, and 5 times faster than np.where

    return y, backward


class LeakyReLU(Module):
    """`leaky_relu` as a module. Equals `torch.nn.LeakyReLU`."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(leaky_relu, input, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")
