# ruff: noqa: E501
"""Softmax and its kin, and the functions that divide by a norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake, logsumexp
from torchref.check.mistakes.base import softmax as stable
from torchref.nn.module import Array

M = Mistake


def other_axis(axis: int, ndim: int) -> int:
    """The axis that is taken by mistake: the first for the last, the last for any other."""
    return 0 if axis % ndim == ndim - 1 else -1


def softmax(v: Any, wrong: frozenset[str]) -> Any:
    axis = v.dim
    x = v.input
    if v.sign < 0:
        x = -x
    other = other_axis(axis, x.ndim)
    s = stable(x, other if "forward axis" in wrong else axis)
    if "forward over everything" in wrong:
        s = stable(x.reshape(-1)).reshape(x.shape)
    if "forward denominator" in wrong:
        e = np.exp(x - x.max(axis, keepdims=True))
        s = e / e.sum(other, keepdims=True)

    def backward(dy: Array) -> Gradients:
        if "axis" in wrong:
            dx = s * (dy - (dy * s).sum(other, keepdims=True))
        elif "whole sum" in wrong:
            dx = s * (dy - (dy * s).sum())
        elif "elementwise" in wrong:
            dx = dy * s * (1 - s)
        elif "sum dropped" in wrong:
            dx = dy * s
        elif "only the sum" in wrong:
            dx = -s * (dy * s).sum(axis, keepdims=True)
        elif "square kept" in wrong:
            dx = dy * s - s * s
        elif "sum of dy" in wrong:
            dx = s * (dy - dy.sum(axis, keepdims=True))
        elif "mean for sum" in wrong:
            dx = s * (dy - (dy * s).mean(axis, keepdims=True))
        elif "log_softmax's" in wrong:
            dx = dy - s * dy.sum(axis, keepdims=True)
        elif "outer s lost" in wrong:
            dx = dy - (dy * s).sum(axis, keepdims=True)
        elif "sum added" in wrong:
            dx = s * (dy + (dy * s).sum(axis, keepdims=True))
        elif "at the input" in wrong:
            dx = x * (dy - (dy * x).sum(axis, keepdims=True))
        elif "at the input, elementwise" in wrong:
            dx = dy * x * (1 - x)
        elif "twice" in wrong:
            dx = s * (dy - (dy * s).sum(axis, keepdims=True))
            dx = s * (dx - (dx * s).sum(axis, keepdims=True))
        elif "off-diagonal only" in wrong:
            dx = dy * -s * s + s * (dy * s) - s * ((dy * s).sum(axis, keepdims=True) - dy * s)
        else:
            dx = s * (dy - (dy * s).sum(axis, keepdims=True))
        return {"input": v.sign * dx}

    return (s,), backward


SOFTMAX = (
    M(
        "elementwise",
        "softmax-elementwise",
        "input",
        "Softmax is treated like a function of each entry alone, s (1 - s); every output depends on all of its row.",
        "dx = s * (dy - (dy * s).sum(axis, keepdims=True))",
    ),
    M(
        "sum dropped",
        "softmax-elementwise",
        "input",
        "The sum term of softmax's Jacobian is dropped.",
        "dx = s * (dy - (dy * s).sum(axis, keepdims=True))",
    ),
    M("square kept", "softmax-elementwise", "input", "The sum term is replaced by the entry's own s^2."),
    M("only the sum", "softmax-elementwise", "input", "The diagonal term of softmax's Jacobian is dropped."),
    M("off-diagonal only", "softmax-elementwise", "input", "The diagonal of softmax's Jacobian is wrong."),
    M("axis", "softmax-wrong-axis", "input", "The sum of softmax's backward runs over the wrong axis."),
    M("whole sum", "softmax-wrong-axis", "input", "The sum of softmax's backward runs over the whole array."),
    M("twice", "softmax-jacobian-twice", "input", "Softmax's Jacobian is applied twice."),
    M("outer s lost", "local-derivative-missing", "input", "The factor s in front of the bracket is missing."),
    M("sum of dy", "local-derivative-missing", "input", "The sum inside must be of dy * s, not of dy."),
    M("mean for sum", "mean-instead-of-sum", "input", "The term inside must be a sum over the row, not a mean."),
    M("sum added", "wrong-sign", "input", "The sum term must be subtracted."),
    M(
        "at the input",
        "derivative-at-wrong-tensor",
        "input",
        "The Jacobian is evaluated at the input, not at softmax's output.",
    ),
    M("at the input, elementwise", "derivative-at-wrong-tensor", "input", "s (1 - s) is evaluated at the input."),
    M("forward axis", "softmax-wrong-axis", "output", "The forward normalises over the wrong axis."),
    M("forward denominator", "softmax-wrong-axis", "output", "The denominator adds up over the wrong axis."),
    M("forward over everything", "softmax-wrong-axis", "output", "The forward normalises over the whole array."),
)


def log_softmax(v: Any, wrong: frozenset[str]) -> Any:
    axis, x = v.dim, v.input
    other = other_axis(axis, x.ndim)
    if "forward over everything" in wrong:
        y = x - logsumexp(x.reshape(-1), 0)
    else:
        y = x - logsumexp(x, other if "forward axis" in wrong else axis)
    s = np.exp(y)

    def backward(dy: Array) -> Gradients:
        total = dy.sum(axis, keepdims=True)
        dx = dy - s * total
        for flag, wrong_dx in (
            ("axis", lambda: dy - s * dy.sum(other, keepdims=True)),
            ("whole sum", lambda: dy - s * dy.sum()),
            ("sum dropped", lambda: dy - s),
            ("elementwise", lambda: dy * (1 - s)),
            ("softmax's", lambda: s * (dy - (dy * s).sum(axis, keepdims=True))),
            ("softmax's elementwise", lambda: dy * s * (1 - s)),
            ("log s for s", lambda: dy - y * total),
            ("sum of dy s", lambda: dy - (dy * s).sum(axis, keepdims=True)),
            ("s lost", lambda: dy - total),
            ("sum added", lambda: dy + s * total),
            ("mean for sum", lambda: dy - s * dy.mean(axis, keepdims=True)),
        ):
            if flag in wrong:
                dx = wrong_dx()
        return {"input": dx}

    return (y,), backward


LOG_SOFTMAX = (
    M("elementwise", "softmax-elementwise", "input", "The sum over the row is replaced by the entry's own term."),
    M("sum dropped", "softmax-elementwise", "input", "s must be multiplied by the row's sum of dy."),
    M("softmax's elementwise", "softmax-elementwise", "input", "This is s (1 - s), an elementwise derivative."),
    M("axis", "softmax-wrong-axis", "input", "The sum of the backward runs over the wrong axis."),
    M("whole sum", "softmax-wrong-axis", "input", "The sum of the backward runs over the whole array."),
    M(
        "softmax's",
        "softmax-jacobian-twice",
        "input",
        "This is softmax's Jacobian; the logarithm has cancelled its factor s.",
    ),
    M("log s for s", "derivative-at-wrong-tensor", "input", "The output log s stands where s = exp(y) belongs."),
    M("s lost", "local-derivative-missing", "input", "The factor s of the sum term is missing."),
    M("sum of dy s", "local-derivative-missing", "input", "The sum term must be s * sum(dy)."),
    M("sum added", "wrong-sign", "input", "The sum term must be subtracted."),
    M("mean for sum", "mean-instead-of-sum", "input", "The sum over the row is replaced by a mean."),
    M("forward axis", "softmax-wrong-axis", "output", "The forward normalises over the wrong axis."),
    M("forward over everything", "softmax-wrong-axis", "output", "The forward normalises over the whole array."),
)


def normalize(v: Any, wrong: frozenset[str]) -> Any:
    x, axis = v.input, v.dim
    if "forward axis" in wrong:
        axis = other_axis(axis, x.ndim) if x.ndim > 1 else axis
    a = np.abs(x)
    length = (a**v.p).sum(axis, keepdims=True) ** (1 / v.p)
    if "forward eps added" in wrong:
        n, live = length + v.eps, np.ones_like(length, bool)
    elif "forward eps in the root" in wrong:
        n, live = np.sqrt(length**2 + v.eps), np.ones_like(length, bool)
    elif "forward squared norm" in wrong:
        n, live = np.maximum(length**2, v.eps), length > v.eps
    else:
        n, live = np.maximum(length, v.eps), length > v.eps
    y = x / n

    def backward(dy: Array) -> Gradients:
        dot: Any = (dy * y).sum(axis, keepdims=True)
        if "dot over another axis" in wrong:
            dot = (dy * y).sum(other_axis(axis, x.ndim), keepdims=True)
        if "dot elementwise" in wrong:
            dot = dy * y
        if "dot with x" in wrong:
            dot = (dy * x).sum(axis, keepdims=True)
        if "mean for sum" in wrong:
            dot = (dy * y).mean(axis, keepdims=True)
        safe = np.where(length > 0, length, 1)
        direction = np.sign(x) * (a / safe) ** (v.p - 1)
        through_norm: Any = np.where(live, dot * direction, 0)
        if "norm constant" in wrong:
            through_norm = 0
        dx = dy - through_norm
        if "sign of the norm's path" in wrong:
            dx = dy + through_norm
        dx = dx / n
        if "1 / norm lost" in wrong:
            dx = dx * n
        if "norm squared" in wrong:
            dx = dx / n
        return {"input": dx}

    return (y,), backward


NORMALIZE = (
    M("norm constant", "statistics-as-constants", "input", "The norm depends on x, too; it is treated as a constant.",
      "dx = (dy - y * (dy * y).sum(axis, keepdims=True)) / norm"),
    M("1 / norm lost", "scale-forgotten", "input", "The division by the norm is missing in the backward."),
    M("norm squared", "scale-forgotten", "input", "The backward divides by the norm once too often."),
    M("dot over another axis", "summed-over-wrong-axis", "input", "The sum of dy * y runs over the wrong axis."),
    M("dot elementwise", "softmax-elementwise", "input", "dy * y is not summed along the row."),
    M("dot with x", "derivative-at-wrong-tensor", "input", "The inner product must be with the normalised y, not with x."),
    M("mean for sum", "mean-instead-of-sum", "input", "The inner product is averaged where it must be summed."),
    M("sign of the norm's path", "wrong-sign", "input", "The path through the norm must be subtracted."),
    M("forward eps added", "eps-or-bessel-misplaced", "output", "torch divides by max(norm, eps), it does not add eps."),
    M("forward eps in the root", "eps-or-bessel-misplaced", "output", "torch divides by max(norm, eps); eps does not stand in the root."),
    M("forward axis", "summed-over-wrong-axis", "output", "The norm runs over the wrong axis."),
    M("forward squared norm", "forward-differs", "output", "The root of the norm is missing."),
)  # fmt: skip


def cosine_similarity(v: Any, wrong: frozenset[str]) -> Any:
    a, b, axis = v.x1, v.x2, v.dim
    na = np.maximum(np.sqrt((a * a).sum(axis, keepdims=True)), v.eps)
    nb = np.maximum(np.sqrt((b * b).sum(axis, keepdims=True)), v.eps)
    c = (a * b).sum(axis, keepdims=True) / (na * nb)
    if "forward without norms" in wrong:
        c = c * na * nb

    def backward(dy: Array) -> Gradients:
        d = np.expand_dims(dy, axis)
        da, db = d * (b / (na * nb) - c * a / na**2), d * (a / (na * nb) - c * b / nb**2)
        if "norms constant" in wrong:
            da, db = d * b / (na * nb), d * a / (na * nb)
        if "a's norm constant" in wrong:
            da = d * b / (na * nb)
        if "b's norm constant" in wrong:
            db = d * a / (na * nb)
        if "norm not squared" in wrong:
            da, db = d * (b / (na * nb) - c * a / na), d * (a / (na * nb) - c * b / nb)
        if "sign of the norm's path" in wrong:
            da, db = d * (b / (na * nb) + c * a / na**2), d * (a / (na * nb) + c * b / nb**2)
        if "1 / norms lost" in wrong:
            da, db = d * b, d * a
        if "norms exchanged" in wrong:
            da, db = d * (b / (na * nb) - c * a / nb**2), d * (a / (na * nb) - c * b / na**2)
        if "the other argument's norm" in wrong:
            da, db = d * (b / na - c * a / na**2), d * (a / nb - c * b / nb**2)
        return {"x1": da, "x2": db}

    return (c.squeeze(axis),), backward


COSINE = (
    M("norms constant", "statistics-as-constants", "x1", "The norms depend on the vectors; they are treated as constants.",
      "dx1 = d * (x2 / (n1 n2) - cos * x1 / n1^2)"),
    M("a's norm constant", "statistics-as-constants", "x1", "x1's norm depends on x1; it is treated as a constant."),
    M("b's norm constant", "statistics-as-constants", "x2", "x2's norm depends on x2; it is treated as a constant."),
    M("1 / norms lost", "scale-forgotten", "x1", "The division by the norms is missing."),
    M("norm not squared", "scale-forgotten", "x1", "The path through the norm divides by the square of it."),
    M("sign of the norm's path", "wrong-sign", "x1", "The path through the norm must be subtracted."),
    M("norms exchanged", "derivative-at-wrong-tensor", "x1", "The two norms are exchanged in the path through the norm."),
    M("forward without norms", "forward-differs", "output", "The product is not divided by the norms."),
)  # fmt: skip
