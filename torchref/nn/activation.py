"""Smooth activations of each entry: sigmoid, tanh and what is made of them.

They take and return arrays of any one shape. Every backward is dx = dy y'(x), entry by entry; the docstrings say what
y' is. `inplace` is accepted and changes nothing: no array that came in or went out is ever overwritten here.

Where `out=` or `+=` stands, an array that was just made is worked on in place: fresh memory for a million entries costs
more than the arithmetic. (In `dy * (y * (1 - y))` NumPy itself reuses the temporaries.)
"""

from __future__ import annotations

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_floating, check_numbers, normalize_dim
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.promotion import real


class InplaceModule(Module):
    """An activation whose one option is torch's `inplace`."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


@takes_any_array
def sigmoid(x: Array) -> tuple[Array, Backward]:
    """y = 1 / (1 + exp(-x)).

    Backward. y' = exp(-x) / (1 + exp(-x))^2 = y (1 - y):  dx = dy y (1 - y).

    An integer x counts as float32, and has no gradient. Equals `torch.sigmoid`.
    """
    x = real("sigmoid", x)
    y = np.negative(x, out=np.empty_like(x))
    with np.errstate(over="ignore"):  # where exp(-x) overflows to inf, 1 / inf = 0 is right
        np.exp(y, out=y)
        y += 1
        np.divide(1, y, out=y)

    def backward(dy: Array) -> Array:
        return dy * (y * (1 - y))

    return y, backward


class Sigmoid(Module):
    """`sigmoid` as a module. Equals `torch.nn.Sigmoid`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(sigmoid, input)


@takes_any_array
def tanh(x: Array) -> tuple[Array, Backward]:
    """y = tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Backward, by the quotient rule. y' = 1 - y^2:  dx = dy (1 - y^2).

    An integer x counts as float32, and has no gradient. Equals `torch.tanh`.
    """
    x = real("tanh", x)
    y = np.tanh(x)

    def backward(dy: Array) -> Array:
        return dy * (1 - y * y)

    return y, backward


class Tanh(Module):
    """`tanh` as a module. Equals `torch.nn.Tanh`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(tanh, input)


@takes_any_array
def silu(x: Array) -> tuple[Array, Backward]:
    """y = x s with s = sigmoid(x); also called swish.

    Backward, by the product rule. y' = s + x s (1 - s) = s + y (1 - s).

    Equals `torch.nn.functional.silu`. Elfwing, Uchibe & Doya 2018; Ramachandran, Zoph & Le 2017.
    """
    check_floating("silu", input=x)
    s, _ = sigmoid(x)

    y = x * s

    def backward(dy: Array) -> Array:
        return dy * (s + y * (1 - s))

    return y, backward


class SiLU(InplaceModule):
    """`silu` as a module. Equals `torch.nn.SiLU`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(silu, input)


@takes_any_array
def mish(x: Array) -> tuple[Array, Backward]:
    """y = x t with t = tanh(softplus(x)), softplus(x) = log(1 + exp(x)).

    Backward. softplus' = sigmoid(x) = s, so t' = (1 - t^2) s and y' = t + x (1 - t^2) s.

    Equals `torch.nn.functional.mish`. Misra 2020.
    """
    check_floating("mish", input=x)
    s, _ = sigmoid(x)
    with np.errstate(over="ignore"):  # where exp(x) overflows to inf, tanh(inf) = 1 is right
        t = np.tanh(np.log1p(np.exp(x)))

    def backward(dy: Array) -> Array:
        return dy * (t + x * ((1 - t * t) * s))

    return x * t, backward


class Mish(InplaceModule):
    """`mish` as a module. Equals `torch.nn.Mish`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(mish, input)


@takes_any_array
def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> tuple[Array, Backward]:
    """y = log(1 + exp(beta x)) / beta, a smooth ReLU; where beta x > threshold, y = x, which is as good there.

    Backward. y' = exp(beta x) / (1 + exp(beta x)) = sigmoid(beta x); 1 where beta x > threshold.

    Equals `torch.nn.functional.softplus`. Dugas et al. 2001.
    """
    check_floating("softplus", input=x)
    check_numbers("softplus", beta=beta, threshold=threshold)
    z = np.multiply(x, beta, out=np.empty_like(x))
    linear = np.greater(z, threshold, out=np.empty_like(x, bool))
    y = np.minimum(z, threshold, out=np.empty_like(x))
    np.exp(y, out=y)
    np.log1p(y, out=y)
    y /= beta
    y[linear] = x[linear]  # few or none: faster than np.where

    def backward(dy: Array) -> Array:
        dx, _ = sigmoid(z)
        dx[linear] = 1
        dx *= dy
        return dx

    return y, backward


class Softplus(Module):
    """`softplus` as a module. Equals `torch.nn.Softplus`."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(softplus, input, beta=self.beta, threshold=self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


@takes_any_array
def logsigmoid(x: Array) -> tuple[Array, Backward]:
    """y = log sigmoid(x) = -log(1 + exp(-x)).

    Computed as min(x, 0) - log(1 + exp(-|x|)), the same number, so that exp never overflows.

    Backward. y' = exp(-x) / (1 + exp(-x)) = sigmoid(-x).

    Equals `torch.nn.functional.logsigmoid`.
    """
    check_floating("logsigmoid", input=x)
    positive, negative = np.maximum(x, 0), np.minimum(x, 0)
    y = negative - np.log1p(np.exp(negative - positive))  # negative - positive = -|x|

    def backward(dy: Array) -> Array:
        s, _ = sigmoid(np.asanyarray(-x))
        return dy * s

    return y, backward


class LogSigmoid(Module):
    """`logsigmoid` as a module. Equals `torch.nn.LogSigmoid`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(logsigmoid, input)


@takes_any_array
def softsign(x: Array) -> tuple[Array, Backward]:
    """y = x / (1 + |x|).

    Backward, by the quotient rule, d|x|/dx = sign(x) and x sign(x) = |x|:
        y' = (1 + |x| - x sign(x)) / (1 + |x|)^2 = 1 / (1 + |x|)^2

    An integer x counts as float32, and has no gradient. Equals `torch.nn.functional.softsign`. Bergstra et al. 2009.
    """
    x = real("softsign", x, kinds="iu")
    size = 1 + np.abs(x)

    def backward(dy: Array) -> Array:
        return dy / (size * size)

    return x / size, backward


class Softsign(Module):
    """`softsign` as a module. Equals `torch.nn.Softsign`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(softsign, input)


@takes_any_array
def tanhshrink(x: Array) -> tuple[Array, Backward]:
    """y = x - t with t = tanh(x).

    Backward. y' = 1 - (1 - t^2) = t^2.

    An integer x counts as float32, and has no gradient. Equals `torch.nn.functional.tanhshrink`.
    """
    x = real("tanhshrink", x, kinds="iu")
    t, _ = tanh(x)

    def backward(dy: Array) -> Array:
        return dy * (t * t)

    return x - t, backward


class Tanhshrink(Module):
    """`tanhshrink` as a module. Equals `torch.nn.Tanhshrink`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(tanhshrink, input)


@takes_any_array
def glu(x: Array, dim: int = -1) -> tuple[Array, Backward]:
    """y = a s with a, b the two halves of x along `dim` and s = sigmoid(b): one half gates the other.

    Shapes: x (..., 2 n, ...), y (..., n, ...).

    Backward, by the product rule, s' = s (1 - s), the halves put side by side again:
        da = dy s,  db = dy a s (1 - s),  dx = [da, db]

    Errors: RuntimeError for an odd number of entries along `dim` or a 0-d x, IndexError for `dim` out of range.
    Equals `torch.nn.functional.glu`. Dauphin et al. 2017.
    """
    check_floating("glu", input=x)
    if x.ndim == 0:
        raise RuntimeError("glu(): does not support scalars because halving size must be even")
    axis = normalize_dim("glu", dim, x.ndim)
    if x.shape[axis] % 2:
        raise RuntimeError(f"glu(): Halving dimension must be even, but dim={dim} of {x.shape} is {x.shape[axis]}")
    a, b = np.split(x, 2, axis)
    s, _ = sigmoid(b)

    def backward(dy: Array) -> Array:
        da = dy * s
        return np.concatenate((da, da * a * (1 - s)), axis)

    return a * s, backward


class GLU(Module):
    """`glu` as a module. Equals `torch.nn.GLU`."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(glu, input, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
