# ruff: noqa: E501
"""Dropout and attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes import attending, noise
from torchref.check.ops import Argument, Op, array, data, option
from torchref.check.ops.common import X, away


def make_dropout(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
    x = away(rng, (29, 31))
    return {"input": x, "mask": rng.random(x.shape) < 1 - o["p"]}


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
