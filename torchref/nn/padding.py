"""Padding: constant, reflection, replication, circular, in one to three dimensions."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_arrays, check_numbers
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.promotion import check_numeric, is_integer
from torchref.nn.window import resize

MODES = ("constant", "reflect", "replicate", "circular")


@takes_any_array
def pad(x: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> tuple[Array, Backward]:
    """`x` with entries added along its last dimensions; `pad` = (low, high) of the last, then of the one before, ...

    Each new position repeats one input position, or a constant: y_j = x_index(j), where for i = j - low and n inputs
        constant:   x_i inside, `value` (default 0) outside; negative `pad` cuts off
        reflect:    i mirrored at the first and the last entry, which are not repeated: 2 1 [0 1 2 3] 2 1
        replicate:  the nearest entry:                                                  0 0 [0 1 2 3] 3 3
        circular:   i modulo n:                                                         2 3 [0 1 2 3] 0 1
    Shapes: x (..., n), y (..., n + low + high); for the last three, x has one or two dimensions more than `pad` names.

    Backward. An input that was repeated collects the gradient of each repetition:  dx_i = sum_(j: index(j) = i) dy_j.

    Errors: RuntimeError for a `pad` that does not fit the input, NotImplementedError for another mode or other
    dimensions. Equals `torch.nn.functional.pad`.
    """
    check_arrays("pad", input=x)
    if value is not None:
        check_numbers("pad", value=value)
        if is_integer(x) and x.dtype != bool and not np.iinfo(x.dtype).min <= value <= np.iinfo(x.dtype).max:
            raise RuntimeError(f"pad(): value={value} does not fit into {x.dtype}")
    pairs = check_pad(x, pad, mode, value)
    if mode == "constant":
        low, high = [pair[0] for pair in reversed(pairs)], [pair[1] for pair in reversed(pairs)]
        y = resize(x, low, high, 0.0 if value is None else value)
        indices = []
    else:
        indices = [index_map(x.shape[-1 - d], *pair, mode) for d, pair in enumerate(pairs)]
        y = x
        for d, index in enumerate(indices):
            y = np.take(y, index, axis=-1 - d)

    def backward(dy: Array) -> Array:
        if mode == "constant":
            return resize(dy, [-n for n in low], [-n for n in high])
        dx = dy
        for d, (index, (front, _)) in enumerate(zip(indices, pairs, strict=True)):
            dy = np.swapaxes(dx, -1, -1 - d)  # the padded dimension last
            n = x.shape[-1 - d]
            start = min(max(front, 0), len(index))  # x itself stands from here ...
            end = max(min(front + n, len(index)), start)  # ... to here
            dx = np.zeros_like(dy, shape=(*dy.shape[:-1], n), order="C")
            dx[..., start - front : end - front] = dy[..., start:end]
            for j in [*range(start), *range(end, len(index))]:  # and each repetition outside is added
                dx[..., index[j]] += dy[..., j]
            dx = np.swapaxes(dx, -1, -1 - d)
        return dx

    return y, backward


def index_map(n: int, low: int, high: int, mode: str) -> Array:
    """The input position (of n) that each padded position repeats."""
    i = np.arange(-low, n + high)
    if mode == "reflect":
        return np.minimum(np.abs(i), 2 * (n - 1) - np.abs(i))
    if mode == "replicate":
        return np.clip(i, 0, n - 1)
    first, last = max(-low, 0), n - max(-high, 0)  # torch cuts before it wraps around
    return first + (i - first) % max(last - first, 1)


def check_pad(x: Array, pad: Sequence[int], mode: str, value: float | None) -> list[tuple[int, int]]:
    """`pad` as (low, high) of the last dimension, of the one before, ... Raises what torch raises."""
    try:
        numbers = [operator.index(n) for n in pad]
    except TypeError:
        raise TypeError(f"pad(): argument 'pad' must be a tuple of ints, not {pad!r}") from None
    if not isinstance(mode, str):
        raise TypeError(f"pad(): argument 'mode' must be a str, not {mode!r}")
    if mode not in MODES:
        raise NotImplementedError(f"pad(): unrecognised padding mode {mode!r}")
    if len(numbers) % 2 or len(numbers) > 2 * x.ndim:
        raise RuntimeError(f"pad(): the length of pad={pad!r} must be even and fit input of shape {x.shape}")
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    if mode in ("reflect", "replicate"):
        check_numeric("pad", x)
    if mode != "constant":
        check_copies(x, pad, mode, value)
    check_amounts(x, pad, pairs, mode)
    return pairs


def check_copies(x: Array, pad: Sequence[int], mode: str, value: float | None) -> None:
    """What the modes that pad with x's own entries need, beyond amounts that fit."""
    dimensions = len(pad) // 2
    if value:
        raise RuntimeError(f"pad(): mode {mode!r} takes no value, but got value={value}")
    if not 1 <= dimensions <= 3 or x.ndim - dimensions not in (1, 2):
        raise NotImplementedError(
            f"pad(): mode {mode!r} with pad={pad!r} is not supported for input of shape {x.shape}: "
            f"it pads all dimensions behind the channels"
        )
    if mode != "circular" and 0 in x.shape[x.ndim - dimensions - 1 :]:
        raise RuntimeError(f"pad(): mode {mode!r}: only the batch may be empty, but input has shape {x.shape}")


def check_amounts(x: Array, pad: Sequence[int], pairs: list[tuple[int, int]], mode: str) -> None:
    """That no dimension loses more than it has, or gets more than the mode can take from it."""
    sizes = [n + low + high for n, (low, high) in zip(x.shape[::-1], pairs, strict=False)]
    if mode in ("reflect", "replicate") and (min(sizes) < 0 or max(sizes) < 1):
        raise RuntimeError(f"pad(): input of shape {x.shape} is too small for pad={pad!r}")
    for n, (low, high) in zip(x.shape[::-1], pairs, strict=False):
        if mode in ("constant", "circular") and n + min(low, 0) + min(high, 0) < 0:
            raise RuntimeError(f"pad(): pad={pad!r} cuts off more than input of shape {x.shape} has")
        limit = {"reflect": n - 1, "circular": n + min(low, 0) + min(high, 0)}.get(mode)
        if limit is not None and max(low, high) > limit:
            raise RuntimeError(
                f"pad(): padding size in mode {mode!r} must not exceed {limit}, "
                f"but got pad={pad!r} for input of shape {x.shape}"
            )


def per_side(padding: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    """One number on both sides of every dimension, or what is given."""
    return tuple(padding) if isinstance(padding, Iterable) else tuple(repeat(padding, 2 * dimensions))


# --- modules ----------------------------------------------------------------------------------------------------------


class _ConstantPad(Module):
    """y = x with `value` around it: `pad` in mode "constant"."""

    dimensions: int

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        self.value = value
        self.padding = per_side(padding, self.dimensions)

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(pad, input, pad=self.padding, mode="constant", value=self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """`pad` with a constant along the last dimension. Equals `torch.nn.ConstantPad1d`."""

    dimensions = 1


class ConstantPad2d(_ConstantPad):
    """`pad` with a constant along the last two dimensions. Equals `torch.nn.ConstantPad2d`."""

    dimensions = 2


class ConstantPad3d(_ConstantPad):
    """`pad` with a constant along the last three dimensions. Equals `torch.nn.ConstantPad3d`."""

    dimensions = 3


class _ZeroPad(_ConstantPad):
    """What the zero paddings have in common."""

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """`pad` with zeros along the last dimension. Equals `torch.nn.ZeroPad1d`."""

    dimensions = 1


class ZeroPad2d(_ZeroPad):
    """`pad` with zeros along the last two dimensions. Equals `torch.nn.ZeroPad2d`."""

    dimensions = 2


class ZeroPad3d(_ZeroPad):
    """`pad` with zeros along the last three dimensions. Equals `torch.nn.ZeroPad3d`."""

    dimensions = 3


class _RepeatingPad(Module):
    """`pad` in a mode that repeats the input."""

    dimensions: int
    mode: str

    def __init__(self, padding: int | Sequence[int]) -> None:
        self.padding = per_side(padding, self.dimensions)

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(pad, input, pad=self.padding, mode=self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad1d(_RepeatingPad):
    """`pad` in mode "reflect" along the last dimension. Equals `torch.nn.ReflectionPad1d`."""

    dimensions, mode = 1, "reflect"


class ReflectionPad2d(_RepeatingPad):
    """`pad` in mode "reflect" along the last two dimensions. Equals `torch.nn.ReflectionPad2d`."""

    dimensions, mode = 2, "reflect"


class ReflectionPad3d(_RepeatingPad):
    """`pad` in mode "reflect" along the last three dimensions. Equals `torch.nn.ReflectionPad3d`."""

    dimensions, mode = 3, "reflect"


class ReplicationPad1d(_RepeatingPad):
    """`pad` in mode "replicate" along the last dimension. Equals `torch.nn.ReplicationPad1d`."""

    dimensions, mode = 1, "replicate"


class ReplicationPad2d(_RepeatingPad):
    """`pad` in mode "replicate" along the last two dimensions. Equals `torch.nn.ReplicationPad2d`."""

    dimensions, mode = 2, "replicate"


class ReplicationPad3d(_RepeatingPad):
    """`pad` in mode "replicate" along the last three dimensions. Equals `torch.nn.ReplicationPad3d`."""

    dimensions, mode = 3, "replicate"


class _CircularPad(_RepeatingPad):
    """What the circular paddings have in common."""

    mode = "circular"

    def forward(self, input: Array) -> tuple[Array, Backward]:
        check_arrays(type(self).__name__, input=input)
        if input.ndim not in (self.dimensions + 1, self.dimensions + 2):
            raise ValueError(
                f"{type(self).__name__}: expected {self.dimensions + 1}D or {self.dimensions + 2}D input, "
                f"but got shape {input.shape}"
            )
        return super().forward(input)


class CircularPad1d(_CircularPad):
    """`pad` in mode "circular" along the last dimension. Equals `torch.nn.CircularPad1d`."""

    dimensions = 1


class CircularPad2d(_CircularPad):
    """`pad` in mode "circular" along the last two dimensions. Equals `torch.nn.CircularPad2d`."""

    dimensions = 2


class CircularPad3d(_CircularPad):
    """`pad` in mode "circular" along the last three dimensions. Equals `torch.nn.CircularPad3d`."""

    dimensions = 3
