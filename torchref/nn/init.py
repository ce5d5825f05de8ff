"""Initial weights, filled into an array (or a Parameter) in place.

`rng=None` draws from the generator that `torchref.manual_seed` seeds; torch's keyword is `generator`. The numbers
differ from torch's for equal seeds: twins get equal weights by copying. Fan-in is how many inputs feed one output,
fan-out how many outputs one input feeds; a weight has the shape (out, in, *kernel).
"""

from __future__ import annotations

import math
import warnings
from typing import TypeVar

import numpy as np

from torchref.nn import random
from torchref.nn.module import Array, Parameter

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Target = TypeVar("Target", Array, Parameter)
Rng = np.random.Generator | None


def data_of(array: Array | Parameter) -> Array:
    """The array of a Parameter, or the array itself."""
    return array.data if isinstance(array, Parameter) else array


def uniform_(array: Target, a: float = 0.0, b: float = 1.0, *, rng: Rng = None) -> Target:
    """Even draws from [a, b). RuntimeError if a > b. Equals `torch.nn.init.uniform_`."""
    if a > b:
        raise RuntimeError(f"uniform_: a must be at most b, but got {a=}, {b=}")
    data = data_of(array)
    data[...] = random.uniform(a, b, data.shape, data.dtype, rng)
    return array


def normal_(array: Target, mean: float = 0.0, std: float = 1.0, *, rng: Rng = None) -> Target:
    """Draws from the normal distribution. RuntimeError for a negative std. Equals `torch.nn.init.normal_`."""
    if std < 0:
        raise RuntimeError(f"normal_: std must be at least 0, but got {std=}")
    data = data_of(array)
    data[...] = random.normal(mean, std, data.shape, data.dtype, rng)
    return array


def trunc_normal_(
    array: Target, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, *, rng: Rng = None
) -> Target:
    """Draws from the normal distribution, given that they lie in [a, b].

    By rejection: what falls outside is drawn again. Where that would be most, candidates are drawn evenly from [a, b]
    and kept with the probability exp(-z^2 / 2) / (its maximum in [a, b]), z = (x - mean) / std. a, b, mean are in the
    units of the array, not of std. A UserWarning if mean lies more than 2 std outside of [a, b]. Equals
    `torch.nn.init.trunc_normal_`.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(f"trunc_normal_: mean={mean} is more than 2 std from [{a}, {b}]", stacklevel=2)
    data = data_of(array)
    low, high = (math.erf((bound - mean) / (std * math.sqrt(2))) for bound in (a, b))
    inside = (high - low) / 2  # the probability of [a, b]
    peak = (max(a, min(mean, b)) - mean) / std
    pending = np.ones(data.shape, bool)
    while pending.any():
        shape = (int(pending.sum()),)
        if inside > 0.3:
            candidates = random.normal(mean, std, shape, data.dtype, rng)
            kept = (candidates >= a) & (candidates <= b)
        else:
            candidates = random.uniform(a, b, shape, data.dtype, rng)
            z = (candidates - mean) / std
            kept = random.uniform(0.0, 1.0, shape, np.float64, rng) < np.exp((peak * peak - z * z) / 2)
        places = np.flatnonzero(pending)[kept]
        index = np.unravel_index(places, data.shape)
        data[index] = candidates[kept]
        pending[index] = False
    return array


def constant_(array: Target, val: float) -> Target:
    """Every entry is `val`. Equals `torch.nn.init.constant_`."""
    data_of(array)[...] = val
    return array


def ones_(array: Target) -> Target:
    """Every entry is 1. Equals `torch.nn.init.ones_`."""
    return constant_(array, 1.0)


def zeros_(array: Target) -> Target:
    """Every entry is 0. Equals `torch.nn.init.zeros_`."""
    return constant_(array, 0.0)


def eye_(array: Target) -> Target:
    """The identity: a linear layer that keeps its inputs. ValueError for what is no matrix. Equals torch's `eye_`."""
    data = data_of(array)
    if data.ndim != 2:
        raise ValueError(f"eye_: only arrays with 2 dimensions are supported, but got the shape {data.shape}")
    data[...] = np.eye(*data.shape)
    return array


def dirac_(array: Target, groups: int = 1) -> Target:
    """A convolution that keeps its channels: a 1 in the kernel's middle, from input d to output d of every group.

    ValueError unless the weight (out, in, *kernel) has 3, 4 or 5 dimensions and `groups` divides out. Equals
    `torch.nn.init.dirac_`.
    """
    data = data_of(array)
    if data.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: only arrays with 3, 4 or 5 dimensions are supported, but got the shape {data.shape}")
    if data.shape[0] % groups != 0:
        raise ValueError(f"dirac_: dimension 0 must be divisible by groups, but got {data.shape[0]} and {groups=}")
    outputs = data.shape[0] // groups
    middle: tuple[int, ...] = tuple(size // 2 for size in data.shape[2:])
    data[...] = 0
    for group in range(groups):
        for d in range(min(outputs, data.shape[1])):
            data[(group * outputs + d, d, *middle)] = 1
    return array


def fan_in_and_fan_out(array: Array | Parameter) -> tuple[int, int]:
    """How many inputs feed one output, and how many outputs one input feeds: (out, in, *kernel)."""
    if array.ndim < 2:
        raise ValueError(
            f"Fan in and fan out can not be computed for an array of fewer than 2 dimensions: {array.shape}"
        )
    receptive_field = math.prod(array.shape[2:])
    return array.shape[1] * receptive_field, array.shape[0] * receptive_field


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the size of activations over a layer: 1 / sqrt(E f(z)^2) for relu and leaky_relu.

    1 for linear, the convolutions and sigmoid, 5/3 for tanh, 3/4 for selu; `param` is leaky_relu's slope (0.01).
    ValueError for others, and for a slope that is no number. Equals `torch.nn.init.calculate_gain`.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"calculate_gain: the negative slope must be a number, but got param={param!r}")
        return math.sqrt(2 / (1 + slope**2))
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    for kind in ("conv", "conv_transpose"):
        gains |= {f"{kind}{dimensions}d": 1.0 for dimensions in (1, 2, 3)}
    if nonlinearity not in gains:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity!r}")
    return gains[nonlinearity]


def xavier_uniform_(array: Target, gain: float = 1.0, *, rng: Rng = None) -> Target:
    """Even draws from +-gain sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010. Equals torch's `xavier_uniform_`."""
    bound = gain * math.sqrt(6 / sum(fan_in_and_fan_out(array)))
    return uniform_(array, -bound, bound, rng=rng)


def xavier_normal_(array: Target, gain: float = 1.0, *, rng: Rng = None) -> Target:
    """Normal draws with std gain sqrt(2 / (fan_in + fan_out)): Glorot & Bengio 2010. Equals torch's."""
    return normal_(array, 0.0, gain * math.sqrt(2 / sum(fan_in_and_fan_out(array))), rng=rng)


def kaiming_uniform_(
    array: Target, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *, rng: Rng = None
) -> Target:
    """Even draws from +-gain sqrt(3 / fan): He et al. 2015. `a` is leaky_relu's negative slope.

    ValueError for another mode than fan_in and fan_out. Equals `torch.nn.init.kaiming_uniform_`.
    """
    if array.size == 0:
        return array
    bound = math.sqrt(3) * kaiming_std(array, a, mode, nonlinearity)
    return uniform_(array, -bound, bound, rng=rng)


def kaiming_normal_(
    array: Target, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *, rng: Rng = None
) -> Target:
    """Normal draws with std gain / sqrt(fan): He et al. 2015. As `kaiming_uniform_`. Equals torch's."""
    if array.size == 0:
        return array
    return normal_(array, 0.0, kaiming_std(array, a, mode, nonlinearity), rng=rng)


def kaiming_std(array: Array | Parameter, a: float, mode: str, nonlinearity: str) -> float:
    """gain / sqrt(fan): the standard deviation that keeps the variance from layer to layer."""
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode!r} not supported, please use one of ['fan_in', 'fan_out']")
    fan = fan_in_and_fan_out(array)[mode.lower() == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def orthogonal_(array: Target, gain: float = 1, *, rng: Rng = None) -> Target:
    """gain times a random matrix with orthonormal rows (columns, if it is taller); further dimensions count as columns.

    Q of the QR decomposition of normal draws, each column times the sign of R's diagonal, without which Q would not be
    evenly distributed. ValueError below 2 dimensions. Equals `torch.nn.init.orthogonal_`. Saxe et al. 2014.
    """
    data = data_of(array)
    if data.ndim < 2:
        raise ValueError(f"orthogonal_: only arrays with 2 or more dimensions are supported, but got {data.shape}")
    if data.size == 0:
        return array
    rows, columns = data.shape[0], data.size // data.shape[0]
    draws = random.normal(0.0, 1.0, (rows, columns), data.dtype, rng)
    q, r = np.linalg.qr(draws if rows >= columns else draws.T)
    q *= np.sign(np.diagonal(r))
    data[...] = gain * (q if rows >= columns else q.T).reshape(data.shape)
    return array


def sparse_(array: Target, sparsity: float, std: float = 0.01, *, rng: Rng = None) -> Target:
    """Normal draws, and in each column ceil(sparsity rows) zeros at random places. ValueError for what is no matrix.

    Equals `torch.nn.init.sparse_`. Martens 2010.
    """
    data = data_of(array)
    if data.ndim != 2:
        raise ValueError(f"sparse_: only arrays with 2 dimensions are supported, but got the shape {data.shape}")
    normal_(array, 0.0, std, rng=rng)
    zeros = math.ceil(sparsity * data.shape[0])
    ranks = random.uniform(0.0, 1.0, data.shape, np.float64, rng).argsort(axis=0)  # each column a permutation
    np.put_along_axis(data, ranks[:zeros], 0, axis=0)
    return array
