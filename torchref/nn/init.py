"""Initial weights, filled into an array in place. `rng=None` draws from the generator that `manual_seed` seeds."""

from __future__ import annotations

import math

import numpy as np

from torchref.nn import random
from torchref.nn.module import Array


def uniform_(array: Array, a: float = 0.0, b: float = 1.0, *, rng: np.random.Generator | None = None) -> Array:
    """Even draws from [a, b). Equals `torch.nn.init.uniform_`."""
    array[...] = random.uniform(a, b, array.shape, array.dtype, rng)
    return array


def normal_(array: Array, mean: float = 0.0, std: float = 1.0, *, rng: np.random.Generator | None = None) -> Array:
    """Draws from the normal distribution. Equals `torch.nn.init.normal_`."""
    array[...] = random.normal(mean, std, array.shape, array.dtype, rng)
    return array


def constant_(array: Array, val: float) -> Array:
    """Every entry is `val`. Equals `torch.nn.init.constant_`."""
    array[...] = val
    return array


def ones_(array: Array) -> Array:
    return constant_(array, 1.0)


def zeros_(array: Array) -> Array:
    return constant_(array, 0.0)


def fan_in_and_fan_out(array: Array) -> tuple[int, int]:
    """How many inputs feed one output, and how many outputs one input feeds: (out, in, *kernel)."""
    if array.ndim < 2:
        raise ValueError(
            f"Fan in and fan out can not be computed for an array of fewer than 2 dimensions: {array.shape}"
        )
    receptive_field = math.prod(array.shape[2:])
    return array.shape[1] * receptive_field, array.shape[0] * receptive_field


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance of activations over a layer. Equals `torch.nn.init.calculate_gain`."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    if nonlinearity not in gains:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity!r}")
    return gains[nonlinearity]


def kaiming_uniform_(
    array: Array,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator | None = None,
) -> Array:
    """Even draws from +-gain sqrt(3 / fan): He et al. 2015. Equals `torch.nn.init.kaiming_uniform_`."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode!r} not supported, please use one of ['fan_in', 'fan_out']")
    if array.size == 0:
        return array
    fan = fan_in_and_fan_out(array)[mode == "fan_out"]
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / fan)
    return uniform_(array, -bound, bound, rng=rng)


def xavier_uniform_(array: Array, gain: float = 1.0, *, rng: np.random.Generator | None = None) -> Array:
    """Even draws from +-gain sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010. Equals torch's `xavier_uniform_`."""
    bound = gain * math.sqrt(6 / sum(fan_in_and_fan_out(array)))
    return uniform_(array, -bound, bound, rng=rng)
