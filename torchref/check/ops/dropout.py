"""Dropout: one mask, one scale, in the forward and in the backward."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.common import X, away
from torchref.check.ops.conventions import Convention
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.mistake import Values
from torchref.check.ops.record import Arrays, Op, Options, Patch, data, option
from torchref.check.textbook import dropout as textbook
from torchref.nn.module import Array


def _make_dropout(rng: Generator, o: Options, *_: object) -> Arrays:
    x = away(rng, (29, 31))
    return {"input": x, "mask": rng.random(x.shape) < 1 - o["p"]}


def _make_channels(rng: Generator, o: Options, *_: object) -> Arrays:
    """Images of which whole channels are dropped."""
    x = away(rng, (13, 17, 3, 2))
    return {"input": x, "mask": np.broadcast_to(rng.random((13, 17, 1, 1)) < 1 - o["p"], x.shape).copy()}


SLUGS = dict.fromkeys(("factor", "constant", "mask", "upstream", "whole", "name"), slugs.DROPOUT)


def _patches(mask: str) -> tuple[Patch, ...]:
    """The mistakes of x mask / (1 - p); `mask` is what the formula multiplies with."""
    backward = (
        ("dy / (1 - p)", "The mask is missing in the backward: dropped units get a gradient."),
        (f"dy * {mask}", "The factor 1 / (1 - p) is missing in the backward."),
        ("dy", "Mask and scale are missing in the backward: dx = dy."),
        (f"dy * {mask} / p", "The backward divides by p, the share dropped, not by the share kept."),
        (f"dy * {mask} * (1 - p)", "The backward multiplies by 1 - p where it must divide."),
        (f"dy * {mask} * p", "The backward multiplies by p."),
        (f"dy * {mask} / (1 - p) ** 2", "The factor 1 / (1 - p) is applied twice in the backward."),
        (f"dy * (1 - {mask}) / (1 - p)", "The backward keeps what the forward dropped."),
        ("dy * (dy > 0) / (1 - p)", "The mask is taken from the upstream gradient."),
    )
    forward = (
        (f"x * {mask}", "The forward does not divide by the share kept, 1 - p."),
        (f"x * {mask} / p", "The forward divides by p, the share dropped, not by the share kept."),
        (f"x * {mask} * (1 - p)", "The forward multiplies by 1 - p where it must divide."),
        (f"x * {mask} * p", "The forward multiplies by p."),
        (f"x * (1 - {mask}) / (1 - p)", "The forward drops what the mask keeps."),
    )
    return (
        *(Patch(f"dx = dy * {mask}", f"dx = {instead}", slugs.DROPOUT, sentence) for instead, sentence in backward),
        *(Patch(f"y = x * {mask}", f"y = {instead}", slugs.DROPOUT, sentence) for instead, sentence in forward),
    )


ALPHA = (
    *(
        Patch("dx = dy * mask", f"dx = {instead}", slugs.DROPOUT, sentence)
        for instead, sentence in (
            ("dy * a", "The mask is missing in the backward: dropped units get a gradient."),
            ("dy * mask", "The factor a is missing in the backward."),
            ("dy", "Mask and scale are missing in the backward: dx = dy."),
            ("dy * mask / (1 - p)", "This is dropout's scale; alpha dropout's is a = 1 / sqrt((1 - p) (1 + p f^2))."),
            ("dy * mask * a + b", "The shift b is a constant: it has no part in the gradient."),
            ("dy * (1 - mask) * a", "The backward keeps what the forward dropped."),
            ("a * np.where(mask, dy, -FLOOR)", "A dropped unit is a constant: its gradient is 0, not the floor."),
        )
    ),
    Patch("y = a * np.where", "y = np.where(mask, x, -FLOOR)", slugs.DROPOUT, "The forward must bring mean and variance back: a y + b."),
    Patch("b =", "b = 0.0", slugs.DROPOUT, "The shift b is missing in the forward: the mean does not stay what it was."),
)  # fmt: skip


def _share_kept(_: Mapping[str, Any]) -> list[list[Convention]]:
    return [[Convention("p is the share kept; torch's p is the share dropped", {"p": lambda p: 1 - p}, {})]]


def _not_zero(y: Array, _: float) -> Array:
    """The mask in an output: what was dropped is 0."""
    return np.asarray(y) != 0


def _not_at_the_floor(y: Array, p: float) -> Array:
    """The mask in an output of alpha dropout: what was dropped is the floor, scaled and shifted."""
    a = textbook.kept_scale(p)
    return np.abs(np.asarray(y) - (a * p - a) * textbook.FLOOR) > 1e-6


# torch's functions draw a mask of their own.


def _entries(_: ModuleType, v: Values) -> Any:
    return v.input * v.mask / (1 - v.p) if v.training else v.input * 1


def _to_the_floor(torch: ModuleType, v: Values) -> Any:
    if not v.training:
        return v.input * 1
    floor = -torch.nn.functional.selu(torch.tensor(-1e3, dtype=v.input.dtype))
    a = 1 / torch.sqrt((1 - v.p) * (1 + v.p * floor**2))
    return a * torch.where(v.mask, v.input, -floor) + a * v.p * floor


KEPT = ("keep_prob", "p_keep", "keep_p", "retain_prob", "keep_rate")
DROPPED = ("prob", "rate", "dropout_rate", "drop_rate", "ratio", "p_drop", "dropout_ratio")


def _dropping(name: str, module: str, patches: tuple[Patch, ...], **more: Any) -> Op:
    return from_textbook(
        name,
        (module,),
        (
            X,
            option("p", 0.5, 0.3, "drop_prob", *KEPT, *DROPPED),
            option("training", True, True, "train", "is_training", "train_flg", "mode", vary=(False,)),
            data("mask", "m", "keep", optional=True),
        ),
        getattr(textbook, name),
        patches,
        SLUGS,
        family="dropout",
        derivation="dropout.md",
        conventions=_share_kept,
        **more,
    )


OPERATIONS = (
    _dropping("dropout", "Dropout", _patches("mask"), make=_make_dropout, draws=_not_zero, in_torch=_entries),
    _dropping(
        "dropout2d",
        "Dropout2d",
        _patches("channels"),
        make=_make_channels,
        draws=_not_zero,
        drawn_together=(2, 3),
        in_torch=_entries,
    ),
    _dropping(
        "alpha_dropout", "AlphaDropout", ALPHA, make=_make_dropout, draws=_not_at_the_floor, in_torch=_to_the_floor
    ),
)
