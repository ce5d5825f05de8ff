# ruff: noqa: E501
"""Functions of whole rows: softmax, distances; and gates."""

from __future__ import annotations

from typing import Any

from torchref.check.mistakes import distances, products
from torchref.check.ops import Op, array, option
from torchref.check.ops.common import X


def make_glu(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"input": rng.normal(0, 1.2, (5, 6 if variant == "square" else 14))}


def make_prelu(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    x = rng.normal(0, 1.5, (5, 7))
    x.flat[[1, 9]] = 0
    return {"input": x, "weight": rng.uniform(0.1, 0.6, 1 if variant == "one slope" else 7)}


GATES = (
    Op("glu", ("GLU",), (X, option("dim", -1, None, "axis")), products.glu, products.GLU, make_glu, family="gate"),
    Op("prelu", ("PReLU",), (X, array("weight", "a", "alpha", "slope", "negative_slope")), products.prelu,
       products.PRELU, make_prelu, family="gate", variants=("rich", "one slope"),
       sizes=(("num_parameters", "weight", 0),)),
)  # fmt: skip


def make_cosine(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"x1": rng.normal(size=(5, 7)), "x2": rng.normal(size=(5, 7))}


DISTANCES = (
    Op("pairwise_distance", ("PairwiseDistance", "euclidean_distance"),
       (array("x1", "a", "x", "u", "input1", "input"), array("x2", "b", "y", "v", "input2", "other"), option("eps", 1e-6), option("keepdim", False)),
       distances.pairwise_distance, distances.PAIRWISE_DISTANCE, make_cosine, family="softmax"),
)  # fmt: skip
