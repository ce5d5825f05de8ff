"""RMSprop: the gradient divided by its root mean square."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import average_square_, blocks, descent_gradient, lerp_
from torchref.optim.optimizer import Group, Optimizer, Params, check_nonnegative, new_step


class RMSprop(Optimizer):
    """RMSprop: each entry's gradient divided by the root of its average square, with momentum if wanted.

        g          <- gradient                                        (-gradient with maximize)
        g          <- g + weight_decay param
        square_avg <- alpha square_avg + (1 - alpha) g^2
        v          <- square_avg
                      square_avg - grad_avg^2                         (centered: the variance), with
                      grad_avg <- grad_avg + (1 - alpha) (g - grad_avg)
        g          <- g / (sqrt(v) + eps)
        buf        <- momentum buf + g                                (momentum)
        param      <- param - lr g, or with momentum param - lr buf

    State: step, square_avg, momentum_buffer (momentum), grad_avg (centered); all start at zero, with no correction, so
    that the first steps are 1 / sqrt(1 - alpha) times as long.

    Conventions that differ. eps stands outside of the root; TensorFlow puts it inside, sqrt(v + eps), which makes 1e-8
    there the 1e-4 of here. The learning rate stands outside of the momentum (see `SGD`); in TensorFlow inside.

    Errors: ValueError for a negative lr, alpha, eps, weight_decay or momentum. Equals `torch.optim.RMSprop`.
    Hinton 2012 (lecture 6e of Neural networks for machine learning); centered: Graves 2013.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_nonnegative("RMSprop", lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, alpha, eps = float(group["lr"]), float(group["alpha"]), float(group["eps"])
        momentum, centered, weight_decay = float(group["momentum"]), group["centered"], float(group["weight_decay"])
        if not state:
            state["step"] = new_step()
            state["square_avg"] = np.zeros_like(parameter)
            if momentum > 0:
                state["momentum_buffer"] = np.zeros_like(parameter)
            if centered:
                state["grad_avg"] = np.zeros_like(parameter)
        state["step"] += 1
        averages = state["square_avg"], state["grad_avg"] if centered else None
        buffer = state["momentum_buffer"] if momentum > 0 else None
        for param, grad, square_avg, grad_avg, buf, scratch, g in blocks(
            parameter, gradient, *averages, buffer, scratch=2
        ):
            g = descent_gradient(grad, param, g, maximize=group["maximize"], weight_decay=weight_decay)
            average_square_(square_avg, g, alpha, scratch)
            v = square_avg
            if centered:
                lerp_(grad_avg, g, 1 - alpha, scratch)
                v = np.subtract(square_avg, np.multiply(grad_avg, grad_avg, out=scratch), out=scratch)
            root = np.sqrt(v, out=scratch)
            root += eps
            move = np.divide(g, root, out=scratch)
            if momentum > 0:
                buf *= momentum
                buf += move
                move = buf
            param -= np.multiply(move, lr, out=scratch)
