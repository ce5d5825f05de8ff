"""The backward of every exercise, as a good student writes it. It is never shipped."""

import re
import textwrap

from torchref.classroom.exercises.catalogue import EXERCISES

NORM = """
    dx_hat = dy * weight
    path = x_hat * (dx_hat * x_hat).mean(axis={0}, keepdims=True)
    dx = (dx_hat - dx_hat.mean(axis={0}, keepdims=True) - path) / std
    return dx, (dy * x_hat).sum(axis=0), dy.sum(axis=0)
"""
BODIES = {
    "relu": "return dy * (x > 0)",
    "leaky_relu": "return np.where(x > 0, dy, negative_slope * dy)",
    "sigmoid": "return dy * y * (1 - y)",
    "tanh": "return dy * (1 - y**2)",
    "gelu": """
    du = (2 / np.pi) ** 0.5 * (1 + 3 * 0.044715 * x**2)
    return dy * ((1 + t) / 2 + x / 2 * (1 - t**2) * du)
    """,
    "linear": "return dy @ weight, dy.T @ x, dy.sum(axis=0)",
    "softmax": "return y * (dy - (dy * y).sum(axis=-1, keepdims=True))",
    "mse": "return dloss * 2 * difference / x.size",
    "bce": """
    import numpy as np
    return dloss * (1 / (1 + np.exp(-x)) - target) / x.size
    """,
    "cross_entropy": """
    dx = np.exp(log_p)
    dx[np.arange(len(x)), target] -= 1
    return dloss * dx / len(x)
    """,
    "embedding": """
    import numpy as np
    dweight = np.zeros_like(weight)
    np.add.at(dweight, ids, dy)
    return dweight
    """,
    "dropout": "return dy * mask / (1 - p)",
    "batch_norm": NORM.format(0),
    "layer_norm": NORM.format(-1),
    "rms_norm": """
    dx_hat = dy * weight
    dx = (dx_hat - x_hat * (dx_hat * x_hat).mean(axis=-1, keepdims=True)) / rms
    return dx, (dy * x_hat).sum(axis=0)
    """,
    "conv2d": """
    dpadded, dweight = np.zeros_like(padded), np.zeros_like(weight)
    for i in range(high):
        for j in range(wide):
            place = (..., slice(i, i + stride * p, stride), slice(j, j + stride * q, stride))
            dweight[:, :, i, j] = np.einsum("nopq,ncpq->oc", dy, padded[place])
            dpadded[place] += np.einsum("nopq,oc->ncpq", dy, weight[:, :, i, j])
    dx = dpadded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]
    return dx, dweight, dy.sum(axis=(0, 2, 3))
    """,
    "max_pool2d": """
    dx = np.zeros_like(x)
    n, c, p, q = np.indices(dy.shape)
    np.add.at(dx, (n, c, p * stride + winner // kernel_size, q * stride + winner % kernel_size), dy)
    return dx
    """,
    "rnn_cell": """
    da = dh_next * (1 - h_next**2)
    return da @ weight_ih, da @ weight_hh, da.T @ x, da.T @ h, da.sum(axis=0)
    """,
    "lstm_cell": """
    dc_all = dc_next + dh_next * o * (1 - np.tanh(c_next) ** 2)
    di, df, dg, do = dc_all * g, dc_all * c, dc_all * i, dh_next * np.tanh(c_next)
    da = np.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1)
    return da @ weight_ih, da @ weight_hh, dc_all * f, da.T @ x, da.T @ h, da.sum(axis=0)
    """,
    "attention": """
    dv = np.swapaxes(p, -1, -2) @ dy
    dp = dy @ np.swapaxes(v, -1, -2)
    dscores = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) / q.shape[-1] ** 0.5
    return dscores @ k, np.swapaxes(dscores, -1, -2) @ q, dv
    """,
}


def solved(name: str, body: str | None = None, seed: int = 0) -> str:
    """The file of an exercise with its backward filled in."""
    file = next(e for e in EXERCISES if e.name == name).file(seed)
    written = textwrap.indent(textwrap.dedent(BODIES[name] if body is None else body).strip("\n"), " " * 8)
    done, n = re.subn(r" {8}raise NotImplementedError\(.*\)", lambda _: written, file)
    assert n == 1, f"{name}: {n} places to fill in"
    return done
