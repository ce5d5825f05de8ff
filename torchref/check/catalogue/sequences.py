# ruff: noqa: E501
"""Dropout, recurrences and attention."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.mistakes import attending, recurrent
from torchref.check.ops import Argument, Op, array, data, option
from torchref.check.ops.common import X


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
    "a_prev",
    "a0",
    optional=True,
)
CX = array("cx", "c0", "c_0", "c", "c_prev", "prev_c", "cprev", "c_init", "cell", "c_tm1", optional=True)
WIH = array(
    "weight_ih", "wx", "wxh", "w_x", "w_xh", "w_ih", "weight_ih_l0", "u", "w_input", "wi", "win", "wax", "w", "weight"
)
WHH = array("weight_hh", "wh", "whh", "w_h", "w_hh", "weight_hh_l0", "w_hidden", "w_rec", "wr", "waa", "u")
BIH = array("bias_ih", "b", "bias", "b_ih", "bias_ih_l0", "bx", "ba", "b1", "bi", "bh", "b_h", optional=True)
BHH = array("bias_hh", "b_hh", "bias_hh_l0", "bh", "b2", "b_h", optional=True)


def recurrence(
    name: str, module: str, gates: int, formula: Any, mistakes: Any, *options: Argument, fixed: Any = None
) -> tuple[Op, Op]:
    arguments = (X, HX, *((CX,) if gates == 4 else ()), WIH, WHH, BIH, BHH, *options)
    sequence = Op(name, (module,), arguments, formula, mistakes, make_recurrent(gates, False),
                  outputs=("output", "h_n", "c_n") if gates == 4 else ("output", "h_n"), family="recurrent", fixed=fixed or {},
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
    "dh0 is",
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
    *recurrence("rnn", "RNN", 1, recurrent.rnn, recurrent.RNN, option("nonlinearity", "tanh")),
    *recurrence("lstm", "LSTM", 4, recurrent.lstm, recurrent.LSTM),
    *recurrence("gru", "GRU", 3, recurrent.gru, recurrent.GRU, fixed={"reset_before": False}),
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
