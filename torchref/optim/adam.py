"""Adam and AdamW: a step of about lr for every entry, however large its gradients are."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import average_square_, blocks, descent_gradient, lerp_
from torchref.optim.optimizer import Group, Optimizer, Params, check_betas, check_nonnegative, new_step


class Adam(Optimizer):
    """Adam: each entry's gradient is averaged and divided by the root of its average square.

        t          <- t + 1
        g          <- gradient                                       (-gradient with maximize)
        g          <- g + weight_decay param                         (coupled: the L2 penalty)
        param      <- (1 - lr weight_decay) param                    (decoupled_weight_decay, instead: AdamW)
        exp_avg    <- exp_avg + (1 - beta1) (g - exp_avg)
        exp_avg_sq <- beta2 exp_avg_sq + (1 - beta2) g^2
        v          <- exp_avg_sq, or with amsgrad max_exp_avg_sq <- max(max_exp_avg_sq, exp_avg_sq)
        denom      <- sqrt(v) / sqrt(1 - beta2^t) + eps
        param      <- param - lr / (1 - beta1^t) exp_avg / denom

    State: step, exp_avg, exp_avg_sq, max_exp_avg_sq (amsgrad). The averages start at zero; 1 - beta^t is the sum of
    their weights, the bias correction.

    Conventions that differ. eps is added outside of the root and after the bias correction, as in the paper's
    Algorithm 1; Keras and the paper's shorter form add it before the correction ("epsilon hat"), some put it inside
    the root. amsgrad takes the maximum of the uncorrected average and corrects it then. Coupled decay is divided by
    denom like all of g: entries with large gradients decay less, which is what AdamW mends.

    Errors: ValueError for a negative lr, eps or weight_decay, for betas outside of [0, 1) or not floats. Equals
    `torch.optim.Adam`. Kingma & Ba 2015 (Adam: a method for stochastic optimization); amsgrad: Reddi et al. 2018.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        name = type(self).__name__
        check_nonnegative(name, lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(name, betas)
        if not (isinstance(betas[0], float) and isinstance(betas[1], float)):
            raise ValueError(f"{name}: betas must be floats, but got betas={betas}")
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, eps, weight_decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        amsgrad, maximize, decoupled = group["amsgrad"], group["maximize"], group["decoupled_weight_decay"]
        if not state:
            state["step"] = new_step()
            state["exp_avg"] = np.zeros_like(parameter)
            state["exp_avg_sq"] = np.zeros_like(parameter)
            if amsgrad:
                state["max_exp_avg_sq"] = np.zeros_like(parameter)
        state["step"] += 1
        t = float(state["step"])
        step_size = lr / (1 - beta1**t)
        root_of_correction = (1 - beta2**t) ** 0.5
        averages = state["exp_avg"], state["exp_avg_sq"], state["max_exp_avg_sq"] if amsgrad else None
        for param, grad, exp_avg, exp_avg_sq, largest, scratch, g in blocks(parameter, gradient, *averages, scratch=2):
            if decoupled and weight_decay != 0:
                param *= 1 - lr * weight_decay
            g = descent_gradient(grad, param, g, maximize=maximize, weight_decay=0 if decoupled else weight_decay)
            lerp_(exp_avg, g, 1 - beta1, scratch)
            average_square_(exp_avg_sq, g, beta2, scratch)
            v = np.maximum(largest, exp_avg_sq, out=largest) if amsgrad else exp_avg_sq
            denom = np.sqrt(v, out=scratch)
            denom /= root_of_correction
            denom += eps
            quotient = np.divide(exp_avg, denom, out=scratch)
            quotient *= step_size
            param -= quotient


class AdamW(Adam):
    """Adam with decoupled weight decay: param <- (1 - lr weight_decay) param before Adam's step; see `Adam`.

    Conventions that differ. torch's decay is scaled by lr, and so by its schedule, the paper's by the schedule alone:
    its lambda is lr weight_decay here. The default of weight_decay is 0.01, not 0. Without decay it is Adam.

    Equals `torch.optim.AdamW`. Loshchilov & Hutter 2019 (Decoupled weight decay regularization).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As `Optimizer.load_state_dict`; the decay stays decoupled whatever was saved."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
