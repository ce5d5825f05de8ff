# ruff: noqa: E501
"""Losses of several labels at once, and the Gaussian's likelihood with a variance that is learned, too."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake, sigmoid
from torchref.check.mistakes.losses import FORWARD_REDUCTIONS, LOCAL, MARGIN, SCALE, WRONG_TENSOR, reduce
from torchref.nn.module import Array

M = Mistake


def entries(v: Any, n: int) -> int:
    """What the reduction divides by."""
    return n if v.reduction == "mean" else 1


def gaussian_nll_loss(v: Any, wrong: frozenset[str]) -> Any:
    """(log var + d^2 / var) / 2; a variance below eps is clamped, and gets a gradient as if it were not."""
    d = v.input - v.target
    var = np.maximum(v.var, v.eps)
    loss = reduce((np.log(var) + d * d / var) / 2 + (np.log(2 * np.pi) / 2 if v.full else 0), v, wrong)
    if "forward 1/2 lost" in wrong:
        loss = 2 * loss

    def backward(dy: Any = 1.0) -> Gradients:
        dx, dvar = d / var, (1 / var - d * d / var**2) / 2
        if "1 / var lost" in wrong:
            dx = d
        if "std for var" in wrong:
            dx = d / np.sqrt(var)
        if "2 of the square left over" in wrong:
            dx = 2 * dx
        if "sign of the difference" in wrong:
            dx = -dx
        if "only the logarithm" in wrong:
            dvar = 1 / (2 * var)
        if "only the square" in wrong:
            dvar = -d * d / (2 * var**2)
        if "sign of the square" in wrong:
            dvar = (1 / var + d * d / var**2) / 2
        if "square of var lost" in wrong:
            dvar = (1 / var - d * d / var) / 2
        if "1/2 of dvar lost" in wrong:
            dvar = 2 * dvar
        if "var as the standard deviation" in wrong:
            dvar = 1 / var - d * d / var**3
        n = entries(v, d.size)
        return {"input": dx * dy / n, "target": -dx * dy / n, "var": dvar * dy / n}

    return (loss,), backward


GAUSSIAN_NLL = (
    M("1 / var lost", LOCAL, "input", "The division by the variance is missing."),
    M("std for var", LOCAL, "input", "The difference must be divided by the variance, not by its root."),
    M("2 of the square left over", SCALE, "input", "The 2 of the square cancels the loss's 1/2."),
    M("sign of the difference", "wrong-sign", "input", "The derivative is (input - target) / var."),
    M("only the logarithm", LOCAL, "var", "The square's term of dvar is missing."),
    M("only the square", LOCAL, "var", "The logarithm's term of dvar is missing."),
    M("sign of the square", "wrong-sign", "var", "The derivative of 1 / var is negative."),
    M("square of var lost", LOCAL, "var", "The derivative of 1 / var is -1 / var^2."),
    M("1/2 of dvar lost", SCALE, "var", "The 1/2 of the loss is lost in dvar."),
    M("var as the standard deviation", WRONG_TENSOR, "var", "This is the derivative with respect to the standard deviation."),
    M("forward 1/2 lost", SCALE, "output", "torch's loss has the factor 1/2."),
    *FORWARD_REDUCTIONS,
)  # fmt: skip


def multilabel_soft_margin_loss(v: Any, wrong: frozenset[str]) -> Any:
    """The mean over the classes of binary cross entropies of logits."""
    x, t = v.input, v.target
    weight = 1 if v.weight is None else v.weight
    entry = weight * (t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x))
    k = x.shape[-1]
    loss = reduce(entry.mean(-1), v, wrong)
    if "forward without 1 / K" in wrong:
        loss = loss * k

    def backward(dy: Any = 1.0) -> Gradients:
        dy = np.expand_dims(np.asarray(dy), -1) if v.reduction == "none" else dy
        s = sigmoid(x)
        dx = s - t
        if "raw logits" in wrong:
            dx = x - t
        if "sigmoid's derivative again" in wrong:
            dx = (s - t) * s * (1 - s)
        if "target forgotten" in wrong:
            dx = s
        if "only the positive term" in wrong:
            dx = -t * (1 - s)
        if "only the negative term" in wrong:
            dx = (1 - t) * s
        if "softmax for sigmoid" in wrong:
            dx = np.exp(x) / np.exp(x).sum(-1, keepdims=True) - t
        rows = 1 if "weight forgotten" in wrong else weight
        return {"input": dx * rows * dy / (k * entries(v, x.size // k))}

    return (loss,), backward


MULTILABEL_SOFT_MARGIN = (
    M("raw logits", WRONG_TENSOR, "input", "The target is subtracted from the logits, not from their sigmoid."),
    M("sigmoid's derivative again", "softmax-jacobian-twice", "input", "The fused loss has cancelled the sigmoid's derivative already."),
    M("target forgotten", LOCAL, "input", "The target is not subtracted."),
    M("only the positive term", LOCAL, "input", "The term of the labels that are 0 is missing."),
    M("only the negative term", LOCAL, "input", "The term of the labels that are 1 is missing."),
    M("softmax for sigmoid", WRONG_TENSOR, "input", "The softmax stands where the sigmoid belongs: the labels do not exclude each other."),
    M("weight forgotten", SCALE, "input", "The weights of the classes are forgotten."),
    M("forward without 1 / K", "wrong-reduction", "output", "torch takes the mean over the classes."),
    *FORWARD_REDUCTIONS,
)  # fmt: skip


def multilabel_margin_loss(v: Any, wrong: frozenset[str]) -> Any:
    """Each label's logit shall be 1 above each other class's: the mean over N and K of what is missing."""
    x, t = np.atleast_2d(v.input), np.atleast_2d(v.target)
    n, k = x.shape
    labels = [row[: np.argmax(row < 0)] if (row < 0).any() else row for row in t]
    slack = np.zeros((n, k, k))  # (n, label, other class)
    for i, own in enumerate(labels):
        others = np.setdiff1d(np.arange(k), own)
        slack[i][np.ix_(own, others)] = 1 - x[i, own][:, None] + x[i, others]
    active: Array = slack > 0
    loss = reduce((slack * active).sum((1, 2)) / k, v, wrong)
    if "forward without 1 / K" in wrong:
        loss = loss * k
    if v.input.ndim == 1:
        loss = loss.reshape(())

    def backward(dy: Any = 1.0) -> Gradients:
        dy = np.reshape(np.asarray(dy), (-1, 1)) if v.reduction == "none" else dy
        on = active * 1.0
        if "no mask" in wrong:
            on = (slack != 0) * 1.0
        if "slack for its mask" in wrong:
            on = slack * active
        others, own = on.sum(1), on.sum(2)
        if "labels get -1" in wrong:
            own = (own > 0) * 1.0
        if "labels get nothing" in wrong:
            own = 0 * own
        if "others overwritten" in wrong:
            others = (others > 0) * 1.0
        dx = others + own if "sign at the labels" in wrong else others - own
        return {"input": (dx * dy / (k * entries(v, n))).reshape(v.input.shape)}

    return (loss,), backward


MULTILABEL_MARGIN = (
    M("no mask", MARGIN, "input", "Pairs outside the margin must give no gradient."),
    M("slack for its mask", LOCAL, "input", "The derivative of max(z, 0) is its mask, not its value."),
    M("labels get -1", "overwritten-not-accumulated", "input", "A label's entry gets -1 for each class inside the margin."),
    M("others overwritten", "overwritten-not-accumulated", "input", "A class's entry gets 1 for each label that it is too close to."),
    M("labels get nothing", LOCAL, "input", "The labels' entries get minus the number of classes inside the margin."),
    M("sign at the labels", "wrong-sign", "input", "The labels' entries must be negative."),
    M("forward without 1 / K", "wrong-reduction", "output", "torch divides by the number of classes."),
    *FORWARD_REDUCTIONS,
)  # fmt: skip
