"""Functions that choose: clamp, where, masked_fill, maximum, abs, sign, round. Their gradient goes to what was chosen.

Where the choice is even, at a kink, each docstring says what torch gives, and the tests hold it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.errors import check_arrays, check_floating, check_integers, check_numbers
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import check_numeric, is_integer
from torchref.tensor.calling import (
    broadcasting,
    check_arrays_alone,
    check_broadcast,
    check_value,
    elementwise,
    in_dtype,
    is_number,
    operands,
    real_operands,
    result_type,
)

__all__ = [
    "abs",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "copysign",
    "floor",
    "fmax",
    "fmin",
    "frac",
    "masked_fill",
    "maximum",
    "minimum",
    "nan_to_num",
    "round",
    "sign",
    "signs",
    "trunc",
    "where",
]


Operand = Any  # an array or a number


# --- the larger, the smaller ------------------------------------------------------------------------------------------


@broadcasting
def maximum(x: Array, other: Array) -> tuple[Array, Backward]:
    """y = the larger of x and other; nan if either is.

    Backward. dy/dx = [x > other], and both get half where they are equal:
        dx = dy ([x > other] + [x = other] / 2),  dother = dy ([other > x] + [x = other] / 2)
    Beside a nan both get the whole gradient.

    Errors: RuntimeError for shapes that do not broadcast, TypeError for numbers. Equals `torch.maximum`.
    """
    check_arrays_alone("maximum", input=x, other=other)
    a, b = operands("maximum", input=x, other=other)

    def backward(dy: Array) -> tuple[Array, Array]:
        half = np.where(a == b, dy / 2, dy)
        return np.where(a < b, 0, half), np.where(b < a, 0, half)

    return np.maximum(a, b), backward


@broadcasting
def minimum(x: Array, other: Array) -> tuple[Array, Backward]:
    """y = the smaller of x and other; nan if either is. Backward and errors: as `maximum`. Equals `torch.minimum`."""
    check_arrays_alone("minimum", input=x, other=other)
    a, b = operands("minimum", input=x, other=other)

    def backward(dy: Array) -> tuple[Array, Array]:
        half = np.where(a == b, dy / 2, dy)
        return np.where(a > b, 0, half), np.where(b > a, 0, half)

    return np.minimum(a, b), backward


@broadcasting
def fmax(x: Array, other: Array) -> tuple[Array, Backward]:
    """y = the larger of x and other; of a nan and a number the number.

    Backward. The whole gradient to the one that is chosen, to x where they are equal:
        dx = dy [x >= other or other is nan],  dother = the rest

    Errors: as `maximum`. Equals `torch.fmax`.
    """
    check_arrays_alone("fmax", input=x, other=other)
    a, b = operands("fmax", input=x, other=other)
    first = (a >= b) | np.isnan(b)

    def backward(dy: Array) -> tuple[Array, Array]:
        return np.where(first, dy, 0), np.where(first, 0, dy)

    return np.fmax(a, b), backward


@broadcasting
def fmin(x: Array, other: Array) -> tuple[Array, Backward]:
    """y = the smaller of x and other; of a nan and a number the number. Else as `fmax`. Equals `torch.fmin`."""
    check_arrays_alone("fmin", input=x, other=other)
    a, b = operands("fmin", input=x, other=other)
    first = (a <= b) | np.isnan(b)

    def backward(dy: Array) -> tuple[Array, Array]:
        return np.where(first, dy, 0), np.where(first, 0, dy)

    return np.fmin(a, b), backward


@broadcasting
def clamp(x: Array, min: Operand | None = None, max: Operand | None = None) -> tuple[Array, Backward]:
    """y = min(max(x, min), max): x held between two bounds, numbers or arrays; one may be absent. max wins over min.

    Backward. Inside, the bounds themselves among it, the gradient goes to x; outside to the bound that y is:
        dx = dy [min <= x <= max],  dmin = dy [x < min and min < max],  dmax = dy [x > max or max < min]

    Errors: RuntimeError without any bound and for shapes that do not broadcast. Equals `torch.clamp`.
    """
    if min is None and max is None:
        raise RuntimeError("clamp(): at least one of min and max must not be None")
    if {is_number(bound) for bound in (min, max) if bound is not None} == {True, False}:
        raise TypeError("clamp(): min and max must both be arrays, or both numbers")
    check_arrays("clamp", input=x)
    given = {name: value for name, value in (("input", x), ("min", min), ("max", max)) if value is not None}
    brought = dict(zip(given, operands("clamp", **given), strict=True))
    a, low, high = brought["input"], brought.get("min"), brought.get("max")
    y = a
    if low is not None:
        y = np.maximum(y, low)
    if high is not None:
        y = np.minimum(y, high)
    inside = (np.True_ if low is None else a >= low) & (np.True_ if high is None else a <= high)
    below = np.False_ if low is None else a < low
    above = np.False_ if high is None else a > high
    crossed = np.False_ if low is None or high is None else high < low  # then y is max, wherever x is
    apart = np.True_ if low is None or high is None else low < high

    def backward(dy: Array) -> tuple[Array, Array | None, Array | None]:
        dx = np.where(inside, dy, 0)
        dmin = None if is_number(min) else np.where(below & apart, dy, 0)
        dmax = None if is_number(max) else np.where(above | crossed, dy, 0)
        return dx, dmin, dmax

    return y, backward


def clamp_min(x: Array, min: Operand) -> tuple[Array, Backward]:
    """y = max(x, min): `clamp` with this bound alone, and its backward. Equals `torch.clamp_min`."""
    return clamp(x, min=min)


def clamp_max(x: Array, max: Operand) -> tuple[Array, Backward]:
    """y = min(x, max): `clamp` with this bound alone, and its backward. Equals `torch.clamp_max`."""
    return clamp(x, max=max)


# --- one of two, by a mask --------------------------------------------------------------------------------------------


@broadcasting
def where(condition: Array, x: Operand, other: Operand) -> tuple[Array, Backward]:
    """y = x where the condition is true, else other. x and other are arrays or numbers.

    Backward:  dx = dy where the condition is true, else 0;  dother = dy where it is false, else 0.
    What was not chosen gets 0 even if it is nan or infinite: a choice, not a product with a mask.
    `backward(dy)` returns None for the condition, and the gradients of those of x and other that are arrays.

    Errors: TypeError if the condition is no array, RuntimeError unless it is boolean, and for shapes that do not
    broadcast. Equals `torch.where`.
    """
    check_mask("where", "condition", condition)
    if is_number(x) and is_number(other):
        dtype = result_type(x, other)
        a, b = in_dtype(x, dtype), in_dtype(other, dtype)
    else:
        a, b = operands("where", input=x, other=other) if isinstance(x, np.ndarray) else swapped(x, other)
    check_broadcast("where", condition=condition, input=a, other=b)

    def backward(dy: Array) -> tuple[None, Array, Array]:
        return None, np.where(condition, dy, 0), np.where(condition, 0, dy)

    return np.where(condition, a, b), backward


def swapped(x: Operand, other: Operand) -> tuple[Array, Array]:
    """`operands` whose first is a number."""
    b, a = operands("where", other=other, input=x)
    return a, b


@broadcasting
def masked_fill(x: Array, mask: Array, value: Operand) -> tuple[Array, Backward]:
    """y = value (a number or a 0-d array) where the mask is true, else x.

    Backward. What was filled in does not depend on x:
        dx = dy where the mask is false, else 0;  dvalue = sum of dy where it is true

    Errors: RuntimeError unless the mask is boolean and broadcasts with x, and for a value with dimensions.
    Equals `torch.masked_fill`.
    """
    check_arrays("masked_fill", input=x)
    check_mask("masked_fill", "mask", mask)
    check_value("masked_fill", value)
    if not isinstance(value, np.ndarray) and is_integer(x) and not np.isfinite(value):
        raise RuntimeError(f"masked_fill(): value={value!r} is no {x.dtype}")
    check_broadcast("masked_fill", input=x, mask=mask)

    def backward(dy: Array) -> tuple[Array, None, Array]:
        return np.where(mask, 0, dy), None, np.where(mask, dy, 0)

    return np.where(mask, np.asarray(value, x.dtype), x), backward


def check_mask(function: str, name: str, mask: Any) -> None:
    """TypeError for what is no array, RuntimeError for one that is not boolean."""
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"{function}(): argument '{name}' must be numpy.ndarray, not {type(mask).__name__}")
    if mask.dtype != bool:
        raise RuntimeError(f"{function}(): '{name}' must be boolean, but holds {mask.dtype}")


# --- signs and whole numbers ------------------------------------------------------------------------------------------


@elementwise
def abs(x: Array) -> tuple[Array, Backward]:
    """y = |x|.

    Backward. y' = the sign of x, and 0 at the kink x = 0:  dx = dy sign(x).

    Equals `torch.abs`.
    """

    if x.dtype == bool:
        raise NotImplementedError("abs(): argument 'input' must hold numbers, but got bool")

    def backward(dy: Array) -> Array:
        return dy * signs(x)

    return np.abs(x), backward


@elementwise
def sign(x: Array) -> tuple[Array, Backward]:
    """y = 1 where x > 0, -1 where x < 0, 0 at 0 and (torch's choice) nan. Backward: dx = 0. Equals `torch.sign`."""
    return signs(x), flat(x)


def signs(x: Array) -> Array:
    """1, 0 or -1; 0 for nan, as in torch. A boolean is its own sign."""
    if is_integer(x):
        return x if x.dtype == bool else np.sign(x)
    return np.where(np.isnan(x), np.zeros_like(x), np.sign(x))


def flat(x: Array) -> Backward:
    """The backward of what is constant but for its jumps."""

    def backward(dy: Array) -> Array:  # noqa: ARG001 (it is zero, whatever dy is)
        return np.zeros_like(x)

    return backward


def whole(function: str, x: Array, rounded: Any) -> Array:
    """x rounded; integers are it already, and booleans no numbers."""
    check_numeric(function, x)
    return x if is_integer(x) else rounded(x)


@elementwise
def floor(x: Array) -> tuple[Array, Backward]:
    """y = x rounded downwards. Backward: y is constant but for its jumps, dx = 0. Equals `torch.floor`."""
    return whole("floor", x, np.floor), flat(x)


@elementwise
def ceil(x: Array) -> tuple[Array, Backward]:
    """y = x rounded upwards. Backward: y is constant but for its jumps, dx = 0. Equals `torch.ceil`."""
    return whole("ceil", x, np.ceil), flat(x)


@elementwise
def trunc(x: Array) -> tuple[Array, Backward]:
    """y = x rounded towards 0. Backward: y is constant but for its jumps, dx = 0. Equals `torch.trunc`."""
    return whole("trunc", x, np.trunc), flat(x)


@elementwise
def round(x: Array, *, decimals: int = 0) -> tuple[Array, Backward]:
    """y = x rounded to so many decimals, a half to the even neighbour. Backward: dx = 0. Equals `torch.round`."""
    check_integers("round", decimals=decimals)
    if decimals == 0:
        return whole("round", x, np.rint), flat(x)
    check_floating("round", input=x)
    ten = np.asarray(10.0 ** np.abs(decimals), x.dtype)
    return (np.rint(x * ten) / ten if decimals > 0 else np.rint(x / ten) * ten), flat(x)


@elementwise
def frac(x: Array) -> tuple[Array, Backward]:
    """y = x - trunc(x). Backward: the truncated part is constant, dx = dy. Equals `torch.frac`."""
    check_floating("frac", input=x)

    def backward(dy: Array) -> Array:
        return dy

    return x - np.trunc(x), backward


@elementwise
def nan_to_num(
    x: Array, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> tuple[Array, Backward]:
    """y = x with these numbers for nan, inf and -inf; without them 0, and the largest and the smallest of x's dtype.

    Backward. What was replaced is constant:  dx = dy where x is finite, else 0.

    Equals `torch.nan_to_num`.
    """
    given = {"nan": nan, "posinf": posinf, "neginf": neginf}
    check_numbers("nan_to_num", **{name: value for name, value in given.items() if value is not None})
    if is_integer(x):
        return x, flat(x)
    there, limits = np.isfinite(x), np.finfo(x.dtype)
    y = np.where(np.isnan(x), np.asarray(nan or 0, x.dtype), x)
    y = np.where(x == np.inf, np.asarray(limits.max if posinf is None else posinf, x.dtype), y)
    y = np.where(x == -np.inf, np.asarray(limits.min if neginf is None else neginf, x.dtype), y)

    def backward(dy: Array) -> Array:
        return dy * there

    return y, backward


@broadcasting
def copysign(x: Array, other: Operand) -> tuple[Array, Backward]:
    """y = |x| with other's sign.

    Backward. y = x or -x, so dy/dx = y / x, and 0 at the kink x = 0; other's sign is constant:
        dx = dy y / x,  dother = 0

    Equals `torch.copysign`.
    """
    check_arrays("copysign", input=x)
    a, b = real_operands("copysign", input=x, other=other)
    y = np.copysign(a, b)

    def backward(dy: Array) -> tuple[Array, Array]:
        return dy * np.where(a == 0, 0, y / a), np.zeros_like(b)

    return y, backward
