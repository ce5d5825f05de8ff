# ruff: noqa: E501
"""The operations, family by family, with the arrays that their probes are made of.

Sizes are small distinct primes, options are not their neutral values, ties, zeros and repeated indices are planted.
A maker gets a generator, the options and a variant; "square" makes all sizes equal, for code that breaks otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.mistakes import (
    attending,
    distances,
    losses,
    noise,
    norms,
    products,
    recurrent,
    rows,
    shapes,
    windows,
)
from torchref.check.mistakes.base import Mistake
from torchref.check.mistakes.elementwise import elementwise, elementwise_mistakes
from torchref.check.ops import Argument, Op, array, data, option
from torchref.nn.module import Array

X = array("input")


def away(rng: Any, shape: tuple[int, ...], low: float = 0.4, high: float = 1.9) -> Array:
    """Entries of both signs whose size is far from 0 and from 1."""
    size = rng.uniform(low, high, shape)
    return size * rng.choice([-1.0, 1.0], shape)


# --- activations ----------------------------------------------------------------------------------------------------

KINKS = {"relu6": (0.0, 6.0), "hardsigmoid": (-3.0, 3.0), "hardswish": (-3.0, 3.0)}


def make_elementwise(name: str) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        shape = (5, 5) if variant == "square" else (5, 7)
        x = rng.normal(0, 3 if name in KINKS else 1.5, shape)
        if name == "relu6":
            x[4] += 6
        kinks = list(KINKS.get(name, (0.0,)))
        if name == "hardtanh":
            kinks = [o["min_val"], o["max_val"]]
        elif name in ("hardshrink", "softshrink"):
            kinks = [o["lambd"], -o["lambd"]]
        elif name == "threshold":
            kinks = [o["threshold"]]
        if name in ("hardshrink", "softshrink", "threshold", "hardtanh", "relu6", "relu", "leaky_relu", "elu", "selu",
                    "celu", "hardsigmoid", "hardswish"):  # fmt: skip
            x.flat[1 : 1 + len(kinks)] = kinks
            x.flat[9 : 9 + len(kinks)] = kinks
        return {"input": x}

    return make


def activation(name: str, *modules: str, options: tuple[Argument, ...] = (), **extra: Any) -> Op:
    return Op(
        name,
        modules,
        (X, *options),
        elementwise(name),
        elementwise_mistakes(name),
        make_elementwise(name),
        **extra,
    )


ACTIVATIONS = (
    activation("relu", "ReLU"),
    activation("leaky_relu", "LeakyReLU", options=(option("negative_slope", 0.01, 0.3, "alpha", "slope", "a"),)),
    activation("elu", "ELU", options=(option("alpha", 1.0, 0.7, "a"),)),
    activation("selu", "SELU"),
    activation("celu", "CELU", options=(option("alpha", 1.0, 0.7, "a"),)),
    activation("gelu", "GELU", options=(option("approximate", "none", None),)),
    activation("silu", "SiLU", "swish"),
    activation("mish", "Mish"),
    activation("softplus", "Softplus", options=(option("beta", 1.0, 1.7), option("threshold", 20.0, 20.0))),
    activation("sigmoid", "Sigmoid", "logistic", logits=True),
    activation("tanh", "Tanh"),
    activation("hardtanh", "Hardtanh", options=(option("min_val", -1.0, -0.8, "low", "minval", "lo", "a", "min"),
                                                option("max_val", 1.0, 1.3, "high", "maxval", "hi", "b", "max"))),
    activation("relu6", "ReLU6"),
    activation("hardsigmoid", "Hardsigmoid"),
    activation("hardswish", "Hardswish"),
    activation("logsigmoid", "LogSigmoid", "log_sigmoid", logits=True),
    activation("softsign", "Softsign"),
    activation("hardshrink", "Hardshrink", options=(option("lambd", 0.5, 0.7, "lambda_", "lam", "lmbda", "threshold", "alpha"),)),
    activation("softshrink", "Softshrink", options=(option("lambd", 0.5, 0.7, "lambda_", "lam", "lmbda", "threshold", "alpha"),)),
    activation("tanhshrink", "Tanhshrink"),
    activation("threshold", "Threshold", options=(option("threshold", 0.3, 0.3, "theta", "t", "th"), option("value", 1.7, 1.7, "v", "val"))),
    activation("exp", "Exp"),
)  # fmt: skip


def make_rows(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    shape = {"square": (5, 5), "vector": (7,)}.get(variant, (5, 7))
    return {"input": rng.normal(0, 1.2, shape)}


def row_op(name: str, *modules: str, formula: Any, mistakes: Any, sign: int = 1) -> Op:
    return Op(
        name, modules, (X, option("dim", -1, None, "axis", "dimension")), formula, mistakes, make_rows, logits=True,
        family="softmax", fixed={"sign": sign}, variants=("rich", "vector"),
    )  # fmt: skip


def make_glu(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"input": rng.normal(0, 1.2, (5, 6 if variant == "square" else 14))}


def make_prelu(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    x = rng.normal(0, 1.5, (5, 7))
    x.flat[[1, 9]] = 0
    return {"input": x, "weight": rng.uniform(0.1, 0.6, 1 if variant == "one slope" else 7)}


ROWS = (
    row_op("softmax", "Softmax", formula=rows.softmax, mistakes=rows.SOFTMAX),
    row_op("softmin", "Softmin", formula=rows.softmax, mistakes=rows.SOFTMAX, sign=-1),
    row_op("log_softmax", "LogSoftmax", formula=rows.log_softmax, mistakes=rows.LOG_SOFTMAX),
    Op("glu", ("GLU",), (X, option("dim", -1, None, "axis")), products.glu, products.GLU, make_glu, family="gate"),
    Op("prelu", ("PReLU",), (X, array("weight", "a", "alpha", "slope", "negative_slope")), products.prelu,
       products.PRELU, make_prelu, family="gate", variants=("rich", "one slope"),
       sizes=(("num_parameters", "weight", 0),)),
)  # fmt: skip


# --- products -------------------------------------------------------------------------------------------------------


def make_linear(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    n, i, k = (5, 5, 5) if variant == "square" else (5, 3, 7)
    return {"input": rng.normal(size=(n, i)), "weight": rng.normal(size=(k, i)), "bias": rng.normal(size=k)}


def make_bilinear(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    n, i, j, k = (5, 5, 5, 5) if variant == "square" else (5, 3, 2, 7)
    return {
        "input1": rng.normal(size=(n, i)), "input2": rng.normal(size=(n, j)),
        "weight": rng.normal(size=(k, i, j)), "bias": rng.normal(size=k),
    }  # fmt: skip


def make_embedding(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    index = np.array([3, 1, 3, 8, 0, 5, 3, 1, 2, 6, 0, 0, 9, 8, 2])
    index = rng.permutation(index)
    if o.get("padding_idx") is not None:
        index[:2] = o["padding_idx"]
    return {"input": index.reshape(3, 5) if variant != "flat" else index, "weight": rng.normal(size=(11, 7))}


PRODUCTS = (
    Op("linear", ("Linear", "affine", "dense", "fc"), (X, array("weight"), array("bias", optional=True)),
       products.linear, products.LINEAR, make_linear, family="linear",
       sizes=(("in_features", "weight", 1), ("out_features", "weight", 0))),
    Op("bilinear", ("Bilinear",), (array("input1", "x1", "x", "a"), array("input2", "x2", "y", "b"), array("weight"), array("bias", "b", optional=True)),
       products.bilinear, products.BILINEAR, make_bilinear, family="linear",
       sizes=(("in1_features", "weight", 1), ("in2_features", "weight", 2), ("out_features", "weight", 0))),
    Op("embedding", ("Embedding",),
       (data("input", "index", "indices", "idx", "ids", "tokens", "x", "i"), array("weight", "table", "e", "emb", "embedding", "embeddings", "matrix"), option("padding_idx", None)),
       products.embedding, products.EMBEDDING, make_embedding, family="embedding", variants=("rich", "flat"),
       sizes=(("num_embeddings", "weight", 0), ("embedding_dim", "weight", 1))),
)  # fmt: skip


# --- losses ---------------------------------------------------------------------------------------------------------

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
            if name == "hinge_embedding_loss":
                x.flat[1] = o["margin"]
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
    a[1], b[1], t[1] = 0.5 + o["margin"], 0.5, 1.0
    return {"input1": a, "input2": b, "target": t}


def make_cosine(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"x1": rng.normal(size=(5, 7)), "x2": rng.normal(size=(5, 7))}


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

DISTANCES = (
    Op("normalize", ("l2_normalize", "l2norm", "l2_norm"), (X, option("p", 2.0, None, "ord"), option("dim", 1, None, "axis"), option("eps", 1e-12)),
       rows.normalize, rows.NORMALIZE, make_rows, family="softmax", zero_rows=True),
    Op("cosine_similarity", ("CosineSimilarity", "cosine"),
       (array("x1", "a", "x", "u", "input1", "input"), array("x2", "b", "y", "v", "input2", "other"), option("dim", 1, None, "axis"), option("eps", 1e-8)),
       rows.cosine_similarity, rows.COSINE, make_cosine, family="softmax", zero_rows=True),
    Op("pairwise_distance", ("PairwiseDistance", "euclidean_distance"),
       (array("x1", "a", "x", "u", "input1", "input"), array("x2", "b", "y", "v", "input2", "other"), option("eps", 1e-6), option("keepdim", False)),
       distances.pairwise_distance, distances.PAIRWISE_DISTANCE, make_cosine, family="softmax"),
)  # fmt: skip


# --- norms ----------------------------------------------------------------------------------------------------------

WEIGHT, BIAS = array("weight", optional=True), array("bias", optional=True)
EPS = option("eps", 1e-5, 1e-2)


def affine(rng: Any, c: int) -> dict[str, Any]:
    return {"weight": away(rng, (c,)), "bias": away(rng, (c,))}


def make_layer_norm(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    n, d = (5, 5) if variant == "square" else (5, 7)
    x = rng.normal(size=(n, d)) * rng.uniform(0.6, 1.8, (n, 1)) + rng.normal(size=(n, 1))
    x[2] = 0.3 + rng.normal(size=d) * 0.02  # a row of small variance shows where eps stands
    return {"input": x, **affine(rng, d)}


def make_batch_norm(rank: int) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        n, c = (5, 5) if variant == "square" else (5, 7) if rank == 2 else (5, 3)
        shape = (n, c, *(2, 7)[: rank - 2]) if rank > 2 else (n, c)
        per_channel = [1, c] + [1] * (rank - 2)
        x = rng.normal(size=shape) * rng.uniform(0.6, 1.8, per_channel) + rng.normal(size=per_channel)
        x[:, 2] = 0.3 + rng.normal(size=x[:, 2].shape) * 0.02
        return {
            "input": x, **affine(rng, c), "running_mean": rng.normal(size=c), "running_var": rng.uniform(0.6, 2.1, c),
        }  # fmt: skip

    return make


def make_group_norm(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    g = o["num_groups"]
    c = g * 3
    x = rng.normal(size=(2, c, 5, 7)) * rng.uniform(0.6, 1.8, (1, c, 1, 1)) + rng.normal(size=(1, c, 1, 1))
    x[1, :3] = 0.3 + rng.normal(size=(3, 5, 7)) * 0.02
    return {"input": x, **affine(rng, c)}


def make_instance_norm(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    x = rng.normal(size=(2, 3, 5, 7)) * rng.uniform(0.6, 1.8, (2, 3, 1, 1))
    x[1, 2] = 0.3 + rng.normal(size=(5, 7)) * 0.02
    return {"input": x, **affine(rng, 3)}


def make_channels(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"input": rng.normal(size=(2, 7, 3, 5)) * 2}


def batch_norm(name: str, rank: int, *modules: str) -> Op:
    return Op(
        name, modules,
        (X, data("running_mean", optional=True), data("running_var", optional=True), WEIGHT, BIAS,
         option("training", True, True, "train", "is_training", "train_flg", "mode"), option("momentum", 0.1, 0.2), EPS),
        norms.batch_norm, norms.BATCH_NORM, make_batch_norm(rank), outputs=("output", "running_mean", "running_var"),
        family="norm", sizes=(("num_features", "weight", 0),),
    )  # fmt: skip


NORMS = (
    batch_norm("batch_norm", 2, "BatchNorm1d", "batchnorm", "BatchNorm"),
    batch_norm("batch_norm2d", 4, "BatchNorm2d", "spatial_batchnorm", "spatial_batch_norm"),
    Op("layer_norm", ("LayerNorm", "layernorm"), (X, option("normalized_shape", None), WEIGHT, BIAS, EPS), norms.layer_norm, norms.LAYER_NORM,
       make_layer_norm, family="norm", sizes=(("normalized_shape", "weight", 0),)),
    Op("group_norm", ("GroupNorm", "groupnorm", "spatial_groupnorm"), (X, option("num_groups", 2, 2, "g", "groups", "n_groups"), WEIGHT, BIAS, EPS), norms.group_norm,
       norms.LAYER_NORM, make_group_norm, family="norm", sizes=(("num_channels", "weight", 0),)),
    Op("instance_norm", ("InstanceNorm2d", "InstanceNorm1d"), (X, WEIGHT, BIAS, EPS), norms.instance_norm, norms.CORE, make_instance_norm,
       family="norm", sizes=(("num_features", "weight", 0),)),
    Op("rms_norm", ("RMSNorm", "rmsnorm"), (X, option("normalized_shape", None), WEIGHT, option("eps", None, 1e-2)), norms.rms_norm, norms.RMS_NORM,
       make_layer_norm, family="norm", zero_rows=True, sizes=(("normalized_shape", "weight", 0),)),
    Op("local_response_norm", ("LocalResponseNorm", "lrn"),
       (X, option("size", 3, 3, "n"), option("alpha", 1e-4, 0.7), option("beta", 0.75, 0.6), option("k", 1.0, 1.3)), norms.local_response_norm,
       norms.LOCAL_RESPONSE, make_channels, family="norm"),
)  # fmt: skip


# --- convolutions and pooling ---------------------------------------------------------------------------------------


def first(value: Any) -> int:
    return value[0] if isinstance(value, tuple | list) else value


def make_conv(nd: int, transpose: bool = False) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        g = o["groups"]
        cin, cout = 3 * g, 2 * g
        kernel = (3, 3, 2)[:nd] if variant == "rich" and nd == 3 else (3,) * nd
        size: tuple[int, ...] = {1: (11,), 2: (7, 8), 3: (5, 6, 4)}[nd]
        if variant == "fit":  # the windows fill the padded input exactly
            stride, padding = first(o["stride"]), first(o["padding"])
            size = tuple(stride * (3 + i) + 3 - 2 * padding for i in range(nd))
        if transpose:
            size = {1: (5,), 2: (4, 5), 3: (2, 3, 4)}[nd]
        shape = (cin, cout // g) if transpose else (cout, cin // g)
        return {
            "input": rng.normal(size=(2, cin, *size)), "weight": rng.normal(size=(*shape, *kernel)), "bias": rng.normal(size=cout),
        }  # fmt: skip

    return make


STRIDE = option("stride", 1, 2, "s", "strides")
PADDING = option("padding", 0, 1, "pad", "p")
CONV_SIZES = (("in_channels", "weight", 1), ("out_channels", "weight", 0), ("kernel_size", "weight", -1))


def convolution(nd: int) -> Op:
    return Op(f"conv{nd}d", (f"Conv{nd}d", *(("conv",) if nd == 2 else ())),
              (X, array("weight", "f", "filters", "k"), BIAS, STRIDE, PADDING, option("dilation", 1, 1), option("groups", 1, 1)), windows.conv,
              windows.conv_mistakes(nd), make_conv(nd), family="conv", variants=("rich", "fit"), sizes=CONV_SIZES)  # fmt: skip


def transposed(nd: int) -> Op:
    return Op(f"conv_transpose{nd}d", (f"ConvTranspose{nd}d",),
              (X, array("weight", "f", "filters", "k"), BIAS, STRIDE, PADDING, option("output_padding", 0), option("groups", 1, 1), option("dilation", 1, 1)),
              windows.conv_transpose, windows.CONV_TRANSPOSE, make_conv(nd, True), family="conv",
              sizes=(("in_channels", "weight", 0), ("out_channels", "weight", 1), ("kernel_size", "weight", -1)))  # fmt: skip


def make_pool(nd: int, ties: bool) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        size: tuple[int, ...] = {1: (11,), 2: (7, 8), 3: (5, 6, 4)}[nd]
        if variant == "fit":
            kernel, stride = first(o["kernel_size"]), first(o["stride"] or o["kernel_size"])
            size = tuple(stride * (2 + i) + kernel for i in range(nd))
        if variant == "adaptive fit":
            size = tuple(n * (2 + i) for i, n in enumerate(windows.spread(o["output_size"], nd)))
        x = rng.normal(size=(2, 3, *size))
        if ties:
            x = np.round(x * 1.5)
            x[0, 0] = 1.0
        return {"input": x}

    return make


def pooling(kind: str, nd: int, adaptive: bool = False) -> Op:
    stem = f"{'adaptive_' if adaptive else ''}{kind}_pool{nd}d"
    module = f"{'Adaptive' if adaptive else ''}{kind.capitalize()}Pool{nd}d"
    if adaptive:
        own: tuple[Argument, ...] = (option("output_size", 3, 3, "size", "out_size", "output_shape"),)
    else:
        own = (option("kernel_size", 2, 3, "k", "size", "pool_size", "kernel", "pool", "ksize", "window"), option("stride", None, 2, "s", "strides"),
               option("padding", 0, 1 if kind == "avg" else 0, "pad", "p"))  # fmt: skip
    names = (module, f"{kind}pool{nd}d", *((f"{kind}pool", f"{kind}_pool") if nd == 2 and not adaptive else ()))
    mistakes: tuple[Mistake, ...] = windows.MAX_POOL if kind == "max" else windows.AVG_POOL
    if adaptive:  # its windows have no offsets in common
        mistakes = tuple(m for m in mistakes if m.flag != "overwritten offset by offset")
    return Op(stem, names, (X, *own), windows.pool, mistakes, make_pool(nd, kind == "max"),
              family="pool", fixed={"kind": kind, "adaptive": adaptive}, variants=("rich", "adaptive fit" if adaptive else "fit"))  # fmt: skip


def make_image(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    c = 3 * o.get("upscale_factor", 1) ** 2
    return {"input": rng.normal(size=(2, c, 5, 7))}


WINDOWS = (
    *(convolution(nd) for nd in (1, 2, 3)),
    *(transposed(nd) for nd in (1, 2, 3)),
    *(pooling(kind, nd, adaptive) for kind in ("max", "avg") for nd in (1, 2, 3) for adaptive in (False, True)),
    Op("pad", ("ConstantPad2d", "ZeroPad2d"), (X, option("pad", (2, 1, 1, 3), None, "padding", "p"), option("mode", "constant"), option("value", None)), shapes.pad, shapes.PAD,
       make_image, family="shape"),
    Op("upsample", ("Upsample", "interpolate", "UpsamplingNearest2d"), (X, option("scale_factor", 2, 2, "scale", "factor", "s"),), shapes.upsample, shapes.UPSAMPLE, make_image, family="shape"),
    Op("pixel_shuffle", ("PixelShuffle",), (X, option("upscale_factor", 2, 2, "r", "factor", "scale")), shapes.pixel_shuffle, shapes.PIXEL_SHUFFLE, make_image, family="shape"),
)  # fmt: skip


# --- dropout, recurrence, attention ---------------------------------------------------------------------------------


def make_dropout(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    x = away(rng, (29, 31))
    return {"input": x, "mask": rng.random(x.shape) < 1 - o["p"]}


def make_recurrent(gates: int, cell: bool) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        t, n, d, h = (3, 3, 3, 3) if variant == "square" else (5, 2, 3, 7)
        shape = (n, d) if cell else (t, n, d)
        scale = 0.6
        return {
            "input": rng.normal(size=shape), "hx": rng.normal(size=(n, h)), "cx": rng.normal(size=(n, h)),
            "weight_ih": rng.normal(size=(gates * h, d)) * scale, "weight_hh": rng.normal(size=(gates * h, h)) * scale / 1.5,
            "bias_ih": rng.normal(size=gates * h) * scale, "bias_hh": rng.normal(size=gates * h) * scale,
        }  # fmt: skip

    return make


HX = array(
    "hx",
    "h0",
    "h_0",
    "h",
    "h_prev",
    "prev_h",
    "hprev",
    "h_init",
    "initial_h",
    "hidden",
    "h_tm1",
    "prev_hidden",
    "h0_",
    "state",
    optional=True,
)
CX = array("cx", "c0", "c_0", "c", "c_prev", "prev_c", "cprev", "c_init", "cell", "c_tm1", optional=True)
WIH = array("weight_ih", "wx", "wxh", "w_x", "w_xh", "w_ih", "weight_ih_l0", "u", "w_input", "wi", "win", "w", "weight")
WHH = array("weight_hh", "wh", "whh", "w_h", "w_hh", "weight_hh_l0", "w_hidden", "w_rec", "wr", "u")
BIH = array("bias_ih", "b", "bias", "b_ih", "bias_ih_l0", "bx", "b1", "bi", "bh", "b_h", optional=True)
BHH = array("bias_hh", "b_hh", "bias_hh_l0", "bh", "b2", "b_h", optional=True)


def recurrence(name: str, module: str, gates: int, formula: Any, mistakes: Any, *options: Argument) -> tuple[Op, Op]:
    arguments = (X, HX, *((CX,) if gates == 4 else ()), WIH, WHH, BIH, BHH, *options)
    sequence = Op(name, (module,), arguments, formula, mistakes, make_recurrent(gates, False),
                  outputs=("output", "h_n", "c_n") if gates == 4 else ("output", "h_n"), family="recurrent",
                  sizes=(("input_size", "weight_ih", 1), ("hidden_size", "weight_hh", 1)))  # fmt: skip
    cell = replace(
        sequence, name=f"{name}_cell", modules=(f"{module}Cell", f"{name}_step", f"{name}_cell"), make=make_recurrent(gates, True),
        outputs=("output", "c_n") if gates == 4 else ("output",),
        mistakes=tuple(m for m in mistakes if not any(word in m.flag for word in CELL_CANNOT)),
    )  # fmt: skip
    return sequence, cell


CELL_CANNOT = (
    "overwritten",
    "first",
    "last step",
    "h_0",
    "dx in reverse",
    "no dh_next",
    "dc_next only",
    "weight_hh lost",
    "dh0 without",
)


def make_attention(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    t, s, d = (5, 7, 11)
    if variant.startswith("self") or o.get("is_causal"):
        s = t
    if variant == "square":
        t = s = d = 5
    lead = {"rank 3": (2,), "rank 2": (), "self rank 3": (2,), "self rank 2": ()}.get(variant, (2, 3))
    shape = lambda length: (*lead, length, d)  # noqa: E731
    mask = rng.random((t, s)) < 0.6
    mask[np.arange(t), np.arange(t) % s] = True
    return {
        "query": rng.normal(size=shape(t)),
        "key": rng.normal(size=shape(s)),
        "value": rng.normal(size=shape(s)),
        "attn_mask": mask,
    }


OTHERS = (
    Op("dropout", ("Dropout",), (X, option("p", 0.5, 0.3, "drop_prob", "keep_prob", "p_keep", "keep_p", "retain_prob", "keep_rate", "prob", "rate", "dropout_rate", "drop_rate", "ratio", "p_drop", "dropout_ratio"),
                                 option("training", True, True, "train", "is_training", "train_flg", "mode"), data("mask", "m", "keep", optional=True)),
       noise.dropout, noise.DROPOUT, make_dropout, family="dropout"),
    *recurrence("rnn", "RNN", 1, recurrent.rnn, recurrent.RNN, option("nonlinearity", "tanh")),
    *recurrence("lstm", "LSTM", 4, recurrent.lstm, recurrent.LSTM),
    *recurrence("gru", "GRU", 3, recurrent.gru, recurrent.GRU),
    Op("scaled_dot_product_attention", ("attention", "sdpa", "dot_product_attention", "self_attention"),
       (array("query", "q", "queries"), array("key", "k", "keys"), array("value", "v", "values"), data("attn_mask", "mask", "attention_mask", optional=True),
        option("is_causal", False, True, "causal", "use_causal_mask", "causal_mask"), option("scale", None)),
       attending.attention, attending.ATTENTION, make_attention, outputs=("output", "weights"), family="attention", logits=True,
       variants=("rich", "self", "rank 3", "self rank 3", "rank 2", "self rank 2")),
)  # fmt: skip


def make_multi_head(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    t, n, h = 5, 3, o["num_heads"]
    e = 7 * h
    square = lambda: rng.normal(size=(e, e)) / 3  # noqa: E731
    arrays = {name: rng.normal(size=(t, n, e)) for name in ("query", "key", "value")}
    arrays |= {f"{s}_proj_weight": square() for s in ("q", "k", "v", "out")}
    arrays |= {f"{s}_proj_bias": rng.normal(size=e) for s in ("q", "k", "v", "out")}
    return {**arrays, "in_proj_weight": rng.normal(size=(3 * e, e)) / 3, "in_proj_bias": rng.normal(size=3 * e)}


def projection(s: str, *more: str) -> tuple[Argument, Argument]:
    weights = (f"w{s}", f"w_{s}", f"weight_{s}", f"w_{s}_proj", f"{s}_weight", f"{s}_proj", f"{s}proj", *more)
    return array(f"{s}_proj_weight", *weights, optional=True), array(
        f"{s}_proj_bias", f"b{s}", f"b_{s}", f"bias_{s}", f"{s}_bias", optional=True
    )


(QW, QB), (KW, KB), (VW, VB) = (
    projection(s, f"w_{word}", f"w{word}", f"{word}_weight")
    for s, word in (("q", "query"), ("k", "key"), ("v", "value"))
)
MULTI_HEAD = Op(
    "multi_head_attention",
    ("MultiheadAttention", "multihead_attention", "mha", "multi_head_self_attention", "MultiHeadAttention"),
    (
        array("query", "x", "q", "input"),
        array("key", "k", optional=True),
        array("value", "v", optional=True),
        array("in_proj_weight", "w_qkv", "wqkv", "qkv", "c_attn", "w_in", "qkv_weight", optional=True),
        array("in_proj_bias", "b_qkv", "bqkv", "b_in", "qkv_bias", optional=True),
        QW, KW, VW, QB, KB, VB,
        array("out_proj_weight", "wo", "w_o", "w_out", "wout", "wp", "w_proj", "c_proj", "w_output", "o_weight", "out_weight", "o_proj"),
        array("out_proj_bias", "bo", "b_o", "b_out", "bout", "bp", "out_bias", optional=True),
        data("attn_mask", "mask", optional=True),
        option("num_heads", 2, 2, "n_heads", "heads", "h", "n_head", "nhead", "num_head", "nheads"),
        option("is_causal", False, True, "causal"),
    ),
    attending.multi_head,
    attending.MULTI_HEAD,
    make_multi_head,
    outputs=("output", "weights"),
    family="attention",
    sizes=(("embed_dim", "out_proj_weight", 0),),
)  # fmt: skip

CATALOGUE: tuple[Op, ...] = (*ACTIVATIONS, *ROWS, *PRODUCTS, *LOSSES, *DISTANCES, *NORMS, *WINDOWS, *OTHERS, MULTI_HEAD)
