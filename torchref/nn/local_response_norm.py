"""Local response normalisation: a channel is divided by the size of its neighbours."""

from __future__ import annotations

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.batchnorm import as_channels
from torchref.nn.errors import check_floating, check_integers, check_numbers
from torchref.nn.module import Array, Backward, Module, bind


@takes_any_array(refuses_half=lambda given: given["x"].ndim > 3 and given["x"].size > 0)
def local_response_norm(
    x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> tuple[Array, Backward]:
    """y_c = x_c s_c^-beta, s_c = k + alpha / size sum x_c'^2 over the `size` channels c' around c.

    Shapes: x and y (N, C, L) or (N, C, *). The window reaches from c - size // 2 to c + (size - 1) // 2 (an even size
    looks one further back); channels beyond the ends count as 0. With B_cc' = 1 where c' is in the window of c, else 0:
    s = k + alpha / size B x^2.

    Backward. x_c acts directly and through every s_c' whose window holds it, ds_c'/dx_c = 2 alpha / size B_c'c x_c:
        dL/ds_c = -beta dy_c x_c s_c^(-beta - 1) = -beta dy_c y_c / s_c
        dL/dx_c = dy_c s_c^-beta + 2 alpha / size x_c sum_c' B_c'c ds_c'    ->  dx = dy s^-beta + 2 alpha/size x B^T ds
    B^T is the window mirrored: an even size looks one further ahead.

    Errors: ValueError for fewer than 3 dimensions; RuntimeError for size < 1 and integers. Equals
    `torch.nn.functional.local_response_norm`. Krizhevsky et al. 2012.
    """
    check_floating("local_response_norm", input=x)
    check_integers("local_response_norm", size=size)
    check_numbers("local_response_norm", alpha=alpha, beta=beta, k=k)
    if x.ndim < 3:
        raise ValueError(f"local_response_norm(): expected 3D or higher dimensionality input, but got {x.shape}")
    if size < 1:
        raise RuntimeError(f"local_response_norm(): size should be greater than zero, but got size={size}")
    shape, x = x.shape, as_channels(x)  # (N, C, L)
    channel = np.arange(x.shape[1])
    offset = channel - channel[:, None]  # (C, C): c' - c
    window = (-(size // 2) <= offset) & (offset <= (size - 1) // 2)  # (C, C): B
    s = k + alpha / size * summed(window, x * x)  # (N, C, L)
    power = s**-beta  # (N, C, L)
    y = x * power

    def backward(dy: Array) -> Array:
        dy = dy.reshape(x.shape)  # (N, C, L)
        ds = -beta * dy * y / s  # (N, C, L)
        dx = dy * power + 2 * alpha / size * x * summed(window.T, ds)
        return dx.reshape(shape)

    return y.reshape(shape), backward


def summed(window: Array, x: Array) -> Array:
    """window (C, C) times x (N, C, L), where what the window does not see counts as 0, even an infinity or a nan."""
    total = window.astype(x.dtype) @ x
    if np.isfinite(total).all():
        return total
    return np.where(window[:, :, None], x[:, None], 0).sum(axis=2)  # (N, C, C, L), summed


class LocalResponseNorm(Module):
    """`local_response_norm` as a module. Equals `torch.nn.LocalResponseNorm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(local_response_norm, input, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
