"""Functions on torch's tensors that are no autograd.Function: written with torch as others are with NumPy."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np


def on_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, handed tensors in the place of arrays; arrays come back."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        given = {k: to_tensors(v) for k, v in kwargs.items()}
        return to_arrays(function(*(to_tensors(a) for a in args), **given))

    return called


def for_tensors(function: Any) -> bool:
    """Whether the function's file knows torch, and no NumPy."""
    scope = getattr(inspect.unwrap(function), "__globals__", {}) if callable(function) else {}
    modules = [v.__name__ for v in scope.values() if isinstance(v, ModuleType)]
    return "torch" in modules and "numpy" not in modules and "torch" in sys.modules


def to_tensors(value: Any) -> Any:
    import torch

    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value))
    if isinstance(value, tuple | list):
        return type(value)(to_tensors(v) for v in value)
    return value


def to_arrays(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, torch.Size):
        return tuple(value)
    if type(value) in (tuple, list):
        return type(value)(to_arrays(v) for v in value)
    if isinstance(value, dict):
        return {k: to_arrays(v) for k, v in value.items()}
    return on_tensors(value) if inspect.isfunction(value) else value
