# ruff: noqa: E501
"""The right formula of every gradient, in one line, for the verdict; its derivation stands where `derivations` says.

dy is the upstream gradient (dloss of a loss), y the output, N the batch, n the number of entries of a mean.
"""

from __future__ import annotations

from typing import Any

from torchref.check.ops import Op
from torchref.check.ops.formula import FromTextbook, shown_formula

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
    "scaled_dot_product_attention": {
        "query": "dQ = dS @ K / sqrt(d), dS = P * (dP - sum(dP * P)), dP = dy @ V.T", "key": "dK = dS.T @ Q / sqrt(d), dS = P * (dP - sum(dP * P)), dP = dy @ V.T",
        "value": "dV = P.T @ dy",
    },
}  # fmt: skip

CONV = {
    "input": "every output position adds sum over the filters of dy * weight to its window of dx; then the padding is cut off",
    "weight": "dweight = sum over N and the output positions of dy * (the window of x)",
    "bias": "dbias = sum of dy over N and the positions",
}
TRANSPOSED = {
    "input": "dx = the plain convolution of dy with weight",
    "weight": "dweight = sum over N and the input positions of x * (the window of dy)",
    "bias": "dbias = sum of dy over N and the positions",
}
STEPS = {
    "rnn": "dz_t = (dy_t + dh_next) * (1 - h_t**2)",
    "lstm": "dc = dc_next + dh * o * (1 - tanh(c)**2); dz = (dc * g * i (1 - i), dc * c_prev * f (1 - f), dc * i * (1 - g**2), dh * tanh(c) * o (1 - o)); dh = dy_t + dh_next",
    "gru": "dan = dh * (1 - z) * (1 - n**2), daz = dh * (h_prev - n) * z (1 - z), dar = dan * (W_hn h + b_hn) * r (1 - r); dz_t = (dar, daz, dan), towards weight_hh and bias_hh (dar, daz, dan * r); dh = dy_t + dh_next",
}
BACK = {
    "input": "dx_t = dz_t @ weight_ih",
    "hx": "dh_next = dz_t @ weight_hh{direct}, down to h_0",
    "cx": "dc_next = dc * f, down to c_0",
    "weight_ih": "dweight_ih = sum over t of dz_t.T @ x_t",
    "weight_hh": "dweight_hh = sum over t of dz_t.T @ h_(t-1)",
    "bias_ih": "dbias_ih = sum over t and N of dz_t",
    "bias_hh": "dbias_hh = sum over t and N of dz_t",
}


def formula(op: Op, name: str, v: Any) -> str:
    """The right formula of the gradient of `name`, or of a running statistic, under the options `v`; empty: unknown."""
    if isinstance(op.formula, FromTextbook):
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
    if op.family == "conv":
        return (TRANSPOSED if "transpose" in op.name else CONV).get(name, "")
    if op.family == "pool" and name == "input":
        if "max" in op.name:
            return "dx[first maximum of each window] += dy"
        return "dx[each window] += dy / (the number of its entries)"
    kind = op.name.removesuffix("_cell")
    if kind in STEPS and name in BACK:
        direct = " + dh * z" if kind == "gru" else ""
        return f"{STEPS[kind]}; {BACK[name].replace('{direct}', direct)}"
    if op.name == "multi_head_attention":
        return heads(name)
    return ""


def heads(name: str) -> str:
    core = "dS = P * (dP - sum(dP * P)) / sqrt(E / heads), dP = dz @ V.T, dz = dy @ out_proj_weight, head by head"
    if name == "out_proj_weight":
        return "dout_proj_weight = dy.T @ z, z the heads side by side"
    if name.endswith("_bias"):
        return f"d{name} = the gradient of what it is added to, summed over T and N"
    if name in ("query", "key", "value"):
        return f"{core}; d{name} = (dS @ K, dS.T @ Q, P.T @ dz) @ the projections' weights, added up where one x is all three"
    if name.endswith("_weight"):
        return f"{core}; d{name} = (the gradient of its projection).T @ its input"
    return ""
