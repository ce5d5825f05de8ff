"""Adamax: Adam with the largest gradient instead of the root mean square."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import blocks, descent_gradient, lerp_
from torchref.optim.optimizer import Group, Optimizer, Params, check_betas, check_nonnegative, new_step


class Adamax(Optimizer):
    """Adamax: the average gradient divided by an exponentially fading maximum of its sizes.

        t       <- t + 1
        g       <- gradient                               (-gradient with maximize)
        g       <- g + weight_decay param
        exp_avg <- exp_avg + (1 - beta1) (g - exp_avg)
        exp_inf <- max(beta2 exp_inf, |g| + eps)
        param   <- param - lr / (1 - beta1^t) exp_avg / exp_inf

    State: step, exp_avg, exp_inf. A maximum needs no bias correction.

    Conventions that differ. The paper has no eps at all; torch adds it to |g| inside of the maximum, Keras to exp_inf
    in the quotient.

    Errors: ValueError for a negative lr, eps or weight_decay, and for betas outside of [0, 1). Equals
    `torch.optim.Adamax`. Kingma & Ba 2015 (Adam, section 7.1).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_nonnegative("Adamax", lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas("Adamax", betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, eps, weight_decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        if not state:
            state["step"] = new_step()
            state["exp_avg"] = np.zeros_like(parameter)
            state["exp_inf"] = np.zeros_like(parameter)
        state["step"] += 1
        step_size = lr / (1 - beta1 ** float(state["step"]))
        arrays = parameter, gradient, state["exp_avg"], state["exp_inf"]
        for param, grad, exp_avg, exp_inf, scratch, g in blocks(*arrays, scratch=2):
            g = descent_gradient(grad, param, g, maximize=group["maximize"], weight_decay=weight_decay)
            lerp_(exp_avg, g, 1 - beta1, scratch)
            exp_inf *= beta2
            np.abs(g, out=scratch)
            scratch += eps
            np.maximum(exp_inf, scratch, out=exp_inf)
            quotient = np.divide(exp_avg, exp_inf, out=scratch)
            quotient *= step_size
            param -= quotient
