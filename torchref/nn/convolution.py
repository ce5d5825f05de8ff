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

import dataclasses
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

IMAGES = 2**19  # bytes of columns of whole images at a time: they stay in the cache between the copying and the product
BLOCK = 2**18  # of a larger image: OpenBLAS has faster products for small matrices
STAGE = 2**20  # bytes of padded samples at a time
SMALL = 64  # an image of fewer positions makes too narrow a product by itself
FEW = 16  # with so few output channels a product costs no more than the copying of its columns


# --- the three sums ---------------------------------------------------------------------------------------------------


def correlate(x: Array, weight: Array, windows: Windows, groups: int, bias: Array | None = None) -> Array:
    """y = A x (+ bias): x (N, C, *input), weight (O, C/G, *kernel), bias (O) -> y (N, O, *output)."""
    if is_small(x, windows):
        y = correlate(as_one_image(x), weight[:, :, None], windows.of_images(len(x)), groups, bias)
        return as_images(y).copy(order="C")
    laid = laid_out(windows, weight, groups, x.dtype)
    # (G, O/G, C/G K); a flipped kernel has negative strides, which BLAS does not take
    rows = np.asanyarray(weight.reshape(groups, len(weight) // groups, -1), order="C")
    biases = None if bias is None else bias.reshape(groups, -1, *[1] * len(windows.output))
    y = np.empty_like(x, shape=(len(x), len(weight), *windows.output), order="C")
    y_groups = y.reshape(len(x), *rows.shape[:2], *windows.output)  # (N, G, O/G, *output), a view
    kept: Any = (..., *map(slice, windows.output[1:]))  # of the positions laid out, those that are outputs
    for samples, part, index, columns in column_blocks(x, weight, windows, laid, groups):
        product = rows[part] @ columns  # (b, g, O/G, P)
        product = product.reshape(*product.shape[:3], -1, *laid.output[1:])
        y_part = product[kept]
        if biases is not None:
            np.add(y_part, biases[part], out=y_groups[samples, part, :, index])
        else:
            y_groups[samples, part, :, index] = y_part
    return y


def correlate_transposed(y: Array, weight: Array, windows: Windows, groups: int) -> Array:
    """x = A^T y: y (N, O, *output), weight (O, C/G, *kernel) -> x (N, C, *input), `windows` being those of A.

    The inputs of one residue r = (i + padding) mod stride are seen with every (stride / gcd)-th offset alone, and they
    are a convolution with stride 1 themselves: i + padding = m stride + r and k dilation = q stride + r give p = m - q,
    the window of the flipped part of the kernel (`Windows.turned`). With stride 1 there is one residue and one part.
    """
    w = windows
    per_group = weight.reshape(groups, -1, *weight.shape[1:])  # (G, O/G, C/G, *kernel)
    shape = (len(y), groups * weight.shape[1], *w.input)
    if math.prod(w.stride) > 1 and math.prod(w.stride) >= math.prod(w.kernel):  # as many residues as offsets
        columns = per_group.reshape(*per_group.shape[:2], -1).swapaxes(1, 2)  # (G, C/G K, O/G)
        x = np.empty_like(y, shape=shape, order="C")
        for block in blocks(len(y), x[:1].nbytes):
            y_block = y[block].reshape(-1, groups, per_group.shape[1], math.prod(w.output))  # (b, G, O/G, P)
            seen = (columns @ y_block).reshape(len(y_block), shape[1], -1, *w.output)  # (b, C, K, *output)
            padded = np.zeros_like(y, shape=(len(y_block), shape[1], *w.reach), order="C")
            for j, offset in enumerate(w.offsets()):
                padded[(..., *w.at(offset))] += seen[:, :, j]  # windows overlap: added, not assigned
            x[block] = w.unpad(padded)
        return x

    def of_residue(turned: Windows, offsets: list[Any]) -> Array:
        flipped = per_group[(slice(None),) * 3 + tuple(offsets)].swapaxes(1, 2)  # (G, C/G, O/G, *kernel)
        return correlate(y, flipped.reshape(-1, per_group.shape[1], *turned.kernel), turned, groups)

    if math.prod(w.stride) == 1:
        return of_residue(*w.turned((0,) * len(w.stride))[:2])
    x = np.zeros_like(y, shape=shape, order="C")
    for residue in itertools.product(*map(range, w.stride)):
        turned, offsets, inputs = w.turned(residue)
        if min(turned.kernel) > 0 and min(turned.output) > 0:
            x[(slice(None), slice(None), *inputs)] = of_residue(turned, offsets)
    return x


def correlate_weight(x: Array, dy: Array, weight: Array, windows: Windows, groups: int) -> Array:
    """dweight (O, C/G, *kernel) from x (N, C, *input) and dy (N, O, *output); of `weight` only the shape counts."""
    if is_small(x, windows):
        images = windows.of_images(len(x))
        return correlate_weight(as_one_image(x), as_one_image(dy), weight[:, :, None], images, groups)[:, :, 0]
    dy_groups = dy.reshape(len(dy), groups, len(weight) // groups, *windows.output)  # (N, G, O/G, *output)
    drows = np.zeros_like(weight, shape=(groups, weight[0].size, len(weight) // groups), order="C")  # (G, C/G K, O/G)
    for samples, part, index, columns in column_blocks(x, weight, windows, windows, groups):
        dy_part = dy_groups[samples, part, :, index]
        dy_rows = dy_part.reshape(*dy_part.shape[:3], -1)  # (b, g, O/G, P)
        # OpenBLAS is a quarter faster with the columns in front than with dy there.
        drows[part] += (columns @ dy_rows.swapaxes(-1, -2)).sum(axis=0)
    return drows.swapaxes(-1, -2).reshape(weight.shape)


# --- columns: the input's windows as matrices -------------------------------------------------------------------------
# Convolution becomes a matrix product when each window is written out as a column. All of them at once ("im2col") would
# hold every input K times, so they are made a block at a time: of samples, of groups, or of positions.


def column_blocks(
    x: Array, weight: Array, windows: Windows, laid: Windows, groups: int
) -> Iterator[tuple[slice, slice, slice, Array]]:
    """The columns (b, g, C/G K, P) in blocks, each with its samples, groups and positions in the first dimension."""
    w = windows
    row = math.prod(laid.output[1:])  # positions at one index of the first dimension
    size = x.itemsize * weight.shape[1] * math.prod(w.kernel) * row  # bytes of their columns, of one group
    least = 4 * weight.nbytes // groups  # of a product with less, the weight is what is read most
    whole = size * w.output[0]
    room = max(BLOCK if whole > IMAGES else IMAGES, least)
    high = w.high if laid is windows else (w.high[0] + 1, *w.high[1:])  # the last row's windows wrap around, too
    x_groups = x.reshape(len(x), groups, weight.shape[1], *w.input)
    for stage in blocks(len(x), x[:1].nbytes, STAGE):
        padded = resize(x_groups[stage], w.low, high)
        seen = laid.view(padded if laid is windows else np.asanyarray(padded, order="C"))
        before = (slice(None),) * (1 + len(w.kernel))
        for some in blocks(len(seen), whole * groups, room):
            samples = slice(stage.start + some.start, stage.start + some.stop)
            for part in blocks(groups, whole, room):
                for index in blocks(w.output[0], size, room):
                    columns = seen[(some, part, *before, index)]  # (b, g, C/G, *kernel, *positions)
                    length = (index.stop - index.start) * row
                    yield samples, part, index, columns.reshape(*columns.shape[:2], -1, length)  # the copy


def laid_out(windows: Windows, weight: Array, groups: int, dtype: Any) -> Windows:
    """`windows`, or for few output channels those at every position of a whole padded row.

    The last ones of a row begin in it and end in the next, and are no outputs. But for every offset row
    follows row in memory then, and one long row is copied several times faster than many short ones.
    """
    w = windows
    outputs = len(weight) // groups
    worth = outputs <= FEW and outputs <= weight[0].size and len(w.kernel) > 1 and dtype.kind in "fc"
    if not worth or any(s != 1 for s in w.stride):
        return windows
    return dataclasses.replace(w, output=(w.output[0], *w.reach[1:]))


def blocks(length: int, size: int, room: int = BLOCK) -> list[slice]:
    """Slices of nearly equal lengths that cover `length` entries of `size` bytes each, `room` bytes at a time."""
    most = max(1, room // max(size, 1))
    step = max(1, -(-length // max(1, -(-length // most))))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


# --- many small images ------------------------------------------------------------------------------------------------


def is_small(x: Array, windows: Windows) -> bool:
    """Whether one image is too few positions for a product."""
    return len(x) > 1 and math.prod(windows.output) < SMALL


def as_one_image(x: Array) -> Array:
    """(N, C, *sizes) -> (1, C, N, *sizes): the samples are one more dimension, along which the kernel has length 1."""
    return x.swapaxes(0, 1)[None]


def as_images(x: Array) -> Array:
    """The inverse of `as_one_image`."""
    return x[0].swapaxes(0, 1)


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
