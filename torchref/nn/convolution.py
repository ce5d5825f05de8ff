"""Convolution over one, two or three spatial dimensions, and its transpose: one derivation for all six.

For a fixed weight, convolution is a linear map A of the input: y = A x. Three facts follow from its definition

    y_nop = sum_ck weight_ock x_nci,    i = p stride + k dilation - padding      (k, p, i: one index a dimension)

(sums over input channels c of o's group and kernel offsets k; x is 0 outside), and they are all there is:

    correlate             y       = A x             y_nop        = sum_ck weight_ock x_nci
    correlate_transposed  dx      = A^T dy          dx_nci       = sum_okp weight_ock dy_nop   over i(p, k) = i
    correlate_weight      dweight                   dweight_ock  = sum_np dy_nop x_nci

The transposed convolution *is* A^T as a forward, so its backward is A: convolution and transposed convolution have each
other's forward as the gradient of their input, and the same gradient of the weight with input and output swapped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_device, check_floating, check_integers, check_sizes
from torchref.nn.module import Array, Backward, Module, Parameter, bind
from torchref.nn.padding import pad
from torchref.nn.window import Sizes, Windows, each, per_dimension, resize

Padding = str | int | Sequence[int]

BLOCK = 2**18  # bytes of shifted copies at a time: they stay in the cache between the copying and the product
NARROW = 48  # with fewer terms than this in a product, one larger product over all offsets is faster


# --- the three sums ---------------------------------------------------------------------------------------------------


def correlate(x: Array, weight: Array, windows: Windows, groups: int, bias: Array | None = None) -> Array:
    """y = A x (+ bias): x (N, C, *input), weight (O, C/G, *kernel), bias (O) -> y (N, O, *output)."""
    narrow = is_narrow(weight, len(x) * math.prod(windows.output))
    rows = kernel_rows(weight, groups, narrow)  # (rows, G, O/G, C/G J)
    y = np.empty_like(x, shape=(len(x), len(weight), *windows.output), order="C")
    for block, columns in shifted_columns(x, windows, groups, narrow):
        y_block = y[block].reshape(-1, *rows.shape[1:3], math.prod(windows.output))  # (b, G, O/G, P), a view
        np.matmul(rows[0], columns[0], out=y_block)
        for row, column in zip(rows[1:], columns[1:], strict=True):
            y_block += row @ column
        if bias is not None:
            y_block += bias.reshape(groups, -1, 1)
    return y


def correlate_transposed(y: Array, weight: Array, windows: Windows, groups: int) -> Array:
    """x = A^T y: y (N, O, *output), weight (O, C/G, *kernel) -> x (N, C, *input), `windows` being those of A.

    With stride 1 this is a convolution itself: i = p + k d - padding reads p = i + (K-1-k) d - ((K-1) d - padding), the
    window of the flipped kernel. Nothing is scattered, so it is as fast as a forward.
    """
    w = windows
    per_group = weight.reshape(groups, -1, *weight.shape[1:])  # (G, O/G, C/G, *kernel)
    if all(stride == 1 for stride in w.stride):
        flipped = np.flip(per_group, tuple(range(3, per_group.ndim))).swapaxes(1, 2)  # (G, C/G, O/G, *kernel)
        low = tuple(d * (k - 1) - low for k, d, low in zip(w.kernel, w.dilation, w.low, strict=True))
        turned = Windows(w.kernel, w.stride, w.dilation, low, input=w.output, output=w.input)
        return correlate(y, flipped.reshape(-1, per_group.shape[1], *w.kernel), turned, groups)

    channels = groups * weight.shape[1]
    transposed = per_group.reshape(*per_group.shape[:2], -1).swapaxes(1, 2)  # (G, C/G K, O/G)
    x = np.empty_like(y, shape=(len(y), channels, *w.input), order="C")
    reach = tuple(low + size + high for low, size, high in zip(w.low, w.input, w.high, strict=True))
    for block in blocks(len(y), y.itemsize * channels * math.prod(w.kernel + w.output)):
        y_block = y[block].reshape(-1, groups, per_group.shape[1], math.prod(w.output))  # (b, G, O/G, P)
        columns = (transposed @ y_block).reshape(len(y_block), channels, -1, *w.output)  # (b, C, K, *output)
        padded = np.zeros_like(y, shape=(len(y_block), channels, *reach), order="C")
        for j, offset in enumerate(w.offsets()):
            padded[(..., *w.at(offset))] += columns[:, :, j]  # windows overlap: added, not assigned
        x[block] = w.unpad(padded)
    return x


def correlate_weight(x: Array, dy: Array, weight: Array, windows: Windows, groups: int) -> Array:
    """dweight (O, C/G, *kernel) from x (N, C, *input) and dy (N, O, *output); of `weight` only the shape counts."""
    narrow = is_narrow(weight, len(x) * math.prod(windows.output))
    shape = (1 if narrow else weight.shape[2], groups, len(weight) // groups, -1)
    drows = np.zeros_like(weight, order="C").reshape(shape)  # (rows, G, O/G, C/G J)
    for block, columns in shifted_columns(x, windows, groups, narrow):
        dy_block = side_by_side(dy[block].reshape(-1, *drows.shape[1:3], math.prod(windows.output)))  # (G, O/G, b P)
        for row, column in enumerate(columns):
            drows[row] += dy_block @ side_by_side(column).swapaxes(-1, -2)
    if len(drows) == 1:
        return drows.reshape(weight.shape)
    return np.moveaxis(drows.reshape(len(drows), *weight.shape[:2], *weight.shape[3:]), 0, 2)


# --- columns: the input's windows as matrices -------------------------------------------------------------------------
# Convolution becomes a matrix product when each window is written out as a column. All windows of all offsets at once
# ("im2col") hold every input K times. Here the offsets along the first spatial dimension are not copied: for stride 1
# their columns are one and the same array seen a row further down, and BLAS takes such views as they are.


def is_narrow(weight: Array, positions: int) -> bool:
    """Whether one product over all offsets is quicker than one for each offset of the first dimension.

    It is where a product would have few terms; and where there are fewer positions of the output than channels, so that
    the columns of all offsets are less to copy than the kernel.
    """
    return weight.shape[1] * math.prod(weight.shape[3:]) < NARROW or positions < len(weight)


def kernel_rows(weight: Array, groups: int, narrow: bool) -> Array:
    """(rows, G, O/G, C/G J): one matrix for each offset along the first dimension (just one where it is narrow)."""
    rows = weight[None] if narrow else np.moveaxis(weight, 2, 0)
    return rows.reshape(len(rows), groups, len(weight) // groups, -1)


def side_by_side(samples: Array) -> Array:
    """(b, G, R, P) -> (G, R, b P): the columns of all samples in one matrix, whose product sums over the samples."""
    return np.moveaxis(samples, 0, 2).reshape(*samples.shape[1:3], -1)


def shifted_columns(x: Array, windows: Windows, groups: int, narrow: bool) -> Iterator[tuple[slice, list[Array]]]:
    """For each block of samples, the block and for each of `kernel_rows` its columns (b, G, C/G J, P)."""
    w = windows
    offsets = list(itertools.product(*map(range, w.kernel[0 if narrow else 1 :])))  # J offsets: those that are copied
    size = x.itemsize * x.shape[1] * len(offsets) * math.prod(w.output[1:]) * (w.output if narrow else w.input)[0]
    # What is seen of the padded input, for each offset; and of these copies, for each of `kernel_rows`.
    looks = [w.at(offset) if narrow else (slice(None), *w.at((0, *offset))[1:]) for offset in offsets]
    row_looks = [slice(None)] if narrow else [w.at((k,) + (0,) * (len(w.kernel) - 1))[0] for k in range(w.kernel[0])]
    low, high = w.low, w.high
    for block in blocks(len(x), size):
        padded = resize(x[block], low, high)  # (b, C, *reach)
        b, channels, height = padded.shape[:3]
        columns = np.empty_like(
            x, shape=(b, channels, len(looks), w.output[0] if narrow else height, *w.output[1:]), order="C"
        )
        for j, look in enumerate(looks):
            columns[:, :, j] = padded[(..., *look)]
        # At stride 1 the slice's rows follow each other, so reshape gives a view; at others it copies.
        yield block, [columns[:, :, :, rows].reshape(b, groups, -1, math.prod(w.output)) for rows in row_looks]


def blocks(samples: int, size: int) -> list[slice]:
    """The samples in blocks of about BLOCK bytes, one of them having `size`."""
    step = max(1, BLOCK // max(size, 1))
    return [slice(start, start + step) for start in range(0, samples, step)]


# --- the functions ----------------------------------------------------------------------------------------------------


def conv(
    dimensions: int,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    *,
    needs_input_grad: bool = True,
) -> tuple[Array, Backward]:
    """`conv1d`, `conv2d` and `conv3d`: convolution (cross-correlation) over 1, 2 or 3 `dimensions`."""
    name = f"conv{dimensions}d"
    x_batch, stride, dilation = check_convolution(name, dimensions, x, weight, bias, stride, dilation, groups)
    kernel = weight.shape[2:]
    if x_batch.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"{name}(): given groups={groups} and weight of shape {weight.shape}, expected input {x.shape} to have "
            f"{weight.shape[1] * groups} channels, but got {x_batch.shape[1]}"
        )
    check_bias(name, bias, len(weight))
    low, both = zero_padding(name, padding, kernel, stride, dilation)
    sizes = x_batch.shape[2:]
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]  # how far a window reaches
    output = tuple((n + p - span) // s + 1 for n, p, span, s in zip(sizes, both, spans, stride, strict=True))
    if min(output) < 1:
        raise RuntimeError(
            f"{name}(): kernel {tuple(kernel)} with dilation {dilation} is larger than the padded input "
            f"{tuple(n + p for n, p in zip(sizes, both, strict=True))}"
        )
    windows = Windows(kernel, stride, dilation, low, input=sizes, output=output)
    y = correlate(x_batch, weight, windows, groups, bias)  # (N, O, *output)

    def backward(dy: Array) -> tuple[Array | None, Array, Array | None]:
        dy = dy.reshape(y.shape)
        dx = correlate_transposed(dy, weight, windows, groups).reshape(x.shape) if needs_input_grad else None
        dweight = correlate_weight(x_batch, dy, weight, windows, groups)
        dbias = None if bias is None else channel_sums(dy)
        return dx, dweight, dbias

    return y.reshape(*x.shape[: x.ndim - dimensions - 1], *y.shape[1:]), backward


def conv_transpose(
    dimensions: int,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    *,
    needs_input_grad: bool = True,
) -> tuple[Array, Backward]:
    """`conv_transpose1d`, `conv_transpose2d`, `conv_transpose3d`: the transpose of `conv`, from its y to its x."""
    name = f"conv_transpose{dimensions}d"
    x_batch, stride, dilation = check_convolution(name, dimensions, x, weight, bias, stride, dilation, groups)
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be an int or a tuple of ints, not {padding!r}")
    low = per_dimension(name, "padding", padding, dimensions)
    extra = per_dimension(name, "output_padding", output_padding, dimensions)
    if min(low) < 0 or min(extra) < 0:
        raise RuntimeError(f"{name}(): negative padding={padding!r} or output_padding={output_padding!r}")
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            f"{name}(): output_padding={extra} must be smaller than either stride={stride} or dilation={dilation}"
        )
    if x_batch.shape[1] != len(weight):
        raise RuntimeError(
            f"{name}(): given weight of shape {weight.shape}, expected input {x.shape} to have {len(weight)} channels, "
            f"but got {x_batch.shape[1]}"
        )
    check_bias(name, bias, weight.shape[1] * groups)
    kernel, sizes = weight.shape[2:], x_batch.shape[2:]
    smallest = transposed_sizes(sizes, kernel, stride, low, dilation)
    output = tuple(size + e for size, e in zip(smallest, extra, strict=True))
    if min(output) < 1:
        raise RuntimeError(f"{name}(): the output size {output} for an input of size {tuple(sizes)} is too small")
    windows = Windows(kernel, stride, dilation, low, input=output, output=sizes)  # those of the convolution y -> x
    y = correlate_transposed(x_batch, weight, windows, groups)  # (N, O, *output)
    if bias is not None:
        y += bias.reshape(-1, *[1] * dimensions)

    def backward(dy: Array) -> tuple[Array | None, Array, Array | None]:
        dy = dy.reshape(y.shape)
        dx = correlate(dy, weight, windows, groups).reshape(x.shape) if needs_input_grad else None
        dweight = correlate_weight(dy, x_batch, weight, windows, groups)  # input and output have changed places
        dbias = None if bias is None else channel_sums(dy)
        return dx, dweight, dbias

    return y.reshape(*x.shape[: x.ndim - dimensions - 1], *y.shape[1:]), backward


def transposed_sizes(sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Sizes:
    """The smallest sizes whose convolution has `sizes` positions; `stride` - 1 larger ones have as many."""
    spatial = zip(sizes, kernel, stride, padding, dilation, strict=True)
    return tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in spatial)


def channel_sums(dy: Array) -> Array:
    """Sums over all but the channels, (N, O, *output) -> (O). A product with ones: BLAS sums faster than np.sum."""
    rows = dy.reshape(len(dy), dy.shape[1], math.prod(dy.shape[2:]))
    return (rows @ np.ones_like(dy, shape=rows.shape[2], order="C")).sum(axis=0)


def zero_padding(name: str, padding: Padding, kernel: Sizes, stride: Sizes, dilation: Sizes) -> tuple[Sizes, Sizes]:
    """(padding in front, padding on both sides together) in each dimension. 'same': as many outputs as inputs."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"{name}(): invalid padding string: {padding!r}")
        if padding == "same" and any(s != 1 for s in stride):
            raise RuntimeError(f"{name}(): padding='same' is not supported for strided convolutions, stride={stride}")
        both = tuple(d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True))
        return tuple(total // 2 for total in both), both  # an odd one goes behind
    low = per_dimension(name, "padding", padding, len(kernel))
    if min(low) < 0:
        raise RuntimeError(f"{name}(): negative padding is not supported, padding={padding!r}")
    return low, tuple(2 * p for p in low)


def check_convolution(
    name: str,
    dimensions: int,
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: int | Sequence[int],
    dilation: int | Sequence[int],
    groups: int,
) -> tuple[Array, Sizes, Sizes]:
    """What both directions check, with torch's exceptions; the input with a batch dimension, stride and dilation."""
    check_floating(name, input=x, weight=weight, optional={"bias": bias})
    check_integers(name, groups=groups)
    stride = per_dimension(name, "stride", stride, dimensions)
    dilation = per_dimension(name, "dilation", dilation, dimensions)
    if weight.ndim != dimensions + 2:
        raise RuntimeError(f"{name}(): weight must have {dimensions + 2} dimensions, but has shape {weight.shape}")
    if x.ndim not in (dimensions + 1, dimensions + 2):
        raise RuntimeError(
            f"{name}(): expected {dimensions + 1}D (unbatched) or {dimensions + 2}D (batched) input, but got {x.shape}"
        )
    if groups < 1 or min(stride) < 1 or min(dilation) < 1:
        raise RuntimeError(
            f"{name}(): groups={groups}, stride={stride} and dilation={dilation} must be greater than zero"
        )
    if min(weight.shape) < 1 or len(weight) % groups:
        raise RuntimeError(
            f"{name}(): weight of shape {weight.shape} must have a kernel and channels greater than zero, "
            f"its first dimension divisible by groups={groups}"
        )
    if 0 in x.shape[x.ndim - dimensions :]:
        raise RuntimeError(f"{name}(): only the batch may be empty, but input has shape {x.shape}")
    return (x if x.ndim == dimensions + 2 else x[None]), stride, dilation


def check_bias(name: str, bias: Array | None, channels: int) -> None:
    """A bias must have one entry for each output channel. RuntimeError otherwise."""
    if bias is not None and bias.shape != (channels,):
        raise RuntimeError(f"{name}(): expected bias of shape ({channels},), but got {bias.shape}")


@takes_any_array
def conv1d(x: Array, weight: Array, bias: Array | None = None, *args: Any, **options: Any) -> tuple[Array, Backward]:
    """Convolution of sequences: x ([N,] C, L), weight (O, C/G, K). See `conv`. Equals `torch.nn.functional.conv1d`."""
    return conv(1, x, weight, bias, *args, **options)


@takes_any_array
def conv2d(x: Array, weight: Array, bias: Array | None = None, *args: Any, **options: Any) -> tuple[Array, Backward]:
    """Convolution of images: x ([N,] C, H, W), weight (O, C/G, KH, KW). See `conv`.

    Equals `torch.nn.functional.conv2d`.
    """
    return conv(2, x, weight, bias, *args, **options)


@takes_any_array
def conv3d(x: Array, weight: Array, bias: Array | None = None, *args: Any, **options: Any) -> tuple[Array, Backward]:
    """Convolution of volumes: x ([N,] C, D, H, W), weight (O, C/G, KD, KH, KW). See `conv`.

    Equals `torch.nn.functional.conv3d`.
    """
    return conv(3, x, weight, bias, *args, **options)


@takes_any_array
def conv_transpose1d(
    x: Array, weight: Array, bias: Array | None = None, *args: Any, **options: Any
) -> tuple[Array, Backward]:
    """The transpose of `conv1d`: x ([N,] C, L), weight (C, O/G, K). See `conv_transpose`.

    Equals `torch.nn.functional.conv_transpose1d`.
    """
    return conv_transpose(1, x, weight, bias, *args, **options)


@takes_any_array
def conv_transpose2d(
    x: Array, weight: Array, bias: Array | None = None, *args: Any, **options: Any
) -> tuple[Array, Backward]:
    """The transpose of `conv2d`: x ([N,] C, H, W), weight (C, O/G, KH, KW). See `conv_transpose`.

    Equals `torch.nn.functional.conv_transpose2d`.
    """
    return conv_transpose(2, x, weight, bias, *args, **options)


@takes_any_array
def conv_transpose3d(
    x: Array, weight: Array, bias: Array | None = None, *args: Any, **options: Any
) -> tuple[Array, Backward]:
    """The transpose of `conv3d`: x ([N,] C, D, H, W), weight (C, O/G, KD, KH, KW). See `conv_transpose`.

    Equals `torch.nn.functional.conv_transpose3d`.
    """
    return conv_transpose(3, x, weight, bias, *args, **options)


# --- modules ----------------------------------------------------------------------------------------------------------


class _Convolution(Module):
    """Weight, bias and arguments of a convolution or its transpose over `dimensions` spatial dimensions."""

    dimensions: int
    function: Callable[..., tuple[Array, Backward]]
    transposed = False
    padding: Any

    def _set_up(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int],
        padding: Padding,
        output_padding: int | Sequence[int],
        groups: int,
        bias: bool,
        dilation: int | Sequence[int],
        padding_mode: str,
        device: None,
        dtype: DTypeLike | None,
    ) -> None:
        check_device(device)
        name = type(self).__name__
        check_integers(name, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if groups <= 0:
            raise ValueError(f"{name}: groups must be a positive integer, but got groups={groups}")
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: in_channels={in_channels} and out_channels={out_channels} must be divisible by "
                f"groups={groups}"
            )
        if padding_mode not in ("zeros", "reflect", "replicate", "circular") or (
            self.transposed and padding_mode != "zeros"
        ):
            allowed = "'zeros'" if self.transposed else "'zeros', 'reflect', 'replicate' or 'circular'"
            raise ValueError(f"{name}: padding_mode must be {allowed}, but got padding_mode={padding_mode!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each(kernel_size, self.dimensions)
        if len(self.kernel_size) != self.dimensions:
            raise RuntimeError(f"{name}: expected {self.dimensions} kernel sizes, but got kernel_size={kernel_size!r}")
        check_sizes(name, in_channels=in_channels, out_channels=out_channels)
        check_sizes(name, **{f"kernel_size[{d}]": size for d, size in enumerate(self.kernel_size)})
        self.stride = each(stride, self.dimensions)
        self.padding = padding if isinstance(padding, str) else each(padding, self.dimensions)
        self.dilation = each(dilation, self.dimensions)
        self.output_padding = each(output_padding, self.dimensions)
        for steps in (self.stride, self.dilation, self.output_padding):
            check_integers(name, **{f"stride, dilation or output_padding[{d}]": n for d, n in enumerate(steps)})
        self.groups = groups
        self.padding_mode = padding_mode
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{name}: invalid padding string {padding!r}, should be 'same' or 'valid'")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"{name}: padding='same' is not supported for strided convolutions, stride={stride}")
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(np.empty((*channels, *self.kernel_size), dtype or np.float32))
        self.bias = Parameter(np.empty(out_channels, dtype or np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Even draws from +-1 / sqrt(fan_in) for both, fan_in = entries of weight[0]: the inputs of one output.

        Transposed they are the outputs of one input: torch takes the same number there.
        """
        init.kaiming_uniform_(self.weight.data, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fan_in_and_fan_out(self.weight.data)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias.data, -bound, bound)

    def extra_repr(self) -> str:
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * len(self.padding):
            shown.append(f"padding={self.padding}")
        if self.dilation != (1,) * len(self.dilation):
            shown.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * len(self.output_padding):
            shown.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            shown.append(f"groups={self.groups}")
        if self.bias is None:
            shown.append("bias=False")
        if self.padding_mode != "zeros":
            shown.append(f"padding_mode={self.padding_mode}")
        return ", ".join(shown)


class _Conv(_Convolution):
    """What the convolutions have in common."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: Padding = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self._set_up(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            0,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Array) -> tuple[Array, Backward]:
        options: dict[str, Any] = {
            "stride": self.stride,
            "dilation": self.dilation,
            "groups": self.groups,
            "needs_input_grad": self.needs_input_grad,
        }
        if self.padding_mode == "zeros":
            return bind(self.function, input, self.weight, self.bias, padding=self.padding, **options)

        padded, pad_backward = pad(input, self._both_sides(), mode=self.padding_mode)
        y, conv_backward = bind(self.function, padded, self.weight, self.bias, padding=0, **options)

        def backward(dy: Array) -> Array | None:
            dpadded = conv_backward(dy)
            return None if dpadded is None else pad_backward(dpadded)

        return y, backward

    def _both_sides(self) -> list[int]:
        """`padding` as `pad` takes it: (low, high) of the last dimension, then of the one before, ..."""
        low, both = zero_padding(type(self).__name__, self.padding, self.kernel_size, self.stride, self.dilation)
        return [side for front, total in zip(low[::-1], both[::-1], strict=True) for side in (front, total - front)]


class Conv1d(_Conv):
    """`conv1d` with its weight (O, C/G, K) and bias (O) as parameters. Equals `torch.nn.Conv1d`."""

    dimensions, function = 1, staticmethod(conv1d)


class Conv2d(_Conv):
    """`conv2d` with its weight (O, C/G, KH, KW) and bias (O) as parameters. Equals `torch.nn.Conv2d`."""

    dimensions, function = 2, staticmethod(conv2d)


class Conv3d(_Conv):
    """`conv3d` with its weight (O, C/G, KD, KH, KW) and bias (O) as parameters. Equals `torch.nn.Conv3d`."""

    dimensions, function = 3, staticmethod(conv3d)


class _ConvTranspose(_Convolution):
    """What the transposed convolutions have in common."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self._set_up(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Array, output_size: Sequence[int] | None = None) -> tuple[Array, Backward]:
        return bind(
            self.function,
            input,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding if output_size is None else self._extra(input, output_size),
            groups=self.groups,
            dilation=self.dilation,
            needs_input_grad=self.needs_input_grad,
        )

    def _extra(self, input: Array, output_size: Sequence[int]) -> Sizes:
        """The output_padding that gives `output_size`. ValueError if none does: stride s merges s sizes into one."""
        name, n = type(self).__name__, self.dimensions
        sizes = tuple(output_size)
        if len(sizes) == input.ndim:
            sizes = sizes[input.ndim - n :]
        if len(sizes) != n or input.ndim < n:
            raise ValueError(
                f"{name}: for {input.ndim}D input, output_size must have {n} or {input.ndim} elements, but got "
                f"output_size={output_size!r}"
            )
        smallest = transposed_sizes(
            input.shape[input.ndim - n :], self.kernel_size, self.stride, self.padding, self.dilation
        )
        largest = [size + s - 1 for size, s in zip(smallest, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(smallest, sizes, largest, strict=True)):
            raise ValueError(
                f"{name}: requested output_size={output_size!r}, but valid sizes range from {smallest} to {largest} "
                f"for an input of shape {input.shape}"
            )
        return tuple(size - low for size, low in zip(sizes, smallest, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """`conv_transpose1d` with its weight (C, O/G, K) and bias (O) as parameters. Equals `torch.nn.ConvTranspose1d`."""

    dimensions, function = 1, staticmethod(conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """`conv_transpose2d` with its weight (C, O/G, KH, KW) and bias (O) as parameters.

    Equals `torch.nn.ConvTranspose2d`.
    """

    dimensions, function = 2, staticmethod(conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """`conv_transpose3d` with its weight (C, O/G, KD, KH, KW) and bias (O) as parameters.

    Equals `torch.nn.ConvTranspose3d`.
    """

    dimensions, function = 3, staticmethod(conv_transpose3d)
