"""Losses of several labels at once."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.common import X
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.losses import REDUCED, REDUCTION, ROW, TARGET, slopes
from torchref.check.ops.record import Arrays, Patch, data
from torchref.check.textbook import labels as textbook


def _make_multilabel(rng: Generator, *_: object) -> Arrays:
    shape = (5, 7)
    t = (rng.random(shape) < 0.4) * 1.0
    t[0, 1], t[0, 2] = 1, 0
    return {"input": rng.normal(size=shape) * 1.5, "target": t, "weight": rng.uniform(0.4, 2.2, shape[1])}


def _make_label_lists(rng: Generator, *_: object) -> Arrays:
    """Rows of labels that end at the first -1; a class exactly at the margin."""
    x = rng.normal(size=(5, 7))
    t = np.array([rng.permutation(7) for _ in range(5)])
    for row, count in zip(t, (2, 1, 3, 0, 4), strict=True):
        row[count:] = -1
    x[1, t[1, 0]] = 1.5
    x[1, (t[1, 0] + 1) % 7] = 0.5
    return {"input": x, "target": t}


SOFT_MARGIN = (
    *slopes(
        "slope =",
        ("x - t", slugs.TENSOR, "The target is subtracted from the logits, not from their sigmoid."),
        ("(s - t) * s * (1 - s)", slugs.SOFTMAX_TWICE, "The fused loss has cancelled the sigmoid's derivative already."),
        ("s", slugs.LOCAL, "The target is not subtracted."),
        ("-t * (1 - s)", slugs.LOCAL, "The term of the labels that are 0 is missing."),
        ("(1 - t) * s", slugs.LOCAL, "The term of the labels that are 1 is missing."),
        ("np.exp(x) / np.exp(x).sum(1, keepdims=True) - t", slugs.TENSOR, "The softmax stands where the sigmoid belongs: the labels do not exclude each other."),
    ),
    *slopes("dx =", ("slope * drows / x.shape[1]", slugs.SCALE, "The weights of the classes are forgotten.")),
    Patch("rows =", "rows = entries.sum(1)", slugs.DIVISOR, "torch takes the mean over the classes."),
    *ROW,
)  # fmt: skip
MARGIN = (
    *slopes(
        "inside =",
        ("slack != 0", slugs.MASK, "Pairs outside the margin must give no gradient."),
        ("np.maximum(slack, 0)", slugs.LOCAL, "The derivative of max(z, 0) is its mask, not its value."),
    ),
    *slopes("at_labels =", ("inside.any(2) * 1", slugs.OVERWRITTEN, "A label's entry gets -1 for each class inside the margin.")),
    *slopes("at_others =", ("inside.any(1) * 1", slugs.OVERWRITTEN, "A class's entry gets 1 for each label that it is too close to.")),
    *slopes("slope =", ("at_others", slugs.LOCAL, "The labels' entries get minus the number of classes inside the margin.")),
    Patch("rows =", "rows = np.maximum(slack, 0).sum((1, 2))", slugs.DIVISOR, "torch divides by the number of classes."),
    *ROW,
)  # fmt: skip

OPERATIONS = (
    from_textbook(
        "multilabel_soft_margin_loss",
        ("MultiLabelSoftMarginLoss",),
        (X, TARGET, data("weight", "w", "weights", "class_weights", neutral=1.0), REDUCTION),
        textbook.multilabel_soft_margin_loss,
        SOFT_MARGIN,
        REDUCED,
        make=_make_multilabel,
        loss=True,
        logits=True,
        family="loss",
        derivation="losses-of-probabilities.md",
    ),
    from_textbook(
        "multilabel_margin_loss",
        ("MultiLabelMarginLoss",),
        (X, TARGET, REDUCTION),
        textbook.multilabel_margin_loss,
        MARGIN,
        REDUCED,
        make=_make_label_lists,
        loss=True,
        family="loss",
        derivation="losses-of-margins.md",
    ),
)
