"""Convolutions and pooling, with sizes that leave a remainder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.common import away
from torchref.check.ops.conventions import Convention, channels_last
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.record import Argument, Arrays, Known, Maker, Op, Options, Patch, array, option
from torchref.check.textbook import windows as textbook
from torchref.nn.module import Array

# The probes.

SIZES: dict[int, tuple[int, ...]] = {1: (11,), 2: (7, 8), 3: (5, 6, 4)}


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple | list) else value)


def _make_conv(nd: int, transpose: bool = False) -> Maker:
    def make(rng: Generator, o: Options, variant: str) -> Arrays:
        g = o["groups"]
        cin, cout = {"depthwise": (g, g), "depthwise, twice": (g, 2 * g)}.get(variant, (3 * g, 2 * g))
        kernel = (3, 3, 2)[:nd] if variant == "rich" and nd == 3 else (3,) * nd
        size = SIZES[nd]
        if variant == "fit":  # the windows fill the padded input exactly
            stride, padding = _first(o["stride"]), _first(o["padding"])
            size = tuple(stride * (3 + i) + 3 - 2 * padding for i in range(nd))
        if transpose:
            size = {1: (5,), 2: (4, 5), 3: (2, 3, 4)}[nd]
        shape = (cin, cout // g) if transpose else (cout, cin // g)
        return {
            "input": rng.normal(size=(2, cin, *size)), "weight": rng.normal(size=(*shape, *kernel)), "bias": rng.normal(size=(cout,)),
        }  # fmt: skip

    return make


def _make_pool(nd: int, ties: bool) -> Maker:
    def make(rng: Generator, o: Options, variant: str) -> Arrays:
        size = SIZES[nd]
        if variant == "fit":
            kernel, stride = _first(o["kernel_size"]), _first(o["stride"] or o["kernel_size"])
            size = tuple(stride * (2 + i) + kernel for i in range(nd))
        if variant == "adaptive fit":
            size = tuple(n * (2 + i) for i, n in enumerate(np.broadcast_to(o["output_size"], nd)))
        x: Array = rng.normal(size=(2, 3, *size))
        if ties:
            x = np.round(x * 1.5)
            x[0, 0] = 1.0
        return {"input": x}

    return make


def _make_lp_pool(nd: int) -> Maker:
    """Entries off zero; of one sign where the power is odd, since the sum of a window has a root only then."""

    def make(rng: Generator, o: Options, variant: str) -> Arrays:
        shape = np.shape(_make_pool(nd, False)(rng, o, variant)["input"])
        x = away(rng, shape)
        return {"input": x if o["norm_type"] % 2 == 0 else np.abs(x)}

    return make


# The mistakes that no edit makes.

ADDED = "dx[window] += ..., not ="
CROP = (
    Patch("dx = dx_padded", "dx = dx_padded[box(0, x.shape[2:])]", slugs.FLIPPED, "The padding is not cut off at the start of dx."),
    Patch("dx = dx_padded", "dx = dx_padded[box(np.subtract(padding, 1), x.shape[2:])]", slugs.FLIPPED, "dx is cut one cell too early."),
    Patch("dx = dx_padded", "dx = dx_padded[box(np.add(padding, 1), x.shape[2:])]", slugs.FLIPPED, "dx is cut one cell too late."),
    Patch("dx = dx_padded", "dx = dx_padded[box(np.subtract(dx_padded.shape, x.shape)[2:], x.shape[2:])]", slugs.FLIPPED, "dx is cut from the end of the padded array."),
)  # fmt: skip


def _conv_patches(nd: int) -> tuple[Patch, ...]:
    """A kernel of several axes may be turned round along one of them alone, too."""
    spread, product = "dx_padded[window]", "dw += np.tensordot(dy[place].T, x_padded[window], 1)"
    sides = tuple(range(2, 2 + nd))
    turned = [(f"np.flip(w, {sides})", "")]
    turned += [(f"np.flip(w, {axis})", f" along axis {axis} alone") for axis in sides if nd > 1]
    term = "np.tensordot(dy[place], w, 1)"
    return (
        *(Patch(spread, f"dx_padded[window] += np.tensordot(dy[place], {w}, 1)", slugs.FLIPPED, f"dx spreads dy with the kernel turned round{along}.", "dx_padded[window] += dy * weight, the kernel as it stands") for w, along in turned),
        Patch(product, f"dw += np.flip(np.tensordot(dy[place].T, x_padded[window], 1), {sides})", slugs.FLIPPED, "dweight comes out turned round."),
        Patch(spread, f"dx_padded[box(place[1:], w.shape[2:], dilation)] += {term}", slugs.FLIPPED, "The windows of dx do not step by the stride."),
        Patch(spread, f"dx_padded[box(np.multiply(place[1:], stride), w.shape[2:])] += {term}", slugs.FLIPPED, "The windows of dx are not dilated."),
        Patch(product, "dw += np.tensordot(dy[place].T, x_padded[box(np.multiply(place[1:], stride), w.shape[2:])], 1)", slugs.FLIPPED, "The windows of dweight are not dilated."),
        *CROP,
        *((Patch(product, f"{product}.swapaxes(2, 3)", slugs.TRANSPOSED, "The kernel's height and width are exchanged in dweight."),) if nd == 2 else ()),
        Patch("dx = dx_padded", f"for place, window in windows[::-1]: dx_padded[window] = {term}; dx = dx_padded[box(padding, x.shape[2:])]", slugs.OVERWRITTEN, "Overlapping windows overwrite each other in dx.", ADDED),
        Patch(spread, "dx_padded[window] = np.tensordot(dy[place][:, -1:], w[-1:], 1)", slugs.OVERWRITTEN, "Windows and filters overwrite each other in dx.", ADDED),
        Patch(spread, "dx_padded[window] += np.tensordot(dy[place][:, -1:], w[-1:], 1)", slugs.OVERWRITTEN, "Only the last filter reaches dx."),
        Patch(product, "dw += np.tensordot(dy[place][-1:].T, x_padded[window][-1:], 1)", slugs.OVERWRITTEN, "Only the last sample reaches dweight.", "dweight += ..., not ="),
        Patch(product, "dw = np.tensordot(dy[place][-1:].T, x_padded[window][-1:], 1)", slugs.OVERWRITTEN, "Only the last window of the last sample reaches dweight."),
        Patch("z[place]", f"z[place] = np.tensordot(x_padded[window], np.flip(w, {sides}), axes=(inner, inner))", slugs.FORWARD, "The forward turns the kernel round (a convolution in the mathematical sense); torch correlates."),
    )  # fmt: skip


def _transposed_patches(nd: int) -> tuple[Patch, ...]:
    product = "dw += np.tensordot(x[place].T, dz[window], 1)"
    sides = tuple(range(2, 2 + nd))
    last = f"(..., {'-1, ' * nd})".replace(", )", ")")
    return (
        Patch("dx[place]", f"dx[place] = np.tensordot(dz[window], np.flip(w, {sides}), axes=(inner, inner))", slugs.FLIPPED, "dx meets dy with the kernel turned round.", "dx = dy's windows * weight, the kernel as it stands"),
        Patch(product, f"dw += np.flip(np.tensordot(x[place].T, dz[window], 1), {sides})", slugs.FLIPPED, "dweight comes out turned round."),
        Patch("dx[place]", f"dx[place] = dz[window][{last}] @ w[{last}].T", slugs.OVERWRITTEN, "Only the last cell of the kernel reaches dx.", "dx += ..., not ="),
        Patch(product, "dw += np.tensordot(x[place][-1:].T, dz[window][-1:], 1)", slugs.OVERWRITTEN, "Only the last sample reaches dweight.", "dweight += ..., not ="),
        Patch(product, "dw = np.tensordot(x[place][-1:].T, dz[window][-1:], 1)", slugs.OVERWRITTEN, "Only the last window of the last sample reaches dweight."),
        Patch("z[window]", f"z[window] += np.tensordot(x[place], np.flip(w, {sides}), 1)", slugs.FORWARD, "The forward turns the kernel round; torch spreads it as it stands."),
    )  # fmt: skip


def _max_patches(x: str) -> tuple[Patch, ...]:
    """`x` is the array that the windows lie in."""
    return (
        Patch("first =", "first = cells == cells.max(2)[..., None]", slugs.TIES, "Every cell that equals the maximum gets the whole gradient; torch gives it to the first."),
        Patch("first =", "tie = cells == cells.max(2)[..., None]; first = tie / tie.sum(2)[..., None]", slugs.TIES, "Ties share the gradient; torch gives it to the first."),
        Patch("first =", "tie = cells == cells.max(2)[..., None]; first = tie & (tie.sum(2)[..., None] == 1)", slugs.TIES, "No cell of a tie gets the gradient; torch gives it to the first."),
        Patch("first =", "first = np.arange(cells.shape[2]) == cells.shape[2] - 1 - cells[..., ::-1].argmax(2)[..., None]", slugs.TIES, "The last cell of a tie gets the gradient; torch gives it to the first."),
        Patch("first =", "first = (cells == cells.max(2)[..., None]) * cells.max(2)[..., None]", slugs.TENSOR, "The maximum's value is multiplied in; the slope of the maximum is 1."),
        Patch("first =", "first = np.where(np.arange(cells.shape[2]) == cells.argmax(2)[..., None], cells, 0)", slugs.TENSOR, "The maximum's value is multiplied in; the slope of the maximum is 1."),
        Patch("first =", "first = np.ones_like(cells)", slugs.MASK, "Every cell of the window gets the gradient; only the maximum may."),
        Patch("first =", "first = np.ones_like(cells) / cells.shape[2]", slugs.MASK, "The gradient is spread over the window, as average pooling does."),
        Patch("first =", "first = np.arange(cells.shape[2]) == cells.argmin(2)[..., None]", slugs.MASK, "The gradient goes to the minimum."),
        Patch(f"d{x}[window]", f"part = dcells.reshape({x}[window].shape); np.copyto(d{x}[window], part, where=part != 0)", slugs.OVERWRITTEN, "A cell that is the maximum of several windows keeps only the last gradient.", "dx[...] += ..., not ="),
    )  # fmt: skip


COLUMNS = "image[...] += columns, not ="
STEPLESS = "The windows of the backward do not step by the stride."
MAX_POOL = (
    *_max_patches("x_padded"),
    Patch("cells =", "window = box(place[1:], kernel); cells = x_padded[window].reshape(*x.shape[:2], -1)", slugs.FLIPPED, STEPLESS),
    Patch("dx = dx_padded", "for place, window in windows[::-1]: cells = x_padded[window].reshape(*x.shape[:2], -1);first = np.arange(cells.shape[2]) == cells.argmax(2)[..., None];dx_padded[window] = (first * dy[place][..., None]).reshape(x_padded[window].shape); dx = dx_padded[box(padding, x.shape[2:])]", slugs.OVERWRITTEN, "col2im overwrites where windows overlap.", COLUMNS),
    CROP[0],
)  # fmt: skip


def _avg_patches(x: str, count: str, sides: int) -> tuple[Patch, ...]:
    """`x` is the array that the windows lie in; with more sides than one a student may divide by one alone."""
    side = Patch(
        "share =",
        f"share = dy[place] / {x}[window].shape[-1]",
        slugs.DIVISOR,
        "The division is by one side of the window, not by its area.",
    )
    return (
        Patch("share =", "share = dy[place]", slugs.DIVISOR, "The division by the window's size is lost."),
        *((side,) if sides > 1 else ()),
        Patch(f"d{x}[window]", f"d{x}[window] += np.expand_dims(dy[place], axes) * (np.arange({count}).reshape({x}[window].shape[2:]) == 0)", slugs.MASK, "Every cell of the window gets its share, not only the first."),
        Patch("y[place]", f"y[place] = {x}[window].sum(axes)", slugs.DIVISOR, "The forward adds the window up; the mean divides by its size."),
    )  # fmt: skip


def _avg_pool_patches(nd: int) -> tuple[Patch, ...]:
    return (
        *_avg_patches("x_padded", "np.prod(kernel)", nd),
        Patch("share =", "window = box(place[1:], kernel); share = dy[place] / np.prod(kernel)", slugs.FLIPPED, STEPLESS),
        Patch("share =", "share = dy[place] / np.prod(np.broadcast_to(step, len(axes)))", slugs.DIVISOR, "The division is by the stride, not by the window's size."),
        Patch("dx = dx_padded", "for place, window in windows[::-1]: dx_padded[window] = np.expand_dims(dy[place] / np.prod(kernel), axes); dx = dx_padded[box(padding, x.shape[2:])]", slugs.OVERWRITTEN, "col2im overwrites where windows overlap.", COLUMNS),
        CROP[0],
    )  # fmt: skip


ADAPTIVE_AVG = (
    *_avg_patches("x", "x[window][0, 0].size", 1),
    Patch("share =", "share = dy[place] / np.prod(np.floor_divide(x.shape, y.shape))", slugs.DIVISOR, "The division is by H // oh; the windows of an adaptive pooling differ in size, and each divides by its own."),
)  # fmt: skip

SPREAD = "dx[window] += np.expand_dims(share, axes)"
LP_POOL = (
    Patch("share =", "share = dy[place]", slugs.LOCAL, "The derivative of the root is missing: y^(1 - p)."),
    Patch("share =", "share = dy[place] * y[place] ** (1 - norm_type) / norm_type", slugs.SCALE, "The p of the power cancels the 1/p of the root."),
    Patch("share =", "share = norm_type * dy[place] * y[place] ** (1 - norm_type)", slugs.SCALE, "The p of the power cancels the 1/p of the root."),
    Patch("share =", "share = dy[place] / y[place]", slugs.LOCAL, "The power of y is 1 - p; here it is that of p = 2."),
    Patch(SPREAD, f"{SPREAD} * x[window]", slugs.LOCAL, "The power of x is p - 1; here it is that of p = 2."),
    Patch(SPREAD, f"{SPREAD} * x[window] ** norm_type", slugs.LOCAL, "The derivative of x^p is p x^(p - 1), not x^p."),
    Patch(SPREAD, f"{SPREAD} * np.abs(x[window]) ** (norm_type - 1)", slugs.SIGN, "The gradient has the sign of x; |x| takes it away."),
    Patch(SPREAD, SPREAD, slugs.LOCAL, "The derivative of the power is missing: x^(p - 1)."),
    Patch("total[place]", "total[place] = (x[window] ** norm_type).mean(axes)", slugs.DIVISOR, "The forward takes the mean of the powers; torch's takes their sum."),
    Patch("y =", "y = total", slugs.FORWARD, "The root is missing."),
)  # fmt: skip

# The names that people give to what they compute, or ask for.

SHAPES = "shape xshape in_shape orig_shape shape_x"
INPUT_SHAPE = Known("input_shape", "the shape of the input", f"x_shape input_shape {SHAPES}", (), handed="x.shape")
WEIGHT_SHAPE = Known("weight_shape", "the shape of the kernels", "w_shape weight_shape shape table_shape wshape emb_shape", (), handed="weight.shape")  # fmt: skip
CONV_KNOWN = (
    Known("x padded", "the padded input", "xp xpad xpadded inputpadded aprevpad padded", ("x_padded",), ("weight",)),
    Known("columns", "the windows of x as columns", "cols col xcol xcols columns patches", ("np.stack([x_padded[window] for place, window in windows], -1)",), ("weight",)),
    Known("dcolumns", "the gradient of the columns: weight^T dy", "dcols dcol dxcol dxcols dcolumns dpatches", ("np.stack([np.tensordot(dy[place], w, 1) for place, window in windows], -1)",)),
    Known("dx padded", "the gradient of the padded input", "dxp dxpad dxpadded dinputpadded daprevpad dpadded", ("dx_padded",)),
    WEIGHT_SHAPE,
    INPUT_SHAPE,
)  # fmt: skip

# The records.


def _window_conventions(values: Mapping[str, Any]) -> list[list[Convention]]:
    """The channels last; a tuple where a number does."""
    nd = values["input"].ndim - 2
    sizes = ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size")
    each = dict.fromkeys(sizes, lambda n: (n,) * nd if isinstance(n, int) else n)
    tuples = Convention("stride, padding and their like are tuples, a number for each axis", each, {})
    pair = {"kernel_size": each["kernel_size"]}
    kernel = Convention("the kernel's size is a tuple, a number for each axis", pair, {})
    return [*([[channels_last()]] if nd == 2 else []), [tuples, kernel]]


SPACE = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
STRIDE = option("stride", 1, 2, "s", "strides", vary=(1,))
PADDING = option("padding", 0, 1, "pad", "p", vary=(0,))
DILATION = option("dilation", 1, 1, vary=(2,))
GROUPS = option("groups", 1, 1, vary=(3,))
BIAS = array("bias", axes="out", neutral=0.0)
CONV: dict[str, Any] = {
    "family": "conv",
    "affine": True,
    "summed": True,
    "kernel": True,
    "conventions": _window_conventions,
    "derivation": "convolution.md",
}


WINDOW = option(
    "kernel_size", 2, 3, "k", "size", "pool_size", "kernel", "pool", "ksize", "window", "f", "filter_size", vary=(2,)
)
STEP = option("stride", None, 2, "s", "strides", vary=(None, 1))
POOL: dict[str, Any] = {
    "family": "pool",
    "known": (INPUT_SHAPE,),
    "conventions": _window_conventions,
    "derivation": "pooling-variants.md",
}


def _image(nd: int) -> Argument:
    return array("input", axes=" ".join(("N", "C", *SPACE[nd])))


def _kernels(nd: int, channels: str) -> Argument:
    sides = " ".join(f"k{s}" for s in SPACE[nd])
    return array("weight", "f", "filters", "k", axes=f"{channels} {sides}")


def _convolution(nd: int) -> Op:
    return from_textbook(
        f"conv{nd}d",
        (f"Conv{nd}d", *(("conv",) if nd == 2 else ())),
        (_image(nd), _kernels(nd, "out in"), BIAS, STRIDE, PADDING, DILATION, GROUPS),
        textbook.conv,
        _conv_patches(nd),
        {"place": slugs.FLIPPED, "flip": slugs.FLIPPED},
        make=_make_conv(nd),
        variants=("rich", "fit", "depthwise", "depthwise, twice"),
        sizes=(("in_channels", "weight", 1), ("out_channels", "weight", 0), ("kernel_size", "weight", -1)),
        known=CONV_KNOWN,
        **CONV,
    )


def _transposed(nd: int) -> Op:
    return from_textbook(
        f"conv_transpose{nd}d",
        (f"ConvTranspose{nd}d",),
        (_image(nd), _kernels(nd, "in out"), BIAS, STRIDE, PADDING, option("output_padding", 0, vary=(1,)), GROUPS, DILATION),
        textbook.conv_transpose,
        _transposed_patches(nd),
        {"place": slugs.FLIPPED, "flip": slugs.FLIPPED},
        make=_make_conv(nd, True),
        sizes=(("in_channels", "weight", 0), ("out_channels", "weight", 1), ("kernel_size", "weight", -1)),
        known=(WEIGHT_SHAPE, INPUT_SHAPE),
        **CONV,
    )  # fmt: skip


def _pooling(kind: str, nd: int, adaptive: bool = False) -> Op:
    stem, padding = f"{'adaptive_' if adaptive else ''}{kind}_pool", 1 if kind == "avg" else 0
    module = f"{'Adaptive' if adaptive else ''}{kind.capitalize()}Pool{nd}d"
    patches = {
        "max_pool": MAX_POOL,
        "adaptive_max_pool": _max_patches("x"),
        "avg_pool": _avg_pool_patches(nd),
        "adaptive_avg_pool": ADAPTIVE_AVG,
    }
    whole = option("output_size", 3, 3, "size", "out_size", "output_shape", vary=(2,))
    own = (
        WINDOW,
        STEP,
        option("padding", 0, padding, "pad", "p", vary=(1 - padding,)),
    )
    return from_textbook(
        f"{stem}{nd}d",
        (module, f"{kind}pool{nd}d", *((f"{kind}pool", f"{kind}_pool") if nd == 2 and not adaptive else ())),
        (_image(nd), *((whole,) if adaptive else own)),
        getattr(textbook, stem),
        patches[stem],
        {
            "comparison": slugs.TIES,
            "mean": slugs.DIVISOR,
            "constant": slugs.DIVISOR,
            "factor": slugs.DIVISOR if kind == "avg" else slugs.TENSOR,
        },
        make=_make_pool(nd, kind == "max"),
        variants=("rich", "adaptive fit" if adaptive else "fit"),
        pools="mean" if kind == "avg" else "max",
        **POOL,
    )


def _lp_pooling(nd: int) -> Op:
    return from_textbook(
        f"lp_pool{nd}d",
        (f"LPPool{nd}d", *(("lppool", "lp_pool") if nd == 2 else ())),
        (
            _image(nd),
            option("norm_type", 2.0, 4.0, "p", "power", "norm", vary=(2.0, 3.0)),
            WINDOW,
            STEP,
        ),
        textbook.lp_pool,
        LP_POOL,
        {"mean": slugs.DIVISOR},
        make=_make_lp_pool(nd),
        variants=("rich", "fit"),
        **POOL,
    )


OPERATIONS = (
    *(_convolution(nd) for nd in (1, 2, 3)),
    *(_transposed(nd) for nd in (1, 2, 3)),
    *(_lp_pooling(nd) for nd in (1, 2, 3)),
    *(_pooling(kind, nd, adaptive) for kind in ("max", "avg") for nd in (1, 2, 3) for adaptive in (False, True)),
)
