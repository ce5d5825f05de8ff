# ruff: noqa: E501
"""Losses: the gradient of one entry or one row, then the reduction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from torchref.check.mistakes.base import Formula, Gradients, Mistake, logsumexp, sigmoid
from torchref.check.mistakes.base import softmax as stable
from torchref.nn.module import Array

M = Mistake
Entry = Callable[[Array, Array, Any], Array]


@dataclass(frozen=True)
class Pointwise:
    """A loss of a prediction x and a target t, entry by entry."""

    value: Entry
    slope: Entry  # d value / dx
    wrong: Mapping[str, tuple[str, Entry]] = field(default_factory=dict)  # flag: slug, wrong slope
    target: Entry | None = None  # d value / dt


def bce_log(p: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p), -100)


def kl_target(t: Array, log_target: bool) -> Array:
    return np.exp(t) if log_target else t


MARGIN = "wrong-mask"
LOCAL = "local-derivative-missing"
WRONG_TENSOR = "derivative-at-wrong-tensor"
SCALE = "scale-forgotten"

POINTWISE: dict[str, Pointwise] = {
    "mse_loss": Pointwise(
        lambda x, t, v: (x - t) ** 2,
        lambda x, t, v: 2 * (x - t),
        {
            "sign": ("wrong-sign", lambda x, t, v: 2 * (t - x)),
            "square of the difference": (LOCAL, lambda x, t, v: (x - t) ** 2),
            "target forgotten": (LOCAL, lambda x, t, v: 2 * x),
            "sign of the difference": (LOCAL, lambda x, t, v: np.sign(x - t)),
        },
    ),
    "l1_loss": Pointwise(
        lambda x, t, v: np.abs(x - t),
        lambda x, t, v: np.sign(x - t),
        {
            "the difference itself": (LOCAL, lambda x, t, v: x - t),
            "1 at the kink": (MARGIN, lambda x, t, v: np.where(x >= t, 1.0, -1.0)),
            "-1 at the kink": (MARGIN, lambda x, t, v: np.where(x > t, 1.0, -1.0)),
            "one-sided": (MARGIN, lambda x, t, v: np.where(x > t, 1.0, 0.0)),
            "no sign": (LOCAL, lambda x, t, v: np.ones_like(x)),
            "sign of the input": (WRONG_TENSOR, lambda x, t, v: np.sign(x)),
        },
    ),
    "smooth_l1_loss": Pointwise(
        lambda x, t, v: np.where(np.abs(x - t) < v.beta, (x - t) ** 2 / (2 * v.beta), np.abs(x - t) - v.beta / 2),
        lambda x, t, v: np.where(np.abs(x - t) < v.beta, (x - t) / v.beta, np.sign(x - t)),
        {
            "beta forgotten": (SCALE, lambda x, t, v: np.where(np.abs(x - t) < v.beta, x - t, np.sign(x - t))),
            "beta forgotten everywhere": (SCALE, lambda x, t, v: np.clip(x - t, -1, 1)),
            "huber's": (SCALE, lambda x, t, v: np.clip(x - t, -v.beta, v.beta)),
            "beta multiplied": (SCALE, lambda x, t, v: np.where(np.abs(x - t) < v.beta, (x - t) * v.beta, np.sign(x - t))),
            "only the square": (MARGIN, lambda x, t, v: (x - t) / v.beta),
            "only the sign": (MARGIN, lambda x, t, v: np.sign(x - t)),
            "difference outside": (LOCAL, lambda x, t, v: np.where(np.abs(x - t) < v.beta, (x - t) / v.beta, x - t)),
            "no sign outside": (LOCAL, lambda x, t, v: np.where(np.abs(x - t) < v.beta, (x - t) / v.beta, 1.0)),
            "one-sided": (MARGIN, lambda x, t, v: np.where(x - t < v.beta, (x - t) / v.beta, np.sign(x - t))),
            "branches exchanged": (MARGIN, lambda x, t, v: np.where(np.abs(x - t) >= v.beta, (x - t) / v.beta, np.sign(x - t))),
        },
    ),
    "huber_loss": Pointwise(
        lambda x, t, v: np.where(np.abs(x - t) <= v.delta, (x - t) ** 2 / 2, v.delta * (np.abs(x - t) - v.delta / 2)),
        lambda x, t, v: np.clip(x - t, -v.delta, v.delta),
        {
            "delta forgotten": (SCALE, lambda x, t, v: np.where(np.abs(x - t) <= v.delta, x - t, np.sign(x - t))),
            "delta forgotten everywhere": (SCALE, lambda x, t, v: np.clip(x - t, -1, 1)),
            "smooth_l1's": (SCALE, lambda x, t, v: np.clip((x - t) / v.delta, -1, 1)),
            "delta inside, too": (SCALE, lambda x, t, v: np.where(np.abs(x - t) <= v.delta, v.delta * (x - t), v.delta * np.sign(x - t))),
            "only the square": (MARGIN, lambda x, t, v: x - t),
            "only the sign": (MARGIN, lambda x, t, v: v.delta * np.sign(x - t)),
            "no sign outside": (LOCAL, lambda x, t, v: np.where(np.abs(x - t) <= v.delta, x - t, v.delta)),
            "times the difference outside": (LOCAL, lambda x, t, v: np.where(np.abs(x - t) <= v.delta, x - t, v.delta * (x - t))),
            "zero outside": (MARGIN, lambda x, t, v: np.where(np.abs(x - t) <= v.delta, x - t, 0)),
            "one-sided": (MARGIN, lambda x, t, v: np.where(x - t <= v.delta, x - t, v.delta)),
            "branches exchanged": (MARGIN, lambda x, t, v: np.where(np.abs(x - t) > v.delta, x - t, v.delta * np.sign(x - t))),
        },
    ),
    "binary_cross_entropy": Pointwise(
        lambda x, t, v: -(t * bce_log(x) + (1 - t) * bce_log(1 - x)),
        lambda x, t, v: (x - t) / np.maximum(x * (1 - x), 1e-12),
        {
            "p - t": (LOCAL, lambda x, t, v: x - t),
            "only the positive term": (LOCAL, lambda x, t, v: -t / x),
            "only the negative term": (LOCAL, lambda x, t, v: (1 - t) / (1 - x)),
            "multiplied": (LOCAL, lambda x, t, v: (x - t) * x * (1 - x)),
            "1 / x only": (LOCAL, lambda x, t, v: (x - t) / x),
            "1 / (1 - x) only": (LOCAL, lambda x, t, v: (x - t) / (1 - x)),
            "sign of one term": ("wrong-sign", lambda x, t, v: -t / x - (1 - t) / (1 - x)),
            "sigmoid of p": (WRONG_TENSOR, lambda x, t, v: sigmoid(x) - t),
            "denominator at t": (WRONG_TENSOR, lambda x, t, v: (x - t) / np.maximum(t * (1 - t), 1e-12)),
        },
    ),
    "binary_cross_entropy_with_logits": Pointwise(
        lambda x, t, v: v.pos_weight * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x),
        lambda x, t, v: (1 - t) * sigmoid(x) - v.pos_weight * t * sigmoid(-x),
        {
            "raw logits": (WRONG_TENSOR, lambda x, t, v: x - t),
            "sigmoid's derivative again": ("softmax-jacobian-twice", lambda x, t, v: (sigmoid(x) - t) * sigmoid(x) * sigmoid(-x)),
            "not the sigmoid's derivative": (LOCAL, lambda x, t, v: (sigmoid(x) - t) / (sigmoid(x) * sigmoid(-x))),
            "target forgotten": (LOCAL, lambda x, t, v: sigmoid(x)),
            "only the positive term": (LOCAL, lambda x, t, v: -t * sigmoid(-x)),
            "only the negative term": (LOCAL, lambda x, t, v: (1 - t) * sigmoid(x)),
            "pos_weight forgotten": (SCALE, lambda x, t, v: sigmoid(x) - t),
            "pos_weight on both": (SCALE, lambda x, t, v: v.pos_weight * (sigmoid(x) - t)),
        },
    ),
    "kl_div": Pointwise(
        lambda x, t, v: kl_target(t, v.log_target) * (np.log(np.maximum(kl_target(t, v.log_target), 1e-300)) - x),
        lambda x, t, v: -kl_target(t, v.log_target),
        {
            "the exponential of the input": (LOCAL, lambda x, t, v: -t * np.exp(x)),
            "p - t": (LOCAL, lambda x, t, v: np.exp(x) - t),
            "t / input": (LOCAL, lambda x, t, v: -t / np.exp(x)),
            "the loss's logarithm": (LOCAL, lambda x, t, v: np.log(t) - x),
            "x for t": (WRONG_TENSOR, lambda x, t, v: -np.exp(x)),
        },
    ),
    "hinge_embedding_loss": Pointwise(
        lambda x, t, v: np.where(t == 1, x, np.maximum(v.margin - x, 0)),
        lambda x, t, v: np.where(t == 1, 1.0, -1.0 * (v.margin - x >= 0)),
        {
            "no mask": (MARGIN, lambda x, t, v: t * 1.0),
            "margin forgotten": (SCALE, lambda x, t, v: np.where(t == 1, 1.0, -1.0 * (1 - x > 0))),
            "sign of the negative side": ("wrong-sign", lambda x, t, v: np.where(t == 1, 1.0, 1.0 * (v.margin - x >= 0))),
        },
    ),
    "soft_margin_loss": Pointwise(
        lambda x, t, v: np.logaddexp(0, -t * x),
        lambda x, t, v: -t * sigmoid(-t * x),
        {
            "t lost": (LOCAL, lambda x, t, v: -sigmoid(-t * x)),
            "sigma for 1 - sigma": (WRONG_TENSOR, lambda x, t, v: -t * sigmoid(t * x)),
            "sigma' for sigma": (LOCAL, lambda x, t, v: -t * sigmoid(t * x) * sigmoid(-t * x)),
        },
    ),
    "poisson_nll_loss": Pointwise(
        lambda x, t, v: (np.exp(x) - t * x) if v.log_input else (x - t * np.log(x + v.eps)),
        lambda x, t, v: (np.exp(x) - t) if v.log_input else (1 - t / (x + v.eps)),
        {
            "exponential lost": (LOCAL, lambda x, t, v: x - t),
            "target forgotten": (LOCAL, lambda x, t, v: np.exp(x)),
            "the other parametrisation": (WRONG_TENSOR, lambda x, t, v: 1 - t / x),
        },
    ),
}  # fmt: skip


def reduce(entries: Array, v: Any, wrong: frozenset[str], divisor: float | None = None) -> Array:
    if v.reduction == "none":
        return entries
    n = entries.size if divisor is None else divisor
    if v.reduction == "batchmean":
        n = entries.shape[0]
    total = entries.sum()
    if v.reduction == "sum":
        n = 1
    for flag, value in (
        ("forward sum", 1.0),
        ("forward mean over the batch", entries.shape[0] if entries.ndim else 1),
        ("forward mean over the entries", entries.size),
        ("forward half", 2.0 * n),
        ("forward half of the sum", 2.0),
        ("forward half over the batch", 2.0 * (entries.shape[0] if entries.ndim else 1)),
    ):
        if flag in wrong:
            n = value
    return np.asarray(total / n)


FORWARD_REDUCTIONS = tuple(
    M(
        flag,
        "wrong-reduction",
        "output",
        "The loss is reduced with another divisor.",
        "Divide by what torch divides by.",
    )
    for flag in (
        "forward sum",
        "forward mean over the batch",
        "forward mean over the entries",
        "forward half",
        "forward half of the sum",
        "forward half over the batch",
    )
)


DIFFERENCES = (
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
)  # of input - target: the target has a gradient, too


def pointwise(name: str) -> Formula:
    op = POINTWISE[name]

    def formula(v: Any, wrong: frozenset[str]) -> Any:
        x, t = v.input, v.target
        weight = 1 if v.weight is None else v.weight
        n = x.shape[0] if v.reduction == "batchmean" else 1 if v.reduction in ("sum", "none") else x.size
        y = reduce(op.value(x, t, v) * weight, v, wrong)

        def backward(dy: Any = 1.0) -> Gradients:
            slope = op.slope(x, t, v)
            for flag in wrong:
                if flag in op.wrong:
                    slope = op.wrong[flag][1](x, t, v)
            if "weight forgotten" not in wrong:
                slope = slope * weight
            dx = slope * dy / n
            return {"input": dx, "target": -dx} if name in DIFFERENCES else {"input": dx}

        return (y,), backward

    return formula


SENTENCE = {
    MARGIN: "Entries take the wrong side of a threshold",
    LOCAL: "A factor or term of the loss's derivative is missing or replaced",
    WRONG_TENSOR: "The derivative is evaluated at the wrong tensor",
    SCALE: "A constant of the loss (beta, delta, margin, weight) is lost or misplaced",
    "wrong-sign": "A sign is wrong",
    "softmax-jacobian-twice": "The sigmoid's derivative is applied although the fused loss has cancelled it",
}


def pointwise_mistakes(name: str) -> tuple[Mistake, ...]:
    table = POINTWISE[name].wrong
    own = tuple(M(flag, slug, "input", f"{SENTENCE[slug]} ({flag}).") for flag, (slug, _) in table.items())
    return (
        *own,
        M("weight forgotten", SCALE, "input", "The weights of the entries are forgotten."),
        *FORWARD_REDUCTIONS,
    )


# --- classification -------------------------------------------------------------------------------------------------


def targets(v: Any) -> tuple[Array, Array]:
    """The target as rows of probabilities (N, K), and the weight of each row (0: ignored)."""
    k = v.input.shape[1]
    weight = np.ones(k) if v.weight is None else v.weight
    live = v.target != v.ignore_index
    safe = np.clip(v.target, 0, k - 1)
    onehot = np.moveaxis(np.eye(k)[safe], -1, 1)
    return onehot, weight[safe] * live


def nll_loss(v: Any, wrong: frozenset[str]) -> Any:
    onehot, w = targets(v)
    n = w.sum() if v.reduction == "mean" else 1.0
    loss = reduce(-(v.input * onehot).sum(1) * w, v, wrong, w.sum())

    def backward(dy: Any = 1.0) -> Gradients:
        dy = np.expand_dims(np.asarray(dy), 1) if v.reduction == "none" else dy
        rows, divisor = np.expand_dims(w, 1), n
        dx = -onehot
        if "softmax's" in wrong:
            dx = np.exp(v.input) - onehot
        if "1 / p" in wrong:
            dx = -onehot / v.input
        if "1 / exp" in wrong:
            dx = -onehot / np.exp(v.input)
        if "times the input" in wrong:
            dx = -onehot * v.input
        rows, divisor = weights_lost(v, w, rows, divisor, wrong)
        return {"input": dx * rows * dy / divisor}

    return (loss,), backward


def weights_lost(v: Any, w: Array, rows: Any, divisor: float, wrong: frozenset[str]) -> tuple[Any, float]:
    """Variations of the class weights and of the ignored rows."""
    live = np.expand_dims(v.target != v.ignore_index, 1) * 1.0
    if "class weights forgotten" in wrong:
        rows, divisor = live, live.sum() if v.reduction == "mean" else 1.0
    if "class weights forgotten in the rows" in wrong:
        rows = live
    if "divided by N" in wrong:
        divisor = float(v.target.size) if v.reduction == "mean" else 1.0
    if "divided by the rows that count" in wrong:
        divisor = float(live.sum()) if v.reduction == "mean" else 1.0
    if "ignored rows counted" in wrong:
        rows = (
            np.ones_like(live)
            if v.weight is None
            else np.expand_dims(v.weight[np.clip(v.target, 0, len(v.weight) - 1)], 1)
        )
    return rows, divisor


CLASS_WEIGHTS = (
    M("class weights forgotten", SCALE, "input", "The class weights are forgotten."),
    M("class weights forgotten in the rows", SCALE, "input", "The class weights are forgotten in the rows."),
    M("divided by N", "wrong-reduction", "input", "The mean divides by the sum of the counted rows' weights, not by N."),
    M("divided by the rows that count", "wrong-reduction", "input", "The mean divides by the sum of the weights."),
    M("ignored rows counted", "wrong-mask", "input", "Rows with ignore_index must get no gradient."),
)  # fmt: skip

NLL = (
    M("softmax's", "softmax-jacobian-twice", "input", "softmax - onehot is the gradient of cross entropy; here the softmax is no part of the loss."),
    M("1 / p", LOCAL, "input", "The input holds log probabilities already; nothing is divided."),
    M("1 / exp", LOCAL, "input", "The input holds log probabilities already; nothing is divided."),
    M("times the input", LOCAL, "input", "The derivative of -x is -1, not -x."),
    *CLASS_WEIGHTS,
    *FORWARD_REDUCTIONS,
)  # fmt: skip


def cross_entropy(v: Any, wrong: frozenset[str]) -> Any:
    x = v.input
    onehot, w = targets(v)
    k = x.shape[1]
    weight = np.ones(k) if v.weight is None else v.weight
    per_class = weight.reshape([1, k] + [1] * (x.ndim - 2))
    smooth = 0.0 if "smoothing forgotten" in wrong else v.label_smoothing
    live = np.expand_dims(v.target != v.ignore_index, 1) * 1.0
    # the weight that each logit's log probability gets
    share = (1 - smooth) * onehot * np.expand_dims(w, 1) + smooth / k * per_class * live
    axis = 0 if "forward axis" in wrong else 1
    log_p = x - logsumexp(x, axis)
    if "forward over everything" in wrong:
        log_p = x - logsumexp(x.reshape(-1), 0)
    n = w.sum() if v.reduction == "mean" else 1.0
    loss = reduce(-(share * log_p).sum(1), v, wrong, w.sum())
    s = np.exp(log_p)

    def backward(dy: Any = 1.0) -> Gradients:
        dy = np.expand_dims(np.asarray(dy), 1) if v.reduction == "none" else dy
        rows, divisor = share.sum(1, keepdims=True), n
        p = s
        if "axis" in wrong:
            p = stable(x, 0)
        if "softmax over everything" in wrong:
            p = stable(x.reshape(-1)).reshape(x.shape)
        if "raw logits" in wrong:
            p = x
        if "log_softmax for softmax" in wrong:
            p = log_p
        if "sigmoid" in wrong:
            p = sigmoid(x)
        if "exp without normalisation" in wrong:
            p = np.exp(x)
        if "smoothing forgotten" in wrong or not (v.weight is None and smooth == 0):
            dx = p * rows - share
            if {"class weights forgotten", "class weights forgotten in the rows", "ignored rows counted"} & wrong:
                r, divisor = weights_lost(v, w, np.expand_dims(w, 1), divisor, wrong)
                dx = (p - ((1 - smooth) * onehot + smooth / k)) * r
            if {"divided by N", "divided by the rows that count"} & wrong:
                _, divisor = weights_lost(v, w, 1, divisor, wrong)
        else:
            r, divisor = weights_lost(v, w, np.expand_dims(w, 1), divisor, wrong)
            dx = (p - onehot) * r
        if "jacobian again" in wrong:
            dx = s * (dx - (dx * s).sum(1, keepdims=True))
        if "elementwise jacobian again" in wrong:
            dx = dx * s * (1 - s)
        if "times s" in wrong:
            dx = dx * s
        if "ignored rows get the softmax" in wrong:
            dx = np.where(live == 0, p, dx)
        if "onehot forgotten" in wrong:
            dx = p * rows
        if "softmax forgotten" in wrong:
            dx = -share
        if "only the target's entry" in wrong:
            dx = (p * rows - share) * onehot
        if "only the others" in wrong:
            dx = (p * rows - share) * (1 - onehot)
        if "through 1 / p, elementwise" in wrong:
            dx = -share / np.maximum(s, 1e-300) * s * (1 - s)
        if "1 / p only" in wrong:
            dx = -share / np.maximum(s, 1e-300)
        if "s (1 - s)" in wrong:
            dx = s * (1 - s) * rows
        if "sign of onehot" in wrong:
            dx = p * rows + share
        return {"input": dx * dy / divisor}

    return (loss,), backward


CROSS_ENTROPY = (
    M("jacobian again", "softmax-jacobian-twice", "input",
      "softmax - onehot is the gradient of the logits already; softmax's Jacobian is applied again.", "dx = (softmax(x) - onehot) / N"),
    M("elementwise jacobian again", "softmax-jacobian-twice", "input", "softmax - onehot is multiplied by s (1 - s) once more."),
    M("times s", "softmax-jacobian-twice", "input", "softmax - onehot is multiplied by s once more."),
    M("through 1 / p, elementwise", "softmax-elementwise", "input", "-1/p goes through s (1 - s) alone: the other classes' logits get nothing."),
    M("s (1 - s)", "softmax-elementwise", "input", "This is the elementwise s (1 - s); the gradient is softmax - onehot."),
    M("only the target's entry", "softmax-elementwise", "input", "Only the target's logit gets a gradient; all logits move the softmax."),
    M("softmax forgotten", LOCAL, "input", "The softmax term is missing: this is only -onehot."),
    M("onehot forgotten", LOCAL, "input", "The target's 1 is not subtracted."),
    M("only the others", LOCAL, "input", "The target's own entry is missing."),
    M("1 / p only", LOCAL, "input", "This is the gradient of the probabilities; softmax's own derivative is missing."),
    M("raw logits", WRONG_TENSOR, "input", "The one-hot target is subtracted from the logits, not from their softmax."),
    M("log_softmax for softmax", WRONG_TENSOR, "input", "The log probabilities stand where the probabilities belong."),
    M("sigmoid", WRONG_TENSOR, "input", "The sigmoid stands where the softmax belongs."),
    M("exp without normalisation", LOCAL, "input", "The exponentials are not normalised."),
    M("sign of onehot", "wrong-sign", "input", "The target's 1 is added where it must be subtracted."),
    M("axis", "softmax-wrong-axis", "input", "The softmax of the backward runs over the batch, not over the classes."),
    M("softmax over everything", "softmax-wrong-axis", "input", "The softmax of the backward runs over the whole array."),
    M("ignored rows get the softmax", MARGIN, "input", "Rows with ignore_index must get no gradient; here their softmax is left standing."),
    M("smoothing forgotten", SCALE, "input", "The label smoothing is forgotten in the backward."),
    M("forward axis", "softmax-wrong-axis", "output", "The softmax runs over the batch, not over the classes."),
    M("forward over everything", "softmax-wrong-axis", "output", "The softmax runs over the whole array."),
    *CLASS_WEIGHTS,
    *FORWARD_REDUCTIONS,
)  # fmt: skip


def multi_margin_loss(v: Any, wrong: frozenset[str]) -> Any:
    x, (n, k) = v.input, v.input.shape
    rows = np.arange(n)
    correct = x[rows, v.target][:, None]
    slack = np.maximum(v.margin - correct + x, 0)
    slack[rows, v.target] = 0
    weight = np.ones(k) if v.weight is None else v.weight
    loss = reduce((slack**v.p).sum(1) / k * weight[v.target], v, wrong)
    if "forward without 1 / K" in wrong:
        loss = loss * k

    def backward(dy: Any = 1.0) -> Gradients:
        dy = np.asarray(dy)[:, None] if v.reduction == "none" else dy
        dx = v.p * slack ** (v.p - 1) * (slack > 0)
        if "edge active" in wrong:
            dx = (v.margin - correct + x >= 0) * 1.0
            dx[rows, v.target] = 0
        if "no mask" in wrong:
            dx = np.ones_like(x)
            dx[rows, v.target] = 0
        count = dx.sum(1)
        if "target gets -1" in wrong:
            count = np.ones(n)
        if "target gets nothing" in wrong:
            count = np.zeros(n)
        dx[rows, v.target] = count if "sign at the target" in wrong else -count
        if "slack for its mask" in wrong:
            dx = slack
            dx[rows, v.target] = -slack.sum(1)
        divisor = k * (n if v.reduction == "mean" else 1)
        if "forward without 1 / K" in wrong:
            divisor = divisor // k
        return {"input": dx * weight[v.target][:, None] * dy / divisor}

    return (loss,), backward


MULTI_MARGIN = (
    M("edge active", MARGIN, "input", "A margin that is met exactly gives no gradient."),
    M("no mask", MARGIN, "input", "Classes outside the margin must give no gradient."),
    M("target gets -1", "overwritten-not-accumulated", "input", "The target's entry gets -1 for each class inside the margin."),
    M("target gets nothing", LOCAL, "input", "The target's entry gets minus the number of classes inside the margin."),
    M("sign at the target", "wrong-sign", "input", "The target's entry must be negative."),
    M("slack for its mask", LOCAL, "input", "The derivative of max(z, 0) is its mask, not its value."),
    M("forward without 1 / K", "wrong-reduction", "output", "torch divides by the number of classes."),
    *FORWARD_REDUCTIONS,
)  # fmt: skip


def margin_ranking_loss(v: Any, wrong: frozenset[str]) -> Any:
    a, b, t = v.input1, v.input2, v.target
    z = -t * (a - b) + v.margin
    loss = reduce(np.maximum(z, 0), v, wrong)
    n = a.size if v.reduction == "mean" else 1

    def backward(dy: Any = 1.0) -> Gradients:
        active = z >= 0
        if "no mask" in wrong:
            active = np.ones_like(active)
        if "margin forgotten" in wrong:
            active = -t * (a - b) >= 0
        da = -t * active * dy / n
        if "target forgotten" in wrong:
            da = -1.0 * active * dy / n
        return {"input1": da, "input2": da if "same sign" in wrong else -da}

    return (loss,), backward


MARGIN_RANKING = (
    M("no mask", MARGIN, "input1", "Pairs outside the margin must give no gradient."),
    M("margin forgotten", SCALE, "input1", "The margin is forgotten in the mask."),
    M("target forgotten", LOCAL, "input1", "The factor target is missing."),
    M("same sign", "wrong-sign", "input2", "The two inputs' gradients have opposite signs."),
    *FORWARD_REDUCTIONS,
)  # fmt: skip
