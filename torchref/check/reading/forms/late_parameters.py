"""Layers that make their parameters after their constructor: at the first forward, or when they are told to.

Dense(units=64)                        build(input_shape) at the first forward
layer.set_input_shape((3,))            from outside, before the first forward
layer.initialize(optimizer)            makes W, and takes a copy of the optimizer for each array
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.calling import UserError, guarded
from torchref.check.reading.unused import OPTIMIZERS, Descent

SHAPE_SETTERS = ("set_input_shape", "set_input", "set_input_dim")
MAKERS = (
    "initialize", "initialise", "init_parameters", "init_params", "init_weights", "initialize_parameters",
    "initialize_weights", "build", "_build", "_init_params", "_init_weights", "_initialize", "setup",
    "reset_parameters", "compile", "init",
)  # fmt: skip
SHAPES = ("inputshape", "shape", "xshape", "inshape", "batchinputshape")
SIZES = (
    "inputsize",
    "inputdim",
    "infeatures",
    "nin",
    "nfeatures",
    "indim",
    "fanin",
    "prevsize",
    "nx",
    "ninputs",
    "nprev",
    "inputunits",
)


def complete(instance: Any, x: Any) -> None:
    """Have an instance make its parameters for inputs like `x`, if it has a method for that."""
    shape = tuple(np.shape(x))
    for name in SHAPE_SETTERS:
        if callable(getattr(instance, name, None)):
            told(instance, name, shape[1:])
            break
    else:
        if getattr(instance, "input_shape", ()) is None:
            instance.input_shape = shape[1:]
    for name in MAKERS:
        if callable(getattr(instance, name, None)):
            told(instance, name, shape if "build" in name else shape[1:])
            return


def told(instance: Any, name: str, shape: tuple[int, ...]) -> None:
    """Call a method that makes parameters with what its arguments' names ask for; what it raises stays its own."""
    method = getattr(instance, name)
    handed: list[Any] = []
    for p in [p for p in parameters(method) if p.default is p.empty]:
        n = normal(p.name)
        known = {**dict.fromkeys(OPTIMIZERS, Descent()), **dict.fromkeys(SIZES, shape[-1] if shape else 1)}
        handed.append(known.get(n, shape))
    with contextlib.suppress(UserError):
        guarded(name, method, *handed)
