"""Distances of pairs and triples of vectors, and the losses that are made of them."""

from __future__ import annotations

import re

import numpy as np
from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.losses import REDUCED, REDUCTION, ROW, slopes
from torchref.check.ops.record import Arrays, Patch, array, data, option
from torchref.check.textbook import distances as textbook


def _make_rows(rng: Generator, *_: object) -> Arrays:
    return {"x1": rng.normal(size=(5, 7)), "x2": rng.normal(size=(5, 7))}


def _make_cosine_embedding(rng: Generator, *_: object) -> Arrays:
    a, b = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    b[2:] = a[2:] * np.array([1, 1, -1, 1, -1])[:, None] + 0.6 * b[2:]
    across = b[1] - (b[1] @ a[1]) / (a[1] @ a[1]) * a[1]  # a cosine between 0 and the margin
    b[1] = across / np.sqrt(across @ across) * np.sqrt(a[1] @ a[1]) + 0.12 * a[1]
    return {"input1": a, "input2": b, "target": np.array([1.0, -1, 1, -1, -1, -1, 1])}


def _make_triplet(rng: Generator, *_: object) -> Arrays:
    anchor, positive, negative = rng.normal(size=(3, 7, 5))
    negative[2:] = anchor[2:] + (positive - anchor)[2:] * np.array([0.3, 4.0, 1.1, 0.7, 6.0])[:, None]
    negative += 0.1 * rng.normal(size=(7, 5))
    return {"anchor": anchor, "positive": positive, "negative": negative}


def _both(dx1: str, slug: str, sentence: str) -> Patch:
    """The same mistake in both gradients of the cosine: `dx1` is that of x1, and that of x2 follows by symmetry."""
    dx2 = re.sub(r"(?<=[xn])[12]", lambda m: "21"[int(m[0]) - 1], dx1)
    return Patch("dx2 =", f"dx1 = {dx1}; dx2 = {dx2}", slug, sentence, gradient="input1")


def _paths(positive: str, slug: str, sentence: str) -> Patch:
    """The same mistake in both paths of a triple."""
    negative = positive.replace("positive", "-").replace("negative", "positive").replace("-", "negative")
    instead = f"positive_path = {positive}; negative_path = {negative}"
    return Patch("negative_path =", instead, slug, sentence, gradient="anchor")


PAIR = (
    *slopes("dx1 =", ("2 * ddistance * difference / distance", slugs.LOCAL, "The 2 of the square is cancelled by the 1/2 of the root.")),
    Patch("y =", "y = distance**2 if keepdim else distance[..., 0] ** 2", slugs.FORWARD, "The root is missing."),
)  # fmt: skip
COSINE = (
    *slopes(
        "inside =",
        ("1", slugs.MASK, "Pairs beyond the margin must give no gradient."),
        ("c > 0", slugs.SCALE, "The margin is forgotten in the mask."),
    ),
    *slopes(
        "slope =",
        ("-1", slugs.LOCAL, "The target decides which branch of the loss counts."),
        ("np.where(t == 1, 1, inside)", slugs.SIGN, "The loss of similar pairs is 1 - cos."),
    ),
    _both("dcos * x2 / (n1 * n2)", slugs.CONSTANTS, "The norms depend on the vectors; they are treated as constants."),
    *slopes("dx1 =", ("dcos * x2 / (n1 * n2)", slugs.CONSTANTS, "The norm of input1 depends on it; it is treated as a constant.")),
    *slopes("dx2 =", ("dcos * x1 / (n1 * n2)", slugs.CONSTANTS, "The norm of input2 depends on it; it is treated as a constant.")),
    _both("dcos * (x2 / (n1 * n2) - cos * x1 / n2**2)", slugs.TENSOR, "Each vector's second term is divided by its own squared norm."),
    _both("dcos * (x2 / (n1 * n2) + cos * x1 / n1**2)", slugs.SIGN, "The norm's term must be subtracted."),
    _both("dcos * x2", slugs.SCALE, "The division by the norms is missing."),
)  # fmt: skip
ROOT = "The root's derivative is missing: divide by the distance"
TRIPLET = (
    Patch("positive_path =", "positive_path = ddistance * to_positive", slugs.LOCAL, f"{ROOT} to the positive.", gradient="positive"),
    Patch("negative_path =", "negative_path = ddistance * to_negative", slugs.LOCAL, f"{ROOT} to the negative.", gradient="negative"),
    _paths("2 * ddistance * to_positive", slugs.LOCAL, "This is the derivative of the squared distances."),
    _paths("ddistance * to_positive / d_negative", slugs.TENSOR, "Each difference must be divided by its own distance."),
    _paths("ddistance * to_positive", slugs.LOCAL, "The root's derivative is missing: divide by the distances."),
    *slopes("danchor =", ("-negative_path", slugs.OVERWRITTEN, "The anchor stands in both distances: the positive's path is missing.")),
    *slopes("danchor =", ("positive_path", slugs.OVERWRITTEN, "The anchor stands in both distances: the negative's path is missing.")),
    *slopes(
        "inside =",
        ("1", slugs.MASK, "Triples beyond the margin must give no gradient."),
        ("slack > margin", slugs.SCALE, "The margin is forgotten in the mask."),
    ),
)  # fmt: skip

LENGTHS = (array("x1", "a", "x", "u", "input1", "input"), array("x2", "b", "y", "v", "input2", "other"))
VECTORS = (array("input1", "x1", "a"), array("input2", "x2", "b"))
TRIPLE = (array("anchor", "a"), array("positive", "pos", "p"), array("negative", "neg", "n"))

OPERATIONS = (
    from_textbook(
        "pairwise_distance",
        ("PairwiseDistance", "euclidean_distance"),
        (*LENGTHS, option("eps", 1e-6), option("keepdim", False, vary=(True,))),
        textbook.pairwise_distance,
        PAIR,
        make=_make_rows,
        family="softmax",
        derivation="distances.md",
    ),
    from_textbook(
        "cosine_embedding_loss",
        ("CosineEmbeddingLoss",),
        (*VECTORS, data("target"), option("margin", 0.0, 0.25), REDUCTION),
        textbook.cosine_embedding_loss,
        (*COSINE, *ROW),
        REDUCED,
        make=_make_cosine_embedding,
        loss=True,
        family="loss",
        derivation="losses-of-margins.md",
    ),
    from_textbook(
        "triplet_margin_loss",
        ("TripletMarginLoss", "triplet_loss"),
        (*TRIPLE, option("margin", 1.0, 0.75), option("eps", 1e-6), REDUCTION),
        textbook.triplet_margin_loss,
        (*TRIPLET, *ROW),
        REDUCED,
        make=_make_triplet,
        loss=True,
        family="loss",
        derivation="losses-of-margins.md",
    ),
)
