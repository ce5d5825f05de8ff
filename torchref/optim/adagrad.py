"""Adagrad: each entry's rate falls with the sum of its squared gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import blocks, descent_gradient
from torchref.optim.optimizer import Group, Optimizer, Params, check_nonnegative, new_step


class Adagrad(Optimizer):
    """Adagrad: the gradient divided by the root of the sum of all squares so far.

        t     <- t + 1
        g     <- gradient                                 (-gradient with maximize)
        g     <- g + weight_decay param
        sum   <- sum + g^2                                (from initial_accumulator_value)
        param <- param - lr / (1 + (t - 1) lr_decay) g / (sqrt(sum) + eps)

    State, from the start: step, sum.

    Conventions that differ. eps stands outside of the root (in Duchi et al. there is a delta in this place); Keras puts
    it inside and starts the sum at 0.1, torch at 0, so that the first step here has the length lr in every entry,
    however small its gradient is.

    Errors: ValueError for a negative lr, lr_decay, weight_decay, initial_accumulator_value or eps. Equals
    `torch.optim.Adagrad`. Duchi, Hazan & Singer 2011 (Adaptive subgradient methods).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_nonnegative("Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay)
        check_nonnegative("Adagrad", initial_accumulator_value=initial_accumulator_value, eps=eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Group) -> None:
        """As `Optimizer.add_param_group`; the sums start here, at the optimizer's initial_accumulator_value."""
        super().add_param_group(param_group)
        for parameter in self.param_groups[-1]["params"]:
            start = np.full_like(parameter.data, self.defaults["initial_accumulator_value"])
            self.state[parameter] = {"step": new_step(), "sum": start}

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, lr_decay, eps = float(group["lr"]), float(group["lr_decay"]), float(group["eps"])
        weight_decay, maximize = float(group["weight_decay"]), group["maximize"]
        state["step"] += 1
        rate = lr / (1 + (float(state["step"]) - 1) * lr_decay)
        for param, grad, total, scratch, g in blocks(parameter, gradient, state["sum"], scratch=2):
            g = descent_gradient(grad, param, g, maximize=maximize, weight_decay=weight_decay)
            total += np.multiply(g, g, out=scratch)
            root = np.sqrt(total, out=scratch)
            root += eps
            quotient = np.divide(g, root, out=scratch)
            quotient *= rate
            param -= quotient
