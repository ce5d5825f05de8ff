"""NAdam: Adam with Nesterov's look-ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import average_square_, blocks, descent_gradient, lerp_
from torchref.optim.optimizer import Group, Optimizer, Params, check_betas, check_nonnegative, new_step


class NAdam(Optimizer):
    """NAdam: Adam whose step is partly the gradient itself, with a momentum that warms up.

        t          <- t + 1
        g          <- gradient                                       (-gradient with maximize)
        g          <- g + weight_decay param                         (coupled)
        param      <- (1 - lr weight_decay) param                    (decoupled_weight_decay, instead)
        mu         <- beta1 (1 - 0.96^(t psi) / 2)                   psi = momentum_decay
        mu_next    <- beta1 (1 - 0.96^((t + 1) psi) / 2)
        mu_product <- mu_product mu
        exp_avg    <- exp_avg + (1 - beta1) (g - exp_avg)
        exp_avg_sq <- beta2 exp_avg_sq + (1 - beta2) g^2
        denom      <- sqrt(exp_avg_sq / (1 - beta2^t)) + eps
        param      <- param - lr (1 - mu) / (1 - mu_product) g / denom
        param      <- param - lr mu_next / (1 - mu_product mu_next) exp_avg / denom

    State: step, mu_product, exp_avg, exp_avg_sq. As in torch, mu_product is float32 whatever the parameter is, and
    takes the parameter's dtype only when a state is loaded.

    Conventions that differ. exp_avg is averaged with beta1, not with the warming mu. The bias of exp_avg_sq is
    corrected inside of the root (in `Adam` beside it: the same but for rounding). Dozat's text gives variants without
    the schedule of mu.

    Errors: ValueError for a negative lr, eps, weight_decay or momentum_decay, and for betas outside of [0, 1). Equals
    `torch.optim.NAdam`. Dozat 2016 (Incorporating Nesterov momentum into Adam).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_nonnegative("NAdam", lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        check_betas("NAdam", betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, eps, weight_decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        psi, decoupled = float(group["momentum_decay"]), group["decoupled_weight_decay"]
        if not state:
            state["step"] = new_step()
            state["mu_product"] = np.ones((), np.float32)
            state["exp_avg"] = np.zeros_like(parameter)
            state["exp_avg_sq"] = np.zeros_like(parameter)
        state["step"] += 1
        t = float(state["step"])
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * psi))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * psi))
        state["mu_product"] *= mu
        mu_product = float(state["mu_product"])
        step_of_gradient = lr * (1 - mu) / (1 - mu_product)
        step_of_average = lr * mu_next / (1 - mu_product * mu_next)
        coupled_decay = 0.0 if decoupled else weight_decay
        arrays = parameter, gradient, state["exp_avg"], state["exp_avg_sq"]
        for param, grad, exp_avg, exp_avg_sq, scratch, denom, g in blocks(*arrays, scratch=3):
            if decoupled and weight_decay != 0:
                param *= 1 - lr * weight_decay
            g = descent_gradient(grad, param, g, maximize=group["maximize"], weight_decay=coupled_decay)
            lerp_(exp_avg, g, 1 - beta1, scratch)
            average_square_(exp_avg_sq, g, beta2, scratch)
            np.sqrt(np.divide(exp_avg_sq, 1 - beta2**t, out=denom), out=denom)
            denom += eps
            for numerator, step_size in ((g, step_of_gradient), (exp_avg, step_of_average)):
                quotient = np.divide(numerator, denom, out=scratch)
                quotient *= step_size
                param -= quotient
