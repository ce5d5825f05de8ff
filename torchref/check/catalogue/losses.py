# ruff: noqa: E501
"""Losses, with the targets and margins that show their edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes import distances, labels, losses
from torchref.check.ops import Argument, Op, array, data, option
from torchref.check.ops.common import X

REDUCTION = option("reduction", "mean")
TARGET = data("target")


def make_pair(name: str) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        shape = {"vector": (7,), "column": (7, 1), "square": (5, 5)}.get(variant, (5, 7))
        x, t = rng.normal(size=shape) * 1.5, rng.normal(size=shape)
        weight = None
        if name in ("l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss"):
            x.flat[[1, 4]] = t.flat[[1, 4]]
            edge = o.get("beta", o.get("delta", 1.0))
            x.flat[2] = t.flat[2] + 3 * edge
            x.flat[3] = t.flat[3] - 3 * edge
            x.flat[5] = t.flat[5] + 0.4 * edge
        elif name == "binary_cross_entropy":
            x, t = rng.uniform(0.05, 0.95, shape), rng.integers(0, 2, shape) * 1.0
            if o.get("soft", False):
                t = rng.uniform(0.1, 0.9, shape)
        elif name == "binary_cross_entropy_with_logits":
            t = rng.integers(0, 2, shape) * 1.0
        elif name == "kl_div":
            p, q = rng.uniform(0.1, 1, shape), rng.uniform(0.1, 1, shape)
            x, t = np.log(p / p.sum(-1, keepdims=True)), q / q.sum(-1, keepdims=True)
            if o.get("log_target"):
                t = np.log(t)
        elif name in ("hinge_embedding_loss", "soft_margin_loss"):
            t = rng.choice([-1.0, 1.0], shape)
            t.flat[:4] = [1, -1, -1, 1]
        elif name == "poisson_nll_loss":
            t = rng.poisson(3, shape) * 1.0
            if not o["log_input"]:
                x = np.abs(x) + 0.3
        result = {"input": x, "target": t, "weight": weight}
        if "pos_weight" in o or name == "binary_cross_entropy_with_logits":
            result["pos_weight"] = rng.uniform(1.2, 2.5, shape[-1])
        return result

    return make


def pair_loss(name: str, *modules: str, options: tuple[Argument, ...] = (), **extra: Any) -> Op:
    return Op(
        name, modules, (X, TARGET, *options, REDUCTION), losses.pointwise(name), losses.pointwise_mistakes(name),
        make_pair(name), loss=True, family="loss", variants=("rich", "vector", "column"),
        fixed={"weight": None, **extra.pop("fixed", {})}, **extra,
    )  # fmt: skip


def make_classes(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    n, k = (5, 5) if variant == "square" else (5, 3) if variant == "three" else (5, 7)
    x = rng.normal(size=(n, k)) * 1.3
    target = rng.integers(0, k, n)
    target[1] = target[0]
    if o.get("ignore_index", -100) >= 0:
        target[:2] = (o["ignore_index"] + 1) % k
        target[3] = o["ignore_index"]
    return {"input": x, "target": target, "weight": rng.uniform(0.4, 2.2, k)}


def make_log_classes(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    arrays = make_classes(rng, o, variant)
    x = arrays["input"]
    return {**arrays, "input": x - np.log(np.exp(x).sum(1, keepdims=True))}


def make_margin_classes(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    arrays = make_classes(rng, o, variant)
    x, t = arrays["input"] * 1.5, arrays["target"]
    x[0, t[0]] = 1.5  # the next class exactly at the margin, however it is added up
    x[0, (t[0] + 1) % x.shape[1]] = 1.5 - o["margin"]
    return {**arrays, "input": x}


def make_ranking(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    a, b, t = rng.normal(size=7), rng.normal(size=7), rng.choice([-1.0, 1.0], 7)
    a[1], b[1], t[1] = 0.5 + o["margin"], 0.4, 1.0  # no pair at the edge itself: torch counts it, most texts do not
    return {"input1": a, "input2": b, "target": t}


def make_cosine_embedding(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    a, b = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    b[2:] = a[2:] * np.array([1, 1, -1, 1, -1])[:, None] + 0.6 * b[2:]
    across = b[1] - (b[1] @ a[1]) / (a[1] @ a[1]) * a[1]  # a cosine between 0 and the margin
    b[1] = across / np.sqrt(across @ across) * np.sqrt(a[1] @ a[1]) + 0.12 * a[1]
    return {"input1": a, "input2": b, "target": np.array([1.0, -1, 1, -1, -1, -1, 1])}


def make_triplet(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    anchor, positive, negative = rng.normal(size=(3, 7, 5))
    negative[2:] = anchor[2:] + (positive - anchor)[2:] * np.array([0.3, 4.0, 1.1, 0.7, 6.0])[:, None]
    negative += 0.1 * rng.normal(size=(7, 5))
    return {"anchor": anchor, "positive": positive, "negative": negative}


def make_gaussian(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    shape = (7,) if variant == "vector" else (5, 7)
    return {"input": rng.normal(size=shape), "target": rng.normal(size=shape), "var": rng.uniform(0.3, 2.5, shape)}


def make_multilabel(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    shape = (5, 7)
    t = (rng.random(shape) < 0.4) * 1.0
    t[0, 1], t[0, 2] = 1, 0
    return {"input": rng.normal(size=shape) * 1.5, "target": t, "weight": rng.uniform(0.4, 2.2, shape[1])}


def make_label_lists(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    """Rows of labels that end at the first -1; a class exactly at the margin."""
    x = rng.normal(size=(5, 7))
    t = np.array([rng.permutation(7) for _ in range(5)])
    for row, count in zip(t, (2, 1, 3, 0, 4), strict=True):
        row[count:] = -1
    x[1, t[1, 0]] = 1.5
    x[1, (t[1, 0] + 1) % 7] = 0.5
    return {"input": x, "target": t}


CLASS_OPTIONS = (
    data("weight", "class_weight", "class_weights", "weights", "w", optional=True),
    option("ignore_index", -100, 1),
    REDUCTION,
)

LOSSES = (
    pair_loss("mse_loss", "MSELoss", "mse", "mean_squared_error", "l2_loss"),
    pair_loss("l1_loss", "L1Loss", "l1", "mae"),
    pair_loss("smooth_l1_loss", "SmoothL1Loss", options=(option("beta", 1.0, 0.7, "delta", "b"),)),
    pair_loss("huber_loss", "HuberLoss", options=(option("delta", 1.0, 0.7, "beta", "d"),)),
    pair_loss("binary_cross_entropy", "BCELoss", "bce", "bce_loss"),
    pair_loss("binary_cross_entropy_with_logits", "BCEWithLogitsLoss", "bce_with_logits", "bce_with_logits_loss", "sigmoid_cross_entropy", logits=True,
              options=(data("pos_weight", optional=True),), fixed={"pos_weight": 1.0}),
    pair_loss("kl_div", "KLDivLoss", "kl_divergence", "kl", options=(option("log_target", False),)),
    pair_loss("hinge_embedding_loss", "HingeEmbeddingLoss", options=(option("margin", 1.0, 0.75, "m"),)),
    pair_loss("soft_margin_loss", "SoftMarginLoss"),
    pair_loss("poisson_nll_loss", "PoissonNLLLoss", options=(option("log_input", True), option("eps", 1e-8))),
    Op("cross_entropy", ("CrossEntropyLoss", "softmax_loss", "softmax_cross_entropy", "softmax_with_loss", "softmax_cross_entropy_with_logits"),
       (X, TARGET, *CLASS_OPTIONS, option("label_smoothing", 0.0, 0.3, "smoothing", "smooth", "eps")), losses.cross_entropy,
       losses.CROSS_ENTROPY, make_classes, loss=True, logits=True, family="loss", variants=("rich", "three")),
    Op("nll_loss", ("NLLLoss", "nll", "negative_log_likelihood"), (X, TARGET, *CLASS_OPTIONS), losses.nll_loss, losses.NLL, make_log_classes, loss=True,
       family="loss", variants=("rich",)),
    Op("multi_margin_loss", ("MultiMarginLoss", "multiclass_hinge", "hinge_loss", "svm_loss", "multiclass_hinge_loss"),
       (X, TARGET, option("p", 1), option("margin", 1.0, 0.75, "delta"), REDUCTION), losses.multi_margin_loss, losses.MULTI_MARGIN,
       make_margin_classes, loss=True, family="loss", fixed={"weight": None}),
    Op("gaussian_nll_loss", ("GaussianNLLLoss", "gaussian_nll"),
       (array("input", "mu", "mean"), TARGET, array("var", "variance", "v", "sigma2"), option("full", False), option("eps", 1e-6), REDUCTION),
       labels.gaussian_nll_loss, labels.GAUSSIAN_NLL, make_gaussian, loss=True, family="loss", variants=("rich", "vector")),
    Op("multilabel_soft_margin_loss", ("MultiLabelSoftMarginLoss",),
       (X, TARGET, data("weight", "w", "weights", "class_weights", optional=True), REDUCTION), labels.multilabel_soft_margin_loss,
       labels.MULTILABEL_SOFT_MARGIN, make_multilabel, loss=True, logits=True, family="loss"),
    Op("multilabel_margin_loss", ("MultiLabelMarginLoss",), (X, TARGET, REDUCTION), labels.multilabel_margin_loss,
       labels.MULTILABEL_MARGIN, make_label_lists, loss=True, family="loss"),
    Op("margin_ranking_loss", ("MarginRankingLoss",),
       (array("input1", "x1", "a"), array("input2", "x2", "b"), data("target"), option("margin", 0.0, 0.25), REDUCTION), losses.margin_ranking_loss,
       losses.MARGIN_RANKING, make_ranking, loss=True, family="loss"),
    Op("cosine_embedding_loss", ("CosineEmbeddingLoss",),
       (array("input1", "x1", "a"), array("input2", "x2", "b"), data("target"), option("margin", 0.0, 0.25), REDUCTION), distances.cosine_embedding_loss,
       distances.COSINE_EMBEDDING, make_cosine_embedding, loss=True, family="loss"),
    Op("triplet_margin_loss", ("TripletMarginLoss", "triplet_loss"),
       (array("anchor", "a"), array("positive", "pos", "p"), array("negative", "neg", "n"), option("margin", 1.0, 0.75), option("eps", 1e-6), REDUCTION),
       distances.triplet_margin_loss, distances.TRIPLET, make_triplet, loss=True, family="loss"),
)  # fmt: skip
