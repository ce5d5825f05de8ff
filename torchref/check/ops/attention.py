"""Scaled dot-product attention, alone and with several heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.conventions import Convention, flip_T, swap
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.record import Argument, Arrays, Known, Options, Patch, array, data, option
from torchref.check.textbook import attention as textbook
from torchref.nn.module import Array


def _make_attention(rng: Generator, o: Options, variant: str) -> Arrays:
    t, s, d = (5, 7, 11)
    if variant.startswith("self") or o.get("is_causal"):
        s = t
    if variant.startswith("square"):
        t = s = d = 5
    variant = variant.removeprefix("square ")
    lead = {"rank 3": (2,), "rank 2": (), "self rank 3": (2,), "self rank 2": ()}.get(variant, (2, 3))
    mask = rng.random((t, s)) < 0.6
    mask[np.arange(t), np.arange(t) % s] = True
    return {
        "query": rng.normal(size=(*lead, t, d)),
        "key": rng.normal(size=(*lead, s, d)),
        "value": rng.normal(size=(*lead, s, d)),
        "attn_mask": mask,
    }


def _make_multi_head(rng: Generator, o: Options, *_: object) -> Arrays:
    t, n, h = 5, 3, o["num_heads"]
    e = 7 * h
    arrays = {name: rng.normal(size=(t, n, e)) for name in ("query", "key", "value")}
    arrays |= {f"{s}_proj_weight": rng.normal(size=(e, e)) / 3 for s in ("q", "k", "v", "out")}
    arrays |= {f"{s}_proj_bias": rng.normal(size=e) for s in ("q", "k", "v", "out")}
    return {**arrays, "in_proj_weight": rng.normal(size=(3 * e, e)) / 3, "in_proj_bias": rng.normal(size=3 * e)}


# The mistakes that no edit makes.

HOMES = {"dk =": "key", "dv =": "value"}
SLUGS = {"axis": slugs.SOFTMAX_AXIS, "constant": slugs.ATTENTION_SCALE, "term": slugs.OVERWRITTEN, "name": ""}
T = "swapaxes(-1, -2)"


def _wrong(line: str, instead: str, slug: str, sentence: str, gradient: str = "", advice: str = "") -> Patch:
    """Another value of one variable."""
    return Patch(f"{line} =", f"{line} = {instead}", slug, sentence, advice, gradient)


VISIBLE = "np.where(allowed, scores, 0)"


def _of_the_forward(q: str, k: str) -> tuple[Patch, ...]:
    """The mistakes in scale, softmax and mask of the forward."""
    masked = "S = np.where(allowed, scores, -np.inf)"
    return (
        _wrong("factor", "1.0", slugs.ATTENTION_SCALE, "The scores are not divided by sqrt(d)."),
        _wrong("factor", f"1 / {q}.shape[-1]", slugs.ATTENTION_SCALE, "The scores are divided by d, not by sqrt(d)."),
        _wrong("factor", f"math.sqrt({q}.shape[-1])", slugs.ATTENTION_SCALE, "The scores are multiplied by sqrt(d)."),
        _wrong("factor", f"1 / math.sqrt({k}.shape[-2])", slugs.ATTENTION_SCALE, "The scores are divided by the root of the length, not of d."),
        _wrong("P", f"softmax(np.where(allowed, scores, -np.inf).{T}).{T}", slugs.SOFTMAX_AXIS, "The softmax runs over the queries, not over the keys."),
        Patch("P =", f"{masked}; e = np.exp(S - S.max(axis=-1, keepdims=True)); P = e / e.sum(axis=-2, keepdims=True)", slugs.SOFTMAX_AXIS, "The denominator adds up over the queries, not over the keys."),
        Patch("allowed = np.tri", "allowed = np.tri(*scores.shape[-2:], 1, dtype=bool)", slugs.MASK, "The causal mask lets each query see one key of the future."),
        Patch("allowed = np.tri", "allowed = np.tri(*scores.shape[-2:], -1, dtype=bool); allowed[0, 0] = True", slugs.MASK, "The causal mask hides each query's own key."),
        Patch("allowed = np.tri", "allowed = np.tri(*scores.shape[-2:], dtype=bool).T", slugs.MASK, "The mask hides what it should show."),
        Patch("allowed = allowed & ", "allowed = allowed & ~attn_mask", slugs.MASK, "The mask hides what it should show."),
        _wrong("P", "softmax(scores)", slugs.MASK, "The mask is not applied."),
        _wrong("P", f"softmax({VISIBLE})", slugs.MASK, "Masked scores are set to 0, not to minus infinity."),
        _wrong("P", "softmax(scores) * allowed", slugs.MASK, "The mask is applied after the softmax: the rows no longer add up to 1."),
    )  # fmt: skip


def _softmaxes(q: str, k: str, dy: str) -> tuple[Patch, ...]:
    """The mistakes in softmax(q k^T / sqrt(d)) v, whose gradients are dS, dq, dk and dv = P^T dy."""

    def scores(instead: str, slug: str, sentence: str) -> Patch:
        return Patch("dS =", f"dS = {instead}", slug, sentence)

    inner = "P * (dP - row_sum)"
    top = "scores.max(axis=-1, keepdims=True)"
    open_ = f"e = np.exp(scores - {top}); P_open = e / np.where(allowed, e, 0).sum(axis=-1, keepdims=True)"
    again = "The backward computes the weights again, without the mask: hidden keys get a share."
    return (
        _wrong("dS", f"{inner} * factor**2", slugs.ATTENTION_SCALE, "The factor 1 / sqrt(d) is applied twice."),
        _wrong("dS", f"{inner} / {q}.shape[-1]", slugs.ATTENTION_SCALE, "The backward divides by d, not by sqrt(d)."),
        _wrong("dS", f"{inner} / math.sqrt({k}.shape[-2])", slugs.ATTENTION_SCALE, "The backward divides by the root of the length, not of d."),
        _wrong("dS", f"{inner} * math.sqrt({q}.shape[-1])", slugs.ATTENTION_SCALE, "The backward multiplies by sqrt(d) where it must divide."),
        _wrong("dq", f"dS @ {k} / factor", slugs.ATTENTION_SCALE, "The factor 1 / sqrt(d) is missing in dq.", "query"),
        _wrong("dk", f"dS.{T} @ {q} / factor", slugs.ATTENTION_SCALE, "The factor 1 / sqrt(d) is missing in dk."),
        scores("dP * P * (1 - P) * factor", slugs.SOFTMAX_ELEMENTWISE, "Softmax is treated elementwise, p (1 - p)."),
        scores("dP * P * factor", slugs.SOFTMAX_ELEMENTWISE, "The sum term of softmax's backward is dropped."),
        scores("P * (dP - (dP * P).sum(axis=-2, keepdims=True)) * factor", slugs.SOFTMAX_AXIS, "The sum of softmax's backward runs over the queries, not over the keys."),
        scores("dP * factor", slugs.LOCAL, "Softmax's backward is missing."),
        scores("(dP - row_sum) * factor", slugs.LOCAL, "The factor p in front of the bracket is missing."),
        scores(f"P * ({inner} - ({inner} * P).sum(axis=-1, keepdims=True)) * factor", slugs.SOFTMAX_TWICE, "Softmax's Jacobian is applied twice."),
        scores("P * (dP - dP.sum(axis=-1, keepdims=True)) * factor", slugs.LOCAL, "The sum inside must be of dp * p, not of dp."),
        Patch("dS =", f"S = {VISIBLE}; dS = S * (dP - (dP * S).sum(axis=-1, keepdims=True)) * factor", slugs.TENSOR, "Softmax's backward is evaluated at the scores, not at the weights."),
        _wrong("dv", f"{VISIBLE}.{T} @ {dy}", slugs.TENSOR, "dv multiplies with the scores, not with the softmax's weights."),
        Patch("dS =", "P_open = softmax(scores); dS = P_open * (dP - (dP * P_open).sum(axis=-1, keepdims=True)) * factor", slugs.MASK, "The backward's softmax does not respect the mask."),
        _wrong("dv", f"softmax(scores).{T} @ {dy}", slugs.MASK, "dv multiplies with weights that do not respect the mask."),
        Patch("dv =", f"{open_}; dS = P_open * (dP - (dP * P_open).sum(axis=-1, keepdims=True)) * factor; dv = P_open.{T} @ {dy}", slugs.MASK, again, gradient="query"),
        _wrong("dv", f"P @ {dy}", slugs.TRANSPOSED, "dv needs the attention weights transposed."),
        _wrong("dq", f"dS.{T} @ {k}", slugs.TRANSPOSED, "dq needs ds, not its transpose.", "query"),
        _wrong("dk", f"dS @ {q}", slugs.TRANSPOSED, "dk needs ds transposed."),
        _wrong("dk", f"dS[..., -1:, :].{T} @ {q}[..., -1:, :]", slugs.OVERWRITTEN, "Only the last query's gradient reaches dk.", advice="dk += ..., not ="),
        _wrong("dv", f"P[..., -1:, :].{T} @ {dy}[..., -1:, :]", slugs.OVERWRITTEN, "Only the last query's gradient reaches dv.", advice="dv += ..., not ="),
        Patch("dq =", f"dq = dk; dk = dS @ {k}", slugs.UNKNOWN, "dq and dk are exchanged.", gradient="query"),
        *_of_the_forward(q, k),
    )  # fmt: skip


def _forgotten(query: str, key: str, value: str) -> tuple[Patch, ...]:
    """The paths of one x that is query, key and value."""
    sentence = "x is query, key and value: the gradients of its {} are not added."
    line = f"dx = {query} + {key} + {value}"
    return tuple(
        Patch(line, f"dx = {kept}", slugs.OVERWRITTEN, sentence.format(lost))
        for kept, lost in ((query, "key and value"), (key, "query and value"), (value, "query and key"))
    )


HEADS = (
    Patch("dz =", "dz = heads(dy @ out_proj_weight.T, num_heads)", slugs.TRANSPOSED, "The way back through the output projection uses its weight transposed."),
    Patch("dvalue =", "dquery, dkey, dvalue = da_q @ w_q.T, da_k @ w_k.T, da_v @ w_v.T", slugs.TRANSPOSED, "The ways from q, k and v back to x use the weights transposed.", gradient="query"),
    Patch("dz =", "dz = heads(dy, num_heads)", slugs.LOCAL, "The gradient does not go back through the output projection."),
    Patch("dS =", "dS = P * (dP - row_sum) / math.sqrt(query.shape[-1])", slugs.ATTENTION_SCALE, "The backward divides by the root of the whole width, not of a head's."),
    Patch("factor =", "factor = 1 / math.sqrt(query.shape[-1])", slugs.ATTENTION_SCALE, "The scores are divided by the root of the whole width, not of a head's."),
)  # fmt: skip

# What people call the intermediates.

NAMES = "p a attn weights attnweights attentionweights probs w att attention alpha s"
DOT = "dot inner sum total rowsum rowdot summed weighted sumterm delta d rowdelta"
D_P = "dp da dattn dweights dprobs datt dattention dattnweights dw dalpha"
D_S = "ds dscores dscore dlogits dz dsc dscaled dqk dsraw draw"
BOTH, ALL = ("query", "key"), ("query", "key", "value")
MASKED = "np.where(allowed, scores, -np.inf)"
KNOWN = (
    Known("weights", "softmax(Q K^T / sqrt(d))", NAMES, ("P", "scores", "scores / factor", MASKED, "dS / factor", "dS"), ALL, handed="P"),
    Known("dP", "the gradient of the weights: dy V^T", D_P, ("dP", "np.where(allowed, dP, 0)", "dS / factor", "dS"), BOTH),
    Known("row sums of dP * P", "dP * P summed along each row", DOT, ("row_sum", "dP * P"), BOTH),
    Known("dS", "the gradient of the scores: P * (dP - row sums of dP * P)", D_S, ("dS / factor", "dS", "dS / factor**2", "dP", "P"), BOTH),
)  # fmt: skip

# The records.


def _masks(values: Mapping[str, Any]) -> list[list[Convention]]:
    def mask(sentence: str, change: Callable[[Array], Array]) -> Convention:
        return Convention(sentence, {"attn_mask": change}, {})

    ways = [
        mask("the mask is True where a key is hidden; torch: True where it is seen", lambda m: ~m),
        mask("the mask is added to the scores", lambda m: np.where(m, 0.0, -np.inf)),
        mask("the mask is added to the scores, -1e9 for hidden keys", lambda m: np.where(m, 0.0, -1e9)),
        mask("the mask holds 1 and 0", lambda m: m.astype(float)),
        mask("the mask holds 1 for hidden keys", lambda m: (~m).astype(float)),
    ]
    return [ways] if values.get("attn_mask") is not None else []


def _head_conventions(_: Mapping[str, Any]) -> list[list[Convention]]:
    weights = dict.fromkeys((f"{s}_proj_weight" for s in ("q", "k", "v", "out", "in")), flip_T)
    first = dict.fromkeys(("query", "key", "value", "output"), swap)
    stacked = {"in_proj_weight": flip_T}
    return [
        [Convention("the weights are stored as (in, out); torch stores (out, in)", weights, weights)],
        [Convention("the batch comes first, (N, T, E); torch: (T, N, E)", first, first)],
        [Convention("in_proj_weight is stored as (in, out)", stacked, stacked)],
    ]


ROWS = "N H T d | N T d | T d"
STEPS, WEIGHT, BIAS = "T N E", "out in", "out"


def _projection(s: str, word: str) -> tuple[Argument, Argument]:
    weights = (f"w{s}", f"w_{s}", f"weight_{s}", f"w_{s}_proj", f"{s}_weight", f"{s}_proj", f"{s}proj")
    words = (f"w_{word}", f"w{word}", f"{word}_weight")
    return (
        array(f"{s}_proj_weight", *weights, *words, axes=WEIGHT, optional=True),
        array(f"{s}_proj_bias", f"b{s}", f"b_{s}", f"bias_{s}", f"{s}_bias", axes=BIAS, neutral=0.0),
    )


(QW, QB), (KW, KB), (VW, VB) = _projection("q", "query"), _projection("k", "key"), _projection("v", "value")
STACKED = ("w_qkv", "wqkv", "qkv", "c_attn", "w_in", "qkv_weight")
OUT = ("wo", "w_o", "w_out", "wout", "wp", "w_proj", "c_proj", "w_output", "o_weight", "out_weight", "o_proj")

OPERATIONS = (
    from_textbook(
        "scaled_dot_product_attention",
        ("attention", "sdpa", "dot_product_attention", "self_attention"),
        (
            array("query", "q", "queries", axes=ROWS),
            array("key", "k", "keys", axes=ROWS),
            array("value", "v", "values", axes=ROWS),
            data("attn_mask", "mask", "attention_mask", optional=True),
            option("is_causal", False, True, "causal", "use_causal_mask", "causal_mask"),
            option("scale", None, vary=(0.3,)),
        ),
        textbook.scaled_dot_product_attention,
        (*_softmaxes("q", "key", "dy"), *_forgotten("dq", "dk", "dv")),
        SLUGS,
        HOMES,
        make=_make_attention,
        outputs=("output", "weights"),
        family="attention",
        logits=True,
        variants=("rich", "self", "rank 3", "self rank 3", "rank 2", "self rank 2"),
        known=KNOWN,
        conventions=_masks,
        summed=True,
        spreads=True,
        derivation="attention.md",
    ),
    from_textbook(
        "multi_head_attention",
        ("MultiheadAttention", "multihead_attention", "mha", "multi_head_self_attention", "MultiHeadAttention"),
        (
            array("query", "x", "q", "input", axes=STEPS),
            array("key", "k", axes=STEPS, optional=True),
            array("value", "v", axes=STEPS, optional=True),
            array("in_proj_weight", *STACKED, axes=WEIGHT, optional=True),
            array("in_proj_bias", "b_qkv", "bqkv", "b_in", "qkv_bias", axes=BIAS, optional=True),
            *(QW, KW, VW, QB, KB, VB),
            array("out_proj_weight", *OUT, axes=WEIGHT),
            array("out_proj_bias", "bo", "b_o", "b_out", "bout", "bp", "out_bias", axes=BIAS, neutral=0.0),
            data("attn_mask", "mask", optional=True),
            option("num_heads", 2, 2, "n_heads", "heads", "h", "n_head", "nhead", "num_head", "nheads"),
            option("is_causal", False, True, "causal", vary=(True,)),
        ),
        textbook.multi_head_attention,
        (*HEADS, *_softmaxes("q", "k", "dz"), *_forgotten("dquery", "dkey", "dvalue")),
        SLUGS,
        HOMES,
        make=_make_multi_head,
        outputs=("output", "weights"),
        family="attention",
        derivation="attention-variants.md",
        sizes=(("embed_dim", "out_proj_weight", 0),),
        known=(Known("weights", "softmax(Q K^T / sqrt(d))", NAMES, ("P",), ALL, handed="P"),),
        conventions=_head_conventions,
        summed=True,
        spreads=True,
    ),
)
