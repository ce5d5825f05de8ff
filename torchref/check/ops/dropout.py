"""Dropout: one mask, one scale, in the forward and in the backward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchref.check.ops.common import X, away
from torchref.check.ops.conventions import Convention
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.record import Patch, data, option
from torchref.check.textbook import dropout as textbook


def make_dropout(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    x = away(rng, (29, 31))
    return {"input": x, "mask": rng.random(x.shape) < 1 - o["p"]}


SLUG = "dropout-mask-or-scale"
SLUGS = dict.fromkeys(("factor", "constant", "mask", "upstream", "whole", "name"), SLUG)
PATCHES = (
    *(
        Patch("dx = dy * mask", f"dx = {told}", SLUG, sentence)
        for told, sentence in (
            ("dy / (1 - p)", "The mask is missing in the backward: dropped units get a gradient."),
            ("dy * mask", "The factor 1 / (1 - p) is missing in the backward."),
            ("dy", "Mask and scale are missing in the backward: dx = dy."),
            ("dy * mask / p", "The backward divides by p, the share dropped, not by the share kept."),
            ("dy * mask * (1 - p)", "The backward multiplies by 1 - p where it must divide."),
            ("dy * mask * p", "The backward multiplies by p."),
            ("dy * mask / (1 - p) ** 2", "The factor 1 / (1 - p) is applied twice in the backward."),
            ("dy * (1 - mask) / (1 - p)", "The backward keeps what the forward dropped."),
            ("dy * (dy > 0) / (1 - p)", "The mask is taken from the upstream gradient."),
        )
    ),
    *(
        Patch("y = x * mask", f"y = {told}", SLUG, sentence)
        for told, sentence in (
            ("x * mask", "The forward does not divide by the share kept, 1 - p."),
            ("x * mask / p", "The forward divides by p, the share dropped, not by the share kept."),
            ("x * mask * (1 - p)", "The forward multiplies by 1 - p where it must divide."),
            ("x * mask * p", "The forward multiplies by p."),
            ("x * (1 - mask) / (1 - p)", "The forward drops what the mask keeps."),
        )
    ),
)


def share_kept(values: Mapping[str, Any]) -> list[list[Convention]]:
    return [[Convention("p is the share kept; torch's p is the share dropped", {"p": lambda p: 1 - p}, {})]]


def in_torch(torch: Any, v: Any) -> Any:
    """With a mask of its own; torch draws one."""
    return v.input * v.mask / (1 - v.p) if v.training else v.input * 1


KEPT = ("keep_prob", "p_keep", "keep_p", "retain_prob", "keep_rate")
DROPPED = ("prob", "rate", "dropout_rate", "drop_rate", "ratio", "p_drop", "dropout_ratio")

OPERATIONS = (
    from_textbook(
        "dropout",
        ("Dropout",),
        (
            X,
            option("p", 0.5, 0.3, "drop_prob", *KEPT, *DROPPED),
            option("training", True, True, "train", "is_training", "train_flg", "mode", vary=(False,)),
            data("mask", "m", "keep", optional=True),
        ),
        textbook.dropout,
        PATCHES,
        SLUGS,
        make=make_dropout,
        family="dropout",
        conventions=share_kept,
        draws=True,
        in_torch=in_torch,
    ),
)
