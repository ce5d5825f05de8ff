"""Norms and distances along one dimension: normalize, pairwise distance, cosine similarity."""

from __future__ import annotations

import math

import numpy as np

from torchref.nn.any_array import always, takes_any_array
from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import check_floating, check_numbers, normalize_dim
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.promotion import gradients_of, promoted


def vector_norm(x: Array, p: float, dim: int | tuple[int, ...]) -> tuple[Array, Backward]:
    """norm = (sum_i |x_i|^p)^(1/p) along `dim`, which is kept with size 1.

    p = inf: the largest |x_i|; p = -inf: the smallest; p = 0: how many are not zero.

    Backward. d norm/dx_i = 1/p (sum_j |x_j|^p)^(1/p - 1) p |x_i|^(p-1) sign(x_i), so
        dx_i = dnorm (|x_i| / norm)^(p-1) sign(x_i)            (p = 2: dnorm x_i / norm)
    and 0 where x_i = 0, torch's choice at the kink. For p = +-inf the entries that attain the norm share dnorm evenly;
    for p = 0 there is no gradient.
    """
    if p == 2:
        norm = np.sqrt((x * x).sum(axis=dim, keepdims=True))
    elif p == 0:
        norm = (x != 0).sum(axis=dim, keepdims=True).astype(x.dtype)
    elif math.isinf(p):
        norm = (np.max if p > 0 else np.min)(np.abs(x), axis=dim, keepdims=True)
    else:
        with np.errstate(divide="ignore"):  # 0^p = inf for p < 0
            norm = (np.abs(x) ** p).sum(axis=dim, keepdims=True) ** (1 / p)

    def backward(dnorm: Array) -> Array:
        if p == 2:
            with np.errstate(invalid="ignore"):  # inf / inf
                return x * (dnorm / np.where(norm == 0, 1, norm))
        if p == 0:
            return np.zeros_like(x)
        if math.isinf(p):
            attained = np.abs(x) == norm
            with np.errstate(divide="ignore", invalid="ignore"):  # no entry attains a norm that is nan
                return np.sign(x) * attained * (dnorm / attained.sum(axis=dim, keepdims=True, dtype=x.dtype))
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = dnorm * (np.abs(x) / norm) ** (p - 1)
        return np.where((x == 0) & ~np.isnan(norm), 0, slope) * np.sign(x)

    return norm, backward


@takes_any_array
def normalize(x: Array, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12) -> tuple[Array, Backward]:
    """y = x / max(norm, eps), the p-norm along `dim`; x and y have one shape.

    Backward. With n = max(norm, eps) and y = x / n:
        dL/dx_i = dy_i / n                     (n constant)
        dL/dn   = -sum_i dy_i x_i / n^2 = -sum_i dy_i y_i / n
        dx      = dy / n + norm_backward(dL/dn [norm >= eps])

    Errors: IndexError if `dim` is out of range. Equals `torch.nn.functional.normalize`.
    """
    check_floating("normalize", input=x)
    check_numbers("normalize", p=p, eps=eps)
    axes = axes_of("normalize", x, dim)
    if math.isinf(p) and any(x.shape[axis] == 0 for axis in axes):
        raise RuntimeError(f"normalize(): input {x.shape} has no entries along dim={dim!r}, so no norm for p={p}")
    norm, norm_backward = vector_norm(x, p, axes)
    n = np.maximum(norm, eps)
    y = x / n

    def backward(dy: Array) -> Array:
        dn = -(dy * y).sum(axis=axes, keepdims=True) / n
        return dy / n + norm_backward(dn * (norm.real >= eps))

    return y, backward


@takes_any_array
def pairwise_distance(
    x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> tuple[Array, Backward]:
    """distance = (sum_d |x1_d - x2_d + eps|^p)^(1/p), along the last dimension.

    Shapes: x1 and x2 (..., D), or shapes that broadcast to it; distance (...), with `keepdim` (..., 1).

    Backward. The difference passes its gradient to both, with opposite signs:
        dx1 = norm_backward(ddistance),   dx2 = -dx1           (summed where an input was broadcast)
    eps keeps equal points off the kink at 0.

    Errors: RuntimeError for shapes that do not fit. Equals `torch.nn.functional.pairwise_distance`.
    """
    check_numbers("pairwise_distance", p=p, eps=eps)
    arrays = x1, x2
    x1, x2 = promoted("pairwise_distance", x1=x1, x2=x2)
    check_broadcast("pairwise_distance", x1, x2)
    with np.errstate(invalid="ignore"):  # inf - inf
        difference = np.asanyarray(x1 - x2 + eps)
    axes = (-1,) if difference.ndim else ()
    norm, norm_backward = vector_norm(difference, p, axes)
    distance = norm if keepdim else np.asanyarray(norm.sum(axis=axes))  # the dimension of size 1 taken away

    def backward(ddistance: Array) -> tuple[Array | None, ...]:
        ddifference = norm_backward(ddistance.reshape(norm.shape))
        return gradients_of(arrays, sum_to_shape(ddifference, x1.shape), sum_to_shape(-ddifference, x2.shape))

    return distance, backward


class PairwiseDistance(Module):
    """`pairwise_distance` as a module; torch names the attribute of p `norm`. Equals `torch.nn.PairwiseDistance`."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Array, x2: Array) -> tuple[Array, Backward]:
        return bind(pairwise_distance, x1, x2, p=self.norm, eps=self.eps, keepdim=self.keepdim)


@takes_any_array(refuses_half=always)
def pdist(x: Array, p: float = 2.0) -> tuple[Array, Backward]:
    """distance_k = (sum_m |x_im - x_jm|^p)^(1/p) for the k-th pair i < j of rows, in the order (0, 1), (0, 2), ...

    p = inf: the largest |x_im - x_jm|; p = 0: how many entries differ. Shapes: x (N, M), distance (N (N - 1) / 2).

    Backward. With the difference d_k = x_i - x_j of a pair, and dd_k = norm_backward(ddistance_k):
        dL/dx_n = sum_(k: i = n) dd_k - sum_(k: j = n) dd_k       (each row is in N - 1 pairs)
    dd_k is that of `vector_norm`, 0 for equal rows. For p = inf every entry that attains the maximum gets the whole of
    ddistance, torch's choice at the kink (`pairwise_distance` shares it among them).

    Errors: RuntimeError unless x has 2 dimensions and p >= 0, TypeError if p is no number. Equals
    `torch.nn.functional.pdist`.
    """
    check_floating("pdist", input=x)
    check_numbers("pdist", p=p)
    if x.ndim != 2:
        raise RuntimeError(f"pdist(): x must have 2 dimensions, but has shape {x.shape}")
    if not p >= 0:
        raise RuntimeError(f"pdist(): p must not be negative, but got p={p}")
    i, j = np.triu_indices(len(x), 1)
    with np.errstate(invalid="ignore"):  # inf - inf
        difference = x[i] - x[j]  # (pairs, M)
    if x.shape[1] == 0:
        difference = np.zeros_like(x, shape=(len(i), 1), order="C")  # rows without entries are equal
    norm, norm_backward = vector_norm(difference, p, 1)
    if p == 0:  # whether a nan differs is not known
        norm = np.where(np.isnan(difference).any(axis=1, keepdims=True), np.nan, norm)

    def backward(ddistance: Array) -> Array:
        ddistance = ddistance.reshape(norm.shape)
        if p == math.inf:
            with np.errstate(invalid="ignore"):
                gap = norm - np.abs(difference)  # nan where both are infinite: which is larger is not known
            ddifference = ddistance * np.sign(difference) * np.where(np.isnan(gap), gap, gap == 0)
        else:
            ddifference = norm_backward(ddistance)
        dx = np.zeros_like(x, order="C")
        np.add.at(dx, i, ddifference[:, : x.shape[1]])
        np.add.at(dx, j, -ddifference[:, : x.shape[1]])
        return dx

    return norm.reshape(len(i)), backward


@takes_any_array
def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> tuple[Array, Backward]:
    """cos = sum_d u1_d u2_d along `dim`, with u1 = x1 / max(|x1|, eps) and u2 = x2 / max(|x2|, eps).

    Shapes: x1 and x2 the same, or shapes that broadcast; cos that shape without `dim`.

    Backward. With n1 = max(|x1|, eps) and d n1/dx1_d = x1_d / |x1|:
        dcos/dx1_d = u2_d / n1 - cos / n1 d n1/dx1_d = (u2_d - cos x1_d / |x1|) / n1,     likewise for x2
    What is left of u2 is its part across x1: turning x1 changes the cosine, lengthening it does not. torch takes
    d n1/dx1 as it stands even where the norm is below eps (and 0 for x1 = 0).

    Errors: RuntimeError for shapes that do not fit and a negative eps, IndexError if `dim` is out of range.
    Equals `torch.nn.functional.cosine_similarity`.
    """
    check_numbers("cosine_similarity", eps=eps)
    if not eps >= 0:
        raise RuntimeError(f"cosine_similarity(): eps must not be negative, but got eps={eps}")
    arrays = x1, x2
    x1, x2 = promoted("cosine_similarity", booleans=True, x1=x1, x2=x2)
    check_broadcast("cosine_similarity", x1, x2)
    a, b = np.broadcast_arrays(x1, x2, subok=True)
    axes = axes_of("cosine_similarity", a, (dim,))
    norm_a, norm_a_backward = vector_norm(a, 2, axes)
    norm_b, norm_b_backward = vector_norm(b, 2, axes)
    n_a, n_b = np.maximum(norm_a, eps), np.maximum(norm_b, eps)
    u_a, u_b = a / n_a, b / n_b
    cos = np.asanyarray((u_a * u_b).sum(axis=axes))

    def backward(dcos: Array) -> tuple[Array | None, ...]:
        dcos, kept_cos = dcos.reshape(norm_a.shape), cos.reshape(norm_a.shape)
        da = dcos * u_b / n_a - norm_a_backward(dcos * kept_cos / n_a)
        db = dcos * u_a / n_b - norm_b_backward(dcos * kept_cos / n_b)
        return gradients_of(arrays, sum_to_shape(da, x1.shape), sum_to_shape(db, x2.shape))

    return cos, backward


class CosineSimilarity(Module):
    """`cosine_similarity` as a module. Equals `torch.nn.CosineSimilarity`."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Array, x2: Array) -> tuple[Array, Backward]:
        return bind(cosine_similarity, x1, x2, dim=self.dim, eps=self.eps)


def axes_of(function: str, x: Array, dim: int | tuple[int, ...]) -> tuple[int, ...]:
    """`dim` as axes counted from the front; none for a 0-d array, whose only entry is its own norm.

    IndexError if one is out of range, RuntimeError if one comes twice.
    """
    dims = tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    axes = tuple(normalize_dim(function, d, x.ndim) for d in dims)
    if x.ndim == 0:
        return ()
    if len(set(axes)) < len(axes):
        raise RuntimeError(f"{function}(): an axis comes twice in dim={dim!r} of input {x.shape}")
    return axes


def check_broadcast(function: str, x1: Array, x2: Array) -> None:
    """x1 and x2 must broadcast to one shape. RuntimeError otherwise."""
    try:
        np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        raise RuntimeError(f"{function}(): x1 of shape {x1.shape} does not fit x2 of shape {x2.shape}") from None
