"""Entries of the exponential of a matrix, of its factors L and U, and of least squares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.module import Array, Backward
from torchref.referee.entries.linear_algebra import (
    first,
    off_by_its_norm,
    pseudoinverse,
    solve,
    transpose,
    zeros_for_none,
)
from torchref.referee.entries.table import entry

TERMS = 18  # of the series: the next is below 1 / 19! = 8e-18 where the norm is at most 1


@entry("linalg_matrix_exp")
def matrix_exp(a: Array) -> tuple[Array, Backward]:
    """Y = exp(A) = sum_k A^k / k!.

    Its derivative in the direction E is  L(A, E) = integral_0^1 exp((1 - t) A) E exp(t A) dt, the upper right block of
    exp([[A, E], [0, A]]). <dy, L(A, E)> = <L(A^T, dy), E>, the transposes of the factors in the other order, so
        da = L(A^T, dy)
    Najfeld & Havel 1995; scaling and squaring with the derivative beside it: Al-Mohy & Higham 2009.
    """

    def backward(dy: Array) -> Array:
        return exponential(transpose(a), dy)[1]

    return exponential(a, np.zeros_like(a))[0], backward


def exponential(a: Array, e: Array) -> tuple[Array, Array]:
    """exp(A), and its derivative in the direction E: exp(A / 2^s) by its series, squared s times.

    torch makes both in one matrix, whose norm says how often it squares: how far that rounds is E's matter, too.
    """
    a, e = off_by_its_norm(a, e), off_by_its_norm(e)
    norm = float(np.abs(a).sum(-1).max(initial=0))
    squarings = max(0, math.ceil(math.log2(norm))) if norm > 1 else 0
    a, e = a / 2**squarings, e / 2**squarings
    one = np.eye(a.shape[-1])
    y, dy = one + 0 * a, 0 * e
    for k in range(TERMS, 0, -1):  # Horner: 1 + A / 1 (1 + A / 2 (1 + ...))
        y, dy = one + a @ y / k, (e @ y + a @ dy) / k
    for _ in range(squarings):
        y, dy = y @ y, dy @ y + y @ dy
    return y, dy


@entry("linalg_lstsq")
def least_squares(
    a: Array, b: Array, rcond: float | None = None, *, driver: str | None = None, drawn: Array
) -> tuple[tuple[Array, Array], Backward]:
    """X = A^+ B, the shortest X for which |A X - B| is smallest, of an A (m, n) of full rank; and the sums of the
    squares of R = A X - B, column by column, where the run has them: `drawn` are its own. B may be a vector.

    Backward. db = A^+T dx, and da by the derivative of the pseudoinverse, whose gradient is dx B^T. Of the squares
    (dr for each column) nothing comes by way of X, as A^T R = 0:  da += 2 R diag(dr) X^T,  db -= 2 R diag(dr).
    """
    vector = b.ndim == a.ndim - 1
    columns = b[..., None] if vector else b
    y, pseudoinverse_backward = pseudoinverse(a)
    x = y @ columns
    rest = a @ x - columns
    squares = (rest * rest).sum(-2) if drawn.size else drawn

    def backward(doutputs: tuple[Array | None, ...]) -> tuple[Array, Array]:
        dx = zeros_for_none(doutputs[0], x[..., 0] if vector else x)
        dx = dx[..., None] if vector else dx
        da, db = pseudoinverse_backward(dx @ transpose(columns)), transpose(y) @ dx
        dsquares = doutputs[1]
        if dsquares is not None and drawn.size:
            drest = 2 * rest * dsquares[..., None, :]
            da, db = da + drest @ transpose(x), db - drest
        da, db = sum_to_shape(da, a.shape), sum_to_shape(db, columns.shape)
        return da, db[..., 0] if vector else db

    return (x[..., 0] if vector else x, squares), backward


# --- A = P L U --------------------------------------------------------------------------------------------------------


def eliminated(a: Array) -> tuple[Array, Array]:
    """L, with ones on its diagonal, and U with L U = A, for A (m, n): column by column, without an exchange of rows."""
    m, n = a.shape[-2:]
    k = min(m, n)
    rest = off_by_its_norm(a)
    columns, rows = [], []
    for j in range(k):
        row = rest[..., j : j + 1, :]
        column = rest[..., :, j : j + 1] / row[..., j : j + 1]
        column = np.where(np.arange(m)[:, None] >= j, column, 0.0)
        row = np.where(np.arange(n) >= j, row, 0.0)
        rest = rest - column @ row
        columns.append(column)
        rows.append(row)
    return np.concatenate(columns, -1), np.concatenate(rows, -2)


def factors_backward(lower: Array, upper: Array, dl: Array, du: Array) -> Array:
    """The gradient of A = L U.

    Square: L^-1 dA U^-1 = L^-1 dL + dU U^-1, a part below the diagonal and one on and above it, so
        da = L^-T (tril(L^T dl, -1) + triu(du U^T)) U^-T
    With more columns, A = [A1 A2] = L [U1 U2]:  U2 = L^-1 A2, so  da2 = L^-T du2, and dl gets -da2 U2^T.
    With more rows, A = [A1; A2] = [L1; L2] U:  L2 = A2 U^-1, so  da2 = dl2 U^-T, and du gets -L2^T da2.
    """
    k = lower.shape[-1]
    l1, l2 = lower[..., :k, :], lower[..., k:, :]
    u1, u2 = upper[..., :k], upper[..., k:]
    below = transpose(np.linalg.solve(u1, transpose(dl[..., k:, :])))  # dl2 U^-T
    right = np.linalg.solve(transpose(l1), du[..., k:])  # L^-T du2
    dl1 = dl[..., :k, :] - right @ transpose(u2)
    du1 = du[..., :k] - transpose(l2) @ below
    inner = np.tril(transpose(l1) @ dl1, -1) + np.triu(du1 @ transpose(u1))
    square = transpose(np.linalg.solve(u1, transpose(np.linalg.solve(transpose(l1), inner))))
    if below.shape[-2]:
        return np.concatenate([square, below], -2)
    return np.concatenate([square, right], -1)


@entry("linalg_lu")
def lu(a: Array, *, pivot: bool = True, drawn: Array) -> tuple[tuple[Array, Array, Array], Backward]:
    """A = P L U; `drawn` is the run's P, of which rounding may decide. Backward: of P^T A = L U."""
    order = drawn if pivot else np.eye(a.shape[-2])
    lower, upper = eliminated(transpose(order) @ a)

    def backward(doutputs: tuple[Array | None, ...]) -> Array:
        dl, du = zeros_for_none(doutputs[1], lower), zeros_for_none(doutputs[2], upper)
        da: Array = order @ factors_backward(lower, upper, dl, du)
        return da

    return (drawn, lower, upper), backward


@entry("linalg_lu_factor_ex")
def lu_factor(
    a: Array, *, pivot: bool = True, check_errors: bool = False, drawn: Array
) -> tuple[tuple[Array], Backward]:
    """L and U of `lu` in one matrix, L's ones left away; `drawn` are the run's pivots. Backward: its triangles."""
    order = order_of(drawn, a.shape[-2])
    lower, upper = eliminated(transpose(order) @ a)

    def backward(doutputs: Any) -> Array:
        dl, du = unpacked(first(doutputs))
        da: Array = order @ factors_backward(lower, upper, dl, du)
        return da

    return (packed(lower, upper),), backward


@entry("lu_unpack")
def lu_unpack(
    factors: Array, pivots: Array, unpack_data: bool = True, unpack_pivots: bool = True
) -> tuple[tuple[Array, ...], Backward]:
    """P, L and U of what `lu_factor` returns. Backward: each triangle in its place."""
    lower, upper = triangles(factors)
    order = order_of(pivots, factors.shape[-2]) if unpack_pivots else np.zeros(0)

    def backward(doutputs: tuple[Array | None, ...]) -> Array:
        return packed(zeros_for_none(doutputs[1], lower), zeros_for_none(doutputs[2], upper))

    return (order, lower, upper) if unpack_data else (order,), backward


@entry("linalg_lu_solve")
def lu_solve(
    factors: Array, pivots: Array, b: Array, *, left: bool = True, adjoint: bool = False
) -> tuple[Array, Backward]:
    """X with A X = B, or X A = B, for A = P L U, or its transpose with `adjoint`. Backward: of `solve`, then of L U."""
    lower, upper = triangles(factors)
    order = order_of(pivots, factors.shape[-2])
    a = order @ lower @ upper
    (x,), solve_backward = solve(transpose(a) if adjoint else a, b, left=left)

    def backward(dx: Array) -> tuple[Array, None, Array]:
        da, db = solve_backward((dx,))
        dproduct = transpose(order) @ (transpose(da) if adjoint else da)
        return packed(dproduct @ transpose(upper), transpose(lower) @ dproduct), None, db

    return x, backward


def order_of(pivots: Array, rows: int) -> Array:
    """P of the pivots: row i was exchanged with row pivots_i, counted from 1, for one i after the other."""
    order = np.broadcast_to(np.arange(rows), (*pivots.shape[:-1], rows)).copy()
    for i in range(pivots.shape[-1]):
        at = pivots[..., i : i + 1].astype(np.int64) - 1
        taken, here = np.take_along_axis(order, at, -1), order[..., i : i + 1].copy()
        np.put_along_axis(order, at, here, -1)
        order[..., i : i + 1] = taken
    return transpose(np.eye(rows)[order])


def triangles(factors: Array) -> tuple[Array, Array]:
    """L, with ones on its diagonal, and U of one matrix that holds both."""
    dl, du = unpacked(factors)
    return dl + np.eye(*dl.shape[-2:]), du


def unpacked(matrix: Array) -> tuple[Array, Array]:
    """What lies below the diagonal, (m, k), and the rest, (k, n)."""
    k = min(matrix.shape[-2:])
    return np.tril(matrix[..., :, :k], -1), np.triu(matrix[..., :k, :])


def packed(lower: Array, upper: Array) -> Array:
    """One matrix of what lies below the diagonal of `lower`, and of `upper` on it and above."""
    below, above = np.tril(lower, -1), np.triu(upper)
    if lower.shape[-2] > upper.shape[-2]:
        above = np.concatenate([above, np.zeros_like(lower[..., upper.shape[-2] :, :])], -2)
    if upper.shape[-1] > lower.shape[-1]:
        below = np.concatenate([below, np.zeros_like(upper[..., :, lower.shape[-1] :])], -1)
    return below + above
