"""SGD: stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import blocks, descent_gradient
from torchref.optim.optimizer import Group, Optimizer, Params, check_nonnegative


class SGD(Optimizer):
    """Stochastic gradient descent: with momentum, dampening, Nesterov's look-ahead, and L2 decay.

        g     <- gradient                              (-gradient with maximize)
        g     <- g + weight_decay param
        buf   <- g                                     at the first step
                 momentum buf + (1 - dampening) g      afterwards
        g     <- buf                                   (momentum)
                 g + momentum buf                      (nesterov)
        param <- param - lr g

    State: momentum_buffer, where momentum is not 0.

    Conventions that differ. The learning rate stands outside of the buffer: after a change of lr the old velocity is
    scaled by the new rate. Sutskever et al. and Keras put it inside, buf <- momentum buf - lr g, param <- param + buf,
    the same until lr changes. Dampening spares the first step: buf starts as g, not as (1 - dampening) g, so that
    dampening = momentum is an average only after a while. Nesterov's gradient is taken at param itself, not at the
    point ahead: it is the rewriting of Bengio et al. weight_decay is the factor of param, so that the penalty is
    weight_decay / 2 |param|^2, and it enters the buffer (coupled).

    Errors: ValueError for a negative lr, momentum or weight_decay, and for nesterov without momentum or with dampening.
    Equals `torch.optim.SGD`. Polyak 1964; Nesterov 1983; Sutskever et al. 2013 (On the importance of initialization and
    momentum in deep learning).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_nonnegative("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(f"SGD: nesterov requires a momentum and no dampening, but got {momentum=}, {dampening=}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, momentum, weight_decay = float(group["lr"]), float(group["momentum"]), float(group["weight_decay"])
        dampening, nesterov, maximize = float(group["dampening"]), group["nesterov"], group["maximize"]
        first = momentum != 0 and state.get("momentum_buffer") is None
        if first:
            state["momentum_buffer"] = np.empty_like(parameter)
        buffer = state["momentum_buffer"] if momentum != 0 else None
        for param, grad, buf, scratch in blocks(parameter, gradient, buffer):
            g = descent_gradient(grad, param, scratch, maximize=maximize, weight_decay=weight_decay)
            if momentum != 0:
                if first:
                    np.copyto(buf, g)
                else:
                    buf *= momentum
                    buf += g if dampening == 0 else (1 - dampening) * g
                g = momentum * buf + g if nesterov else buf
            param -= np.multiply(g, lr, out=scratch)
