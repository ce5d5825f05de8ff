# ruff: noqa: E501
"""What moves pixels about."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torchref.check.mistakes import shapes
from torchref.check.ops import Op, option
from torchref.check.ops.common import X


def make_image(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    c = 3 * o.get("upscale_factor", 1) ** 2
    return {"input": rng.normal(size=(2, c, 5, 7))}


def make_small_squares(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    r = o["downscale_factor"]
    return {"input": rng.normal(size=(2, 3, 5 * r, 7 * r))}


def make_channels(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"input": rng.normal(size=(2, 5 * o["groups"], 5, 7))}


def make_columns(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    windows = shapes.places(SimpleNamespace(**o), o["output_size"])[0].shape[1]
    return {"input": rng.normal(size=(2, 3 * o["kernel_size"] ** 2, windows))}


PLACES = (option("kernel_size", 3, 3, "k", "size"), option("dilation", 1), option("padding", 0, 1, "pad", "p"),
          option("stride", 1, 2, "s", "strides"))  # fmt: skip

SHAPES = (
    Op("pad", ("ConstantPad2d", "ZeroPad2d"), (X, option("pad", (2, 1, 1, 3), None, "padding", "p"), option("mode", "constant"), option("value", None)), shapes.pad, shapes.PAD,
       make_image, family="shape"),
    Op("upsample", ("Upsample", "interpolate", "UpsamplingNearest2d"), (X, option("scale_factor", 2, 2, "scale", "factor", "s"),), shapes.upsample, shapes.UPSAMPLE, make_image, family="shape"),
    Op("pixel_unshuffle", ("PixelUnshuffle",), (X, option("downscale_factor", 2, 2, "r", "factor", "scale")), shapes.pixel_unshuffle,
       shapes.PIXEL_SHUFFLE, make_small_squares, family="shape"),
    Op("channel_shuffle", ("ChannelShuffle",), (X, option("groups", 3, 3, "g")), shapes.channel_shuffle, shapes.CHANNEL_SHUFFLE, make_channels,
       family="shape"),
    Op("unfold", ("Unfold", "im2col"), (X, *PLACES), shapes.unfold, shapes.UNFOLD, make_image, family="shape"),
    Op("fold", ("Fold", "col2im"), (X, option("output_size", (7, 8), (7, 8), "size", "shape"), *PLACES), shapes.fold, shapes.FOLD, make_columns,
       family="shape"),
    Op("pixel_shuffle", ("PixelShuffle",), (X, option("upscale_factor", 2, 2, "r", "factor", "scale")), shapes.pixel_shuffle, shapes.PIXEL_SHUFFLE, make_image, family="shape"),
)  # fmt: skip
