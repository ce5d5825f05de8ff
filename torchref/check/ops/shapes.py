"""Padding, upsampling, shuffling, windows as columns: what moves or repeats entries."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.common import X
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.mistake import Values
from torchref.check.ops.record import Arrays, Options, Patch, option
from torchref.check.textbook import shapes as textbook


def _make_image(rng: Generator, o: Options, *_: object) -> Arrays:
    c = 3 * o.get("upscale_factor", 1) ** 2
    return {"input": rng.normal(size=(2, c, 5, 7))}


def _make_resized(rng: Generator, o: Options, *_: object) -> Arrays:
    """A signal, an image or a volume, as the mode asks for."""
    space = {"linear": (7,), "trilinear": (3, 4, 5)}.get(o["mode"], (5, 7))
    return {"input": rng.normal(size=(2, 3, *space))}


def _resized(torch: ModuleType, v: Values) -> Any:
    """torch takes a size or a factor, and the corners with the modes that have a slope."""
    factor = v.scale_factor if v.size is None else None
    return torch.nn.functional.interpolate(v.input, v.size, factor, v.mode, v.align_corners, antialias=v.antialias)


def _make_small_squares(rng: Generator, o: Options, *_: object) -> Arrays:
    r = o["downscale_factor"]
    return {"input": rng.normal(size=(2, 3, 5 * r, 7 * r))}


def _make_channels(rng: Generator, o: Options, *_: object) -> Arrays:
    return {"input": rng.normal(size=(2, 5 * o["groups"], 5, 7))}


def _make_columns(rng: Generator, o: Options, *_: object) -> Arrays:
    windows = textbook.window_index(o["output_size"], o["kernel_size"], o["stride"], o["padding"], o["dilation"])
    return {"input": rng.normal(size=(2, 3 * o["kernel_size"] ** 2, windows[2].shape[1]))}


AT_0 = "The padding is not cut off at the start."
EXCHANGED = "The padding before and after are exchanged."
ZIPPED = "tuple(slice(after, after + n) for (_, after), n in zip(pairs, x.shape))"
START = "tuple(slice(0, n) for n in x.shape)"
PAD = (
    Patch("dx = dy[centre]", f"dx = dy[{START}]", slugs.FLIPPED, AT_0),
    Patch("dx = dy[centre]", f"dx = dy[{ZIPPED}]", slugs.FLIPPED, EXCHANGED),
    Patch("dx = flat", "dx = dy[centre]", slugs.OVERWRITTEN, "The border repeats entries: their gradients must be added, too."),
    Patch("np.add.at(flat", "flat[source] = dy", slugs.OVERWRITTEN, "The border repeats entries: their gradients overwrite each other."),
    Patch("dx = flat", f"dx = dy[{START}]", slugs.FLIPPED, AT_0),
    Patch("dx = flat", f"dx = dy[{ZIPPED}]", slugs.FLIPPED, EXCHANGED),
)  # fmt: skip
COPIES, BACK = "dx = copies", "dx = along(dx"
INTERPOLATE = (
    Patch(COPIES, "dx = copies.mean(axis=(3, 5))", slugs.MEAN, "Every copy's gradient counts in full: they must be summed, not averaged."),
    Patch(COPIES, "dx = copies[:, :, :, 0, :, 0]", slugs.OVERWRITTEN, "Only the first copy's gradient arrives."),
    Patch(COPIES, "dx = copies[:, :, :, -1, :, -1]", slugs.OVERWRITTEN, "Only the last copy's gradient arrives."),
    Patch(BACK, "dx = along(dx, axis, matrix.T / matrix.T.sum(1, keepdims=True))", slugs.MEAN, "What reaches one entry must be added up; here it is averaged."),
    Patch(BACK, "dx = along(dx, axis, (matrix.T != 0) * 1.0)", slugs.SCALE, "Each entry gets the gradient times the weight that the forward gave it; the weights are missing."),
    Patch(BACK, "dx = along(dx, axis, (matrix == matrix.max(1, keepdims=True)).T * 1.0)", slugs.OVERWRITTEN, "Every entry that the forward read gets its share, not only the nearest."),
    Patch("matrices =", "matrices = resizing(x.shape, size, scale_factor, mode, not align_corners)", slugs.FORWARD, "align_corners is the other way round."),
)  # fmt: skip
SQUARES = "The two axes of the small squares are exchanged."
UNORDERED = "The axes are not put back in order before reshaping."
SHUFFLE = (
    Patch("dx =", "dx = cells.transpose(0, 1, 5, 3, 2, 4).reshape(x.shape)", slugs.TRANSPOSED, SQUARES),
    Patch("dx =", "dx = dy.reshape(x.shape)", slugs.TRANSPOSED, UNORDERED),
)
UNSHUFFLE = (
    Patch("dx =", "dx = squares.transpose(0, 1, 4, 3, 5, 2).reshape(x.shape)", slugs.TRANSPOSED, SQUARES),
    Patch("dx =", "dx = dy.reshape(x.shape)", slugs.TRANSPOSED, UNORDERED),
)
CHANNELS = (
    Patch("dx =", "dx = dy", slugs.TRANSPOSED, "The channels are not put back in order."),
    Patch(
        "dx =",
        "dx = dy.reshape(n, groups, c // groups, h, w).swapaxes(1, 2).reshape(x.shape)",
        slugs.TRANSPOSED,
        "The backward shuffles again; it must put the channels back: c / g groups.",
    ),
)
FLATTEN = (
    Patch("dx =", "dx = dy.reshape(*x.shape[:-3], *np.roll(x.shape[-3:], -1)).transpose(0, 3, 1, 2)", slugs.TRANSPOSED, "The channels are read as the last axis."),
    Patch("dx =", "dx = dy.reshape(*x.shape[:-2], *x.shape[:-3:-1]).swapaxes(-1, -2)", slugs.TRANSPOSED, "The last two axes are exchanged."),
    Patch("dx =", "dx = np.reshape(dy, x.shape, order='F')", slugs.TRANSPOSED, "The entries are read column by column (order='F')."),
)  # fmt: skip
OVERLAPS = "count = np.zeros(padded.shape[2:]); np.add.at(count, windows[2:], 1)"
UNFOLD = (
    Patch(
        "np.add.at(dpadded",
        "dpadded[windows] = dy.reshape(n, c, kernel_size**2, -1)",
        slugs.OVERWRITTEN,
        "Windows overlap: their gradients must be added.",
    ),
    Patch(
        "dx =",
        f"{OVERLAPS}; dx = (dpadded / np.maximum(count, 1))[:, :, padding:padding + h, padding:padding + w]",
        slugs.MEAN,
        "Windows overlap: their gradients are added, not averaged.",
    ),
    Patch("dx =", "dx = dpadded[:, :, :h, :w]", slugs.FLIPPED, AT_0),
)
FOLD = (
    Patch(
        "dpadded =",
        f"{OVERLAPS}; dpadded = np.pad(dy, edges) / np.maximum(count, 1)",
        slugs.MEAN,
        "What was added in the forward is handed back whole, not in parts.",
    ),
    Patch(
        "np.add.at(padded",
        "padded[windows] = x.reshape(n, c, kernel_size**2, -1)",
        slugs.OVERWRITTEN,
        "Windows overlap: they must be added.",
    ),
)

WINDOWS = (
    option("kernel_size", 3, 3, "k", "size", vary=(2,)),
    option("dilation", 1, vary=(2,)),
    option("padding", 0, 1, "pad", "p", vary=(0,)),
    option("stride", 1, 2, "s", "strides", vary=(1,)),
)
MODE = option("mode", "constant", vary=("reflect", "replicate", "circular"))

OPERATIONS = (
    from_textbook(
        "pad",
        ("ConstantPad2d", "ZeroPad2d"),
        (X, option("pad", (2, 1, 1, 3), None, "padding", "p"), MODE, option("value", None)),
        textbook.pad,
        PAD,
        make=_make_image,
        family="shape",
        derivation="padding.md",
    ),
    from_textbook(
        "interpolate",
        ("Upsample", "UpsamplingNearest2d", "resize"),
        (
            X,
            option("size", None, None, "out_size", "output_size", vary=(9, 4)),
            option("scale_factor", 2, 2, "scale", "factor", "s", vary=(3, 1.6)),
            option("mode", "nearest", vary=("nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")),
            option("align_corners", None),
            option("antialias", False, vary=(True,)),
        ),
        textbook.interpolate,
        INTERPOLATE,
        make=_make_resized,
        family="shape",
        derivation="resampling.md",
        in_torch=_resized,
    ),
    from_textbook(
        "pixel_unshuffle",
        ("PixelUnshuffle",),
        (X, option("downscale_factor", 2, 2, "r", "factor", "scale", vary=(3,))),
        textbook.pixel_unshuffle,
        UNSHUFFLE,
        make=_make_small_squares,
        family="shape",
        derivation="moving-entries.md",
    ),
    from_textbook(
        "channel_shuffle",
        ("ChannelShuffle",),
        (X, option("groups", 3, 3, "g", vary=(2,))),
        textbook.channel_shuffle,
        CHANNELS,
        make=_make_channels,
        family="shape",
        derivation="moving-entries.md",
    ),
    from_textbook(
        "flatten",
        ("Flatten",),
        (X, option("start_dim", 1, vary=(2,)), option("end_dim", -1, vary=(2,))),
        textbook.flatten,
        FLATTEN,
        make=_make_image,
        family="shape",
        derivation="moving-entries.md",
        in_torch=lambda torch, v: torch.flatten(v.input, v.start_dim, v.end_dim),
    ),
    from_textbook(
        "unfold",
        ("Unfold", "im2col"),
        (X, *WINDOWS),
        textbook.unfold,
        UNFOLD,
        make=_make_image,
        family="shape",
        derivation="moving-entries.md",
    ),
    from_textbook(
        "fold",
        ("Fold", "col2im"),
        (X, option("output_size", (7, 8), (7, 8), "size", "shape"), *WINDOWS),
        textbook.fold,
        FOLD,
        make=_make_columns,
        family="shape",
        derivation="moving-entries.md",
    ),
    from_textbook(
        "pixel_shuffle",
        ("PixelShuffle",),
        (X, option("upscale_factor", 2, 2, "r", "factor", "scale", vary=(3,))),
        textbook.pixel_shuffle,
        SHUFFLE,
        make=_make_image,
        family="shape",
        derivation="moving-entries.md",
    ),
)
