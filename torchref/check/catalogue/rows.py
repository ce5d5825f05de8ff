# ruff: noqa: E501
"""Functions of whole rows: softmax, distances; and gates."""

from __future__ import annotations

from typing import Any

from torchref.check.mistakes import products, rows
from torchref.check.ops import Op, array, option
from torchref.check.ops.common import X


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


def make_cosine(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    return {"x1": rng.normal(size=(5, 7)), "x2": rng.normal(size=(5, 7))}


NORMALISED = (
    Op("normalize", ("l2_normalize", "l2norm", "l2_norm"), (X, option("p", 2.0, None, "ord"), option("dim", 1, None, "axis"), option("eps", 1e-12)),
       rows.normalize, rows.NORMALIZE, make_rows, family="softmax", zero_rows=True),
    Op("cosine_similarity", ("CosineSimilarity", "cosine"),
       (array("x1", "a", "x", "u", "input1", "input"), array("x2", "b", "y", "v", "input2", "other"), option("dim", 1, None, "axis"), option("eps", 1e-8)),
       rows.cosine_similarity, rows.COSINE, make_cosine, family="softmax", zero_rows=True),
)  # fmt: skip
