"""Gradients made smaller: by their common norm, or each entry by a bound. New gradients replace the old ones."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from torchref.nn.half import widened
from torchref.nn.module import Array, Parameter


def clip_grad_norm_(
    parameters: Parameter | Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Array:
    """Scale all gradients so that the norm of them together is at most `max_norm`; returns the norm there was.

        norm = get_total_norm(gradients);    gradient <- gradient min(1, max_norm / (norm + 1e-6))

    One factor for all: the direction stays. A norm that is nan or infinite makes nan and zeros of the gradients, or
    with `error_if_nonfinite` a RuntimeError before anything is changed. `foreach` must be None or False. Equals
    `torch.nn.utils.clip_grad_norm_`. Pascanu, Mikolov & Bengio 2013.
    """
    if isinstance(parameters, types.GeneratorType):
        parameters = list(parameters)
        if not parameters:
            warnings.warn("clip_grad_norm_: parameters is an empty generator: nothing is clipped", stacklevel=2)
    members = as_list(parameters)
    gradients = [parameter.grad for parameter in members if parameter.grad is not None]
    total_norm = get_total_norm(gradients, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(members, max_norm, total_norm, foreach)
    return total_norm


def get_total_norm(
    tensors: Array | Iterable[Array],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Array:
    """The norm of the norms of `tensors`, which is the norm of all their entries: (sum |x|^p)^(1/p), p = norm_type.

    p = inf and -inf are the largest and smallest |x|, p = 0 counts (of the norms, those that are not zero: as in torch
    the number of arrays, not of entries). RuntimeError with `error_if_nonfinite` for nan or infinity. Equals
    `torch.nn.utils.get_total_norm`.
    """
    check_foreach(foreach)
    arrays = [tensors] if isinstance(tensors, np.ndarray) else list(tensors)
    if not arrays:
        return np.zeros((), np.float32)
    p = float(norm_type)
    with np.errstate(all="ignore"):
        total = vector_norm(np.stack([vector_norm(array, p) for array in arrays]), p)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(f"get_total_norm: the norm of order {norm_type} is {total}, so that nothing can be clipped")
    return total


def vector_norm(array: Array, p: float) -> Array:
    """The p-norm of all entries, 0-dimensional; of float16 computed in float32."""
    dtype, array = array.dtype, widened(array)
    if p == 2:
        flat = array.reshape(-1)
        norm = np.sqrt(flat @ flat)
    elif p == np.inf:
        norm = np.abs(array).max()
    elif p == -np.inf:
        norm = np.abs(array).min()
    elif p == 0:
        norm = np.count_nonzero(array)
    else:
        norm = np.sum(np.abs(array) ** p) ** (1 / p)
    return np.asarray(norm).astype(dtype)


def clip_grads_with_norm_(
    parameters: Parameter | Iterable[Parameter], max_norm: float, total_norm: Any, foreach: bool | None = None
) -> None:
    """Scale all gradients by min(1, max_norm / (total_norm + 1e-6)), for a norm that is known already.

    Equals `torch.nn.utils.clip_grads_with_norm_`.
    """
    check_foreach(foreach)
    with np.errstate(all="ignore"):
        factor = np.minimum(float(max_norm) / (np.asarray(total_norm) + 1e-6), 1)
        for parameter in as_list(parameters):
            if parameter.grad is not None:
                parameter.grad = parameter.grad * factor.astype(parameter.grad.dtype)


def clip_grad_value_(
    parameters: Parameter | Iterable[Parameter], clip_value: float, foreach: bool | None = None
) -> None:
    """Each entry of each gradient is brought into [-clip_value, clip_value]. Equals torch's `clip_grad_value_`."""
    check_foreach(foreach)
    bound = float(clip_value)
    for parameter in as_list(parameters):
        if parameter.grad is not None:
            parameter.grad = np.clip(parameter.grad, -bound, bound)


def as_list(parameters: Parameter | Iterable[Parameter]) -> list[Parameter]:
    """A single Parameter as a list of one."""
    return [parameters] if isinstance(parameters, Parameter) else list(parameters)


def check_foreach(foreach: bool | None) -> None:
    """There is one implementation, so `foreach` may not ask for torch's other. ValueError otherwise."""
    if foreach not in (None, False):
        raise ValueError(f"foreach must be None or False (there is one implementation), but got foreach={foreach!r}")
