"""Activations: functions applied to each entry (sigmoid, ReLU, ...) and along one dimension (softmax, ...)."""

from __future__ import annotations

import numpy as np

from torchref.nn.errors import check_arrays
from torchref.nn.module import Array, Backward, Module, bind


def relu(x: Array) -> tuple[Array, Backward]:
    """y = max(x, 0) for each entry; x and y have any one shape.

    Backward. y' = 1 where x > 0, else 0 (torch's choice at the kink x = 0):  dx = dy [x > 0].

    Equals `torch.nn.functional.relu`. Nair & Hinton 2010.
    """
    check_arrays("relu", input=x)
    y = np.maximum(x, 0)

    def backward(dy: Array) -> Array:
        return dy * (y > 0)

    return y, backward


class ReLU(Module):
    """`relu` as a module. `inplace` is accepted and changes nothing: no array is ever overwritten here.

    Equals `torch.nn.ReLU`.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(relu, input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""
