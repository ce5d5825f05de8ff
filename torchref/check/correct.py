# ruff: noqa: E501
"""The right formula of every gradient, in one line, for the verdict; its derivation stands where `derivations` says.

dy is the upstream gradient (dloss of a loss), y the output, N the batch, n the number of entries of a mean.
"""

from __future__ import annotations

from typing import Any

from torchref.check.ops import Op
from torchref.check.ops.formula import FromTextbook, shown_formula

ELEMENTWISE = {
    "relu": "dy * (x > 0)",
    "leaky_relu": "dy * where(x > 0, 1, negative_slope)",
    "rrelu": "dy * where(x > 0, 1, slope), the slope that the forward has drawn",
    "elu": "dy * where(x > 0, 1, alpha * exp(x))",
    "selu": "dy * scale * where(x > 0, 1, alpha * exp(x)), scale = 1.0507..., alpha = 1.6732...",
    "celu": "dy * where(x > 0, 1, exp(x / alpha))",
    "gelu": "dy * (Phi(x) + x * phi(x)), Phi the normal distribution, phi its density",
    "silu": "dy * s * (1 + x * (1 - s)), s = sigmoid(x)",
    "mish": "dy * (t + x * s * (1 - t**2)), t = tanh(softplus(x)), s = sigmoid(x)",
    "softplus": "dy * sigmoid(beta * x)",
    "sigmoid": "dy * y * (1 - y)",
    "tanh": "dy * (1 - y**2)",
    "hardtanh": "dy * (min_val < x < max_val)",
    "relu6": "dy * (0 < x < 6)",
    "hardsigmoid": "dy * (-3 < x < 3) / 6",
    "hardswish": "dy * where(x <= -3, 0, where(x >= 3, 1, x / 3 + 1 / 2))",
    "logsigmoid": "dy * sigmoid(-x)",
    "softsign": "dy / (1 + |x|)**2",
    "hardshrink": "dy * (|x| > lambd)",
    "softshrink": "dy * (|x| > lambd)",
    "tanhshrink": "dy * tanh(x)**2",
    "threshold": "dy * (x > threshold)",
    "exp": "dy * y",
    "softmax": "y * (dy - sum(dy * y)), the sum along the row",
    "softmin": "-y * (dy - sum(dy * y)), the sum along the row",
    "log_softmax": "dy - softmax(x) * sum(dy), the sum along the row",
    "glu": "dy * sigmoid(b) in the first half a, dy * a * sigmoid(b) * (1 - sigmoid(b)) in the second half b",
    "normalize": "(dy - y * sum(dy * y)) / ||x||",
}

MANY = {
    "prelu": {"input": "dx = dy * where(x > 0, 1, weight)", "weight": "dweight = sum of dy * x where x <= 0, over all axes but the channels'"},
    "linear": {"input": "dx = dy @ weight", "weight": "dweight = dy.T @ x", "bias": "dbias = dy.sum(axis=0)"},
    "bilinear": {
        "input1": "dx1 = einsum('nk,kij,nj->ni', dy, weight, x2)", "input2": "dx2 = einsum('nk,kij,ni->nj', dy, weight, x1)",
        "weight": "dweight = einsum('nk,ni,nj->kij', dy, x1, x2)", "bias": "dbias = dy.sum(axis=0)",
    },
    "embedding": {"weight": "np.add.at(dweight, index, dy): rows add up where an index repeats; none for padding_idx"},
    "embedding_bag": {"weight": "each row of a bag gets the bag's dy (a mean: divided by the bag's length), added up over the bags"},
    "cosine_similarity": {
        "x1": "dx1 = dy * (x2 / (|x1| |x2|) - y * x1 / |x1|**2)", "x2": "dx2 = dy * (x1 / (|x1| |x2|) - y * x2 / |x2|**2)",
    },
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
