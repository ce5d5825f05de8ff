# ruff: noqa: E501
"""The right formula of every gradient, in one line, for the verdict; its derivation stands where `derivations` says.

dy is the upstream gradient (dloss of a loss), y the output, N the batch, n the number of entries of a mean.
"""

from __future__ import annotations

from typing import Any

from torchref.check.ops import Op
from torchref.check.ops.formula import Written, shown_formula

ELEMENTWISE = {
    "dropout": "dy * mask / (1 - p), the forward's mask",
    "pad": "dy without the padding (added up where the padding repeats entries)",
    "upsample": "the sum of dy over the copies of each entry",
    "pixel_shuffle": "dy, moved back: the inverse rearrangement",
    "pixel_unshuffle": "dy, moved back: the inverse rearrangement",
    "channel_shuffle": "dy, moved back: the inverse rearrangement",
    "unfold": "fold(dy): every window's columns added to where they came from",
    "fold": "unfold(dy): every column takes its window's entries",
}

LOSSES = {
    "mse_loss": "2 * (x - t) / n",
    "l1_loss": "sign(x - t) / n",
    "smooth_l1_loss": "where(|x - t| < beta, (x - t) / beta, sign(x - t)) / n",
    "huber_loss": "clip(x - t, -delta, delta) / n",
    "binary_cross_entropy": "(x - t) / (x * (1 - x)) / n",
    "binary_cross_entropy_with_logits": "(sigmoid(x) - t) / n; with pos_weight ((1 - t) * s - pos_weight * t * (1 - s)) / n, s = sigmoid(x)",
    "kl_div": "-t / n (-exp(t) / n where log_target)",
    "hinge_embedding_loss": "where(t == 1, 1, -(x <= margin)) / n",
    "soft_margin_loss": "-t / (1 + exp(t * x)) / n",
    "poisson_nll_loss": "(exp(x) - t) / n; without log_input (1 - t / (x + eps)) / n",
    "cross_entropy": "(softmax(x) - onehot) / N; with weights each row times weight[target], divided by their sum",
    "nll_loss": "-onehot / N; with weights -weight[target] * onehot, divided by the weights' sum",
    "multi_margin_loss": "1 / (N K) at every class j with margin - x_t + x_j > 0, minus their number / (N K) at the target t",
    "multilabel_soft_margin_loss": "(sigmoid(x) - t) / (N K)",
    "multilabel_margin_loss": "1 / (N K) at every class i that is no target, for each target t with 1 - x_t + x_i > 0; minus as much at t",
}

MANY = {
    "gaussian_nll_loss": {"input": "dx = dloss * (x - t) / var / n", "var": "dvar = dloss * (1 / var - (x - t)**2 / var**2) / (2 n)"},
    "margin_ranking_loss": {"input1": "dx1 = -dloss * t * (margin - t * (x1 - x2) >= 0) / n", "input2": "dx2 = dloss * t * (margin - t * (x1 - x2) >= 0) / n"},
    "cosine_embedding_loss": {
        n: f"d{n} = dloss / N * (-1 where t = 1, +1 where t = -1 and cos > margin, else 0) * dcos/d{n}" for n in ("input1", "input2")
    },
    "triplet_margin_loss": {
        "anchor": "danchor = dloss / N * active * ((a - p) / d_p - (a - n) / d_n)",
        "positive": "dpositive = -dloss / N * active * (a - p) / d_p", "negative": "dnegative = dloss / N * active * (a - n) / d_n",
    },
    "pairwise_distance": {"x1": "dx1 = dy * (x1 - x2 + eps) / y", "x2": "dx2 = -dy * (x1 - x2 + eps) / y"},
}  # fmt: skip


def formula(op: Op, name: str, v: Any) -> str:
    """The right formula of the gradient of `name`, or of a running statistic, under the options `v`; empty: unknown."""
    if isinstance(op.formula, Written):
        return shown_formula(op, name, v)
    if op.name in MANY:
        return MANY[op.name].get(name, "")
    if name == "input" and op.name in ELEMENTWISE:
        return f"dx = {ELEMENTWISE[op.name]}"
    if name == "input" and op.name in LOSSES:
        return (
            f"dx = dloss * {LOSSES[op.name]}"
            if LOSSES[op.name].count(";") == 0
            else f"dx = dloss times {LOSSES[op.name]}"
        )
    return ""
