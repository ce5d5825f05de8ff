"""How a function is entered, and what it promises of every array: `takes_any_array` stands over each definition."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, overload

import numpy as np

from torchref.nn.half import HALF, dtypes_of, rounded, rounded_backward, takes_half, widened
from torchref.nn.ufunc_buffer import backward_in, buffer_for

Function = TypeVar("Function", bound=Callable[..., Any])
WITHOUT_GRADIENT = frozenset(np.typecodes["AllInteger"] + "?")  # the type codes of integers and booleans
Condition = Callable[[Mapping[str, Any]], bool]  # of a call's arguments by name


def always(_given: Mapping[str, Any]) -> bool:
    """The condition that every call meets."""
    return True


@overload
def takes_any_array(function: Function) -> Function: ...


@overload
def takes_any_array(
    *, refuses_half: Condition | None = None, single_beside_half: bool = False, statistics: bool = False
) -> Callable[[Function], Function]: ...


def takes_any_array(
    function: Callable[..., Any] | None = None,
    *,
    refuses_half: Condition | None = None,
    single_beside_half: bool = False,
    statistics: bool = False,
) -> Any:
    """A function that returns `output, backward`, for whatever arrays it is given. It promises:

    - the memory order of an array changes nothing (the function itself sees to that);
    - outputs and gradients of no dimension are arrays, where NumPy makes scalars of them;
    - without a floating-point array among the arguments there is no gradient: `backward` returns None;
    - float16 is computed in float32 and rounded once, outputs and gradients (see `half`).

    `refuses_half`: for which arguments torch has no float16, and the call is a NotImplementedError.
    `single_beside_half`: x may be float16 and all else float32, as the norms have it; the gradients of what is float32
    are float32. `statistics`: of the outputs only the first is rounded, the others are for running statistics.
    """
    if function is None:
        options = {"refuses_half": refuses_half, "single_beside_half": single_beside_half, "statistics": statistics}
        return functools.partial(takes_any_array, **options)

    @functools.wraps(function)
    def entered(*args: Any, **kwargs: Any) -> tuple[Any, Callable[..., Any]]:
        arrays = [value for value in (*args, *kwargs.values()) if isinstance(value, np.ndarray)]
        kinds = {array.dtype.char for array in arrays}
        buffer = buffer_for(arrays)
        # Where a dtype is asked for, the function itself sees to it.
        if not (HALF.char in kinds and kwargs.get("dtype") is None and takes_half(arrays, single_beside_half)):
            with buffer:
                output, function_backward = function(*args, **kwargs)
        elif refuses_half is not None and refuses_half(inspect.signature(function).bind(*args, **kwargs).arguments):
            raise NotImplementedError(f"{function.__name__}(): not implemented for float16, as in torch")
        else:
            wide = {name: widened(value) for name, value in kwargs.items()}
            with buffer:
                output, wide_backward = function(*map(widened, args), **wide)
            output = (rounded(output[0]), *output[1:]) if statistics else rounded(output)
            function_backward = rounded_backward(wide_backward, beside_single=len(dtypes_of(arrays)) > 1)
        if kinds and kinds <= WITHOUT_GRADIENT:
            function_backward = no_gradient
        elif 0 in [array.ndim for array in arrays]:
            function_backward = unscalar_backward(function_backward)
        return unscalar(output), backward_in(buffer, function_backward)

    return cast(Any, entered)


def no_gradient(*doutput: Any) -> None:
    """The backward of a function of integers and booleans."""


def unscalar_backward(function_backward: Callable[..., Any]) -> Callable[..., Any]:
    """`function_backward`, but with gradients that are arrays where an argument has no dimension."""

    def backward(*doutput: Any) -> Any:
        gradients = function_backward(*doutput)
        return tuple(map(unscalar, gradients)) if type(gradients) is tuple else unscalar(gradients)

    return backward


def unscalar(value: Any) -> Any:
    """`value`, but as an array where NumPy has made a scalar of a 0-d array."""
    return np.asarray(value) if isinstance(value, np.generic) else value
