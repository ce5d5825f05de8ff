"""float16: computed in float32 and rounded once, as torch's kernels for the processor do.

float16 holds 11 bits and ends at 65504: the squares of a layer norm over entries of 300 are infinite in it, an eps of
1e-12 is 0. So no function computes in it. `in_single` stands where functions are entered: in `bind`, for modules, and
in `torchref.nn.functional`. A function that is called from its own file computes in the dtype that it is given. Where a
module binds a closure, or statistics stay float32, the module itself calls `in_single`, `widened` or `rounded`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# What torch's processor kernels have no float16 for; on empty input some of them have nothing to do.
REFUSED: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "affine_grid": lambda given: 1 in tuple(given["size"])[2:],
    "avg_pool3d": lambda given: True,
    "ctc_loss": lambda given: True,
    "interpolate": lambda given: bool(given.get("antialias")),
    "local_response_norm": lambda given: given["x"].ndim > 3 and given["x"].size > 0,
    "lp_pool3d": lambda given: True,
    "multi_margin_loss": lambda given: given["x"].size > 0,
    "multilabel_margin_loss": lambda given: given["x"].size > 0,
    "pdist": lambda given: True,
    "rrelu": lambda given: bool(given.get("training")),
}
# Their statistics are no output of torch's function: they stay float32, for the running ones to be rounded once.
WITH_STATISTICS = {"batch_norm_train", "instance_norm_train"}

# They take float32 parameters and statistics beside a float16 input; the parameters' gradients are then float32.
NORMS = {"batch_norm", "batch_norm_eval", "group_norm", "instance_norm", "layer_norm", "rms_norm"} | WITH_STATISTICS
HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def in_single(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, that takes float16 arrays by computing in float32: outputs and gradients are rounded to float16.

    Arrays of other dtypes pass through untouched, and so does float16 among them: the functions refuse to mix dtypes
    (but for the norms, see `NORMS`). Errors: NotImplementedError where torch has no float16 either.
    """
    name = getattr(function, "__name__", "")

    @functools.wraps(function)
    def entered(*args: Any, **kwargs: Any) -> Any:
        if not has_half(*args, *kwargs.values()) or not takes_half(name, *args, *kwargs.values()):
            return function(*args, **kwargs)
        if name in REFUSED and REFUSED[name](inspect.signature(function).bind(*args, **kwargs).arguments):
            raise NotImplementedError(f"{name}(): not implemented for float16, as in torch on the processor")
        mixed = len(dtypes_of(*args, *kwargs.values())) > 1
        wide = {key: widened(value) for key, value in kwargs.items()}
        output, function_backward = function(*map(widened, args), **wide)
        output = (rounded(output[0]), *output[1:]) if name in WITH_STATISTICS else rounded(output)

        def backward(*doutput: Any) -> Any:
            gradients = function_backward(*map(widened, doutput))
            return (rounded(gradients[0]), *gradients[1:]) if mixed else rounded(gradients)

        return output, backward

    return entered


def has_half(*values: Any) -> bool:
    return any(isinstance(value, np.ndarray) and value.dtype == HALF for value in values)


def dtypes_of(*values: Any) -> list[Any]:
    """The dtypes of the floating-point arrays, each once, in the order of their first."""
    return list(dict.fromkeys(v.dtype for v in values if isinstance(v, np.ndarray) and v.dtype.kind == "f"))


def takes_half(name: str, *values: Any) -> bool:
    """Whether all arrays are float16, or the function is a norm of a float16 input and all else float32."""
    dtypes = dtypes_of(*values)
    alone = sum(isinstance(value, np.ndarray) and value.dtype == HALF for value in values) == 1
    return dtypes == [HALF] or (name in NORMS and dtypes == [HALF, SINGLE] and alone)


def widened(value: Any) -> Any:
    """float16 arrays as float32, also in tuples of outputs; all else as it is."""
    return converted(value, np.float16, np.float32)


def rounded(value: Any) -> Any:
    """float32 arrays as float16 (infinite beyond 65504), also in tuples of gradients; all else as it is."""
    with np.errstate(over="ignore"):
        return converted(value, np.float32, np.float16)


def converted(value: Any, source: Any, target: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.astype(target) if value.dtype == source else value
    if isinstance(value, tuple | list):
        parts = [converted(part, source, target) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
