# ruff: noqa: E501
"""Dropout."""

from __future__ import annotations

from typing import Any

from torchref.check.mistakes import noise
from torchref.check.ops import Op, data, option
from torchref.check.ops.common import X, away


def make_dropout(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    x = away(rng, (29, 31))
    return {"input": x, "mask": rng.random(x.shape) < 1 - o["p"]}


OTHERS = (
    Op("dropout", ("Dropout",), (X, option("p", 0.5, 0.3, "drop_prob", "keep_prob", "p_keep", "keep_p", "retain_prob", "keep_rate", "prob", "rate", "dropout_rate", "drop_rate", "ratio", "p_drop", "dropout_ratio"),
                                 option("training", True, True, "train", "is_training", "train_flg", "mode"), data("mask", "m", "keep", optional=True)),
       noise.dropout, noise.DROPOUT, make_dropout, family="dropout"),
)  # fmt: skip
