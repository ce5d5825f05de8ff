"""Average pooling and power-average (LP) pooling over one, two or three spatial dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from torchref.nn.any_array import always, takes_any_array
from torchref.nn.errors import check_arrays, check_floating, check_integers, check_numbers
from torchref.nn.max_pooling import max_pool
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.window import Windows, each, pooling_windows


def avg_pool(
    dimensions: int,
    x: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[Array, Backward]:
    """y_p = sum_k x_i / count_p with i = p stride + k - padding: `avg_pool1d`, `avg_pool2d`, `avg_pool3d`.

    count_p is how many entries window p has: with the padding, or without it (`count_include_pad=False`); what sticks
    out beyond the padding (`ceil_mode`) never counts. `divisor_override` takes the place of all counts.

    Shapes: x ([N,] C, *sizes), y ([N,] C, *positions).

    Backward. dy_p/dx_i = 1 / count_p for each i in window p:  dx_i = sum over the windows p that hold i of
    dy_p / count_p. Sums are taken dimension by dimension, forwards and backwards.

    int64 is taken, its means cut to integers, without a gradient.

    Errors: RuntimeError for input or arguments that do not fit. Equals `torch.nn.functional.avg_pool2d`.
    """
    name = f"avg_pool{dimensions}d"
    check_arrays(name, input=x)
    if x.dtype != np.int64:
        check_floating(name, input=x)
    windows = pooling_windows(name, dimensions, x, kernel_size, stride, padding, 1, ceil_mode)
    if dimensions == 3 and any(
        n + 2 * p < k for n, p, k in zip(windows.input, windows.low, windows.kernel, strict=True)
    ):  # torch's own rule for three dimensions: even in ceil_mode a whole window must fit
        raise RuntimeError(f"{name}(): input of shape {x.shape} is smaller than kernel_size={kernel_size!r}")
    if divisor_override is not None:
        check_integers(name, divisor_override=divisor_override)
    if divisor_override == 0:
        raise RuntimeError(f"{name}(): divisor_override must not be zero, but got {divisor_override}")
    count = window_counts(windows, count_include_pad).astype(x.dtype)  # (*positions)
    if divisor_override is not None:
        count = np.full_like(count, divisor_override)
    total = windows.pad(x)
    for d in reversed(range(dimensions)):
        first, *others = windows.along(d)
        total = sum((total[look] for look in others), start=total[first])
    y = (total / count).astype(x.dtype, copy=False)

    def backward(dy: Array) -> Array:
        dx = dy / count
        for d in range(dimensions):
            shape = list(dx.shape)
            shape[d - dimensions] = windows.low[d] + windows.input[d] + windows.high[d]
            dtotal, dx = dx, np.zeros_like(dx, shape=shape, order="C")
            for look in windows.along(d):
                dx[look] += dtotal  # windows overlap: added, not assigned
        return windows.unpad(dx)

    return y, backward


def window_counts(windows: Windows, include_padding: bool) -> Array:
    """How many entries each window has, (*positions): a product of one factor a dimension."""
    counts = np.ones((), int)
    for n, k, s, p, positions in zip(
        windows.input, windows.kernel, windows.stride, windows.low, windows.output, strict=True
    ):
        start = np.arange(positions) * s - p
        end = np.minimum(start + k, n + p)
        if not include_padding:
            start, end = np.maximum(start, 0), np.minimum(end, n)
        counts = np.multiply.outer(counts, end - start)
    return counts


def lp_pool(
    dimensions: int,
    x: Array,
    norm_type: float,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    ceil_mode: bool = False,
) -> tuple[Array, Backward]:
    """y_p = (sum_k x_i ^ norm_type) ^ (1 / norm_type) over each window: `lp_pool1d`, `lp_pool2d`, `lp_pool3d`.

    norm_type 1 sums, a large one nears the maximum, inf is the largest |x_i| and -inf the smallest. Otherwise there is
    no absolute value: as in torch, a negative sum under an odd norm_type gives nan. A window that sticks out
    (`ceil_mode`) is scaled up to a whole one's number of entries: by K / K_p, where K_p of its K entries are in x.

    Shapes: x ([N,] C, *sizes), y ([N,] C, *positions).

    Backward. With total_p = K / K_p sum_k x_i ^ norm_type:
        dtotal_p = dy_p total_p ^ (1 / norm_type - 1) / norm_type    (0 where total is 0, torch's choice)
        dx_i     = norm_type x_i ^ (norm_type - 1)  sum over the windows p that hold i of K / K_p dtotal_p

    Errors: RuntimeError for input or arguments that do not fit; ZeroDivisionError for norm_type 0. Equals
    `torch.nn.functional.lp_pool2d`. Gulcehre, Cho, Pascanu & Bengio 2014.
    """
    name = f"lp_pool{dimensions}d"
    check_floating(name, input=x)
    check_numbers(name, norm_type=norm_type)
    windows = pooling_windows(name, dimensions, x, kernel_size, stride, 0, 1, ceil_mode)
    norm_type = float(norm_type)
    if norm_type == 0:
        raise ZeroDivisionError(f"{name}(): division by zero, since norm_type is {norm_type}")
    if math.isinf(norm_type):
        return largest(dimensions, x, windows, ceil_mode, smallest=norm_type < 0)
    entries, root = math.prod(windows.kernel), 1 / norm_type
    with np.errstate(invalid="ignore"):  # nan where torch has it
        mean, mean_backward = avg_pool(dimensions, x**norm_type, windows.kernel, windows.stride, 0, ceil_mode)
        total = mean * entries
        y = total**root

    def backward(dy: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            dtotal = np.where(total == 0, 0, dy * total ** (root - 1) * root)
            return mean_backward(dtotal.astype(x.dtype) * entries) * (norm_type * x ** (norm_type - 1))

    return y, backward


def largest(dimensions: int, x: Array, windows: Windows, ceil_mode: bool, smallest: bool) -> tuple[Array, Backward]:
    """`lp_pool` for norm_type inf: max |x_i| over each window; `smallest`: -max(-|x_i|) = min |x_i|.

    Backward. d|x|/dx = sign(x), and the entry that was chosen gets it:  dx = sign(x) pool_backward(dy).
    """
    sign = -1 if smallest else 1
    y, pool_backward = max_pool(dimensions, np.abs(x) * sign, windows.kernel, windows.stride, 0, 1, ceil_mode)

    def backward(dy: Array) -> Array:
        return np.sign(x) * pool_backward(dy)  # the two signs of `smallest` cancel

    return y * sign, backward


@takes_any_array
def avg_pool1d(
    x: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> tuple[Array, Backward]:
    """Average pooling of sequences: x ([N,] C, L). See `avg_pool`. Equals `torch.nn.functional.avg_pool1d`."""
    return avg_pool(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


@takes_any_array
def avg_pool2d(
    x: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[Array, Backward]:
    """Average pooling of images: x ([N,] C, H, W). See `avg_pool`. Equals `torch.nn.functional.avg_pool2d`."""
    return avg_pool(2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@takes_any_array(refuses_half=always)
def avg_pool3d(
    x: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[Array, Backward]:
    """Average pooling of volumes: x ([N,] C, D, H, W). See `avg_pool`. Equals `torch.nn.functional.avg_pool3d`."""
    return avg_pool(3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@takes_any_array
def lp_pool1d(
    x: Array,
    norm_type: float,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    ceil_mode: bool = False,
) -> tuple[Array, Backward]:
    """Power-average pooling of sequences: x ([N,] C, L). See `lp_pool`. Equals `torch.nn.functional.lp_pool1d`."""
    return lp_pool(1, x, norm_type, kernel_size, stride, ceil_mode)


@takes_any_array
def lp_pool2d(
    x: Array,
    norm_type: float,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    ceil_mode: bool = False,
) -> tuple[Array, Backward]:
    """Power-average pooling of images: x ([N,] C, H, W). See `lp_pool`. Equals `torch.nn.functional.lp_pool2d`."""
    return lp_pool(2, x, norm_type, kernel_size, stride, ceil_mode)


@takes_any_array(refuses_half=always)
def lp_pool3d(
    x: Array,
    norm_type: float,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    ceil_mode: bool = False,
) -> tuple[Array, Backward]:
    """Power-average pooling of volumes: x ([N,] C, D, H, W). See `lp_pool`. Equals `torch.nn.functional.lp_pool3d`."""
    return lp_pool(3, x, norm_type, kernel_size, stride, ceil_mode)


# --- modules ----------------------------------------------------------------------------------------------------------


class AvgPool1d(Module):
    """`avg_pool1d` as a module. Equals `torch.nn.AvgPool1d`."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size = each(kernel_size, 1)
        self.stride = each(stride if stride is not None else kernel_size, 1)
        self.padding = each(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(
            avg_pool1d,
            input,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """What the average poolings have in common."""

    function: Callable[..., tuple[Array, Backward]]

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(
            self.function,
            input,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
            divisor_override=self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """`avg_pool2d` as a module. Equals `torch.nn.AvgPool2d`."""

    function = staticmethod(avg_pool2d)


class AvgPool3d(_AvgPool):
    """`avg_pool3d` as a module. Equals `torch.nn.AvgPool3d`."""

    function = staticmethod(avg_pool3d)


class _LPPool(Module):
    """What the power-average poolings have in common."""

    function: Callable[..., tuple[Array, Backward]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        ceil_mode: bool = False,
    ) -> None:
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(
            self.function,
            input,
            norm_type=self.norm_type,
            kernel_size=self.kernel_size,
            stride=self.stride,
            ceil_mode=self.ceil_mode,
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """`lp_pool1d` as a module. Equals `torch.nn.LPPool1d`."""

    function = staticmethod(lp_pool1d)


class LPPool2d(_LPPool):
    """`lp_pool2d` as a module. Equals `torch.nn.LPPool2d`."""

    function = staticmethod(lp_pool2d)


class LPPool3d(_LPPool):
    """`lp_pool3d` as a module. Equals `torch.nn.LPPool3d`."""

    function = staticmethod(lp_pool3d)
