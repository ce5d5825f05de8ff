# ruff: noqa: E501
"""Dropout: one mask, one scale, in the forward and in the backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake
from torchref.nn.module import Array

M = Mistake


def dropout(v: Any, wrong: frozenset[str]) -> Any:
    keep = v.mask * 1.0 if v.training else np.ones_like(v.input)
    scale = 1 / (1 - v.p) if v.training else 1.0
    forward_scale = scale
    for flag, value in (
        ("forward scale lost", 1.0),
        ("forward 1 / p", 1 / v.p),
        ("forward times 1 - p", 1 - v.p),
        ("forward times p", v.p),
    ):
        if flag in wrong:
            forward_scale = value
    if "forward mask inverted" in wrong:
        keep = 1 - keep

    def backward(dy: Array) -> Gradients:
        k, s = keep, forward_scale
        for flag, value in (
            ("scale lost", 1.0), ("1 / p", 1 / v.p), ("times 1 - p", 1 - v.p), ("times p", v.p),
            ("scale twice", 1 / (1 - v.p) ** 2),
        ):  # fmt: skip
            if flag in wrong:
                s = value
        if "no mask" in wrong:
            k = np.ones_like(k)
        if "neither" in wrong:
            k, s = np.ones_like(k), 1.0
        if "mask inverted" in wrong:
            k = 1 - k
        if "mask of dy" in wrong:
            k = dy > 0
        return {"input": dy * k * s}

    return (v.input * keep * forward_scale,), backward


SLUG = "dropout-mask-or-scale"
DROPOUT = (
    M("no mask", SLUG, "input", "The mask is missing in the backward: dropped units get a gradient.", "dx = dy * mask / (1 - p)"),
    M("scale lost", SLUG, "input", "The factor 1 / (1 - p) is missing in the backward.", "dx = dy * mask / (1 - p)"),
    M("neither", SLUG, "input", "Mask and scale are missing in the backward: dx = dy.", "dx = dy * mask / (1 - p)"),
    M("1 / p", SLUG, "input", "The backward divides by p, the share dropped, not by the share kept.", "dx = dy * mask / (1 - p)"),
    M("times 1 - p", SLUG, "input", "The backward multiplies by 1 - p where it must divide."),
    M("times p", SLUG, "input", "The backward multiplies by p."),
    M("scale twice", SLUG, "input", "The factor 1 / (1 - p) is applied twice in the backward."),
    M("mask inverted", SLUG, "input", "The backward keeps what the forward dropped."),
    M("mask of dy", SLUG, "input", "The mask is taken from the upstream gradient."),
    M("forward scale lost", SLUG, "output", "The forward does not divide by the share kept, 1 - p."),
    M("forward 1 / p", SLUG, "output", "The forward divides by p, the share dropped, not by the share kept."),
    M("forward times 1 - p", SLUG, "output", "The forward multiplies by 1 - p where it must divide."),
    M("forward times p", SLUG, "output", "The forward multiplies by p."),
    M("forward mask inverted", SLUG, "output", "The forward drops what the mask keeps."),
)  # fmt: skip
