"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from torchref.nn.module import Array, Parameter


def parameters_to_vector(parameters: Iterable[Parameter]) -> Array:
    """The entries of all parameters, one after another, in a copy. Equals `torch.nn.utils.parameters_to_vector`."""
    pieces = [parameter.data.reshape(-1) for parameter in parameters]
    if not pieces:
        raise ValueError("parameters_to_vector: parameters is empty")
    return np.concatenate(pieces)


def vector_to_parameters(vec: Array, parameters: Iterable[Parameter]) -> None:
    """Give each parameter its piece of `vec`, in a copy and with its dtype; what is left over is not used.

    TypeError for what is no array, RuntimeError if `vec` is too short (nothing is changed then). Equals
    `torch.nn.utils.vector_to_parameters`, whose parameters share the vector's memory.
    """
    if not isinstance(vec, np.ndarray):
        raise TypeError(f"vector_to_parameters: vec must be a numpy.ndarray, not {type(vec).__name__}")
    members = list(parameters)
    needed = sum(parameter.size for parameter in members)
    if vec.size < needed:
        raise RuntimeError(f"vector_to_parameters: vec has {vec.size} entries, and the parameters need {needed}")
    start = 0
    for parameter in members:
        parameter.data = vec[start : start + parameter.size].reshape(parameter.shape).copy()
        start += parameter.size
