"""Muon: momentum, orthogonalised."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.nn.module import Array
from torchref.optim.inplace import lerp_
from torchref.optim.optimizer import Group, Optimizer, Params, check_nonnegative


class Muon(Optimizer):
    """Muon: the step of a weight matrix is its momentum with all singular values brought near 1.

        g      <- gradient
        buf    <- buf + (1 - momentum) (g - buf)
        u      <- buf, or with nesterov g + momentum (buf - g)
        u      <- orthogonalise(u)                                     (in bfloat16)
        param  <- (1 - lr weight_decay) param
        param  <- param - lr ratio u       ratio: sqrt(max(1, rows / columns))           ("original", None)
                                                  0.2 sqrt(max(rows, columns))           ("match_rms_adamw")

    State: momentum_buffer. For weight matrices only; biases, embeddings and heads are left to another optimizer.

    Conventions that differ. The buffer is an average (its gradients weigh 1 - momentum), not a sum as in SGD; the
    orthogonalised step is the same for both but for rounding and eps. The decay uses lr itself, not the adjusted rate.

    Errors: ValueError for a negative lr, momentum or weight_decay, an unknown adjust_lr_fn, a parameter that is no
    matrix, and, in the step, for ns_steps >= 100 or other than three ns_coefficients. Equals `torch.optim.Muon`, to
    bfloat16's precision: the order of summation in a product decides its last bit. Jordan et al. 2024 (Muon: an
    optimizer for hidden layers in neural networks).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_nonnegative("Muon", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Muon: adjust_lr_fn must be None, 'original' or 'match_rms_adamw', but got {adjust_lr_fn=}"
            )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(f"Muon: parameters must be matrices, but one has the shape {parameter.shape}")

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        lr, momentum = float(group["lr"]), float(group["momentum"])
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = np.zeros_like(gradient)
        buf = state["momentum_buffer"]
        lerp_(buf, gradient, 1 - momentum, np.empty_like(gradient))
        u = buf
        if group["nesterov"]:
            u = gradient.copy()
            lerp_(u, buf, momentum, np.empty_like(gradient))
        u = orthogonalise(u, tuple(group["ns_coefficients"]), int(group["ns_steps"]), float(group["eps"]))
        rows, columns = parameter.shape
        ratio = math.sqrt(max(1, rows / columns))
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        parameter *= 1 - lr * float(group["weight_decay"])
        parameter -= (lr * ratio) * u.astype(parameter.dtype)


def orthogonalise(matrix: Array, coefficients: tuple[float, ...], steps: int, eps: float) -> Array:
    """About U V^T of the matrix's singular value decomposition U S V^T, by Newton and Schulz's iteration.

        X <- X / max(|X|_F, eps);    then `steps` times    X <- a X + (b A + c A^2) X    with A = X X^T

    On the singular values this is s <- a s + b s^3 + c s^5: it brings all of (0, 1] near 1 (to 0.7 ... 1.2, with
    coefficients chosen for the steepest slope at 0, not to converge). float32 arrays hold bfloat16 numbers: a result is
    rounded after each product, as on hardware that multiplies in bfloat16 and adds in float32.
    """
    if steps >= 100:
        raise ValueError(f"Muon: ns_steps must be less than 100, but got ns_steps={steps}")
    if len(coefficients) != 3:
        raise ValueError(f"Muon: ns_coefficients must be three numbers, but got ns_coefficients={coefficients}")
    a, b, c = coefficients
    x = bfloat16(matrix)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T  # the product X X^T is smaller so
    norm = bfloat16(np.sqrt(np.sum(x * x, keepdims=True)))
    x = bfloat16(x / np.maximum(norm, bfloat16(np.full_like(norm, eps))))
    for _ in range(steps):
        gram = bfloat16(x @ x.T)
        polynomial = bfloat16(b * gram + c * (gram @ gram))
        x = bfloat16(a * x + polynomial @ x)
    return x if wide else x.T


def bfloat16(array: Array) -> Array:
    """`array` rounded to bfloat16 (a float32 whose last 16 bits are zero), ties to even, as an array of float32."""
    bits = array.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(array), np.float32(np.nan), rounded.view(np.float32))
