"""The cases of embeddings and bags of them."""

import numpy as np

from tests.cases import Case, integers, normal, strided

TABLE = np.random.default_rng(7).standard_normal((11, 3))
OFFSETS = np.array([0, 2, 2, 6, 13])  # an empty bag inside and one at the end
PAIRS = np.array([1, 2, 5, 2, 1, 5])  # each index as often as the others: see embedding_bag on torch's frequencies

# No witness where the gradient is not the derivative, but what torch defines: padding, frozen, by frequency.
CASES = [
    Case("Embedding", (11, 3), inputs=(integers(11, 2, 7),), note="repeated"),
    Case("Embedding", (11, 3), inputs=(integers(3, 17),), note="repeated often"),
    Case("Embedding", (11, 3), inputs=(integers(11),), note="0-d"),
    Case("Embedding", (11, 3), inputs=(integers(11, 0, 5),), note="empty"),
    Case("Embedding", (11, 3), inputs=(strided(integers(11, 7, 2)),), note="strided"),
    Case("Embedding", (11, 3, 2), inputs=(integers(5, 17),), witness=False, note="gradient 0 by definition"),
    Case("Embedding", (11, 3), {"padding_idx": -9}, inputs=(integers(5, 17),), witness=False),
    Case("Embedding", (11, 3, 0), inputs=(integers(5, 17),), witness=False),
    Case("Embedding", (11, 3, None, 100.0, 3.0), inputs=(integers(5, 17),), note="within the norm"),
    Case(
        "Embedding", (11, 3), {"scale_grad_by_freq": True, "padding_idx": 1}, inputs=(integers(5, 17),), witness=False
    ),
    Case("Embedding", (11, 3), {"_weight": TABLE, "_freeze": True}, inputs=(integers(5, 17),), witness=False),
    Case("EmbeddingBag", (11, 3), {"mode": "mean", "padding_idx": 2}, inputs=(integers(5, 13), OFFSETS)),
    Case("EmbeddingBag", (11, 3), {"mode": "mean", "padding_idx": 0}, inputs=(integers(2, 13), OFFSETS), note="padded"),
    Case("EmbeddingBag", (11, 3), {"mode": "max", "padding_idx": -9}, inputs=(integers(5, 13), OFFSETS), smooth=False),
    Case("EmbeddingBag", (11, 3, 100.0, 1.0), inputs=(integers(5, 5, 3),), note="within the norm"),
    Case("EmbeddingBag", (11, 3), {"scale_grad_by_freq": True}, inputs=(PAIRS, np.array([0, 3])), witness=False),
    Case("EmbeddingBag", (11, 3), {"_weight": TABLE}, inputs=(integers(5, 5, 3),)),
    Case(
        "EmbeddingBag",
        (11, 3),
        {"mode": "sum", "include_last_offset": True},
        inputs=(integers(5, 13), np.array([0, 2, 2, 7, 13])),
    ),
    Case("EmbeddingBag", (11, 3), {"mode": "sum"}, inputs=(integers(5, 13), OFFSETS, normal(13)), note="weighted"),
    Case("EmbeddingBag", (11, 3), {"mode": "sum"}, inputs=(integers(5, 5, 3), None, normal(5, 3)), note="weighted 2-d"),
    Case(
        "EmbeddingBag",
        (11, 3),
        {"mode": "sum", "padding_idx": 2},
        inputs=(integers(5, 13), OFFSETS, normal(13)),
        note="weighted",
    ),
]

for mode in ("sum", "mean", "max"):
    smooth = mode != "max"
    CASES += [
        Case("EmbeddingBag", (11, 3), {"mode": mode}, inputs=(integers(5, 13), OFFSETS), smooth=smooth),
        Case("EmbeddingBag", (11, 3), {"mode": mode}, inputs=(integers(5, 5, 3),), smooth=smooth, note="2-d"),
        Case("EmbeddingBag", (11, 3), {"mode": mode}, inputs=(integers(11, 0, 5),), smooth=smooth, note="empty"),
        Case("EmbeddingBag", (11, 3), {"mode": mode}, inputs=(integers(11, 0), OFFSETS[:1] * 0), note="one empty bag"),
    ]
