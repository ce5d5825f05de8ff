# ruff: noqa: E501
"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake
from torchref.check.mistakes.base import softmax as stable
from torchref.nn.module import Array

M = Mistake


def attention(v: Any, wrong: frozenset[str]) -> Any:
    q, k, val = v.query, v.key, v.value
    d = q.shape[-1]
    scale = 1 / math.sqrt(d) if v.scale is None else v.scale
    for flag, value in (
        ("forward no scale", 1.0),
        ("forward 1 / d", 1 / d),
        ("forward times sqrt(d)", math.sqrt(d)),
        ("forward length", 1 / math.sqrt(k.shape[-2])),
    ):
        if flag in wrong:
            scale = value
    scores = q @ k.swapaxes(-1, -2) * scale
    rows, cols = scores.shape[-2:]
    allowed = np.ones((rows, cols), bool)
    if v.is_causal:
        allowed = np.tri(rows, cols, 0, bool)
        if "forward mask leaks" in wrong:
            allowed = np.tri(rows, cols, 1, bool)
        if "forward mask too tight" in wrong:
            allowed = np.tri(rows, cols, -1, bool)
            allowed[0, 0] = True
        if "forward mask inverted" in wrong:
            allowed = np.tri(rows, cols, 0, bool).T
        if "forward mask forgotten" in wrong:
            allowed = np.ones((rows, cols), bool)
    if v.attn_mask is not None and "forward mask forgotten" not in wrong:
        mask = ~v.attn_mask if "forward mask inverted" in wrong and v.attn_mask.dtype == bool else v.attn_mask
        if mask.dtype == bool:
            allowed = allowed & mask
        else:
            scores = scores + mask
    if "forward masked with zeros" in wrong:
        masked = np.where(allowed, scores, 0)
    else:
        masked = np.where(allowed, scores, -np.inf)
    p = stable(masked, -2 if "forward axis" in wrong else -1)
    if "forward denominator" in wrong:
        e = np.exp(masked - masked.max(-1, keepdims=True))
        p = e / e.sum(-2, keepdims=True)
    if "forward mask after softmax" in wrong:
        p = stable(scores, -1) * allowed

    def backward(dy: Array) -> Gradients:
        dv = p.swapaxes(-1, -2) @ dy
        dp = dy @ val.swapaxes(-1, -2)
        sm = p
        if "mask leaks" in wrong:
            sm = stable(scores, -1)
        if "mask forgotten where the weights are computed again" in wrong:
            top = masked.max(-1, keepdims=True)
            sm = np.exp(scores - top) / np.exp(masked - top).sum(-1, keepdims=True)
            dv = sm.swapaxes(-1, -2) @ dy
        ds = sm * (dp - (dp * sm).sum(-1, keepdims=True))
        if "elementwise" in wrong:
            ds = dp * sm * (1 - sm)
        if "sum dropped" in wrong:
            ds = dp * sm
        if "axis" in wrong:
            ds = sm * (dp - (dp * sm).sum(-2, keepdims=True))
        if "jacobian lost" in wrong:
            ds = dp
        if "outer factor lost" in wrong:
            ds = dp - (dp * sm).sum(-1, keepdims=True)
        if "jacobian twice" in wrong:
            ds = sm * (ds - (ds * sm).sum(-1, keepdims=True))
        if "sum of dp" in wrong:
            ds = sm * (dp - dp.sum(-1, keepdims=True))
        if "mean for sum" in wrong:
            ds = sm * (dp - (dp * sm).mean(-1, keepdims=True))
        if "at the scores" in wrong:
            z = np.where(allowed, scores, 0)
            ds = z * (dp - (dp * z).sum(-1, keepdims=True))
        if "scores for weights in dv" in wrong:
            dv = np.where(allowed, scores, 0).swapaxes(-1, -2) @ dy
        if "sum added" in wrong:
            ds = sm * (dp + (dp * sm).sum(-1, keepdims=True))
        if "mask leaks in dv" in wrong:
            dv = stable(scores, -1).swapaxes(-1, -2) @ dy
        if "weights transposed" in wrong:
            dv = p @ dy
        back = scale
        for flag, value in (
            ("no scale", 1.0), ("scale twice", scale * scale), ("1 / d", 1 / d), ("times sqrt(d)", math.sqrt(d)),
            ("scale of the whole width", 1 / math.sqrt(getattr(v, "width", d))),
            ("scale of the length", 1 / math.sqrt(k.shape[-2])),
        ):  # fmt: skip
            if flag in wrong:
                back = value
        dq, dk = ds @ k * back, ds.swapaxes(-1, -2) @ q * back
        if "no scale in dq" in wrong:
            dq = dq / back
        if "no scale in dk" in wrong:
            dk = dk / back
        if "ds transposed in dq" in wrong:
            dq = ds.swapaxes(-1, -2) @ k * back
        if "last query in dk" in wrong:
            dk = ds[..., -1:, :].swapaxes(-1, -2) @ q[..., -1:, :] * back
        if "last query in dv" in wrong:
            dv = p[..., -1:, :].swapaxes(-1, -2) @ dy[..., -1:, :]
        if "ds not transposed in dk" in wrong:
            dk = ds @ q * back
        if "dq and dk exchanged" in wrong:
            dq, dk = dk, dq
        result = {"query": dq, "key": dk, "value": dv}
        if v.attn_mask is not None and v.attn_mask.dtype != bool:
            extra = tuple(range(ds.ndim - v.attn_mask.ndim))
            result["attn_mask"] = ds.sum(extra)
        return result

    return (p @ val, p), backward


SCALE = "attention-scale"
ATTENTION = (
    M("no scale", SCALE, "query", "The factor 1 / sqrt(d) of the scores is missing in the backward.", "dscores = dscores / sqrt(d)"),
    M("no scale in dq", SCALE, "query", "The factor 1 / sqrt(d) is missing in dq."),
    M("no scale in dk", SCALE, "key", "The factor 1 / sqrt(d) is missing in dk."),
    M("scale twice", SCALE, "query", "The factor 1 / sqrt(d) is applied twice."),
    M("1 / d", SCALE, "query", "The backward divides by d, not by sqrt(d)."),
    M("scale of the length", SCALE, "query", "The backward divides by the root of the length, not of d."),
    M("times sqrt(d)", SCALE, "query", "The backward multiplies by sqrt(d) where it must divide."),
    M("elementwise", "softmax-elementwise", "query", "Softmax is treated elementwise, p (1 - p)."),
    M("sum dropped", "softmax-elementwise", "query", "The sum term of softmax's backward is dropped."),
    M("axis", "softmax-wrong-axis", "query", "The sum of softmax's backward runs over the queries, not over the keys."),
    M("jacobian lost", "local-derivative-missing", "query", "Softmax's backward is missing."),
    M("outer factor lost", "local-derivative-missing", "query", "The factor p in front of the bracket is missing."),
    M("sum of dp", "local-derivative-missing", "query", "The sum inside must be of dp * p, not of dp."),
    M("jacobian twice", "softmax-jacobian-twice", "query", "Softmax's Jacobian is applied twice."),
    M("mean for sum", "mean-instead-of-sum", "query", "The sum of dp * p over the keys is a mean here."),
    M("sum added", "wrong-sign", "query", "The sum term of softmax's backward must be subtracted."),
    M("at the scores", "derivative-at-wrong-tensor", "query", "Softmax's backward is evaluated at the scores, not at the weights."),
    M("scores for weights in dv", "derivative-at-wrong-tensor", "value", "dv multiplies with the scores, not with the softmax's weights."),
    M("mask leaks", "wrong-mask", "query", "The backward's softmax does not respect the mask."),
    M("mask leaks in dv", "wrong-mask", "value", "dv multiplies with weights that do not respect the mask."),
    M("mask forgotten where the weights are computed again", "wrong-mask", "query", "The backward computes the weights again, without the mask: hidden keys get a share."),
    M("weights transposed", "transposed", "value", "dv needs the attention weights transposed."),
    M("ds transposed in dq", "transposed", "query", "dq needs ds, not its transpose."),
    M("ds not transposed in dk", "transposed", "key", "dk needs ds transposed."),
    M("last query in dk", "overwritten-not-accumulated", "key", "Only the last query's gradient reaches dk.", "dk += ..., not ="),
    M("last query in dv", "overwritten-not-accumulated", "value", "Only the last query's gradient reaches dv.", "dv += ..., not ="),
    M("dq and dk exchanged", "unknown", "query", "dq and dk are exchanged."),
    M("forward no scale", SCALE, "output", "The scores are not divided by sqrt(d)."),
    M("forward 1 / d", SCALE, "output", "The scores are divided by d, not by sqrt(d)."),
    M("forward times sqrt(d)", SCALE, "output", "The scores are multiplied by sqrt(d)."),
    M("forward length", SCALE, "output", "The scores are divided by the root of the length, not of d."),
    M("forward axis", "softmax-wrong-axis", "output", "The softmax runs over the queries, not over the keys."),
    M("forward denominator", "softmax-wrong-axis", "output", "The denominator adds up over the queries, not over the keys."),
    M("forward mask leaks", "wrong-mask", "output", "The causal mask lets each query see one key of the future."),
    M("forward mask too tight", "wrong-mask", "output", "The causal mask hides each query's own key."),
    M("forward mask inverted", "wrong-mask", "output", "The mask hides what it should show."),
    M("forward mask forgotten", "wrong-mask", "output", "The mask is not applied."),
    M("forward masked with zeros", "wrong-mask", "output", "Masked scores are set to 0, not to minus infinity."),
    M("forward mask after softmax", "wrong-mask", "output", "The mask is applied after the softmax: the rows no longer add up to 1."),
)  # fmt: skip


def multi_head(v: Any, wrong: frozenset[str]) -> Any:
    """Projections, heads side by side, attention, the output projection; x is (T, N, E), or key and value beside it."""
    x = v.query
    key, val = (x if v.key is None else v.key), (x if v.value is None else v.value)
    _, n, e = x.shape
    h = v.num_heads
    d = e // h
    names = ("q", "k", "v")
    if v.in_proj_weight is not None:
        ws = np.split(v.in_proj_weight, 3)
        bs: Any = (None,) * 3 if v.in_proj_bias is None else np.split(v.in_proj_bias, 3)
    else:
        ws = [getattr(v, f"{s}_proj_weight") for s in names]
        bs = [getattr(v, f"{s}_proj_bias") for s in names]
    inputs = (x, key, val)
    projected = [a @ w.T + (0 if b is None else b) for a, w, b in zip(inputs, ws, bs, strict=True)]

    def heads(a: Array) -> Array:  # (T, N, E) -> (N, H, T, d)
        return a.reshape(a.shape[0], n, h, d).transpose(1, 2, 0, 3)

    def joined(a: Array) -> Array:  # (N, H, T, d) -> (T, N, E)
        return a.transpose(2, 0, 1, 3).reshape(a.shape[2], n, e)

    q, k, u = (heads(a) for a in projected)
    if "forward scale of the whole width" in wrong:
        wide: Any = 1 / math.sqrt(e)
    else:
        wide = None
    inner = type(v)(query=q, key=k, value=u, attn_mask=v.attn_mask, is_causal=v.is_causal, scale=wide, width=e)
    (context, weights), attention_backward = attention(inner, wrong)
    flat = joined(context)
    y = flat @ v.out_proj_weight.T + (0 if v.out_proj_bias is None else v.out_proj_bias)

    def backward(dy: Array) -> Gradients:
        rows = dy.reshape(-1, e)
        back = v.out_proj_weight.T if "out_proj_weight transposed" in wrong else v.out_proj_weight
        dflat = dy if "output projection skipped" in wrong else dy @ back
        core = attention_backward(heads(dflat))
        ds = [joined(core[s]) for s in ("query", "key", "value")]
        dinputs = [a @ (w.T if "projections transposed" in wrong else w) for a, w in zip(ds, ws, strict=True)]
        dws = [a.reshape(-1, e).T @ b.reshape(-1, e) for a, b in zip(ds, inputs, strict=True)]
        dbs = [a.sum((0, 1)) for a in ds]
        result: Gradients = {"out_proj_weight": rows.T @ flat.reshape(-1, e), "out_proj_bias": rows.sum(0)}
        if v.key is None:
            parts = dinputs
            for flag, kept in PATHS.items():
                if flag in wrong:
                    parts = [dinputs["qkv".index(s)] for s in kept]
            result["query"] = sum(parts)
        else:
            result |= {"query": dinputs[0], "key": dinputs[1], "value": dinputs[2]}
        if v.in_proj_weight is not None:
            result |= {"in_proj_weight": np.concatenate(dws), "in_proj_bias": np.concatenate(dbs)}
        else:
            for s, dw, db in zip(names, dws, dbs, strict=True):
                result |= {f"{s}_proj_weight": dw, f"{s}_proj_bias": db}
        return {k2: g for k2, g in result.items() if getattr(v, k2) is not None}

    return (y, weights), backward


PATHS = {"only the query's path": "q", "the value's path missing": "qk", "last path only": "v", "only the key's path": "k",
         "the key's path missing": "qv", "the query's path missing": "kv"}  # fmt: skip
MULTI_HEAD = (
    M("out_proj_weight transposed", "transposed", "query", "The way back through the output projection uses its weight transposed."),
    M("projections transposed", "transposed", "query", "The ways from q, k and v back to x use the weights transposed."),
    M("only the key's path", "overwritten-not-accumulated", "query", "x feeds queries, keys and values: only one of its three gradients is kept."),
    M("the key's path missing", "overwritten-not-accumulated", "query", "x feeds queries, keys and values: the keys' gradient is missing."),
    M("the query's path missing", "overwritten-not-accumulated", "query", "x feeds queries, keys and values: the queries' gradient is missing."),
    M("only the query's path", "overwritten-not-accumulated", "query", "x feeds queries, keys and values: its three gradients must be added."),
    M("the value's path missing", "overwritten-not-accumulated", "query", "x feeds queries, keys and values: the values' gradient is missing."),
    M("last path only", "overwritten-not-accumulated", "query", "x feeds queries, keys and values: only one of its three gradients is kept."),
    M("output projection skipped", "local-derivative-missing", "query", "The gradient does not go back through the output projection."),
    M("scale of the whole width", SCALE, "query", "The backward divides by the root of the whole width, not of a head's."),
    M("forward scale of the whole width", SCALE, "output", "The scores are divided by the root of the whole width, not of a head's."),
    *(m for m in ATTENTION if m.flag not in ("weights transposed", "ds transposed in dq", "ds not transposed in dk", "dq and dk exchanged", "forward mask leaks", "forward mask too tight", "forward mask inverted", "mask leaks", "mask forgotten where the weights are computed again")),
    *(m for m in ATTENTION if m.flag in ("forward mask leaks", "forward mask too tight", "forward mask inverted", "mask leaks", "mask forgotten where the weights are computed again")),
)  # fmt: skip
