"""SparseAdam: Adam for the rows that have a gradient."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self

import numpy as np

from torchref.nn.module import Array
from torchref.optim.optimizer import Group, Optimizer, Params, check_betas, check_writeable


class SparseGradient(NamedTuple):
    """A gradient that is zero but at some places: gradient[indices[:, k]] = values[k], added up.

    indices (sparse axes, K) int64, values (K, *dense axes), shape that of the parameter: torch's COO format. For an
    embedding's weight (V, D): indices (1, K), values (K, D).
    """

    indices: Array
    values: Array
    shape: tuple[int, ...]

    @classmethod
    def from_dense(cls, gradient: Array) -> Self:
        """The rows of `gradient` that are not zero. A row that was used but has the gradient 0 is not seen here."""
        rows = np.flatnonzero(gradient.any(axis=tuple(range(1, gradient.ndim))))
        return cls(rows[None], gradient[rows], gradient.shape)

    def coalesce(self) -> SparseGradient:
        """The same gradient with each place once, in order."""
        axes = len(self.indices)
        places = np.ravel_multi_index(tuple(self.indices), self.shape[:axes])
        unique, inverse = np.unique(places, return_inverse=True)
        values = np.zeros_like(self.values, shape=(len(unique), *self.values.shape[1:]), order="C")
        np.add.at(values, inverse, self.values)
        return SparseGradient(np.array(np.unravel_index(unique, self.shape[:axes])), values, self.shape)

    def to_dense(self) -> Array:
        dense = np.zeros_like(self.values, shape=self.shape, order="C")
        np.add.at(dense, tuple(self.indices), self.values)
        return dense


class SparseAdam(Optimizer):
    """Adam on the places that the gradient names; all others keep their parameter and their averages.

        t          <- t + 1
        g          <- gradient's values, coalesced                     (-values with maximize)
        exp_avg    <- exp_avg + (1 - beta1) (g - exp_avg)              at these places
        exp_avg_sq <- exp_avg_sq + (1 - beta2) (g^2 - exp_avg_sq)      at these places
        param      <- param - lr sqrt(1 - beta2^t) / (1 - beta1^t) exp_avg / (sqrt(exp_avg_sq) + eps)

    `Parameter.grad` must be a `SparseGradient`. State: step (an int), exp_avg, exp_avg_sq (dense).

    Conventions that differ. t counts the steps of the whole parameter, not those of a row: a row seen for the first
    time at a late step is hardly corrected. eps is added before the bias correction ("epsilon hat"), unlike in `Adam`.
    Averages of unseen rows do not decay ("lazy Adam").

    Errors: ValueError for lr or eps not above 0 and for betas outside of [0, 1); RuntimeError for a dense gradient.
    Equals `torch.optim.SparseAdam`.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps)):
            if not value > 0:
                raise ValueError(f"SparseAdam: {name} must be above 0, but got {name}={value}")
        check_betas("SparseAdam", betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def check(self, param: Array, grad: Any) -> None:
        if not isinstance(grad, SparseGradient):
            raise RuntimeError(
                f"SparseAdam: a gradient must be a SparseGradient, not a dense {type(grad).__name__}; "
                "SparseGradient.from_dense takes its nonzero rows, and Adam takes dense ones"
            )
        if grad.shape != param.shape or grad.values.dtype != param.dtype:
            raise RuntimeError(
                f"SparseAdam: a parameter of shape {param.shape} and dtype {param.dtype} has a gradient of shape "
                f"{grad.shape} and dtype {grad.values.dtype}"
            )
        check_writeable("SparseAdam", param)

    def update(self, parameter: Array, gradient: Any, state: dict[str, Any], group: Group) -> None:
        lr, eps = float(group["lr"]), float(group["eps"])
        beta1, beta2 = map(float, group["betas"])
        if not state:
            state["step"] = 0
            state["exp_avg"] = np.zeros_like(parameter)
            state["exp_avg_sq"] = np.zeros_like(parameter)
        state["step"] += 1
        t = state["step"]
        indices, g, _ = gradient.coalesce()
        places = tuple(indices)
        g = -g if group["maximize"] else g
        m, v = state["exp_avg"][places], state["exp_avg_sq"][places]  # copies: the places are arrays
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        state["exp_avg"][places], state["exp_avg_sq"][places] = m, v
        step_size = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        parameter[places] -= step_size * (m / (np.sqrt(v) + eps))
