"""ASGD: gradient descent, and the average of its points."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import blocks, descent_gradient
from torchref.optim.optimizer import Group, Optimizer, Params, check_nonnegative, new_step


class ASGD(Optimizer):
    """Averaged SGD: descent with a falling rate eta and a decay lambd; the average of the points is in the state.

        t     <- t + 1
        g     <- gradient                                      (-gradient with maximize)
        g     <- g + weight_decay param
        param <- (1 - lambd eta) param
        param <- param - eta g
        ax    <- param where mu = 1, else ax + mu (param - ax)
        eta   <- lr / (1 + lambd lr t)^alpha
        mu    <- 1 / max(1, t - t0)

    State: step, eta (lr), mu (1), ax (zero). The parameter is the last point, not the average: that is `ax`, and it
    follows the parameter until step t0. As in torch eta and mu are rounded to float32 whatever the parameter is.

    Conventions that differ. The new rate is computed after the step: a change of lr is felt one step later. There are
    two decays, lambd inside of the rate's schedule and weight_decay in the gradient.

    Errors: ValueError for a negative lr or weight_decay. Equals `torch.optim.ASGD`.
    Polyak & Juditsky 1992; Bottou 2010.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_nonnegative("ASGD", lr=lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, lambd, alpha = float(group["lr"]), float(group["lambd"]), float(group["alpha"])
        weight_decay, maximize = float(group["weight_decay"]), group["maximize"]
        if not state:
            state["step"] = new_step()
            state["eta"] = np.full((), lr, np.float32)
            state["mu"] = np.ones((), np.float32)
            state["ax"] = np.zeros_like(parameter)
        state["step"] += 1
        t, eta, mu = float(state["step"]), float(state["eta"]), float(state["mu"])
        for param, grad, ax, scratch in blocks(parameter, gradient, state["ax"]):
            g = descent_gradient(grad, param, scratch, maximize=maximize, weight_decay=weight_decay)
            param *= 1 - lambd * eta
            param -= np.multiply(g, eta, out=scratch)
            if mu == 1:
                np.copyto(ax, param)
            else:
                np.subtract(param, ax, out=scratch)
                scratch *= mu
                ax += scratch
        # Rounded to float32 even where a loaded state is float64.
        state["eta"][...] = np.float32(lr / (1 + lambd * lr * t) ** alpha)
        state["mu"][...] = np.float32(1 / max(1.0, t - float(group["t0"])))
