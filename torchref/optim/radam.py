"""RAdam: Adam that waits until its second moment is worth dividing by."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import average_square_, blocks, descent_gradient, lerp_
from torchref.optim.optimizer import Group, Optimizer, Params, check_betas, check_nonnegative, new_step


class RAdam(Optimizer):
    """Rectified Adam: momentum alone at first, then Adam, scaled by how sure its second moment is.

        t          <- t + 1
        g          <- gradient                                       (-gradient with maximize)
        g          <- g + weight_decay param                         (coupled)
        param      <- (1 - lr weight_decay) param                    (decoupled_weight_decay, instead)
        exp_avg    <- exp_avg + (1 - beta1) (g - exp_avg)
        exp_avg_sq <- beta2 exp_avg_sq + (1 - beta2) g^2
        m          <- exp_avg / (1 - beta1^t)
        rho_inf    <- 2 / (1 - beta2) - 1
        rho        <- rho_inf - 2 t beta2^t / (1 - beta2^t)          length of the average so far
        rho > 5:      rectification <- sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
                      param <- param - lr m sqrt(1 - beta2^t) / (sqrt(exp_avg_sq) + eps) rectification
        else:         param <- param - lr m

    State: step, exp_avg, exp_avg_sq.

    Conventions that differ. The switch is strictly above 5; the paper's is above 4, where the variance exists at all.
    eps is added before the bias correction here, unlike in torch's Adam. With beta2 <= 2/3 rho never passes 5.

    Errors: ValueError for a negative lr, eps or weight_decay, and for betas outside of [0, 1). Equals
    `torch.optim.RAdam`. Liu et al. 2020 (On the variance of the adaptive learning rate and beyond).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_nonnegative("RAdam", lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas("RAdam", betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, eps, weight_decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        decoupled = group["decoupled_weight_decay"]
        if not state:
            state["step"] = new_step()
            state["exp_avg"] = np.zeros_like(parameter)
            state["exp_avg_sq"] = np.zeros_like(parameter)
        state["step"] += 1
        t = float(state["step"])
        correction1, correction2 = 1 - beta1**t, 1 - beta2**t
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / correction2
        coupled_decay = 0.0 if decoupled else weight_decay
        arrays = parameter, gradient, state["exp_avg"], state["exp_avg_sq"]
        for param, grad, exp_avg, exp_avg_sq, scratch, move, g in blocks(*arrays, scratch=3):
            if decoupled and weight_decay != 0:
                param *= 1 - lr * weight_decay
            g = descent_gradient(grad, param, g, maximize=group["maximize"], weight_decay=coupled_decay)
            lerp_(exp_avg, g, 1 - beta1, scratch)
            average_square_(exp_avg_sq, g, beta2, scratch)
            np.divide(exp_avg, correction1, out=move)
            move *= lr
            if rho > 5:
                root = np.sqrt(exp_avg_sq, out=scratch)
                root += eps
                move *= np.divide(correction2**0.5, root, out=scratch)
                move *= ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
            param -= move
