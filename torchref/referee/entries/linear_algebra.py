"""Entries of linear algebra: inverses, solutions, determinants and factors of matrices, and distances of rows.

From dY = F(dA), the differential, comes the backward: the inner product <dy, dY> = <da, dA> for every dA. Arrays that
the factors themselves return beside the result (LU, pivots, info) have no gradient.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from torchref.check.tolerance.rounding import Noisy, plain
from torchref.nn.broadcast import sum_to_shape
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import entry


def transpose(matrix: Array) -> Array:
    return matrix.swapaxes(-1, -2)


def first(doutputs: Any) -> Array:
    """The gradient of the first of several outputs."""
    gradient: Array = doutputs[0] if isinstance(doutputs, tuple) else doutputs
    return gradient


def off_by_its_norm(a: Array, *beside: Array) -> Array:
    """`a`; where it rounds at random, off by as much as its norm rounds, in each entry, however small: what LAPACK
    computes is right for a matrix that is as near as that. `beside` are other blocks of that matrix."""
    if not isinstance(a, Noisy):
        return a
    norm = np.sqrt(sum((plain(block) ** 2).sum((-2, -1), keepdims=True) for block in (a, *beside)))
    moved: Array = (a + norm) - norm
    return moved


def zeros_for_none(gradient: Array | None, like: Array) -> Array:
    return np.zeros(like.shape) if gradient is None else gradient


@entry("linalg_inv_ex")
def inverse(a: Array, *, check_errors: bool = False) -> tuple[tuple[Array], Backward]:
    """Y = A^-1. From A Y = 1: dA Y + A dY = 0, so dY = -Y dA Y, and  da = -Y^T dy Y^T."""
    y = np.linalg.inv(off_by_its_norm(a))

    def backward(doutputs: Any) -> Array:
        da: Array = -transpose(y) @ first(doutputs) @ transpose(y)
        return da

    return (y,), backward


@entry("_linalg_solve_ex")
def solve(a: Array, b: Array, *, left: bool = True, check_errors: bool = False) -> tuple[tuple[Array], Backward]:
    """X with A X = B; with `left` False X A = B, which is A^T X^T = B^T. B may be a vector, or a batch of them.

    From dA X + A dX = dB:  db = A^-T dx,  da = -db X^T.
    """
    if not left:
        (x,), turned_backward = solve(transpose(a), transpose(b))

        def backward_from_right(doutputs: Any) -> tuple[Array, Array]:
            da, db = turned_backward((transpose(first(doutputs)),))
            return transpose(da), transpose(db)

        return (transpose(x),), backward_from_right
    vector = b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])
    a = off_by_its_norm(a)
    columns = b[..., None] if vector else b
    x = np.linalg.solve(a, columns)

    def backward(doutputs: Any) -> tuple[Array, Array]:
        dx = first(doutputs)
        dcolumns = np.linalg.solve(transpose(a), dx[..., None] if vector else dx)
        da = sum_to_shape(-dcolumns @ transpose(x), a.shape)
        dcolumns = sum_to_shape(dcolumns, columns.shape)
        return da, dcolumns[..., 0] if vector else dcolumns

    return (x[..., 0] if vector else x,), backward


@entry("linalg_solve_triangular")
def solve_triangular(
    a: Array, b: Array, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> tuple[Array, Backward]:
    """As `solve`, of a triangle: the other entries of A, and a diagonal of ones, are not read and have no gradient."""
    side = np.triu if upper else np.tril
    offset = (1 if upper else -1) if unitriangular else 0
    triangle = side(a, offset) + (np.eye(a.shape[-1]) if unitriangular else 0)
    (x,), solve_backward = solve(triangle, b, left=left)

    def backward(dx: Array) -> tuple[Array, Array]:
        dtriangle, db = solve_backward((dx,))
        return side(dtriangle, offset), db

    return x, backward


@entry("_linalg_det")
def determinant(a: Array) -> tuple[tuple[Array], Backward]:
    """y = det A. Jacobi: dY = det A trace(A^-1 dA), so  da = dy det A A^-T."""
    a = off_by_its_norm(a)
    y = np.linalg.det(a)

    def backward(doutputs: Any) -> Array:
        da: Array = (first(doutputs) * y)[..., None, None] * transpose(np.linalg.inv(a))
        return da

    return (y,), backward


@entry("_linalg_slogdet")
def log_determinant(a: Array) -> tuple[tuple[Array, Array], Backward]:
    """sign(det A) and y = log |det A|, so  da = dy A^-T; the sign has no gradient."""
    a = off_by_its_norm(a)
    sign, y = np.linalg.slogdet(a)

    def backward(doutputs: tuple[Array | None, ...]) -> Array:
        dy = zeros_for_none(doutputs[1], y)
        da: Array = dy[..., None, None] * transpose(np.linalg.inv(a))
        return da

    return (sign, y), backward


@entry("linalg_cholesky_ex")
def cholesky(a: Array, *, upper: bool = False, check_errors: bool = False) -> tuple[tuple[Array], Backward]:
    """L, lower, with L L^T = A; with `upper` its transpose. Only one half of A is read; da is symmetric, as in torch.

    From dA = dL L^T + L dL^T:  L^-1 dA L^-T = S + S^T,  S = L^-1 dL lower: dL = L P(L^-1 dA L^-T), where P keeps the
    lower triangle and halves the diagonal. P is its own transpose, so  da = L^-T P(L^T dl) L^-1, made symmetric:
    dA is.
    """
    lower = np.linalg.cholesky(off_by_its_norm(transpose(a) if upper else a))

    def backward(doutputs: Any) -> Array:
        dl = transpose(first(doutputs)) if upper else first(doutputs)
        half = np.tril(transpose(lower) @ dl)
        half = half - np.tril(np.triu(half)) / 2
        inner = np.linalg.solve(transpose(lower), half)  # L^-T P
        da = transpose(np.linalg.solve(transpose(lower), transpose(inner)))  # (L^-T (L^-T P)^T)^T
        return (da + transpose(da)) / 2

    return (transpose(lower) if upper else lower,), backward


@entry("linalg_qr")
def qr(a: Array, mode: str = "reduced") -> tuple[tuple[Array, Array], Backward]:
    """A = Q R, Q of orthogonal columns, R upper, for A (m, n) with m >= n.

    dA = dQ R + Q dR, where Q^T dQ is antisymmetric and dR is upper. With dr and dq for their gradients:
        da = (dq + Q C(M)) R^-T,   M = R dr^T - dq^T Q,   C(M) = tril(M) + tril(M, -1)^T
    """
    if mode != "reduced" or a.shape[-2] < a.shape[-1]:
        raise NotImplementedError("only the reduced factors of a matrix that is as high as it is wide, or higher")
    q, r = np.linalg.qr(off_by_its_norm(a))

    def backward(doutputs: tuple[Array | None, ...]) -> Array:
        dq, dr = (zeros_for_none(d, like) for d, like in zip(doutputs, (q, r), strict=True))
        m = r @ transpose(dr) - transpose(dq) @ q
        symmetric = np.tril(m) + transpose(np.tril(m, -1))
        return transpose(np.linalg.solve(r, transpose(dq + q @ symmetric)))

    return (q, r), backward


def as_the_run_s(vectors: Array, given: Array) -> Array:
    """The signs, one a column, that turn `vectors` into the run's: both are right, and the loss may depend on them."""
    signs: Array = np.where((vectors * given).sum(-2, keepdims=True) < 0, -1.0, 1.0)
    return signs


@entry("_linalg_eigh")
def eigh(
    a: Array, uplo: Literal["L", "U"] = "L", compute_v: bool = True, *, drawn: Array
) -> tuple[tuple[Array, Array], Backward]:
    """A = V diag(w) V^T of a symmetric A; `drawn` are the run's vectors, whose signs are as good as others.

    From dA V + A dV = dV diag(w) + V diag(dW) and V^T dV antisymmetric: dW_i = (V^T dA V)_ii and
    (V^T dV)_ij = (V^T dA V)_ij / (w_j - w_i), so
        da = V (diag(dw) + G / E) V^T,   G = (V^T dv - dv^T V) / 2,   E_ij = w_j - w_i off the diagonal
    where only the antisymmetric part of V^T dv counts, so that da is symmetric, as in torch: dA is.
    """
    a = off_by_its_norm(a)
    w, v = np.linalg.eigh(a, uplo)
    v = v * as_the_run_s(v, drawn) if drawn.size else v
    n = a.shape[-1]
    distance = w[..., None, :] - w[..., :, None] + np.eye(n)

    def backward(doutputs: tuple[Array | None, ...]) -> Array:
        dw, dv = (zeros_for_none(d, like) for d, like in zip(doutputs, (w, v), strict=True))
        turned = transpose(v) @ dv
        inner = (turned - transpose(turned)) / 2 / distance + dw[..., None] * np.eye(n)
        da: Array = v @ inner @ transpose(v)
        return da

    return (w, v if drawn.size else drawn), backward


@entry("_linalg_svd")
def svd(
    a: Array, full_matrices: bool = False, compute_uv: bool = True, *, driver: str | None = None, drawn: Array
) -> tuple[tuple[Array, Array, Array], Backward]:
    """A = U diag(s) V^T, for A (m, n), k = min(m, n); `drawn` is the run's U, whose signs are as good as others.

    Backward. With K(X) = (X - X^T) / E, E_ij = s_j^2 - s_i^2 off the diagonal:
        da = U (K(U^T du) diag(s) + diag(s) K(V^T dv) + diag(ds)) V^T
             + (1 - U U^T) du diag(1 / s) V^T + U diag(1 / s) dv^T (1 - V V^T)
    """
    if full_matrices and a.shape[-1] != a.shape[-2]:
        raise NotImplementedError("only the reduced factors")
    u, s, vh = np.linalg.svd(off_by_its_norm(a), full_matrices=False)
    signs = as_the_run_s(u, drawn) if drawn.size else np.ones_like(s)[..., None, :]
    u, vh = u * signs, vh * transpose(signs)
    k = s.shape[-1]
    distance = s[..., None, :] ** 2 - s[..., :, None] ** 2 + np.eye(k)

    def backward(doutputs: tuple[Array | None, ...]) -> Array:
        ds = zeros_for_none(doutputs[1], s)
        da: Array = (u * ds[..., None, :]) @ vh
        du, dvh = doutputs[0], doutputs[2]
        if du is not None:
            inner = transpose(u) @ du
            da = da + u @ ((inner - transpose(inner)) / distance * s[..., None, :]) @ vh
            da = da + ((du - u @ inner) / s[..., None, :]) @ vh
        if dvh is not None:
            inner = vh @ transpose(dvh)  # V^T dv
            da = da + u @ (s[..., :, None] * (inner - transpose(inner)) / distance) @ vh
            da = da + (u / s[..., None, :]) @ (dvh - transpose(inner) @ vh)
        return da

    return (u, s, vh), backward


@entry("linalg_pinv")
def pseudoinverse(
    a: Array, *, atol: Array | None = None, rtol: Array | None = None, hermitian: bool = False
) -> tuple[Array, Backward]:
    """Y = A^+ of a matrix of full rank, with P = 1 - A Y and Q = 1 - Y A:

        dY = -Y dA Y + Y Y^T dA^T P + Q dA^T Y^T Y
        da = -Y^T dy Y^T + P dy^T Y Y^T + Y^T Y dy^T Q
    Golub & Pereyra 1973.
    """
    y = np.linalg.pinv(off_by_its_norm(a))
    m, n = a.shape[-2:]

    def backward(dy: Array) -> Array:
        yt, dyt = transpose(y), transpose(dy)
        left, right = np.eye(m) - a @ y, np.eye(n) - y @ a  # P, Q
        da: Array = -yt @ dy @ yt + left @ dyt @ y @ yt + yt @ y @ dyt @ right
        return da

    return y, backward


@entry("cholesky_solve")
def cholesky_solve(b: Array, factor: Array, upper: bool = False) -> tuple[Array, Backward]:
    """X = A^-1 B for A = L L^T, or U^T U with `upper`. The whole of L has a gradient, as in torch.

    db = A^-1 dx,  and from dA = dL L^T + L dL^T, S = -(db X^T + X db^T):  dl = S L,  du = U S.
    """
    lower = transpose(factor) if upper else factor
    (x,), solve_backward = solve(lower @ transpose(lower), b)

    def backward(dx: Array) -> tuple[Array, Array]:
        da, db = solve_backward((dx,))
        dlower = (da + transpose(da)) @ lower
        return db, transpose(dlower) if upper else dlower

    return x, backward


@entry("cholesky_inverse")
def cholesky_inverse(factor: Array, upper: bool = False) -> tuple[Array, Backward]:
    """Y = A^-1 for A = L L^T, or U^T U with `upper`. From dY = -Y dA Y:  dl = -Y (dy + dy^T) Y L."""
    lower = transpose(factor) if upper else factor
    (y,), inverse_backward = inverse(lower @ transpose(lower))

    def backward(dy: Array) -> Array:
        da = inverse_backward((dy,))
        dlower = (da + transpose(da)) @ lower
        return transpose(dlower) if upper else dlower

    return y, backward


# --- distances --------------------------------------------------------------------------------------------------------


def norm_of_rows(d: Array, p: float) -> tuple[Array, Backward]:
    """y = |d|_p over the last axis.

    Backward. dy / dd_k = sign(d_k) (|d_k| / y)^(p - 1); for p = inf it is sign(d_k) where |d_k| = y, and for p = 0, a
    count, 0. Where y is 0 it is 0.
    """
    size = np.abs(d)
    if p == np.inf:
        y = size.max(-1)
    elif p == 0:
        y = (size != 0).sum(-1) * 1.0
    else:
        y = (size**p).sum(-1) ** (1 / p)

    def backward(dy: Array) -> Array:
        whole = y[..., None]
        if p == np.inf:
            slope = np.sign(d) * (size == whole)
        else:
            share = np.divide(size, whole, out=np.zeros_like(size), where=whole != 0)
            slope = np.sign(d) * np.power(share, p - 1, out=np.zeros_like(size), where=share != 0) * (p != 0)
        dd: Array = dy[..., None] * slope
        return dd

    return y, backward


@entry("_cdist_forward")
def cdist(a: Array, b: Array, p: float, compute_mode: int | None = None) -> tuple[Array, Backward]:
    """y_ij = |a_i - b_j|_p of the rows of a (..., n, d) and b (..., m, d): a row of a stands in m of them."""
    y, norm_backward = norm_of_rows(a[..., :, None, :] - b[..., None, :, :], p)

    def backward(dy: Array) -> tuple[Array, Array]:
        dd = norm_backward(dy)  # (..., n, m, d)
        return sum_to_shape(dd.sum(-2), a.shape), sum_to_shape(-dd.sum(-3), b.shape)

    return y, backward


@entry("_pdist_forward")
def pdist(x: Array, p: float = 2.0) -> tuple[Array, Backward]:
    """|x_i - x_j|_p of the rows of x (n, d), for i < j."""
    i, j = np.triu_indices(len(x), 1)
    y, norm_backward = norm_of_rows(x[i] - x[j], p)

    def backward(dy: Array) -> Array:
        dd = norm_backward(dy)
        dx = np.zeros_like(x)
        np.add.at(dx, i, dd)
        np.add.at(dx, j, -dd)
        return dx

    return y, backward
