"""Unfold (im2col): every window as a column; and Fold (col2im), its transpose."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_floating, check_integers
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.window import Windows, per_dimension

Pair = int | Sequence[int]


@takes_any_array
def unfold(
    x: Array, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> tuple[Array, Backward]:
    """y_n(ck)p = x_nci with i = p stride + k dilation - padding: column p holds window p of all channels.

    Shapes: x ([N,] C, H, W), y ([N,] C K, P) with K = KH KW kernel offsets and P = PH PW positions. A convolution is
    the product of its weight, as (O, C K), with these columns.

    Backward. An entry stands in as many columns as windows hold it:  dx_nci = sum_(k, p that meet i) dy_n(ck)p,
    which is `fold`. Unfold and fold are each other's transpose, so each one's backward is the other's forward.

    Errors: RuntimeError for input or arguments that do not fit. Equals `torch.nn.functional.unfold`.
    """
    check_floating("unfold", input=x)
    if x.ndim not in (3, 4) or 0 in x.shape[x.ndim - 3 :]:
        raise RuntimeError(f"unfold(): expected (C, H, W) or (N, C, H, W), only N may be 0, but got shape {x.shape}")
    windows = sliding_windows("unfold", x.shape[x.ndim - 2 :], kernel_size, dilation, padding, stride)
    if min(windows.output) < 1:
        raise RuntimeError(
            f"unfold(): no window of kernel_size={kernel_size!r}, dilation={dilation!r} fits input of shape {x.shape} "
            f"with padding={padding!r}"
        )
    x_batch = x if x.ndim == 4 else x[None]
    y = to_columns(x_batch, windows)  # (N, C K, P)

    def backward(dy: Array) -> Array:
        return from_columns(dy.reshape(y.shape), windows).reshape(x.shape)

    return y.reshape(*x.shape[: x.ndim - 3], *y.shape[1:]), backward


@takes_any_array
def fold(
    x: Array, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> tuple[Array, Backward]:
    """y_nci = sum over all kernel offsets k and positions p with i = p stride + k dilation - padding of x_n(ck)p.

    Shapes: x ([N,] C K, P), y ([N,] C, *output_size). It undoes `unfold` only where windows do not overlap; elsewhere
    it adds up, as the backward of `unfold` must.

    Backward. dx_n(ck)p = dy_nci, which is `unfold`.

    Errors: RuntimeError for input or arguments that do not fit. Equals `torch.nn.functional.fold`.
    """
    check_floating("fold", input=x)
    if x.ndim not in (2, 3) or 0 in x.shape[x.ndim - 2 :]:
        raise RuntimeError(f"fold(): expected (C K, P) or (N, C K, P), only N may be 0, but got shape {x.shape}")
    sizes = pair("fold", "output_size", output_size)
    windows = sliding_windows("fold", sizes, kernel_size, dilation, padding, stride)
    rows, columns = x.shape[-2:]
    if rows % math.prod(windows.kernel):
        raise RuntimeError(f"fold(): {rows} rows of input {x.shape} are not divisible by kernel_size={kernel_size!r}")
    if min(windows.output) < 1 or columns != math.prod(windows.output):
        raise RuntimeError(
            f"fold(): output_size={output_size!r} with kernel_size={kernel_size!r}, dilation={dilation!r}, "
            f"padding={padding!r}, stride={stride!r} has {windows.output} windows, but input {x.shape} has {columns}"
        )
    y = from_columns(x if x.ndim == 3 else x[None], windows)  # (N, C, *output_size)

    def backward(dy: Array) -> Array:
        return to_columns(dy.reshape(y.shape), windows).reshape(x.shape)

    return y.reshape(*x.shape[: x.ndim - 2], *y.shape[1:]), backward


def to_columns(x: Array, windows: Windows) -> Array:
    """(N, C, H, W) -> (N, C K, P): one shifted copy of x for each kernel offset."""
    padded = windows.pad(x)
    columns = np.empty_like(x, shape=(*x.shape[:2], math.prod(windows.kernel), *windows.output), order="C")
    for j, offset in enumerate(windows.offsets()):
        columns[:, :, j] = padded[(..., *windows.at(offset))]
    return columns.reshape(len(x), x.shape[1] * columns.shape[2], math.prod(windows.output))


def from_columns(columns: Array, windows: Windows) -> Array:
    """The transpose of `to_columns`, (N, C K, P) -> (N, C, H, W): each copy is added where it was taken."""
    kernel = math.prod(windows.kernel)
    columns = columns.reshape(len(columns), columns.shape[1] // kernel, kernel, *windows.output)
    reach = [low + n + high for low, n, high in zip(windows.low, windows.input, windows.high, strict=True)]
    padded = np.zeros_like(columns, shape=(*columns.shape[:2], *reach), order="C")
    for j, offset in enumerate(windows.offsets()):
        padded[(..., *windows.at(offset))] += columns[:, :, j]
    return windows.unpad(padded)


def sliding_windows(
    name: str, sizes: tuple[int, ...], kernel_size: Pair, dilation: Pair, padding: Pair, stride: Pair
) -> Windows:
    """The windows over an image of these sizes, after torch's checks."""
    kernel, spread = pair(name, "kernel_size", kernel_size), pair(name, "dilation", dilation)
    low, step = pair(name, "padding", padding), pair(name, "stride", stride)
    if min(kernel) < 1 or min(spread) < 1 or min(step) < 1 or min(low) < 0:
        raise RuntimeError(
            f"{name}(): kernel_size={kernel_size!r}, dilation={dilation!r} and stride={stride!r} must be greater than "
            f"zero, and padding={padding!r} at least zero"
        )
    spatial = zip(sizes, kernel, spread, low, step, strict=True)
    output = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in spatial)
    return Windows(kernel, step, spread, low, input=tuple(sizes), output=output)


def pair(function: str, name: str, value: Pair) -> tuple[int, ...]:
    """`value` for both dimensions; here torch takes no tuple of one."""
    if isinstance(value, Sequence):
        check_integers(function, **{f"{name}[{d}]": size for d, size in enumerate(value)})
    if isinstance(value, Sequence) and len(value) != 2:
        raise RuntimeError(f"{function}(): expected {name} to be one integer or two, but got {name}={value!r}")
    return per_dimension(function, name, value, 2)


class Unfold(Module):
    """`unfold` as a module. Equals `torch.nn.Unfold`."""

    def __init__(self, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> None:
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(
            unfold,
            input,
            kernel_size=self.kernel_size,
            dilation=self.dilation,
            padding=self.padding,
            stride=self.stride,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """`fold` as a module. Equals `torch.nn.Fold`."""

    def __init__(
        self, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
    ) -> None:
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(
            fold,
            input,
            output_size=self.output_size,
            kernel_size=self.kernel_size,
            dilation=self.dilation,
            padding=self.padding,
            stride=self.stride,
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
