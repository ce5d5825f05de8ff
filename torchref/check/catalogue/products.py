# ruff: noqa: E501
"""Matrix products and look-ups."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes import products
from torchref.check.ops import Op, array, data, option
from torchref.check.ops.common import X


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


def make_bags(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"input": np.array([[3, 1, 3, 8], [5, 0, 6, 5], [6, 2, 7, 6]]), "weight": rng.normal(size=(11, 7))}


PRODUCTS = (
    Op("linear", ("Linear", "affine", "dense", "fc"), (X, array("weight"), array("bias", optional=True)),
       products.linear, products.LINEAR, make_linear, family="linear",
       sizes=(("in_features", "weight", 1), ("out_features", "weight", 0))),
    Op("bilinear", ("Bilinear",), (array("input1", "x1", "x", "a"), array("input2", "x2", "y", "b"), array("weight"), array("bias", "b", optional=True)),
       products.bilinear, products.BILINEAR, make_bilinear, family="linear",
       sizes=(("in1_features", "weight", 1), ("in2_features", "weight", 2), ("out_features", "weight", 0))),
    Op("embedding_bag", ("EmbeddingBag",),
       (data("input", "index", "indices", "idx", "ids", "tokens", "x", "i", "bags"), array("weight", "table", "e", "emb", "embeddings"), option("mode", "mean")),
       products.embedding_bag, products.EMBEDDING_BAG, make_bags, family="embedding",
       sizes=(("num_embeddings", "weight", 0), ("embedding_dim", "weight", 1))),
    Op("embedding", ("Embedding",),
       (data("input", "index", "indices", "idx", "ids", "tokens", "x", "i"), array("weight", "table", "e", "emb", "embedding", "embeddings", "matrix"), option("padding_idx", None, 3)),
       products.embedding, products.EMBEDDING, make_embedding, family="embedding", variants=("rich", "flat"),
       sizes=(("num_embeddings", "weight", 0), ("embedding_dim", "weight", 1))),
)  # fmt: skip
