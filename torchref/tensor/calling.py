"""What every function has in common when it is called: operands of one dtype, arrays out, silence about infinities.

torch lets an operand be a number, and brings operands of several dtypes to one. It says nothing of 1 / 0, so neither do
the functions here. And NumPy makes scalars of arrays without dimensions: they are made arrays again.
"""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from torchref.nn.any_array import takes_any_array, unscalar
from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_arrays, check_numbers, check_plain
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import is_integer

__all__ = [
    "broadcasting",
    "check_arrays_alone",
    "check_broadcast",
    "check_value",
    "elementwise",
    "in_dtype",
    "is_number",
    "operands",
    "plainly",
    "real_operands",
    "result_type",
    "values_of",
]


P = ParamSpec("P")
Function = Callable[P, tuple[Any, Backward]]

FLOAT = np.dtype(np.float32)  # torch's default: what integers become where a function of them is no integer


# --- operands ---------------------------------------------------------------------------------------------------------


def operands(function: str, **values: Any) -> list[Array]:
    """`values` (arrays, or numbers) as arrays of the one dtype to which torch promotes them: see `result_type`.

    A number becomes an array without dimensions. TypeError for what is neither, and if no value is an array;
    RuntimeError for shapes that do not broadcast.
    """
    if not any(isinstance(value, np.ndarray) for value in values.values()):
        name, value = next(iter(values.items()))
        raise TypeError(f"{function}(): argument '{name}' must be numpy.ndarray, not {type(value).__name__}")
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            check_plain(function, name, value)
        elif not is_number(value):
            raise TypeError(
                f"{function}(): argument '{name}' must be numpy.ndarray or a number, not {type(value).__name__}"
            )
    dtype = result_type(*values.values())
    arrays = [in_dtype(value, dtype) for value in values.values()]
    check_broadcast(function, **dict(zip(values, arrays, strict=True)))
    return arrays


def check_arrays_alone(function: str, **values: Any) -> None:
    """TypeError for what is no array, where torch takes no number, either."""
    for name, value in values.items():
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{function}(): argument '{name}' must be numpy.ndarray, not {type(value).__name__}")


def in_dtype(value: Any, dtype: Any) -> Array:
    """An array or a number as an array of `dtype`."""
    if isinstance(value, np.ndarray):
        return value if value.dtype == dtype else value.astype(dtype, order="K")
    return np.asarray(value, dtype)


def real_operands(function: str, **values: Any) -> list[Array]:
    """`operands`; integers as float32, for functions that give fractions of them."""
    arrays = operands(function, **values)
    return [a.astype(FLOAT, order="K") for a in arrays] if is_integer(arrays[0]) else arrays


def result_type(*values: Any) -> np.dtype[Any]:
    """The dtype to which torch promotes arrays and numbers.

    Booleans < integers < floats < complex numbers. Among arrays with dimensions the higher kind wins, and in one kind
    the wider dtype. An array without dimensions, and then a number, counts only if its kind is higher still.
    """
    arrays = [v.dtype for v in values if isinstance(v, np.ndarray) and v.ndim > 0]
    points = [v.dtype for v in values if isinstance(v, np.ndarray) and v.ndim == 0]
    scalars = [dtype_of_number(v) for v in values if is_number(v)]
    found: np.dtype[Any] | None = None
    for group in (arrays, points, scalars):
        if group:
            dtype = functools.reduce(promote, group)
            found = dtype if found is None else found if kind(dtype) <= kind(found) else promote(found, dtype)
    assert found is not None
    return found


def kind(dtype: np.dtype[Any]) -> int:
    """Booleans, integers, floats, complex numbers: the higher one is the type of a result."""
    return {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}[dtype.kind]


def promote(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """NumPy's, but that a float stays as it is beside integers (NumPy: float32 and int64 give float64)."""
    if kind(a) != kind(b) and 2 in (kind(a), kind(b)) and 3 not in (kind(a), kind(b)):
        return a if kind(a) == 2 else b
    return np.promote_types(a, b)


def dtype_of_number(value: Any) -> np.dtype[Any]:
    if isinstance(value, bool | np.bool_):
        return np.dtype(np.bool_)
    return np.dtype(np.int64) if isinstance(value, numbers.Integral) else FLOAT


def is_number(value: Any) -> bool:
    """Whether `value` is a number, not an array: one has no gradient."""
    return isinstance(value, numbers.Real | np.bool_)


def check_value(function: str, value: Any) -> None:
    """RuntimeError or TypeError unless `value`, which fills places, is a 0-d array or a number."""
    if not isinstance(value, np.ndarray):
        check_numbers(function, value=value)
    elif value.ndim:
        raise RuntimeError(f"{function}(): value must be a number or a 0-d array, but has shape {value.shape}")


def check_broadcast(function: str, **arrays: Array) -> tuple[int, ...]:
    """The shape to which the arrays broadcast. RuntimeError if there is none."""
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise RuntimeError(f"{function}(): the shapes of {shapes} do not broadcast to one") from None


# --- decorators -------------------------------------------------------------------------------------------------------


def broadcasting(function: Function[P]) -> Function[P]:
    """For a function of operands that broadcast against each other, entry by entry.

    The function derives each gradient in y's shape; here it is summed back over the entries to which an operand was
    repeated (`sum_to_shape`, derived in manual/derivations/broadcasting.md). `backward(dy)` returns the gradients of
    those operands that are arrays, None for an integer one: the array itself if there is one.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **options: P.kwargs) -> tuple[Any, Backward]:
        with np.errstate(all="ignore"):
            output, function_backward = function(*args, **options)
        given = operands_of(function, args, options)

        def backward(dy: Any = None) -> Any:
            if all(is_integer(value) or not isinstance(value, np.ndarray) for value in given):
                return unpacked([None for value in given if isinstance(value, np.ndarray)])
            with np.errstate(all="ignore"):
                gradients = function_backward(dy)
                return unpacked(
                    [
                        None if is_integer(value) or gradient is None else summed(gradient, value)
                        for value, gradient in zip(given, gradients, strict=True)
                        if isinstance(value, np.ndarray)
                    ]
                )

        return unscalar(output), backward

    return takes_any_array(wrapped)


def operands_of(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    """The values of the function's positional arguments, in its order, wherever they stand in the call."""
    code = function.__code__
    names = code.co_varnames[len(args) : code.co_argcount]
    return [*args, *(options.get(name) for name in names)]


def summed(gradient: Any, value: Array) -> Array:
    """`gradient` in the shape and dtype of `value`."""
    return np.asanyarray(sum_to_shape(np.asanyarray(gradient), value.shape)).astype(value.dtype, order="K", copy=False)


def unpacked(gradients: list[Any]) -> Any:
    """The one gradient, or a tuple of several."""
    return gradients[0] if len(gradients) == 1 else tuple(gradients)


def plainly(function: Function[P]) -> Function[P]:
    """For all other functions: no warnings of infinities and nan, and arrays for what NumPy makes a scalar of.

    The function's backward returns a gradient for each array among the arguments, a list for a list of arrays; here
    each gets its array's dtype, and None takes the place of an integer one's.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **options: P.kwargs) -> tuple[Any, Backward]:
        with np.errstate(all="ignore"):
            output, function_backward = function(*args, **options)
        output = as_arrays(output)
        given = [value for value in operands_of(function, args, options) if parts_of(value)]

        def backward(*doutput: Any) -> Any:
            if all(is_integer(part) for part in parts_of(output)):
                return unpacked([[None] * len(v) if isinstance(v, tuple | list) else None for v in given])
            with np.errstate(all="ignore"):
                gradients = function_backward(*doutput)
                gradients = gradients if isinstance(gradients, tuple) else (gradients,)
                return unpacked([own(g, value) for g, value in zip(gradients, given, strict=True)])

        return output, backward

    return takes_any_array(wrapped)


def own(gradient: Any, value: Any) -> Any:
    """A gradient in the dtype of the array whose it is; None for an integer one; a list for a list of arrays."""
    if gradient is None or is_integer(value):
        return None
    if isinstance(value, tuple | list):
        return [own(g, part) for g, part in zip(gradient, value, strict=True)]
    gradient = unscalar(gradient)
    return gradient if gradient.dtype == value.dtype else gradient.astype(value.dtype, order="K")


def parts_of(value: Any) -> list[Array]:
    """The arrays in a value: one, several in a tuple or list, or none."""
    parts = value if isinstance(value, tuple | list) else [value]
    return [part for part in parts if isinstance(part, np.ndarray)]


def values_of(doutput: Any) -> Array:
    """The gradient of (values, indices): that of the values, with None for the indices behind it or alone."""
    return doutput[0] if isinstance(doutput, tuple) else doutput


def as_arrays(value: Any) -> Any:
    """`value` with arrays for scalars, in tuples and lists, too."""
    return type(value)(map(unscalar, value)) if type(value) in (tuple, list) else unscalar(value)


def elementwise(function: Function[P]) -> Function[P]:
    """For a function of one array x: dx has x's dtype, and is None for integers, in or out; else as `plainly`."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **options: P.kwargs) -> tuple[Any, Backward]:
        x: Any = args[0] if args else options["x"]
        check_arrays(function.__name__, input=x)
        with np.errstate(all="ignore"):
            output, function_backward = function(*args, **options)

        def backward(dy: Any = None) -> Array | None:
            if is_integer(x) or is_integer(output):
                return None
            with np.errstate(all="ignore"):
                return np.asanyarray(function_backward(dy)).astype(x.dtype, order="K", copy=False)

        return as_arrays(output), backward

    return takes_any_array(wrapped)
