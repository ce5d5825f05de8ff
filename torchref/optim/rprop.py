"""Rprop: steps from the signs of the gradients alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import blocks
from torchref.optim.optimizer import Group, Optimizer, Params, check_nonnegative, new_step


class Rprop(Optimizer):
    """Resilient backpropagation: each entry has a step size, which grows while its gradient keeps its sign.

        g         <- gradient                                          (-gradient with maximize)
        step_size <- min(max(step_size factor, smallest), largest)     factor: etas[1] where g prev > 0,
                                                                               etas[0] where g prev < 0, 1 elsewhere
        g         <- 0 where the sign has changed
        param     <- param - sign(g) step_size
        prev      <- g

    State: step, prev (zero), step_size (lr). For whole batches: the noise of small ones flips the signs.

    Conventions that differ. lr is where step_size starts and does nothing afterwards. Where the sign has changed the
    entry rests for one step and the next factor is 1 (the variant iRprop-); the original Rprop+ takes the last step
    back.

    Errors: ValueError for a negative lr, and unless 0 < etas[0] < 1 < etas[1]. Equals `torch.optim.Rprop`. Riedmiller &
    Braun 1993; Igel & Huesken 2000.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_nonnegative("Rprop", lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Rprop: etas must be 0 < etas[0] < 1 < etas[1], but got etas={etas}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        shrink, grow = map(float, group["etas"])
        smallest, largest = map(float, group["step_sizes"])
        if not state:
            state["step"] = new_step()
            state["prev"] = np.zeros_like(parameter)
            state["step_size"] = np.full_like(parameter, float(group["lr"]))
        state["step"] += 1
        arrays = parameter, gradient, state["prev"], state["step_size"]
        for param, grad, prev, step_size, product in blocks(*arrays):
            np.multiply(grad, prev, out=product)
            if group["maximize"]:
                np.negative(product, out=product)
            changed = product < 0
            # 1 + (grow - 1) would round: each factor is put where it belongs. A nan stays one.
            factor = np.sign(product, out=np.empty_like(product))
            factor[product == 0] = 1
            factor[product > 0] = grow
            factor[changed] = shrink
            step_size *= factor
            np.clip(step_size, smallest, largest, out=step_size)
            np.copyto(prev, grad)
            if group["maximize"]:
                np.negative(prev, out=prev)
            prev[changed] = 0
            move = np.sign(prev, out=product)
            move *= step_size
            param -= move
