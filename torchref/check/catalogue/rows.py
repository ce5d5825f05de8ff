# ruff: noqa: E501
"""Distances of rows."""

from __future__ import annotations

from typing import Any

from torchref.check.mistakes import distances
from torchref.check.ops import Op, array, option


def make_cosine(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"x1": rng.normal(size=(5, 7)), "x2": rng.normal(size=(5, 7))}


DISTANCES = (
    Op("pairwise_distance", ("PairwiseDistance", "euclidean_distance"),
       (array("x1", "a", "x", "u", "input1", "input"), array("x2", "b", "y", "v", "input2", "other"), option("eps", 1e-6), option("keepdim", False)),
       distances.pairwise_distance, distances.PAIRWISE_DISTANCE, make_cosine, family="softmax"),
)  # fmt: skip
