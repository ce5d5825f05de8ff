"""Adafactor: a second moment kept as a row and a column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import lerp_
from torchref.optim.optimizer import Group, Optimizer, Params, check_nonnegative, new_step


class Adafactor(Optimizer):
    """Adafactor: Adam without momentum, whose second moment of a matrix is the outer product of two vectors.

        t        <- t + 1
        g        <- gradient                                           (-gradient with maximize)
        w        <- t^beta2_decay                                      (weight of the new square: 1 at first)
        alpha    <- max(eps2, rms(param)) min(lr, 1 / sqrt(t))         (a rate relative to the parameter's size)
        param    <- (1 - lr weight_decay) param
        matrix:     row_var <- row_var + w (mean of g^2 over columns - row_var)          (..., R, 1)
                    col_var <- col_var + w (mean of g^2 over rows - col_var)             (..., 1, C)
                    v <- row_var col_var / max(mean of row_var, eps1)                    (..., R, C)
        vector:     variance <- variance + w (g^2 - variance);  v <- variance
        u        <- g / sqrt(max(v, eps1^2))
        param    <- param - alpha / max(1, rms(u) / d) u               (clipped: rms(u) at most d)

    eps = (eps1, eps2); eps1 = None is the dtype's own eps. rms(x) = |x|_2 / sqrt(size). The factors are the best
    approximation of rank one in the sense of the generalised Kullback-Leibler divergence. State: step, then row_var and
    col_var of the last two axes, or variance.

    Conventions that differ. eps1 is squared where it bounds the square v, and is not where it bounds the mean; the
    paper adds 1e-30 to g^2. lr is the relative rate's upper bound (the paper's 1e-2). Decay is decoupled, by lr, not
    by alpha. Hugging Face's version has momentum and absolute rates besides.

    Errors: ValueError for a negative lr, eps or weight_decay, for beta2_decay above 0 and for d below 1. Equals
    `torch.optim.Adafactor`. Shazeer & Stern 2018 (Adafactor: adaptive learning rates with sublinear memory cost).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_nonnegative("Adafactor", lr=lr, weight_decay=weight_decay)
        if not beta2_decay <= 0:
            raise ValueError(f"Adafactor: beta2_decay must be at most 0, but got beta2_decay={beta2_decay}")
        if (eps[0] is not None and not eps[0] >= 0) or not eps[1] >= 0:
            raise ValueError(f"Adafactor: eps must be at least 0, but got eps={eps}")
        if not d >= 1:
            raise ValueError(f"Adafactor: d must be at least 1, but got d={d}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, weight_decay = float(group["lr"]), float(group["weight_decay"])
        eps1 = float(np.finfo(parameter.dtype).eps if group["eps"][0] is None else group["eps"][0])
        squared = np.multiply(gradient, gradient, out=np.empty_like(gradient))  # an array for 0-d gradients, too
        means = {}
        if gradient.ndim > 1:
            means["row_var"] = squared.mean(axis=-1, keepdims=True)  # (..., R, 1)
            means["col_var"] = squared.mean(axis=-2, keepdims=True)  # (..., 1, C)
        else:
            means["variance"] = squared
        if not state:
            state["step"] = new_step()
            state.update({name: np.zeros_like(mean) for name, mean in means.items()})
        state["step"] += 1
        t = float(state["step"])
        alpha = max(float(group["eps"][1]), rms(parameter)) * min(lr, 1 / math.sqrt(t))
        if weight_decay != 0:
            parameter *= 1 - lr * weight_decay
        for name, mean in means.items():
            lerp_(state[name], mean, t ** float(group["beta2_decay"]), np.empty_like(mean))
        if gradient.ndim > 1:
            row_var = state["row_var"]
            v = row_var @ state["col_var"]  # (..., R, C)
            v /= np.maximum(row_var.mean(axis=-2, keepdims=True), eps1)
            update = v
        else:
            v, update = state["variance"], squared
        np.maximum(v, eps1 * eps1, out=update)
        np.sqrt(update, out=update)
        np.divide(gradient, update, out=update)
        alpha /= max(1.0, rms(update) / float(group["d"]))
        update *= -alpha if group["maximize"] else alpha
        parameter -= update


def rms(array: Array) -> float:
    """The root of the mean square of all entries."""
    flat = array.reshape(-1)
    return math.sqrt(float(flat @ flat)) / math.sqrt(array.size)
