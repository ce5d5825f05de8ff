# ruff: noqa: E501
"""What a plain gradient function may ask for beside the arguments: statistics, probabilities, sizes, shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.check.mistakes.base import softmax
from torchref.check.ops import Op
from torchref.check.signatures import groups

Compute = Callable[[Op, dict[str, Any], dict[str, Any]], Any]


def statistics(op: Op, v: dict[str, Any]) -> tuple[Any, Any]:
    x = v["input"]
    axes = groups(op, x) or (-1,)
    keep = not op.name.startswith("batch_norm") or x.ndim > 2
    return x.mean(axes, keepdims=keep), x.var(axes, keepdims=keep)


def eps(op: Op, v: dict[str, Any]) -> float:
    return float(np.finfo(np.float64).eps) if v.get("eps") is None else v["eps"]


def spread(op: Op, v: dict[str, Any]) -> Any:
    if op.name == "rms_norm":
        return np.sqrt((v["input"] ** 2).mean(-1, keepdims=True) + eps(op, v))
    return np.sqrt(statistics(op, v)[1] + eps(op, v))


def normalised(op: Op, v: dict[str, Any]) -> Any:
    if op.name == "rms_norm":
        return v["input"] / spread(op, v)
    return (v["input"] - statistics(op, v)[0]) / spread(op, v)


SAVED: dict[str, tuple[tuple[str, ...], tuple[str, ...], Compute]] = {
    "mean": (("mean", "mu", "sample_mean", "batch_mean", "m", "xmean", "x_mean"), ("norm",), lambda op, v, y: statistics(op, v)[0]),
    "var": (("var", "variance", "sample_var", "batch_var", "sigma2", "v", "xvar", "x_var"), ("norm",), lambda op, v, y: statistics(op, v)[1]),
    "std": (("std", "sigma", "stddev", "sd", "rms", "sqrtvar"), ("norm",), lambda op, v, y: spread(op, v)),
    "rstd": (("rstd", "inv_std", "istd", "invstd", "ivar", "inv_var", "rsigma", "rrms", "inv_rms"), ("norm",), lambda op, v, y: 1 / spread(op, v)),
    "x_hat": (("x_hat", "xhat", "x_norm", "xnorm", "normalized", "x_normalized", "norm_x", "xn", "normed"), ("norm",), lambda op, v, y: normalised(op, v)),
    "probabilities": (("probs", "p", "softmax", "probabilities", "s", "sm", "y_hat", "softmax_out", "softmax_output"), ("cross entropy",), lambda op, v, y: softmax(v["input"], 1)),
    "weights": (("p", "attn", "attention", "weights", "attn_weights", "attention_weights", "probs", "a", "s", "w", "att"), ("attention",), lambda op, v, y: y["weights"]),
    "num_embeddings": (("vocab_size", "num_embeddings", "v", "n_vocab", "vocab", "num_words", "vocabulary_size"), ("embedding",), lambda op, v, y: len(v["weight"])),
    "embedding_dim": (("embedding_dim", "dim", "d", "embed_dim", "emb_dim"), ("embedding",), lambda op, v, y: v["weight"].shape[1]),
    "weight_shape": (("w_shape", "weight_shape", "shape", "table_shape", "wshape", "emb_shape"), ("embedding", "conv", "linear"), lambda op, v, y: v["weight"].shape),
    "input_shape": (("x_shape", "input_shape", "shape", "xshape", "in_shape", "orig_shape", "shape_x"), ("pool", "conv", "shape", "linear"), lambda op, v, y: v["input"].shape),
}  # fmt: skip


def families(op: Op) -> tuple[str, ...]:
    return (op.family, "cross entropy") if op.name == "cross_entropy" else (op.family,)


def known(op: Op) -> dict[str, tuple[tuple[str, ...], Compute]]:
    """What can be asked for with `op`: role -> (names, how it is computed)."""
    mine = families(op)
    return {role: (names, compute) for role, (names, where, compute) in SAVED.items() if set(where) & set(mine)}
