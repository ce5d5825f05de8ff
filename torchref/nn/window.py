"""Where windows lie: the geometry that convolution, pooling, folding and their backwards share.

Along one dimension, output position p sees with kernel offset k the input position

    i = p stride + k dilation - low                                  (low: padding in front)

so for a fixed k all positions p together are one strided slice of the padded input, `x[k dilation :: stride]`. The
functions here loop over the few kernel offsets and let NumPy loop over the many positions.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.nn.module import Array

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """How a kernel slides over the spatial dimensions; each field has one entry a dimension."""

    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    low: Sizes  # padding in front
    input: Sizes  # sizes before padding
    output: Sizes  # numbers of positions

    @property
    def high(self) -> Sizes:
        """Padding behind, so that the last window just ends there: negative where no window reaches the last inputs."""
        spatial = zip(self.kernel, self.stride, self.dilation, self.low, self.input, self.output, strict=True)
        return tuple(s * (p - 1) + d * (k - 1) + 1 - low - i for k, s, d, low, i, p in spatial)

    @property
    def reach(self) -> Sizes:
        """Sizes after padding: as far as the last window."""
        return tuple(low + size + high for low, size, high in zip(self.low, self.input, self.high, strict=True))

    def pad(self, x: Array, value: float = 0.0) -> Array:
        """The part of `x` that windows see, with `value` around it."""
        return resize(x, self.low, self.high, value)

    def unpad(self, dpadded: Array) -> Array:
        """Backward of `pad`: what was put around is dropped, and what was cut off has gradient 0."""
        return resize(dpadded, [-low for low in self.low], [-high for high in self.high])

    def offsets(self) -> Iterator[Sizes]:
        """Every kernel offset, the last dimension fastest."""
        return itertools.product(*map(range, self.kernel))

    def at(self, offset: Sizes) -> tuple[Any, ...]:
        """The slices of the padded input that all positions see with this kernel offset."""
        spatial = zip(offset, self.stride, self.dilation, self.output, strict=True)
        return tuple(slice(k * d, k * d + s * (p - 1) + 1, s) for k, s, d, p in spatial)

    def view(self, padded: Array) -> Array:
        """(..., *kernel, *output), what each position sees with each offset: a view of `padded`, for reading."""
        steps = padded.strides[padded.ndim - len(self.kernel) :]
        strides = (
            *padded.strides[: padded.ndim - len(self.kernel)],
            *(d * step for d, step in zip(self.dilation, steps, strict=True)),
            *(s * step for s, step in zip(self.stride, steps, strict=True)),
        )
        shape = (*padded.shape[: padded.ndim - len(self.kernel)], *self.kernel, *self.output)
        return np.lib.stride_tricks.as_strided(padded, shape, strides, subok=True, writeable=False)

    def of_images(self, n: int) -> Windows:
        """The windows of one image that holds `n` of these along a further first dimension."""
        return Windows(
            (1, *self.kernel),
            (1, *self.stride),
            (1, *self.dilation),
            (0, *self.low),
            (n, *self.input),
            (n, *self.output),
        )

    def turned(self, residue: Sizes) -> tuple[Windows, list[Any], list[Any]]:
        """The windows, with stride 1, in which the inputs i of one residue (i + low) mod stride see the positions.

        Beside them the offsets that meet these inputs, from the last to the first, and the inputs themselves. With
        i + low = m stride + residue and k dilation = q stride + residue, input m sees p = m - q.
        """
        along = []
        for r, n, s, d, low, size, positions in zip(
            residue, self.kernel, self.stride, self.dilation, self.low, self.input, self.output, strict=True
        ):
            common = math.gcd(s, d)
            step = s // common  # from one such offset to the next
            k = next((k for k in range(min(n, step)) if (k * d - r) % s == 0), n)  # the first
            count = -(-(n - k) // step)
            q = (k * d - r) // s
            m = -((r - low) // s)  # the first input's
            first = m * s + r - low
            backwards = slice(k + (count - 1) * step, k - 1 if k > 0 else None, -step)
            front = (count - 1) * (d // common) + q - m
            along.append(
                (count, d // common, front, positions, len(range(first, size, s)), backwards, slice(first, None, s))
            )
        kernel, dilation, front, input, output, offsets, inputs = zip(*along, strict=True)
        turned = Windows(kernel, (1,) * len(kernel), dilation, front, input, output)
        return turned, list(offsets), list(inputs)

    def along(self, d: int) -> list[Any]:
        """For each offset in dimension `d` alone, the index of what all positions see with it in the padded input."""
        behind = [slice(None)] * (len(self.kernel) - 1 - d)
        reach = self.stride[d] * (self.output[d] - 1) + 1
        starts = [k * self.dilation[d] for k in range(self.kernel[d])]
        return [(..., slice(start, start + reach, self.stride[d]), *behind) for start in starts]


def resize(x: Array, low: Sequence[int], high: Sequence[int], value: float = 0.0) -> Array:
    """`x` with low[d] entries more in front and high[d] more behind along its last dimensions (negative: cut off).

    It is linear for value 0, and the backward of `resize(x, low, high)` is `resize(dy, -low, -high)`.
    """
    if not any(low) and not any(high):
        return x
    sizes = x.shape[x.ndim - len(low) :]
    cut: Any = [slice(max(-a, 0), n - max(-b, 0)) for n, a, b in zip(sizes, low, high, strict=True)]
    x = x[(..., *cut)]
    if max(*low, *high) <= 0:
        return x
    new_sizes = tuple(n + a + b for n, a, b in zip(sizes, low, high, strict=True))
    padded = np.full_like(x, value, shape=x.shape[: x.ndim - len(low)] + new_sizes, order="C")
    inside: tuple[Any, ...] = tuple(
        slice(max(a, 0), n - max(b, 0)) for n, a, b in zip(new_sizes, low, high, strict=True)
    )
    padded[(..., *inside)] = x
    return padded


def per_dimension(function: str, name: str, value: int | Sequence[int], dimensions: int) -> Sizes:
    """`value` once for each dimension. TypeError for what is no integer, RuntimeError for a wrong number of them."""
    try:
        values = tuple(map(operator.index, value)) if isinstance(value, Sequence) else (operator.index(value),)
    except TypeError:
        raise TypeError(f"{function}(): argument '{name}' must be an int or a tuple of ints, not {value!r}") from None
    if len(values) == 1:
        return values * dimensions
    if len(values) != dimensions:
        raise RuntimeError(
            f"{function}(): expected {name} to be a single integer or {dimensions} integers, but got {name}={value!r}"
        )
    return values


def each(value: int | Sequence[int], dimensions: int) -> Sizes:
    """One number for every dimension, or what is given (torch's modules leave the checking to the forward)."""
    return tuple(value) if isinstance(value, Sequence) else tuple([value] * dimensions)


# --- pooling ----------------------------------------------------------------------------------------------------------


def pooling_windows(
    function: str,
    dimensions: int,
    x: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Windows:
    """The windows of a pooling, after torch's checks of its arguments; stride defaults to the kernel.

    `ceil_mode` keeps a last window that sticks out, if it starts inside the input or the padding in front of it.
    """
    ceil_mode = bool(ceil_mode)
    kernel = per_dimension(function, "kernel_size", kernel_size, dimensions)
    no_stride = stride is None or (isinstance(stride, Sequence) and len(stride) == 0)
    strides = kernel if no_stride else per_dimension(function, "stride", stride, dimensions)  # type: ignore[arg-type]
    low = per_dimension(function, "padding", padding, dimensions)
    spread = per_dimension(function, "dilation", dilation, dimensions)
    check_pooled(function, dimensions, x)
    if min(kernel) < 1 or min(strides) < 1 or min(spread) < 1:
        raise RuntimeError(
            f"{function}(): kernel_size={kernel_size!r}, stride={stride!r} and dilation={dilation!r} must be "
            "greater than zero"
        )
    if min(low) < 0 or any(p > k // 2 for p, k in zip(low, kernel, strict=True)):
        raise RuntimeError(
            f"{function}(): padding must be at least 0 and at most half of the kernel, but got padding={padding!r}, "
            f"kernel_size={kernel_size!r}"
        )
    sizes = x.shape[x.ndim - dimensions :]
    output = []
    for n, k, s, p, d in zip(sizes, kernel, strides, low, spread, strict=True):
        room = n + 2 * p - d * (k - 1) - 1  # how far the first window can move
        positions = (-(-room // s) if ceil_mode else room // s) + 1
        output.append(positions - (ceil_mode and (positions - 1) * s >= n + p))
    if min(output) < 1:
        raise RuntimeError(
            f"{function}(): the output size {tuple(output)} for input of shape {x.shape} and kernel_size="
            f"{kernel_size!r} is too small"
        )
    return Windows(kernel, strides, spread, low, input=sizes, output=tuple(output))


def check_pooled(function: str, dimensions: int, x: Array) -> None:
    """RuntimeError unless x is ([N,] C, *sizes) with nothing but the batch empty."""
    if x.ndim not in (dimensions + 1, dimensions + 2) or 0 in x.shape[x.ndim - dimensions - 1 :]:
        raise RuntimeError(
            f"{function}(): expected {dimensions + 1}D (unbatched) or {dimensions + 2}D (batched) input, of which only "
            f"the batch may be empty, but got shape {x.shape}"
        )
