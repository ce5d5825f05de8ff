"""Matrix products, look-ups, and the gates that multiply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.common import X
from torchref.check.ops.conventions import Convention, flip_T
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.record import Arrays, Known, Options, Patch, array, data, option
from torchref.check.textbook import products as textbook
from torchref.nn.module import Array

BIAS = array("bias", axes="out", neutral=0.0)
TABLE = ("weight", "table", "e", "emb", "embedding", "embeddings", "matrix")
INDEX = ("input", "index", "indices", "idx", "ids", "tokens", "x", "i")

# The probes.


def _make_linear(rng: Generator, _o: Options, variant: str) -> Arrays:
    n, i, k = (5, 5, 5) if variant == "square" else (5, 3, 7)
    return {"input": rng.normal(size=(n, i)), "weight": rng.normal(size=(k, i)), "bias": rng.normal(size=k)}


def _make_bilinear(rng: Generator, _o: Options, variant: str) -> Arrays:
    n, i, j, k = (5, 5, 5, 5) if variant == "square" else (5, 3, 2, 7)
    return {
        "input1": rng.normal(size=(n, i)), "input2": rng.normal(size=(n, j)),
        "weight": rng.normal(size=(k, i, j)), "bias": rng.normal(size=k),
    }  # fmt: skip


def _make_embedding(rng: Generator, o: Options, variant: str) -> Arrays:
    index = np.array([3, 1, 3, 8, 0, 5, 3, 1, 2, 6, 0, 0, 9, 8, 2])
    index = rng.permutation(index)
    if o.get("padding_idx") is not None:
        index[:2] = o["padding_idx"]
    return {"input": index.reshape(3, 5) if variant != "flat" else index, "weight": rng.normal(size=(11, 7))}


def _make_bags(rng: Generator, *_: object) -> Arrays:
    return {"input": np.array([[3, 1, 3, 8], [5, 0, 6, 5], [6, 2, 7, 6]]), "weight": rng.normal(size=(11, 7))}


def _make_glu(rng: Generator, _o: Options, variant: str) -> Arrays:
    return {"input": rng.normal(0, 1.2, (5, 6 if variant == "square" else 14))}


def _make_prelu(rng: Generator, _o: Options, variant: str) -> Arrays:
    x = rng.normal(0, 1.5, {"images": (2, 3, 4, 5), "signals": (2, 3, 7)}.get(variant, (5, 7)))
    x.flat[[1, 9]] = 0
    return {"input": x, "weight": rng.uniform(0.1, 0.6, 1 if variant == "one slope" else x.shape[1])}


# The mistakes that no edit makes.


PRODUCT = "dweight = dy.T @ x"
LINEAR = (
    Patch("dx =", "dx = dy @ weight.T", slugs.TRANSPOSED, "dx multiplies with the transpose of the matrix it needs; only a square weight hides the shape error.", "dx = dy @ weight (weight stored as (out, in))"),
    Patch(PRODUCT, "dweight = x.T @ dy", slugs.TRANSPOSED, "dweight is the transpose of what it should be.", "dweight = dy.T @ x (weight stored as (out, in))"),
    Patch(PRODUCT, "dweight = dy @ x.T", slugs.TRANSPOSED, "The transposes in dweight's product stand on the wrong factors."),
    Patch(PRODUCT, "dweight = np.outer(dy[-1], x[-1])", slugs.OVERWRITTEN, "Only the last sample reaches dweight."),
    Patch(PRODUCT, "dweight = np.outer(dy[0], x[0])", slugs.OVERWRITTEN, "Only the first sample reaches dweight."),
)  # fmt: skip

BILINEAR = (
    Patch("dx2 =", "dx1 = np.einsum('nk,kji,nj->ni', dy, weight, x2); dx2 = np.einsum('nk,kji,ni->nj', dy, weight, x1)", slugs.TRANSPOSED, "The weight is used with its two input axes exchanged.", gradient="input1"),
)  # fmt: skip

ADDED = "np.add.at(dweight, x"
COUNTED = f"{ADDED}, dy); counts = np.bincount(x.ravel(), minlength=len(weight))"
EMBEDDING = (
    Patch(ADDED, "dweight[x] = dy", slugs.REPEATED, "An index that occurs more than once keeps only its last gradient: `dweight[index] += dy` adds once.", "np.add.at(dweight, index, dy)"),
    Patch(ADDED, "dweight[x.ravel()[::-1]] = dy.reshape(x.size, -1)[::-1]", slugs.REPEATED, "An index that occurs more than once keeps only its first gradient.", "np.add.at(dweight, index, dy)"),
    Patch(ADDED, f"{ADDED}[-1], dy[-1])", slugs.OVERWRITTEN, "Only the last row of the indices reaches dweight.", "accumulate over all rows"),
    Patch(ADDED, f"{COUNTED}; dweight /= np.maximum(counts, 1)[:, None]", slugs.MEAN, "The gradients of a repeated index are averaged where they must be summed."),
    Patch("dweight[padding_idx]", "# dweight[padding_idx] = 0", slugs.MASK, "The row of padding_idx must get no gradient."),
)  # fmt: skip

EMBEDDING_BAG = (
    Patch("drows = every / length", "drows = every", slugs.MEAN, "The bag's mean divides by its length: so does its gradient."),
    Patch(ADDED, "dweight[x] = drows", slugs.REPEATED, "A repeated index keeps only one of its gradients."),
    Patch("first =", "first = rows == y[:, None]", slugs.TIES, "A repeated index ties with itself: the gradient goes to the first."),
)  # fmt: skip

SLOPE = "dweight = (dy"
PRELU = (
    Patch("dx =", "dx = dy * np.where(x > 0, 1, slope * (x < 0))", slugs.MASK, "At x = 0 torch takes the negative side: the slope, not 0."),
    Patch(SLOPE, "dweight = (dy * x).sum(axes).reshape(weight.shape)", slugs.MASK, "The slope's gradient must count the negative side only."),
    Patch(SLOPE, "dweight = (dy * slope * x * (x <= 0)).sum(axes).reshape(weight.shape)", slugs.TENSOR, "The slope's gradient uses the output where x belongs."),
)  # fmt: skip

GLU = (
    Patch("db =", "db = dy * a", slugs.LOCAL, "The gate's sigmoid is not differentiated."),
    Patch("db =", "db = dy * a * b * (1 - b)", slugs.TENSOR, "s (1 - s) is evaluated at b, not at sigmoid(b)."),
    Patch("db =", "db = dy * s * a * (1 - a)", slugs.TENSOR, "s (1 - s) is evaluated at the value a, not at sigmoid(b)."),
    Patch("db =", "db = dy * a * sigmoid(a) * (1 - sigmoid(a))", slugs.TENSOR, "The sigmoid of the value a is differentiated; the gate is sigmoid(b)."),
    Patch("dx =", "dx = np.concatenate([da, -db], axis=dim)", slugs.SIGN, "The gate's half of the gradient has the wrong sign."),
    Patch("dx =", "dx = np.concatenate([-da, db], axis=dim)", slugs.SIGN, "The value's half of the gradient has the wrong sign."),
    Patch("dx =", "dx = np.concatenate([db, da], axis=dim)", slugs.UNKNOWN, "The two halves of the gradient are exchanged."),
    Patch("y =", "y = sigmoid(a) * b", slugs.FORWARD, "The wrong half goes through the sigmoid."),
)  # fmt: skip

# The names that people give to what they compute, or ask for.

EVERY = ("input", "weight", "bias")
SHAPE = Known("input_shape", "the shape of the input", "x_shape input_shape shape xshape in_shape orig_shape shape_x", (), handed="x.shape")  # fmt: skip
LINEAR_KNOWN = (
    Known("dz", "the gradient of x W^T + b: the upstream gradient itself", "dz dpre dlin", ("dy",), EVERY),
    SHAPE,
)
TABLE_KNOWN = (
    Known("num_embeddings", "the size of the vocabulary", "vocab_size num_embeddings v n_vocab vocab num_words vocabulary_size", (), handed="len(weight)"),
    Known("embedding_dim", "the length of a row", "embedding_dim dim d embed_dim emb_dim", (), handed="weight.shape[1]"),
    Known("table_shape", "the shape of the table", "w_shape weight_shape shape table_shape wshape emb_shape", (), handed="weight.shape"),
)  # fmt: skip

# The records.


def _linear_conventions(_: Mapping[str, Any]) -> list[list[Convention]]:
    """Weights stored as (in, out), samples in columns."""

    def home(b: Array) -> Array:
        return b.reshape(-1) if np.ndim(b) == 2 and np.shape(b)[1] == 1 else b

    weight = {"weight": flip_T}
    columns = {"input": flip_T, "output": flip_T}
    return [
        [Convention("weight is stored as (in, out); torch stores (out, in)", weight, weight)],
        [
            Convention(
                "the samples stand in columns",
                {**columns, "bias": lambda b: b.reshape(-1, 1)},
                {**columns, "bias": home},
            )
        ],
    ]


def _table_conventions(_: Mapping[str, Any]) -> list[list[Convention]]:
    weight = {"weight": flip_T}
    return [[Convention("the weight is stored as (dim, vocabulary)", weight, weight)]]


OPERATIONS = (
    from_textbook(
        "linear",
        ("Linear", "affine", "dense", "fc"),
        (array("input", axes="N in"), array("weight", axes="out in"), BIAS),
        textbook.linear,
        LINEAR,
        make=_make_linear,
        family="linear",
        sizes=(("in_features", "weight", 1), ("out_features", "weight", 0)),
        deeper=True,
        by_rows=True,
        joins_bias=True,
        affine=True,
        summed=True,
        known=LINEAR_KNOWN,
        conventions=_linear_conventions,
        derivation="linear.md",
    ),
    from_textbook(
        "bilinear",
        ("Bilinear",),
        (
            array("input1", "x1", "x", "a"),
            array("input2", "x2", "y", "b"),
            array("weight"),
            array("bias", "b", axes="out", neutral=0.0),
        ),
        textbook.bilinear,
        BILINEAR,
        make=_make_bilinear,
        family="linear",
        sizes=(("in1_features", "weight", 1), ("in2_features", "weight", 2), ("out_features", "weight", 0)),
        affine=True,
        summed=True,
        derivation="bilinear.md",
    ),
    from_textbook(
        "embedding_bag",
        ("EmbeddingBag",),
        (
            data(*INDEX, "bags"),
            array("weight", "table", "e", "emb", "embeddings", axes="V D"),
            option("mode", "mean", vary=("sum", "max")),
        ),
        textbook.embedding_bag,
        EMBEDDING_BAG,
        {"assignment": slugs.REPEATED},
        make=_make_bags,
        family="embedding",
        derivation="embedding.md",
        sizes=(("num_embeddings", "weight", 0), ("embedding_dim", "weight", 1)),
        known=TABLE_KNOWN,
    ),
    from_textbook(
        "embedding",
        ("Embedding",),
        (
            data(*INDEX),
            array(*TABLE, axes="V D"),
            option("padding_idx", None, 3, vary=(None,)),
            option("scale_grad_by_freq", False, vary=(True,)),
        ),
        textbook.embedding,
        EMBEDDING,
        {"assignment": slugs.REPEATED},
        make=_make_embedding,
        family="embedding",
        variants=("rich", "flat"),
        sizes=(("num_embeddings", "weight", 0), ("embedding_dim", "weight", 1)),
        known=TABLE_KNOWN,
        conventions=_table_conventions,
        derivation="embedding.md",
    ),
    from_textbook(
        "glu",
        ("GLU",),
        (X, option("dim", -1, None, "axis")),
        textbook.glu,
        GLU,
        make=_make_glu,
        family="gate",
        derivation="activations.md",
    ),
    from_textbook(
        "prelu",
        ("PReLU",),
        (X, array("weight", "a", "alpha", "slope", "negative_slope")),
        textbook.prelu,
        PRELU,
        {"branch": slugs.SCALE},
        make=_make_prelu,
        family="gate",
        derivation="activations.md",
        variants=("rich", "images", "signals", "one slope"),
        sizes=(("num_parameters", "weight", 0),),
    ),
)
