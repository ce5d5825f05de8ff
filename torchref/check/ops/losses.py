"""Losses of a prediction and a target: entry by entry, and of classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.common import X
from torchref.check.ops.conventions import Convention
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.record import Argument, Arrays, Known, Maker, Op, Options, Patch, array, data, option
from torchref.check.textbook import losses as textbook
from torchref.nn.module import Array

REDUCTION = option("reduction", "mean", vary=("sum", "none"))
TARGET = data("target")
# Whole factors are a matter of the reduction, sums for means included.
REDUCED = dict.fromkeys(("mean", "whole", "share"), slugs.DIVISOR)

# The probes: the targets and margins that show the losses' edges.


Pair = Callable[[Generator, Options, Array, Array], Arrays]  # what a loss makes of two normal arrays


def _make_pair(arrays: Pair) -> Maker:
    def make(rng: Generator, o: Options, variant: str) -> Arrays:
        shape = {"vector": (7,), "column": (7, 1), "square": (5, 5)}.get(variant, (5, 7))
        x, t = rng.normal(size=shape) * 1.5, rng.normal(size=shape)
        return {"input": x, "target": t, **arrays(rng, o, x, t)}

    return make


def differences(_: Generator, o: Options, x: Array, t: Array) -> Arrays:
    """A pair with no difference at two places, one far beyond the edge on each side, and one inside."""
    edge = o.get("beta", o.get("delta", 1.0))
    x = x.copy()
    x.flat[1:6] = t.flat[1:6] + edge * np.array([0, 3, -3, 0, 0.4])
    return {"input": x}


def _probabilities(rng: Generator, _: Options, x: Array, t: Array) -> Arrays:
    return {"input": rng.uniform(0.05, 0.95, x.shape), "target": rng.integers(0, 2, t.shape) * 1.0}


def _logits(rng: Generator, _: Options, x: Array, t: Array) -> Arrays:
    return {"target": rng.integers(0, 2, t.shape) * 1.0, "pos_weight": rng.uniform(1.2, 2.5, x.shape[-1:])}


def _distributions(rng: Generator, o: Options, x: Array, t: Array) -> Arrays:
    p, q = rng.uniform(0.1, 1, x.shape), rng.uniform(0.1, 1, t.shape)
    t = q / q.sum(-1, keepdims=True)
    return {"input": np.log(p / p.sum(-1, keepdims=True)), "target": np.log(t) if o["log_target"] else t}


def _signs(rng: Generator, _: Options, x: Array, *__: Array) -> Arrays:
    t = rng.choice([-1.0, 1.0], x.shape)
    t.flat[:4] = [1, -1, -1, 1]
    return {"target": t}


def _counts(rng: Generator, o: Options, x: Array, *_: Array) -> Arrays:
    t = rng.poisson(3, x.shape) * 1.0
    return {"target": t} if o["log_input"] else {"target": t, "input": np.abs(x) + 0.3}


def _make_classes(rng: Generator, o: Options, variant: str) -> Arrays:
    n, k = (5, 5) if variant == "square" else (5, 3) if variant == "three" else (5, 7)
    x = rng.normal(size=(n, k)) * 1.3
    target = rng.integers(0, k, n)
    target[1] = target[0]
    if o.get("ignore_index", -100) >= 0:
        target[:2] = (o["ignore_index"] + 1) % k
        target[3] = o["ignore_index"]
    return {"input": x, "target": target, "weight": rng.uniform(0.4, 2.2, k)}


def _make_log_classes(rng: Generator, o: Options, variant: str) -> Arrays:
    arrays = _make_classes(rng, o, variant)
    x = arrays["input"]
    return {**arrays, "input": x - np.log(np.exp(x).sum(1, keepdims=True))}


def _make_margin_classes(rng: Generator, o: Options, variant: str) -> Arrays:
    arrays = _make_classes(rng, o, variant)
    x, t = arrays["input"] * 1.5, arrays["target"]
    x[0, t[0]] = 1.5  # the next class exactly at the margin, however it is added up
    x[0, (t[0] + 1) % x.shape[1]] = 1.5 - o["margin"]
    return {**arrays, "input": x}


def _make_ranking(rng: Generator, o: Options, *_: object) -> Arrays:
    a, b, t = rng.normal(size=7), rng.normal(size=7), rng.choice([-1.0, 1.0], 7)
    a[1], b[1], t[1] = 0.5 + o["margin"], 0.4, 1.0  # no pair at the edge itself: torch counts it, most texts do not
    return {"input1": a, "input2": b, "target": t}


def _make_gaussian(rng: Generator, _o: Options, variant: str) -> Arrays:
    shape = (7,) if variant == "vector" else (5, 7)
    return {"input": rng.normal(size=shape), "target": rng.normal(size=shape), "var": rng.uniform(0.3, 2.5, shape)}


# The mistakes that no edit makes.


def _reductions(entries: str, *more: str) -> tuple[Patch, ...]:
    """The loss over another divisor."""
    instead = (f"{entries}.sum()", *more, f"{entries}.mean() / 2", f"{entries}.sum() / 2")
    return tuple(
        Patch("loss =", f"loss = {t}", slugs.DIVISOR, "The loss is reduced with another divisor.") for t in instead
    )


PAIR = _reductions("entries", "entries.sum() / len(entries)", "entries.sum() / (2 * len(entries))")
ROW = _reductions("rows")


def slopes(line: str, *wrong: tuple[str, str, str]) -> tuple[Patch, ...]:
    """The wrong lines instead of the one that begins with `line`: each its value, slug and sentence."""
    target = line.split("=")[0].strip()
    return tuple(Patch(line, f"{target} = {instead}", slug, sentence) for instead, slug, sentence in wrong)


MSE = slopes(
    "dx =",
    ("difference * dentries", slugs.SCALE, "The 2 of the square's derivative is lost."),
    ("entries * dentries", slugs.LOCAL, "This is the square itself; its derivative is 2 (x - t)."),
    ("2 * x * dentries", slugs.LOCAL, "The target is not subtracted."),
    ("np.sign(difference) * dentries", slugs.LOCAL, "This is the derivative of the absolute difference."),
)
L1 = slopes(
    "dx =",
    ("difference * dentries", slugs.LOCAL, "The derivative of |x - t| is its sign, not the difference itself."),
    ("np.where(x >= t, 1, -1) * dentries", slugs.MASK, "Where x equals t the sign is 0; here it is 1."),
    ("np.where(x > t, 1, -1) * dentries", slugs.MASK, "Where x equals t the sign is 0; here it is -1."),
    ("(x > t) * dentries", slugs.MASK, "Where x is below t the sign is -1; here it is 0."),
    ("np.ones_like(x) * dentries", slugs.LOCAL, "The sign of the difference is missing."),
    ("np.sign(x) * dentries", slugs.TENSOR, "This is the sign of the input, not of the difference."),
)
SMOOTH_L1 = slopes(
    "slope =",
    ("np.where(inside, difference, np.sign(difference))", slugs.SCALE, "The division by beta is missing inside."),
    ("np.clip(difference, -1, 1)", slugs.SCALE, "beta is forgotten, in the slope and in the threshold."),
    ("np.clip(difference, -beta, beta)", slugs.SCALE, "This is the Huber loss's slope, beta times this one's."),
    ("np.where(inside, difference * beta, np.sign(difference))", slugs.SCALE, "beta must divide the difference, not multiply it."),
    ("difference / beta", slugs.MASK, "Beyond beta the slope is the difference's sign alone."),
    ("np.sign(difference)", slugs.MASK, "Inside beta the slope is the difference over beta."),
    ("np.where(inside, difference / beta, difference)", slugs.LOCAL, "Beyond beta the slope is the difference's sign, not the difference."),
    ("np.where(inside, difference / beta, 1)", slugs.LOCAL, "Beyond beta the sign of the difference is missing."),
    ("np.where(difference < beta, difference / beta, np.sign(difference))", slugs.MASK, "The threshold is for the size of the difference, on both sides."),
    ("np.where(inside, np.sign(difference), difference / beta)", slugs.MASK, "The two branches are exchanged."),
)  # fmt: skip
HUBER = slopes(
    "slope =",
    ("np.where(inside, difference, np.sign(difference))", slugs.SCALE, "Beyond delta the sign must be multiplied by delta."),
    ("np.clip(difference, -1, 1)", slugs.SCALE, "delta is forgotten, in the slope and in the threshold."),
    ("np.clip(difference / delta, -1, 1)", slugs.SCALE, "This is smooth_l1_loss's slope, this one's over delta."),
    ("np.where(inside, delta * difference, delta * np.sign(difference))", slugs.SCALE, "Inside delta the slope is the difference alone."),
    ("difference", slugs.MASK, "Beyond delta the slope is delta times the difference's sign."),
    ("delta * np.sign(difference)", slugs.MASK, "Inside delta the slope is the difference."),
    ("np.where(inside, difference, delta)", slugs.LOCAL, "Beyond delta the sign of the difference is missing."),
    ("np.where(inside, difference, delta * difference)", slugs.LOCAL, "Beyond delta the slope is delta times the sign, not times the difference."),
    ("np.where(inside, difference, 0)", slugs.MASK, "Beyond delta the slope is not 0 but delta times the sign."),
    ("np.where(difference <= delta, difference, delta)", slugs.MASK, "The threshold is for the size of the difference, on both sides."),
    ("np.where(inside, delta * np.sign(difference), difference)", slugs.MASK, "The two branches are exchanged."),
)  # fmt: skip
BINARY = slopes(
    "slope =",
    ("x - t", slugs.LOCAL, "The division by p (1 - p) is missing: p - t is the gradient of the logits."),
    ("-t / x", slugs.LOCAL, "The term of the targets that are 0 is missing."),
    ("(1 - t) / (1 - x)", slugs.LOCAL, "The term of the targets that are 1 is missing."),
    ("(x - t) * x * (1 - x)", slugs.LOCAL, "p - t must be divided by p (1 - p), not multiplied."),
    ("(x - t) / x", slugs.LOCAL, "The divisor 1 - p is missing."),
    ("(x - t) / (1 - x)", slugs.LOCAL, "The divisor p is missing."),
    ("-t / x - (1 - t) / (1 - x)", slugs.SIGN, "The term of the targets that are 0 has the other sign."),
    ("sigmoid(x) - t", slugs.TENSOR, "The input is a probability already; no sigmoid belongs here."),
    ("(x - t) / np.maximum(t * (1 - t), 1e-12)", slugs.TENSOR, "The divisor is p (1 - p), of the prediction, not of the target."),
)  # fmt: skip
WITH_LOGITS = (
    ("x - t", slugs.TENSOR, "The target is subtracted from the logits, not from their sigmoid."),
    ("(s - t) * s * (1 - s)", slugs.SOFTMAX_TWICE, "The sigmoid's derivative is applied although the fused loss has cancelled it."),
    ("(s - t) / (s * (1 - s))", slugs.LOCAL, "This is the gradient of the probabilities: the sigmoid's derivative is missing."),
    ("s", slugs.LOCAL, "The target is not subtracted."),
    ("-t * (1 - s)", slugs.LOCAL, "The term of the targets that are 0 is missing."),
    ("(1 - t) * s", slugs.LOCAL, "The term of the targets that are 1 is missing."),
)  # fmt: skip
LOGITS = (
    *slopes(
        "slope = (1 - t)",
        *WITH_LOGITS,
        ("s - t", slugs.SCALE, "pos_weight is forgotten."),
        ("pos_weight * (s - t)", slugs.SCALE, "pos_weight weighs the targets that are 1 alone."),
    ),
    *slopes("slope = s", *WITH_LOGITS),
)  # fmt: skip
KL = slopes(
    "dx =",
    (
        "-q * np.exp(x) * dentries",
        slugs.LOCAL,
        "The derivative of t (log t - x) is -t: the input is a logarithm already.",
    ),
    (
        "(np.exp(x) - q) * dentries",
        slugs.LOCAL,
        "p - t is the gradient of a softmax's logits, not of log probabilities.",
    ),
    ("-q / np.exp(x) * dentries", slugs.LOCAL, "The input is a logarithm already; nothing is divided."),
    ("(log_q - x) * dentries", slugs.LOCAL, "This is the difference of the logarithms; the derivative is -t."),
    ("-np.exp(x) * dentries", slugs.TENSOR, "The input's probabilities stand where the target's belong."),
)
HINGE = slopes(
    "slope =",
    ("t", slugs.MASK, "Beyond the margin there is no gradient."),
    ("np.where(t == 1, 1, -1 * (x < 1))", slugs.SCALE, "The margin is forgotten in the mask."),
    ("np.where(t == 1, 1, inside)", slugs.SIGN, "The loss of the targets that are -1 falls as x grows."),
)
SOFT_MARGIN = slopes(
    "dx =",
    ("-sigmoid(-t * x) * dentries", slugs.LOCAL, "The factor t is missing."),
    ("-t * sigmoid(t * x) * dentries", slugs.TENSOR, "The sigmoid is taken at t x; it belongs at -t x."),
    ("-t * sigmoid(t * x) * sigmoid(-t * x) * dentries", slugs.LOCAL, "This is the sigmoid's derivative; the loss's is the sigmoid."),
)  # fmt: skip
POISSON = (
    *slopes(
        "slope = np.exp(x)",
        ("x - t", slugs.LOCAL, "The exponential is missing: with log_input the rate is exp(x)."),
        ("np.exp(x)", slugs.LOCAL, "The target is not subtracted."),
        ("1 - t / x", slugs.TENSOR, "This is the derivative where the input is the rate itself."),
        ("1 - t / np.exp(x)", slugs.LOCAL, "The derivative by the rate lacks that of the exponential."),
    ),
    *slopes(
        "slope = 1", ("np.exp(x) - t", slugs.TENSOR, "This is the derivative where the input is the rate's logarithm.")
    ),
)
GAUSSIAN = (
    *slopes(
        "dx =",
        ("difference * dentries", slugs.LOCAL, "The division by the variance is missing."),
        ("difference / np.sqrt(variance) * dentries", slugs.LOCAL, "The difference must be divided by the variance, not by its root."),
        ("2 * difference / variance * dentries", slugs.SCALE, "The 2 of the square cancels the loss's 1/2."),
    ),
    *slopes(
        "slope =",
        ("1 / (2 * variance)", slugs.LOCAL, "The square's term of dvar is missing."),
        ("-(difference**2) / (2 * variance**2)", slugs.LOCAL, "The logarithm's term of dvar is missing."),
        ("(1 / variance - difference**2 / variance) / 2", slugs.LOCAL, "The derivative of 1 / var is -1 / var^2."),
        ("1 / variance - difference**2 / variance**2", slugs.SCALE, "The 1/2 of the loss is lost in dvar."),
        ("1 / variance - difference**2 / variance**3", slugs.TENSOR, "This is the derivative with respect to the standard deviation."),
    ),
    Patch("entries =", "entries = np.log(variance) + difference**2 / variance + 2 * constant", slugs.SCALE, "torch's loss has the factor 1/2."),
)  # fmt: skip

UNWEIGHTED = "The class weights are forgotten."
RATIO = "The mean divides by the sum of the counted rows' weights, not by N."
IGNORED = "Rows with ignore_index must get no gradient."
CLASS_REDUCTIONS = _reductions("rows", "rows.mean()", "rows.sum() / total / 2")
PER_N, PER_COUNTED = (
    Patch("drows =", f"drows = dloss / {divisor}", slugs.DIVISOR, sentence)
    for divisor, sentence in (
        ("len(x)", RATIO),
        ("(t != ignore_index).sum()", "The mean divides by the sum of the weights."),
    )
)
NLL = (
    *slopes(
        "dx =",
        ("(np.exp(x) - onehot) * share.sum(1, keepdims=True) * drows", slugs.SOFTMAX_TWICE, "softmax - onehot is the gradient of cross entropy; here the softmax is no part of the loss."),
        ("-share / x * drows", slugs.LOCAL, "The input holds log probabilities already; nothing is divided."),
        ("-share / np.exp(x) * drows", slugs.LOCAL, "The input holds log probabilities already; nothing is divided."),
        ("-share * x * drows", slugs.LOCAL, "The derivative of -x is -1, not -x."),
        ("-onehot * counted * dloss / counted.sum()", slugs.SCALE, UNWEIGHTED),
        ("-onehot * counted * drows", slugs.SCALE, "The class weights are forgotten in the rows."),
    ),
    PER_N,
    PER_COUNTED,
    *slopes("dx =", ("-onehot * weight * drows", slugs.MASK, IGNORED)),
    *CLASS_REDUCTIONS,
)  # fmt: skip


def _of_softmax(line: str, write: Callable[[str], str]) -> tuple[Patch, ...]:
    """The mistakes in softmax - onehot, in the line that begins with `line`; `write` fits them to it."""
    return slopes(line, *((write(instead), slug, sentence) for instead, slug, sentence in SOFTMAX_ONEHOT))


RIGHT, AGAIN = "(p * row_weight - share)", slugs.SOFTMAX_ELEMENTWISE
SOFTMAX_ONEHOT = (
    (f"p * ({RIGHT} - ({RIGHT} * p).sum(1, keepdims=True)) * drows", slugs.SOFTMAX_TWICE, "softmax - onehot is the gradient of the logits already; softmax's Jacobian is applied again."),
    (f"{RIGHT} * p * (1 - p) * drows", slugs.SOFTMAX_TWICE, "softmax - onehot is multiplied by s (1 - s) once more."),
    (f"{RIGHT} * p * drows", slugs.SOFTMAX_TWICE, "softmax - onehot is multiplied by s once more."),
    ("-share * (1 - p) * drows", AGAIN, "-1/p goes through s (1 - s) alone: the other classes' logits get nothing."),
    ("p * (1 - p) * row_weight * drows", AGAIN, "This is the elementwise s (1 - s); the gradient is softmax - onehot."),
    (f"{RIGHT} * onehot * drows", AGAIN, "Only the target's logit gets a gradient; all logits move the softmax."),
    ("-share * drows", slugs.LOCAL, "The softmax term is missing: this is only -onehot."),
    ("p * row_weight * drows", slugs.LOCAL, "The target's 1 is not subtracted."),
    (f"{RIGHT} * (1 - onehot) * drows", slugs.LOCAL, "The target's own entry is missing."),
    ("-share / np.maximum(p, 1e-300) * drows", slugs.LOCAL, "This is the gradient of the probabilities; softmax's own derivative is missing."),
    ("(x * row_weight - share) * drows", slugs.TENSOR, "The one-hot target is subtracted from the logits, not from their softmax."),
    ("(log_p * row_weight - share) * drows", slugs.TENSOR, "The log probabilities stand where the probabilities belong."),
    ("(sigmoid(x) * row_weight - share) * drows", slugs.TENSOR, "The sigmoid stands where the softmax belongs."),
    ("(np.exp(x) * row_weight - share) * drows", slugs.LOCAL, "The exponentials are not normalised."),
    ("(p * row_weight + share) * drows", slugs.SIGN, "The target's 1 is added where it must be subtracted."),
    ("(np.exp(log_softmax(x, 0)) * row_weight - share) * drows", slugs.SOFTMAX_AXIS, "The softmax of the backward runs over the batch, not over the classes."),
    ("(np.exp(log_softmax(x, (0, 1))) * row_weight - share) * drows", slugs.SOFTMAX_AXIS, "The softmax of the backward runs over the whole array."),
)  # fmt: skip


def _plainly(instead: str) -> str:
    """Without weights, ignored rows and smoothing."""
    return instead.replace("p * row_weight", "p").replace(" * row_weight", "").replace("share", "onehot")


CROSS_ENTROPY = (
    *_of_softmax("dx = (p - onehot)", _plainly),
    *_of_softmax("dx = (p * row_weight", str),
    *slopes(
        "dx = (p * row_weight",
        (f"np.where(counted, {RIGHT}, p) * drows", slugs.MASK, "Rows with ignore_index must get no gradient; here their softmax is left standing."),
        ("(p - onehot) * (onehot * class_weight * counted).sum(1, keepdims=True) * drows", slugs.SCALE, "The label smoothing is forgotten in the backward."),
        ("(p - goal) * counted * dloss / counted.sum()", slugs.SCALE, UNWEIGHTED),
        ("(p - goal) * counted * drows", slugs.SCALE, "The class weights are forgotten in the rows."),
    ),
    PER_N,
    PER_COUNTED,
    *slopes("dx = (p * row_weight", ("(p - goal) * (onehot * class_weight).sum(1, keepdims=True) * drows", slugs.MASK, IGNORED)),
    *slopes(
        "log_p =",
        ("log_softmax(x, 0)", slugs.SOFTMAX_AXIS, "The softmax runs over the batch, not over the classes."),
        ("log_softmax(x, (0, 1))", slugs.SOFTMAX_AXIS, "The softmax runs over the whole array."),
    ),
    *CLASS_REDUCTIONS,
)  # fmt: skip
MULTI_MARGIN = (
    *slopes(
        "others =",
        ("(margin - right + x >= 0) * (1 - onehot)", slugs.MASK, "A margin that is met exactly gives no gradient."),
        ("1 - onehot", slugs.MASK, "Classes outside the margin must give no gradient."),
        ("slack", slugs.LOCAL, "The derivative of max(z, 0) is its mask, not its value."),
    ),
    *slopes("own =", ("1", slugs.LOCAL, "The target's entry gets -1 for each class inside the margin.")),
    *slopes("slope =", ("others", slugs.LOCAL, "The target's entry gets minus the number of classes inside the margin.")),
    Patch("rows =", "rows = (slack**p).sum(1)", slugs.DIVISOR, "torch divides by the number of classes."),
    *ROW,
)  # fmt: skip
RANKING = (
    *slopes(
        "inside =",
        ("1", slugs.MASK, "Pairs outside the margin must give no gradient."),
        ("-t * (x1 - x2) >= 0", slugs.SCALE, "The margin is forgotten in the mask."),
    ),
    *slopes("dx1 =", ("-1 * inside * drows", slugs.LOCAL, "The factor target is missing.")),
    *slopes("dx2 =", ("dx1", slugs.SIGN, "The two inputs' gradients have opposite signs.")),
    *ROW,
)

# What people call the intermediates.

DIFFERENCE = (
    Known("x - t", "prediction less target", "diff difference error err residual delta e d r", ("difference", "-difference", "entries")),
)  # fmt: skip
BINARY_KNOWN = (
    Known("(p - t) / (p (1 - p))", "the slope of one entry", "local slope deriv dldp dp dloss inner", ("slope", "slope * dloss", "slope * dloss / x.size", "slope / x.size")),
)  # fmt: skip
LOGITS_KNOWN = (Known("p", "the sigmoid of the logits", "p s sig sigmoid probs prob yhat pred sigma", ("s", "s - t")),)
SOFTMAX_KNOWN = (
    Known("p", "the softmax of the logits", "p probs prob softmax sm probabilities yhat s", ("p", "p - onehot", "np.exp(x - x.max(1, keepdims=True))", "dx")),
    Known("log p", "the logarithm of the softmax", "logp logprobs logsoftmax logprob ls", ("log_p",)),
    Known("one-hot", "the targets as rows of 0 and 1", "onehot t targetonehot y1h yonehot", ("onehot",)),
    Known("dlog p", "the gradient of log p: -onehot / N", "dlogp dlogprobs dlogsoftmax dlogprob", ("-onehot * drows", "-onehot * dloss", "-onehot * drows / dloss", "-onehot")),
    Known("dp", "the gradient of p: -onehot / (p N)", "dp dprobs dprob dsoftmax", ("-onehot / p * drows", "-onehot / p * dloss", "-onehot / p * drows / dloss", "dx", "dx / dloss", "p - onehot")),
)  # fmt: skip

# The records.


def _one_hot(values: Mapping[str, Any]) -> list[list[Convention]]:
    """The target as rows of 0 and 1, or as a column of classes."""
    k = values["input"].shape[1]

    def rows(t: Array) -> Array:
        return np.eye(k)[t] if np.asarray(t).dtype.kind in "iu" else t

    there = Convention("the target is one-hot", {"target": rows}, {})
    return [[there, Convention("the target is a column", {"target": lambda t: t.reshape(-1, 1)}, {})]]


def pair_loss(
    formula: Callable[..., Any],
    *modules: str,
    values: Pair,
    patches: tuple[Patch, ...],
    options: tuple[Argument, ...] = (),
    reduction: Argument = REDUCTION,
    target: Argument = TARGET,
    **more: Any,
) -> Op:
    """A loss of each entry of two arrays of the same shape."""
    return from_textbook(
        formula.__name__, modules, (X, target, *options, reduction), formula, (*patches, *PAIR), REDUCED,
        make=_make_pair(values), loss=True, family="loss", variants=("rich", "vector", "column"), deeper=True, **more,
    )  # fmt: skip


CLASS_SLUGS = {**REDUCED, "axis": slugs.SOFTMAX_AXIS}
ROWS_OF_LOSS = array("input", axes="N K")
WEIGHTS = ("class_weight", "class_weights", "weights", "w")
IGNORE = option("ignore_index", -100, 1)

OPERATIONS = (
    pair_loss(
        textbook.mse_loss, "MSELoss", "mse", "mean_squared_error", "l2_loss",
        values=differences, patches=MSE, known=DIFFERENCE, derivation="losses-of-differences.md",
    ),
    pair_loss(textbook.l1_loss, "L1Loss", "l1", "mae", values=differences, patches=L1, derivation="losses-of-differences.md"),
    pair_loss(
        textbook.smooth_l1_loss, "SmoothL1Loss",
        options=(option("beta", 1.0, 0.7, "delta", "b"),), values=differences, patches=SMOOTH_L1, derivation="losses-of-differences.md",
    ),
    pair_loss(
        textbook.huber_loss, "HuberLoss",
        options=(option("delta", 1.0, 0.7, "beta", "d"),), values=differences, patches=HUBER, derivation="losses-of-differences.md",
    ),
    pair_loss(
        textbook.binary_cross_entropy, "BCELoss", "bce", "bce_loss",
        values=_probabilities, patches=BINARY, known=BINARY_KNOWN, derivation="losses-of-probabilities.md",
    ),
    pair_loss(
        textbook.binary_cross_entropy_with_logits, "BCEWithLogitsLoss", "bce_with_logits", "bce_with_logits_loss", "sigmoid_cross_entropy",
        options=(data("pos_weight", optional=True),), values=_logits, patches=LOGITS, known=LOGITS_KNOWN, logits=True, finite=True, derivation="losses-of-probabilities.md",
    ),
    pair_loss(
        textbook.kl_div, "KLDivLoss", "kl_divergence", "kl",
        options=(option("log_target", False, vary=(True,)),), reduction=option("reduction", "mean", vary=("batchmean", "sum", "none")),
        target=data("target", "p"), values=_distributions, patches=KL, derivation="losses-of-probabilities.md",
    ),
    pair_loss(
        textbook.hinge_embedding_loss, "HingeEmbeddingLoss",
        options=(option("margin", 1.0, 0.75, "m"),), values=_signs, patches=HINGE, derivation="losses-of-margins.md",
    ),
    pair_loss(textbook.soft_margin_loss, "SoftMarginLoss", values=_signs, patches=SOFT_MARGIN, derivation="losses-of-probabilities.md"),
    pair_loss(
        textbook.poisson_nll_loss, "PoissonNLLLoss",
        options=(option("log_input", True, vary=(False,)), option("eps", 1e-8)), values=_counts, patches=POISSON, derivation="losses-of-probabilities.md",
    ),
    from_textbook(
        "cross_entropy",
        ("CrossEntropyLoss", "softmax_loss", "softmax_cross_entropy", "softmax_with_loss", "softmax_cross_entropy_with_logits"),
        (
            ROWS_OF_LOSS, TARGET, data("weight", *WEIGHTS, optional=True), IGNORE, REDUCTION,
            option("label_smoothing", 0.0, 0.3, "smoothing", "smooth", "eps", vary=(0.0,)),
        ),
        textbook.cross_entropy, CROSS_ENTROPY, CLASS_SLUGS, make=_make_classes, logits=True, variants=("rich", "three"), known=SOFTMAX_KNOWN,
        probabilities=True, derivation="softmax-cross-entropy.md", loss=True, family="loss", conventions=_one_hot,
    ),
    from_textbook(
        "nll_loss",
        ("NLLLoss", "nll", "negative_log_likelihood"),
        (ROWS_OF_LOSS, TARGET, data("weight", *WEIGHTS, neutral=1.0), IGNORE, REDUCTION),
        textbook.nll_loss, NLL, CLASS_SLUGS, make=_make_log_classes, derivation="losses-of-probabilities.md", loss=True, family="loss", conventions=_one_hot,
        logarithms=True,
    ),
    from_textbook(
        "multi_margin_loss",
        ("MultiMarginLoss", "multiclass_hinge", "hinge_loss", "svm_loss", "multiclass_hinge_loss"),
        (X, TARGET, option("p", 1, vary=(2,)), option("margin", 1.0, 0.75, "delta"), REDUCTION),
        textbook.multi_margin_loss, MULTI_MARGIN, REDUCED, make=_make_margin_classes, loss=True, family="loss", derivation="losses-of-margins.md",
    ),
    from_textbook(
        "gaussian_nll_loss",
        ("GaussianNLLLoss", "gaussian_nll"),
        (
            array("input", "mu", "mean"), TARGET, array("var", "variance", "v", "sigma2"),
            option("full", False, vary=(True,)), option("eps", 1e-6), REDUCTION,
        ),
        textbook.gaussian_nll_loss, (*GAUSSIAN, *PAIR), REDUCED,
        make=_make_gaussian, loss=True, family="loss", derivation="losses-of-probabilities.md", variants=("rich", "vector"),
    ),
    from_textbook(
        "margin_ranking_loss",
        ("MarginRankingLoss",),
        (array("input1", "x1", "a"), array("input2", "x2", "b"), data("target"), option("margin", 0.0, 0.25), REDUCTION),
        textbook.margin_ranking_loss, RANKING, REDUCED, make=_make_ranking, loss=True, family="loss", derivation="losses-of-margins.md",
    ),
)  # fmt: skip
