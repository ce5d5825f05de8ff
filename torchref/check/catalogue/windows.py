# ruff: noqa: E501
"""Convolutions and pooling, with sizes that leave a remainder."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes import windows
from torchref.check.mistakes.base import Mistake
from torchref.check.ops import Argument, Op, array, option
from torchref.check.ops.common import BIAS, X


def first(value: Any) -> int:
    return value[0] if isinstance(value, tuple | list) else value


def make_conv(nd: int, transpose: bool = False) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        g = o["groups"]
        cin, cout = {"depthwise": (g, g), "depthwise, twice": (g, 2 * g)}.get(variant, (3 * g, 2 * g))
        kernel = (3, 3, 2)[:nd] if variant == "rich" and nd == 3 else (3,) * nd
        size: tuple[int, ...] = {1: (11,), 2: (7, 8), 3: (5, 6, 4)}[nd]
        if variant == "fit":  # the windows fill the padded input exactly
            stride, padding = first(o["stride"]), first(o["padding"])
            size = tuple(stride * (3 + i) + 3 - 2 * padding for i in range(nd))
        if transpose:
            size = {1: (5,), 2: (4, 5), 3: (2, 3, 4)}[nd]
        shape = (cin, cout // g) if transpose else (cout, cin // g)
        return {
            "input": rng.normal(size=(2, cin, *size)), "weight": rng.normal(size=(*shape, *kernel)), "bias": rng.normal(size=cout),
        }  # fmt: skip

    return make


STRIDE = option("stride", 1, 2, "s", "strides")
PADDING = option("padding", 0, 1, "pad", "p")
CONV_SIZES = (("in_channels", "weight", 1), ("out_channels", "weight", 0), ("kernel_size", "weight", -1))


def convolution(nd: int) -> Op:
    return Op(f"conv{nd}d", (f"Conv{nd}d", *(("conv",) if nd == 2 else ())),
              (X, array("weight", "f", "filters", "k"), BIAS, STRIDE, PADDING, option("dilation", 1, 1), option("groups", 1, 1)), windows.conv,
              windows.conv_mistakes(nd), make_conv(nd), family="conv",
              variants=("rich", "fit", "depthwise", "depthwise, twice"), sizes=CONV_SIZES)  # fmt: skip


def transposed(nd: int) -> Op:
    return Op(f"conv_transpose{nd}d", (f"ConvTranspose{nd}d",),
              (X, array("weight", "f", "filters", "k"), BIAS, STRIDE, PADDING, option("output_padding", 0), option("groups", 1, 1), option("dilation", 1, 1)),
              windows.conv_transpose, windows.CONV_TRANSPOSE, make_conv(nd, True), family="conv",
              sizes=(("in_channels", "weight", 0), ("out_channels", "weight", 1), ("kernel_size", "weight", -1)))  # fmt: skip


def make_pool(nd: int, ties: bool) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        size: tuple[int, ...] = {1: (11,), 2: (7, 8), 3: (5, 6, 4)}[nd]
        if variant == "fit":
            kernel, stride = first(o["kernel_size"]), first(o["stride"] or o["kernel_size"])
            size = tuple(stride * (2 + i) + kernel for i in range(nd))
        if variant == "adaptive fit":
            size = tuple(n * (2 + i) for i, n in enumerate(windows.spread(o["output_size"], nd)))
        x = rng.normal(size=(2, 3, *size))
        if ties:
            x = np.round(x * 1.5)
            x[0, 0] = 1.0
        return {"input": x}

    return make


def pooling(kind: str, nd: int, adaptive: bool = False) -> Op:
    stem = f"{'adaptive_' if adaptive else ''}{kind}_pool{nd}d"
    module = f"{'Adaptive' if adaptive else ''}{kind.capitalize()}Pool{nd}d"
    if adaptive:
        own: tuple[Argument, ...] = (option("output_size", 3, 3, "size", "out_size", "output_shape"),)
    else:
        own = (option("kernel_size", 2, 3, "k", "size", "pool_size", "kernel", "pool", "ksize", "window"), option("stride", None, 2, "s", "strides"),
               option("padding", 0, 1 if kind == "avg" else 0, "pad", "p"))  # fmt: skip
    names = (module, f"{kind}pool{nd}d", *((f"{kind}pool", f"{kind}_pool") if nd == 2 and not adaptive else ()))
    mistakes: tuple[Mistake, ...] = windows.MAX_POOL if kind == "max" else windows.AVG_POOL
    if adaptive:  # its windows have no offsets in common
        mistakes = tuple(m for m in mistakes if m.flag != "overwritten offset by offset")
    else:
        mistakes = tuple(m for m in mistakes if m.flag != "divided by H // oh")
    return Op(stem, names, (X, *own), windows.pool, mistakes, make_pool(nd, kind == "max"),
              family="pool", fixed={"kind": kind, "adaptive": adaptive}, variants=("rich", "adaptive fit" if adaptive else "fit"))  # fmt: skip


WINDOWS = (
    *(convolution(nd) for nd in (1, 2, 3)),
    *(transposed(nd) for nd in (1, 2, 3)),
    *(pooling(kind, nd, adaptive) for kind in ("max", "avg") for nd in (1, 2, 3) for adaptive in (False, True)),
)  # fmt: skip
