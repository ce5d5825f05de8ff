"""Piecewise linear activations that cut off: Hardtanh, ReLU6, Hardsigmoid, Hardswish, Hardshrink, Softshrink.

They take and return arrays of any one shape. Every backward is dx = dy y'(x), entry by entry; the docstrings say what
y' is, and at a kink it is the one that torch returns.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from torchref.nn.activation import InplaceModule
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_floating, check_numbers
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.promotion import check_numeric, is_integer


@takes_any_array
def hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> tuple[Array, Backward]:
    """y = x, cut off below min_val and above max_val.

    Backward. y' = 1 where min_val < x < max_val, else 0, at both kinks, too.

    Integers are taken, with the limits cut to integers, without a gradient.

    Errors: ValueError if min_val > max_val, RuntimeError for booleans and for unsigned integers with a negative limit.
    Equals `torch.nn.functional.hardtanh`.
    """
    check_numeric("hardtanh", x)
    check_numbers("hardtanh", min_val=min_val, max_val=max_val)
    if min_val > max_val:
        raise ValueError(f"hardtanh(): min_val={min_val} cannot be greater than max_val={max_val}")
    if is_integer(x):
        min_val, max_val = int(min_val), int(max_val)
        if x.dtype.kind == "u" and min_val < 0:
            raise RuntimeError(f"hardtanh(): an input of {x.dtype} cannot have a negative limit: min_val={min_val}")

    def backward(dy: Array) -> Array:
        return dy * ~((x <= min_val) | (x >= max_val))

    return np.clip(x, min_val, max_val), backward


class Hardtanh(Module):
    """`hardtanh` as a module. `min_value` and `max_value` are the old names of min_val and max_val.

    Errors: AssertionError unless min_val < max_val. Equals `torch.nn.Hardtanh`.
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        if min_value is not None:
            warnings.warn("Hardtanh: min_value is deprecated and renamed to min_val", FutureWarning, stacklevel=2)
            min_val = min_value
        if max_value is not None:
            warnings.warn("Hardtanh: max_value is deprecated and renamed to max_val", FutureWarning, stacklevel=2)
            max_val = max_value
        if max_val <= min_val:
            raise AssertionError(f"Hardtanh: max_val={max_val} must be greater than min_val={min_val}")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(hardtanh, input, min_val=self.min_val, max_val=self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


@takes_any_array
def relu6(x: Array) -> tuple[Array, Backward]:
    """y = min(max(x, 0), 6).

    Backward. y' = 1 where 0 < x < 6, else 0.

    Equals `torch.nn.functional.relu6`. Krizhevsky 2010.
    """
    return hardtanh(x, min_val=0.0, max_val=6.0)


class ReLU6(Hardtanh):
    """`relu6` as a module. Equals `torch.nn.ReLU6`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


# The slope of torch's hardsigmoid: 1/6 rounded to float32, in float64, too (3e-8 off).
ONE_SIXTH = float(np.float32(1 / 6))


@takes_any_array
def hardsigmoid(x: Array) -> tuple[Array, Backward]:
    """y = min(max(x + 3, 0), 6) / 6: a sigmoid of three straight lines.

    Backward. y' = 1/6 where -3 < x < 3, else 0.

    Equals `torch.nn.functional.hardsigmoid`. Howard et al. 2019.
    """
    check_floating("hardsigmoid", input=x)

    def backward(dy: Array) -> Array:
        return dy * ((x > -3) & (x < 3)) * ONE_SIXTH

    return np.clip(x + 3, 0, 6) / 6, backward


class Hardsigmoid(InplaceModule):
    """`hardsigmoid` as a module. Equals `torch.nn.Hardsigmoid`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(hardsigmoid, input)

    def extra_repr(self) -> str:
        return ""  # torch's does not say `inplace`


@takes_any_array
def hardswish(x: Array) -> tuple[Array, Backward]:
    """y = x hardsigmoid(x) = x min(max(x + 3, 0), 6) / 6: a swish of two straight lines and a parabola.

    Backward. y' = 0 where x <= -3, 1 where x >= 3, and in between (x^2 + 3 x)' / 6 = x / 3 + 1/2.

    Equals `torch.nn.functional.hardswish`. Howard et al. 2019.
    """
    check_floating("hardswish", input=x)

    def backward(dy: Array) -> Array:
        inside = (x > -3) & (x < 3)
        return dy * (inside * (np.clip(x, -3, 3) / 3 + 0.5) + (x >= 3))

    return x * np.clip(x + 3, 0, 6) / 6, backward


class Hardswish(InplaceModule):
    """`hardswish` as a module. Equals `torch.nn.Hardswish`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(hardswish, input)

    def extra_repr(self) -> str:
        return ""  # torch's does not say `inplace`


@takes_any_array
def hardshrink(x: Array, lambd: float = 0.5) -> tuple[Array, Backward]:
    """y = 0 where -lambd <= x <= lambd, else x.

    Backward. y' = 0 where -lambd <= x <= lambd, else 1.

    Equals `torch.nn.functional.hardshrink`. Donoho & Johnstone 1994.
    """
    check_floating("hardshrink", input=x)
    check_numbers("hardshrink", lambd=lambd)
    outside = ~((x >= -lambd) & (x <= lambd))

    def backward(dy: Array) -> Array:
        return dy * outside

    return x * outside, backward


class Hardshrink(Module):
    """`hardshrink` as a module. Equals `torch.nn.Hardshrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(hardshrink, input, lambd=self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


@takes_any_array
def softshrink(x: Array, lambd: float = 0.5) -> tuple[Array, Backward]:
    """y = x pulled towards 0 by lambd: x - lambd above lambd, x + lambd below -lambd, 0 in between.

    Backward. y' = 0 where -lambd <= x <= lambd, else 1.

    Errors: RuntimeError unless 0 <= lambd < inf. Equals `torch.nn.functional.softshrink`. Donoho & Johnstone 1994.
    """
    check_floating("softshrink", input=x)
    check_numbers("softshrink", lambd=lambd)
    if not 0 <= lambd < math.inf:
        raise RuntimeError(f"softshrink(): lambd must be at least 0 and finite, but got lambd={lambd}")

    def backward(dy: Array) -> Array:
        return dy * ~((x >= -lambd) & (x <= lambd))

    return x - np.clip(x, -lambd, lambd), backward


class Softshrink(Module):
    """`softshrink` as a module. Equals `torch.nn.Softshrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(softshrink, input, lambd=self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"
