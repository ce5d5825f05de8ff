"""Adadelta: steps whose size is learnt from the steps before, without a learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import average_square_, blocks, descent_gradient
from torchref.optim.optimizer import Group, Optimizer, Params, check_nonnegative, new_step


class Adadelta(Optimizer):
    """Adadelta: the gradient times the ratio of two root mean squares, that of past steps and that of gradients.

        g          <- gradient                                (-gradient with maximize)
        g          <- g + weight_decay param
        square_avg <- rho square_avg + (1 - rho) g^2
        delta      <- sqrt(acc_delta + eps) / sqrt(square_avg + eps) g
        acc_delta  <- rho acc_delta + (1 - rho) delta^2
        param      <- param - lr delta

    State: step, square_avg, acc_delta; both averages start at zero and are not corrected for it.

    Conventions that differ. eps stands inside of both roots, and it alone starts the motion: the first step is about
    sqrt(eps / (1 - rho)) lr. The paper has no lr (it is 1); acc_delta averages delta without lr. Keras' default of lr
    is 0.001, with which it hardly moves.

    Errors: ValueError for a negative lr, eps or weight_decay, and for rho outside of [0, 1]. Equals
    `torch.optim.Adadelta`. Zeiler 2012 (ADADELTA: an adaptive learning rate method).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_nonnegative("Adadelta", lr=lr, eps=eps, weight_decay=weight_decay)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Adadelta: rho must lie between 0 and 1, but got rho={rho}")
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, rho, eps = float(group["lr"]), float(group["rho"]), float(group["eps"])
        weight_decay, maximize = float(group["weight_decay"]), group["maximize"]
        if not state:
            state["step"] = new_step()
            state["square_avg"] = np.zeros_like(parameter)
            state["acc_delta"] = np.zeros_like(parameter)
        state["step"] += 1
        arrays = parameter, gradient, state["square_avg"], state["acc_delta"]
        for param, grad, square_avg, acc_delta, scratch, g, delta in blocks(*arrays, scratch=3):
            g = descent_gradient(grad, param, g, maximize=maximize, weight_decay=weight_decay)
            average_square_(square_avg, g, rho, scratch)
            root = np.sqrt(np.add(square_avg, eps, out=scratch), out=scratch)
            np.sqrt(np.add(acc_delta, eps, out=delta), out=delta)
            delta /= root
            delta *= g
            average_square_(acc_delta, delta, rho, scratch)
            delta *= lr
            param -= delta
