"""Integer arrays where torch takes them: as numbers of another array's dtype, and without a gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import numpy as np

from torchref.nn.errors import check_arrays, check_floating
from torchref.nn.module import Array, Backward, unscalar

P = ParamSpec("P")


def promoted(function: str, *, booleans: bool = False, **arrays: Any) -> list[Array]:
    """`arrays`, the integer ones (and with `booleans` the boolean ones) in the dtype of the floating-point ones.

    RuntimeError if none is floating point, for floating-point dtypes that differ, and for booleans without `booleans`.
    """
    check_arrays(function, **arrays)
    dtypes = [array.dtype for array in arrays.values() if not is_integer(array)]
    kinds = "iub" if booleans else "iu"
    taken = {name: a for name, a in arrays.items() if not (dtypes and a.dtype.kind in kinds)}
    check_floating(function, **taken)
    return [a.astype(dtypes[0], order="K") if is_integer(a) else a for a in arrays.values()]


def real(function: str, x: Array, kinds: str = "biu") -> Array:
    """An integer (or boolean) x in float32, as torch makes it where a function of integers is none; else x itself."""
    check_arrays(function, input=x)
    if x.dtype.kind in kinds:
        return x.astype(np.float32, order="K")
    check_floating(function, input=x)
    return x


def check_numeric(function: str, x: Array) -> None:
    """x holds floating-point numbers or integers. RuntimeError for booleans."""
    check_arrays(function, input=x)
    if x.dtype == bool:
        raise NotImplementedError(f"{function}(): argument 'input' must hold numbers, but got {x.dtype}")


def gradients_of(arrays: tuple[Any, ...], *gradients: Array) -> tuple[Array | None, ...]:
    """`gradients`, with None for each of `arrays` that is integer or no array."""
    pairs = zip(arrays, gradients, strict=True)
    return tuple(g if isinstance(a, np.ndarray) and not is_integer(a) else None for a, g in pairs)


def of_any_array(
    function: Callable[Concatenate[Array, P], tuple[Any, Backward]],
) -> Callable[Concatenate[Array, P], tuple[Any, Backward]]:
    """For a function of one array x: 0-d results stay arrays; dx has x's dtype, and is None for integers.

    (NumPy makes scalars of 0-d results; a function may compute in another dtype than x's.)
    """

    @functools.wraps(function)
    def wrapped(x: Array, *args: P.args, **kwargs: P.kwargs) -> tuple[Any, Backward]:
        check_arrays(function.__name__, input=x)
        output, function_backward = function(x, *args, **kwargs)
        if isinstance(output, np.generic):
            output = np.asanyarray(output)
        if x.ndim > 0 and not is_integer(x) and getattr(output, "dtype", x.dtype) == x.dtype:
            return output, function_backward

        def backward(dy: Any = None) -> Array | None:
            if is_integer(x):
                return None
            return np.asanyarray(function_backward(dy)).astype(x.dtype, order="K", copy=False)

        return output, backward

    return wrapped


def without_scalars(function: Callable[P, tuple[Any, Backward]]) -> Callable[P, tuple[Any, Backward]]:
    """`function`, whose outputs and gradients of no dimension are arrays: NumPy makes scalars of them."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> tuple[Any, Backward]:
        output, function_backward = function(*args, **kwargs)

        def backward(*doutput: Any) -> Any:
            gradients = function_backward(*doutput)
            return tuple(map(unscalar, gradients)) if type(gradients) is tuple else unscalar(gradients)

        return unscalar(output), backward

    return wrapped


def is_integer(value: Any) -> bool:
    """Whether `value` is an array of integers or booleans, which has no gradient."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "biu"
