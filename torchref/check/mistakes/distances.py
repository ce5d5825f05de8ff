# ruff: noqa: E501
"""Distances of pairs and triples of vectors: pairwise_distance, cosine_embedding_loss, triplet_margin_loss (p = 2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake
from torchref.check.mistakes.losses import FORWARD_REDUCTIONS, reduce
from torchref.nn.module import Array

M = Mistake


def length(d: Array) -> Array:
    return np.sqrt((d * d).sum(-1, keepdims=True))


def pairwise_distance(v: Any, wrong: frozenset[str]) -> Any:
    d = v.x1 - v.x2 + v.eps
    n = length(d)
    y = n if v.keepdim else n[..., 0]
    if "forward squared" in wrong:
        y = y * y

    def backward(dy: Array) -> Gradients:
        dx = (dy if v.keepdim else dy[..., None]) * (d if "1 / distance lost" in wrong else d / n)
        if "2 of the square kept" in wrong:
            dx = 2 * dx
        if "sign" in wrong:
            dx = -dx
        return {"x1": dx, "x2": dx if "same sign" in wrong else -dx}

    return (y,), backward


PAIRWISE_DISTANCE = (
    M("1 / distance lost", "local-derivative-missing", "x1", "The root's derivative is missing: divide by the distance."),
    M("2 of the square kept", "local-derivative-missing", "x1", "The 2 of the square is cancelled by the 1/2 of the root."),
    M("sign", "wrong-sign", "x1", "The distance grows with x1 in the direction x1 - x2."),
    M("same sign", "wrong-sign", "x2", "The two inputs' gradients have opposite signs."),
    M("forward squared", "forward-differs", "output", "The root is missing."),
)  # fmt: skip


def cosine_embedding_loss(v: Any, wrong: frozenset[str]) -> Any:
    a, b, t = v.input1, v.input2, v.target
    na, nb = length(a), length(b)
    c = ((a * b).sum(-1, keepdims=True) / (na * nb))[..., 0]
    loss = reduce(np.where(t == 1, 1 - c, np.maximum(c - v.margin, 0)), v, wrong)
    n = c.size if v.reduction == "mean" else 1

    def backward(dy: Any = 1.0) -> Gradients:
        active = np.ones_like(c) if "no mask" in wrong else (c > (0 if "margin forgotten" in wrong else v.margin)) * 1.0
        if "target forgotten" in wrong:
            slope = -np.ones_like(c)
        else:
            slope = np.where(t == 1, 1.0 if "sign of the similar pairs" in wrong else -1.0, active)
        d, cos = (slope * dy / n)[..., None], c[..., None]
        da, db = d * (b / (na * nb) - cos * a / na**2), d * (a / (na * nb) - cos * b / nb**2)
        if "norms constant" in wrong:
            da, db = d * b / (na * nb), d * a / (na * nb)
        if "norms constant: input1" in wrong:
            da = d * b / (na * nb)
        if "norms constant: input2" in wrong:
            db = d * a / (na * nb)
        if "norms exchanged" in wrong:
            da, db = d * (b / (na * nb) - cos * a / nb**2), d * (a / (na * nb) - cos * b / na**2)
        if "sign of the second term" in wrong:
            da, db = d * (b / (na * nb) + cos * a / na**2), d * (a / (na * nb) + cos * b / nb**2)
        if "1 / norms lost" in wrong:
            da, db = d * b, d * a
        return {"input1": da, "input2": db}

    return (loss,), backward


COSINE_EMBEDDING = (
    M("norms constant", "statistics-as-constants", "input1", "The norms depend on the vectors; they are treated as constants."),
    M("norms constant: input1", "statistics-as-constants", "input1", "The norm of input1 depends on it; it is treated as a constant."),
    M("norms constant: input2", "statistics-as-constants", "input2", "The norm of input2 depends on it; it is treated as a constant."),
    M("norms exchanged", "derivative-at-wrong-tensor", "input1", "Each vector's second term is divided by its own squared norm."),
    M("sign of the second term", "wrong-sign", "input1", "The norm's term must be subtracted."),
    M("1 / norms lost", "scale-forgotten", "input1", "The division by the norms is missing."),
    M("no mask", "wrong-mask", "input1", "Pairs beyond the margin must give no gradient."),
    M("margin forgotten", "scale-forgotten", "input1", "The margin is forgotten in the mask."),
    M("target forgotten", "local-derivative-missing", "input1", "The target decides which branch of the loss counts."),
    M("sign of the similar pairs", "wrong-sign", "input1", "The loss of similar pairs is 1 - cos."),
    *FORWARD_REDUCTIONS,
)  # fmt: skip


def triplet_margin_loss(v: Any, wrong: frozenset[str]) -> Any:
    dp, dn = v.anchor - v.positive + v.eps, v.anchor - v.negative + v.eps
    a, b = length(dp), length(dn)
    z = (a - b + v.margin)[..., 0]
    loss = reduce(np.maximum(z, 0), v, wrong)
    n = z.size if v.reduction == "mean" else 1

    def backward(dy: Any = 1.0) -> Gradients:
        active = np.ones_like(z) if "no mask" in wrong else (z > (v.margin if "margin forgotten" in wrong else 0)) * 1.0
        d = (active * dy / n)[..., None]
        lost = "1 / distance lost" in wrong
        u = d * dp / (1 if lost or "1 / distance lost: positive" in wrong else a)
        w = d * dn / (1 if lost or "1 / distance lost: negative" in wrong else b)
        if "2 of the square kept" in wrong:
            u, w = 2 * d * dp, 2 * d * dn
        if "distances exchanged" in wrong:
            u, w = d * dp / b, d * dn / a
        anchor = (
            -w
            if "positive's path" in wrong
            else u
            if "negative's path" in wrong
            else u + w
            if "sign of the negative's path" in wrong
            else u - w
        )
        return {
            "anchor": anchor,
            "positive": u if "sign of the positive" in wrong else -u,
            "negative": -w if "sign of the negative" in wrong else w,
        }

    return (loss,), backward


TRIPLET = (
    M("1 / distance lost: positive", "local-derivative-missing", "positive", "The root's derivative is missing: divide by the distance to the positive."),
    M("1 / distance lost: negative", "local-derivative-missing", "negative", "The root's derivative is missing: divide by the distance to the negative."),
    M("2 of the square kept", "local-derivative-missing", "anchor", "This is the derivative of the squared distances."),
    M("distances exchanged", "derivative-at-wrong-tensor", "anchor", "Each difference must be divided by its own distance."),
    M("positive's path", "overwritten-not-accumulated", "anchor", "The anchor stands in both distances: the positive's path is missing."),
    M("1 / distance lost", "local-derivative-missing", "anchor", "The root's derivative is missing: divide by the distances."),
    M("no mask", "wrong-mask", "anchor", "Triples beyond the margin must give no gradient."),
    M("margin forgotten", "scale-forgotten", "anchor", "The margin is forgotten in the mask."),
    M("negative's path", "overwritten-not-accumulated", "anchor", "The anchor stands in both distances: the negative's path is missing."),
    M("sign of the negative's path", "wrong-sign", "anchor", "The distance to the negative is subtracted."),
    M("sign of the positive", "wrong-sign", "positive", "The positive's gradient has the other sign."),
    M("sign of the negative", "wrong-sign", "negative", "The negative's gradient has the other sign."),
    *FORWARD_REDUCTIONS,
)  # fmt: skip
