"""Weight normalisation and spectral normalisation: a layer's weight as a function of what is trained."""

from __future__ import annotations

import numpy as np

from torchref.nn import random
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_integers
from torchref.nn.half import widened
from torchref.nn.module import Array, Backward, Module, Parameter
from torchref.nn.utils.parametrize import register_parametrization


@takes_any_array
def scaled_direction(g: Array, v: Array, *, dim: int = 0) -> tuple[Array, Backward]:
    """weight = g v / |v|: the length g and the direction v of a weight, trained apart.

    Shapes: weight and v any; |v| is the norm over all dimensions but `dim`, which it keeps as 1, and g has its shape.
    With dim = -1 the norm is over all of v and g has shape ().

    Backward. For one such slice, with direction d = v / |v|, dd_i/dv_j = (delta_ij - d_i d_j) / |v|:
        dL/dg   = sum_i dweight_i d_i
        dL/dv_j = g / |v| (dweight_j - d_j sum_i dweight_i d_i) = g / |v| (dweight_j - d_j dg)
    v moves only across its own direction: sum_j d_j dv_j = 0. `backward(dweight)` returns dg, dv.
    Salimans & Kingma 2016.
    """
    norm = norm_except_dim(v, dim)
    direction = v / norm
    weight = g * direction

    def backward(dweight: Array) -> tuple[Array, Array]:
        dg = (dweight * direction).sum(axis=other_axes(v, dim), keepdims=True)
        dv = g / norm * (dweight - direction * dg)
        return dg.reshape(g.shape), dv

    return weight, backward


def direction(v: Array) -> tuple[Array, Backward]:
    """v / |v|: `scaled_direction` of length 1, a constant."""
    y, scaled_backward = scaled_direction(np.ones_like(v, shape=(), order="C"), v, dim=-1)

    def backward(dy: Array) -> Array:
        _, dv = scaled_backward(dy)
        return dv

    return y, backward


def norm_except_dim(v: Array, dim: int) -> Array:
    """The Euclidean norm over all dimensions of v but `dim`, which are kept as 1."""
    wide = widened(v)
    return np.sqrt((wide * wide).sum(axis=other_axes(v, dim), keepdims=True)).astype(v.dtype, copy=False)


def other_axes(v: Array, dim: int) -> tuple[int, ...]:
    """All axes but `dim`; all with dim = -1. IndexError if v has no such dimension."""
    if not -v.ndim <= dim < v.ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-v.ndim}, {v.ndim - 1}], but got dim={dim})"
        )
    return tuple(axis for axis in range(v.ndim) if dim == -1 or axis != dim % v.ndim)


@takes_any_array
def divided_by_sigma(weight: Array, *, u: Array, v: Array, dim: int = 0) -> tuple[Array, Backward]:
    """y = weight / sigma with sigma = u^T W v, the largest singular value of W if u and v are its singular vectors.

    W (H, W) is the weight as a matrix: dimension `dim` in front, all others flattened. Shapes: weight and y any, u (H),
    v (W). u and v are constants: their gradient would be zero at the true singular vectors, where sigma is stationary
    in them.

    Backward. dsigma/dW_ij = u_i v_j, and y depends on the weight directly and through sigma:
        dL/dW_ij = dy_ij / sigma - u_i v_j sum_kl dy_kl W_kl / sigma^2
                 = (dy_ij - u_i v_j sum_kl dy_kl y_kl) / sigma
    Miyato et al. 2018.
    """
    sigma = u @ (as_matrix(weight, dim) @ v)
    y = weight / sigma

    def backward(dy: Array) -> Array:
        dsigma = (u[:, None] * v).reshape(np.moveaxis(weight, dim, 0).shape)  # of sigma in the weight
        return (dy - np.moveaxis(dsigma, 0, dim) * (dy * y).sum()) / sigma

    return y, backward


def as_matrix(weight: Array, dim: int) -> Array:
    """`dim` in front, all others flattened: (H, W)."""
    front = np.moveaxis(weight, dim, 0)
    return front.reshape(len(front), -1)


class _WeightNorm(Module):
    """`scaled_direction` as a parametrization: original0 is g, original1 is v."""

    def __init__(self, dim: int | None = 0) -> None:
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Array, weight_v: Array) -> tuple[Array, Backward]:
        return scaled_direction(weight_g, weight_v, dim=self.dim)

    def right_inverse(self, weight: Array) -> tuple[Array, Array]:
        norm = norm_except_dim(weight, self.dim)
        return norm.reshape(()) if self.dim == -1 else norm, weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the length and the direction of `module.<name>` apart: weight = g v / |v| (see `scaled_direction`).

    g is `parametrizations.weight.original0`, v is `original1`; at first they give the weight as it is. `dim` is the
    dimension that keeps a length for each index (None: one length for all). Equals
    `torch.nn.utils.parametrizations.weight_norm`. (`torchref.nn.utils.weight_norm`, which is deprecated, computes the
    same under the names weight_g and weight_v.)
    """
    if dim is not None:
        check_integers("weight_norm", dim=dim)
    return register_parametrization(module, name, _WeightNorm(dim))


class _SpectralNorm(Module):
    """`divided_by_sigma` as a parametrization, its singular vectors kept up to date by power iteration.

    In training mode every use of the weight makes `n_power_iterations` rounds u = W v / |W v|, v = W^T u / |W^T u|,
    which converge to the first singular vectors. A vector needs none: its only singular value is its norm.
    """

    def __init__(self, weight: Array, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-weight.ndim}, {weight.ndim - 1}], "
                f"but got dim={dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % weight.ndim
        self.eps = eps
        self.n_power_iterations = n_power_iterations
        self._u: Array
        self._v: Array
        if weight.ndim > 1:
            matrix = as_matrix(weight, self.dim)
            height, width = matrix.shape
            self.register_buffer("_u", unit(random.normal(0, 1, (height,), weight.dtype), eps))
            self.register_buffer("_v", unit(random.normal(0, 1, (width,), weight.dtype), eps))
            self.iterate(matrix, 15)

    def iterate(self, matrix: Array, rounds: int) -> None:
        wide = widened(matrix)
        for _ in range(rounds):
            self._u = unit(wide @ widened(self._v), self.eps).astype(matrix.dtype)
            self._v = unit(wide.T @ widened(self._u), self.eps).astype(matrix.dtype)

    def forward(self, weight: Array) -> tuple[Array, Backward]:
        if weight.ndim == 1:
            return direction(weight)
        if self.training:
            self.iterate(as_matrix(weight, self.dim), self.n_power_iterations)
        return divided_by_sigma(weight, u=self._u, v=self._v, dim=self.dim)

    def right_inverse(self, value: Array) -> Array:
        return value


def unit(x: Array, eps: float) -> Array:
    """x / max(|x|, eps)."""
    return x / max(float(np.linalg.norm(widened(x))), eps)


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide `module.<name>` by its largest singular value: the layer stretches no vector (see `_SpectralNorm`).

    What is trained is `parametrizations.weight.original`; the estimates of the singular vectors are the buffers _u and
    _v. `dim` is the dimension of the outputs (None: 1 for transposed convolutions, else 0); all others are flattened.
    ValueError without a parameter of this name or for n_power_iterations < 1, IndexError for a `dim` out of range.
    Equals `torch.nn.utils.parametrizations.spectral_norm`.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Parameter):
        raise ValueError(f"Module {module!r} has no parameter or buffer with name {name!r}")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(module, name, _SpectralNorm(weight.data, n_power_iterations, dim, eps))
