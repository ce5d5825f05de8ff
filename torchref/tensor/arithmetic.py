"""Sums, products, quotients and powers of operands that broadcast: add, mul, div, pow, ... and lerp, addcmul, addcdiv.

Each derivation is of one entry of y; `broadcasting` sums the gradients back to the operands' shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.errors import check_arrays, check_floating, check_numbers
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import is_integer, real
from torchref.tensor.calling import broadcasting, check_arrays_alone, elementwise, is_number, operands, real_operands

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "div",
    "float_power",
    "fmod",
    "lerp",
    "mul",
    "neg",
    "positive",
    "pow",
    "reciprocal",
    "remainder",
    "rsub",
    "scaled",
    "sub",
]


Operand = Any  # an array or a number


@broadcasting
def add(x: Operand, other: Operand, *, alpha: float = 1) -> tuple[Array, Backward]:
    """y = x + alpha other. Booleans: or.

    Backward. dy/dx = 1, dy/dother = alpha:  dx = dy,  dother = alpha dy.

    Errors: TypeError if neither operand is an array, RuntimeError for shapes that do not broadcast, or a fraction alpha
    of integers. Equals `torch.add`.
    """
    a, b = operands("add", input=x, other=other)
    b = scaled("add", b, alpha)

    def backward(dy: Array) -> tuple[Array, Array | None]:
        return dy, None if is_number(other) else times(alpha, dy)

    return a + b, backward


@broadcasting
def sub(x: Operand, other: Operand, *, alpha: float = 1) -> tuple[Array, Backward]:
    """y = x - alpha other.

    Backward. dy/dx = 1, dy/dother = -alpha:  dx = dy,  dother = -alpha dy.

    Errors: as `add`; RuntimeError for booleans. Equals `torch.sub`.
    """
    refuse_booleans("sub", x, other)
    a, b = operands("sub", input=x, other=other)
    b = scaled("sub", b, alpha)

    def backward(dy: Array) -> tuple[Array, Array | None]:
        return dy, None if is_number(other) else times(-alpha, dy)

    return a - b, backward


@broadcasting
def rsub(x: Operand, other: Operand, *, alpha: float = 1) -> tuple[Array, Backward]:
    """y = other - alpha x: `sub` the other way round.

    Backward. dx = -alpha dy,  dother = dy.

    Errors: as `sub`. Equals `torch.rsub`.
    """
    check_arrays("rsub", input=x)
    refuse_booleans("rsub", x, other)
    a, b = operands("rsub", input=x, other=other)
    a = scaled("rsub", a, alpha)

    def backward(dy: Array) -> tuple[Array, Array]:
        return times(-alpha, dy), dy

    return b - a, backward


def scaled(function: str, array: Array, alpha: Any) -> Array:
    """alpha array, in the array's dtype."""
    check_numbers(function, alpha=alpha)
    if isinstance(alpha, bool) and array.dtype != bool:
        raise RuntimeError(f"{function}(): a boolean alpha is for booleans alone, but got alpha={alpha}")
    if is_integer(array) and not isinstance(alpha, int | np.integer):
        raise RuntimeError(f"{function}(): for integers alpha must not be a fraction, but got alpha={alpha!r}")
    return array if alpha == 1 else (array * alpha).astype(array.dtype, copy=False)


def times(factor: float, dy: Array) -> Array:
    """factor dy; a factor 1 costs nothing."""
    return dy if factor == 1 else factor * dy


def refuse_booleans(function: str, *values: Any) -> None:
    """RuntimeError for booleans, of which torch takes no difference."""
    if any(isinstance(v, bool) or (isinstance(v, np.ndarray) and v.dtype == bool) for v in values):
        raise RuntimeError(f"{function}(): booleans have no difference; use a logical operation, or integers")


@broadcasting
def mul(x: Operand, other: Operand) -> tuple[Array, Backward]:
    """y = x other. Booleans: and.

    Backward. dy/dx = other, dy/dother = x:  dx = dy other,  dother = dy x.

    Errors: as `add`. Equals `torch.mul`.
    """
    a, b = operands("mul", input=x, other=other)

    def backward(dy: Array) -> tuple[Array, Array | None]:
        return dy * b, None if is_number(other) else dy * a

    return a * b, backward


@broadcasting
def div(x: Operand, other: Operand, *, rounding_mode: str | None = None) -> tuple[Array, Backward]:
    """y = x / other; with `rounding_mode` "trunc" rounded towards 0, with "floor" downwards. Integers give float32.

    Backward. dy/dx = 1 / other, dy/dother = -x / other^2:
        dx = dy / other,  dother = -dy (x / other) / other
    A rounded quotient is constant but for its jumps: both gradients are 0.

    Errors: as `add`; RuntimeError for another rounding mode. Equals `torch.div`.
    """
    if not isinstance(rounding_mode, str | None):
        raise TypeError(f"div(): argument 'rounding_mode' must be a str, not {rounding_mode!r}")
    if rounding_mode not in (None, "trunc", "floor"):
        raise RuntimeError(f"div(): rounding_mode must be None, 'trunc' or 'floor', but got {rounding_mode!r}")
    if rounding_mode is not None:
        a, b = operands("div", input=x, other=other)
        return (floor_quotient if rounding_mode == "floor" else trunc_quotient)(a, b), no_slope(a, b)
    a, b = real_operands("div", input=x, other=other)

    def backward(dy: Array) -> tuple[Array, Array | None]:
        return dy / b, None if is_number(other) else -dy * (a / b) / b

    return a / b, backward


def no_slope(a: Array, b: Array) -> Backward:
    """The backward of what only jumps: zeros for both operands."""

    def backward(dy: Array) -> tuple[Array, Array]:  # noqa: ARG001 (it is zero, whatever dy is)
        return np.zeros_like(a), np.zeros_like(b)

    return backward


def floor_quotient(a: Array, b: Array) -> Array:
    """a / b rounded downwards."""
    refuse_zero(a, b)
    if is_integer(a):
        return a // b
    quotient = np.floor_divide(a, b)
    return np.where(b == 0, a / b, quotient).astype(a.dtype, copy=False)


def trunc_quotient(a: Array, b: Array) -> Array:
    """a / b rounded towards 0."""
    refuse_zero(a, b)
    if is_integer(a):
        return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype, copy=False)
    return np.trunc(a / b)


def refuse_zero(a: Array, b: Array) -> None:
    """RuntimeError, torch's type for it, where integers are divided by 0."""
    if is_integer(a) and np.any(b == 0):
        raise RuntimeError("ZeroDivisionError: an integer is divided by other, which holds 0")


@broadcasting
def remainder(x: Operand, other: Operand) -> tuple[Array, Backward]:
    """y = x - other floor(x / other): what is left, with other's sign (Python's %).

    Backward, the floor being constant:  dx = dy,  dother = -dy floor(x / other).

    Errors: as `add`. Equals `torch.remainder`.
    """
    if is_number(x) and not is_integer(other):
        raise RuntimeError("remainder(): of a number torch knows no gradient; make it an array")
    a, b = operands("remainder", input=x, other=other)
    refuse_zero(a, b)

    def backward(dy: Array) -> tuple[Array, Array]:
        return dy, -dy * floor_quotient(a, b)

    return np.remainder(a, b), backward


@broadcasting
def fmod(x: Operand, other: Operand) -> tuple[Array, Backward]:
    """y = x - other trunc(x / other): what is left, with x's sign (C's fmod).

    Backward, the truncated quotient being constant:  dx = dy,  dother = -dy trunc(x / other).

    Errors: as `add`. Equals `torch.fmod`.
    """
    check_arrays("fmod", input=x)
    a, b = operands("fmod", input=x, other=other)
    refuse_zero(a, b)

    def backward(dy: Array) -> tuple[Array, Array]:
        return dy, -dy * trunc_quotient(a, b)

    return np.fmod(a, b), backward


@broadcasting
def pow(x: Operand, exponent: Operand) -> tuple[Array, Backward]:
    """y = x^exponent; either may be a number.

    Backward. dy/dx = exponent x^(exponent - 1), dy/dexponent = x^exponent log(x) = y log(x):
        dx = dy exponent x^(exponent - 1),   0 where exponent = 0 (there y = 1 whatever x, 0 and nan among them)
        dexponent = dy y log(x),             0 where x = 0 and exponent >= 0 (its limit)

    Errors: as `add`; RuntimeError for integers to a negative integer number. Equals `torch.pow`.
    """
    if is_integer(x) and isinstance(exponent, int | np.integer) and exponent < 0:
        raise RuntimeError(f"pow(): integers to a negative power are no integers, but got exponent={exponent}")
    a, b = operands("pow", input=x, exponent=exponent)
    return power(a, b)


def power(a: Array, b: Array) -> tuple[Array, Backward]:
    """y = a^b and its backward, for `pow` and `float_power`."""
    y = np.power(a, b)

    def backward(dy: Array) -> tuple[Array, Array]:
        da = np.where(b == 0, 0, dy * (b * np.power(a, b - 1)))
        db = dy * np.where((a == 0) & (b >= 0), 0, y * np.log(a))
        return da, db

    return y, backward


@broadcasting
def float_power(x: Operand, exponent: Operand) -> tuple[Array, Backward]:
    """y = x^exponent in float64, whatever the operands hold. Backward: as `pow`. Equals `torch.float_power`."""
    a, b = operands("float_power", input=x, exponent=exponent)
    if a.dtype.kind != "c":
        a, b = a.astype(np.float64), b.astype(np.float64)
    return power(a, b)


@elementwise
def neg(x: Array) -> tuple[Array, Backward]:
    """y = -x. Backward: dx = -dy. Errors: RuntimeError for booleans. Equals `torch.neg`."""
    refuse_booleans("neg", x)

    def backward(dy: Array) -> Array:
        return -dy

    return -x, backward


@elementwise
def positive(x: Array) -> tuple[Array, Backward]:
    """y = x. Backward: dx = dy. Errors: RuntimeError for booleans. Equals `torch.positive`."""
    refuse_booleans("positive", x)

    def backward(dy: Array) -> Array:
        return dy

    return x, backward


@elementwise
def reciprocal(x: Array) -> tuple[Array, Backward]:
    """y = 1 / x. Integers give float32.

    Backward. y' = -1 / x^2 = -y^2:  dx = -dy y^2.

    Equals `torch.reciprocal`.
    """
    y = 1 / real("reciprocal", x)

    def backward(dy: Array) -> Array:
        return -dy * (y * y)

    return y, backward


@broadcasting
def lerp(x: Array, end: Array, weight: Operand) -> tuple[Array, Backward]:
    """y = x + weight (end - x): the way from x to end, of which weight is behind us; no limit to 0 ... 1.

    From weight = 1/2 on counted from the end, y = end - (1 - weight) (end - x), so that y = end at weight = 1 exactly.

    Backward, either form being the same function:
        dx = dy (1 - weight),  dend = dy weight,  dweight = dy (end - x)

    Errors: RuntimeError for dtypes that differ or shapes that do not broadcast, NotImplementedError for integers.
    Equals `torch.lerp`.
    """
    check_floating("lerp", input=x, end=end, optional={} if is_number(weight) else {"weight": weight})
    a, b, w = operands("lerp", input=x, end=end, weight=weight)
    rest = 1 - w
    y = np.where(np.abs(w) < 0.5, a + w * (b - a), b - rest * (b - a))

    def backward(dy: Array) -> tuple[Array, Array, Array | None]:
        return dy * rest, dy * w, None if is_number(weight) else dy * (b - a)

    return y, backward


@broadcasting
def addcmul(x: Array, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> tuple[Array, Backward]:
    """y = x + value tensor1 tensor2.

    Backward, the product rule:  dx = dy,  dtensor1 = dy value tensor2,  dtensor2 = dy value tensor1.

    Errors: as `add`. Equals `torch.addcmul`.
    """
    a, b, c = operands("addcmul", input=x, tensor1=tensor1, tensor2=tensor2)
    check_arrays_alone("addcmul", input=x, tensor1=tensor1, tensor2=tensor2)
    check_numbers("addcmul", value=value)
    value = int(value) if is_integer(a) else value  # as torch cuts it

    def backward(dy: Array) -> tuple[Array, Array, Array]:
        return dy, dy * (value * c), dy * (value * b)

    return a + value * b * c, backward


@broadcasting
def addcdiv(x: Array, tensor1: Array, tensor2: Array, *, value: float = 1) -> tuple[Array, Backward]:
    """y = x + value tensor1 / tensor2.

    Backward, the quotient rule:
        dx = dy,  dtensor1 = dy value / tensor2,  dtensor2 = -dy value tensor1 / tensor2^2

    Errors: as `add`; RuntimeError for integers. Equals `torch.addcdiv`.
    """
    a, b, c = operands("addcdiv", input=x, tensor1=tensor1, tensor2=tensor2)
    check_arrays_alone("addcdiv", input=x, tensor1=tensor1, tensor2=tensor2)
    check_numbers("addcdiv", value=value)
    if is_integer(a):
        raise RuntimeError(f"addcdiv(): quotients of integers are no integers, but all operands hold {a.dtype}")

    def backward(dy: Array) -> tuple[Array, Array, Array]:
        return dy, dy * (value / c), -dy * (value * b / (c * c))

    return a + value * (b / c), backward
