"""Entries of complex matrices: inverses, solutions, exponentials; each the real one of a larger matrix.

Z = X + iY multiplies as the real matrix [[X, -Y], [Y, X]] does: sums, products, inverses and transposes (there the
conjugate ones) of such matrices are such matrices again. So the real entry computes them, and its left half is the
result. Backward, of that matrix made of X and Y:  dX = d11 + d22,  dY = d21 - d12.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array, Backward
from torchref.referee.entries.pairs import Complex, complex_entry
from torchref.referee.entries.table import find


def as_real(z: Complex) -> Array:
    """[[X, -Y], [Y, X]]."""
    return np.concatenate([np.concatenate([z.re, -z.im], -1), np.concatenate([z.im, z.re], -1)], -2)


def left_half(matrix: Array) -> Complex:
    """X + iY of [[X, -Y], [Y, X]]."""
    m, n = (size // 2 for size in matrix.shape[-2:])
    return Complex(matrix[..., :m, :n], matrix[..., m:, :n])


def of_left_half(dz: Complex) -> Array:
    """The gradient of the matrix of which the left half was taken."""
    left = np.concatenate([dz.re, dz.im], -2)
    return np.concatenate([left, np.zeros_like(left)], -1)


def as_complex(dmatrix: Array) -> Complex:
    """The gradient of X + iY from that of [[X, -Y], [Y, X]]."""
    m, n = (size // 2 for size in dmatrix.shape[-2:])
    upper, lower = dmatrix[..., :m, :], dmatrix[..., m:, :]
    return Complex(upper[..., :n] + lower[..., n:], lower[..., :n] - upper[..., n:])


def by_the_real_one(name: str, matrices: tuple[Complex, ...], **options: Any) -> tuple[Complex, Backward]:
    """What the real operation `name` makes of complex matrices; of several outputs the first."""
    found = find(name)
    assert found is not None
    output, real_backward = found(*map(as_real, matrices), **options)
    several = isinstance(output, tuple)

    def backward(dy: Complex) -> list[Complex]:
        doutput = of_left_half(dy)
        gradients = real_backward((doutput,) if several else doutput)
        return [as_complex(g) for g in (gradients if isinstance(gradients, tuple) else (gradients,))]

    return left_half(output[0] if several else output), backward


@complex_entry("linalg_inv_ex")
def inverse(a: Complex, *, check_errors: bool = False) -> tuple[tuple[Complex], Backward]:
    """Y = A^-1. Backward: da = -Y^H dy Y^H."""
    y, real_backward = by_the_real_one("linalg_inv_ex", (a,))

    def backward(dys: tuple[Complex, ...]) -> list[Complex]:
        gradients: list[Complex] = real_backward(dys[0])
        return gradients

    return (y,), backward


@complex_entry("linalg_matrix_exp")
def matrix_exp(a: Complex) -> tuple[Complex, Backward]:
    """Y = exp(A). Backward: da = L(A^H, dy), the derivative of exp at A^H in the direction dy."""
    return by_the_real_one("linalg_matrix_exp", (a,))


@complex_entry("_linalg_solve_ex")
def solve(a: Complex, b: Complex, *, left: bool = True, check_errors: bool = False) -> tuple[tuple[Complex], Backward]:
    """X with A X = B, or X A = B. Backward: db = A^-H dx,  da = -db X^H. B may be a vector, or a batch of them."""
    vector = b.re.ndim == 1 or (b.re.ndim == a.re.ndim - 1 and b.re.shape == a.re.shape[:-1])
    columns = Complex(b.re[..., None], b.im[..., None]) if vector else b
    x, real_backward = by_the_real_one("_linalg_solve_ex", (a, columns), left=left)

    def backward(dys: tuple[Complex, ...]) -> list[Complex]:
        dx = Complex(dys[0].re[..., None], dys[0].im[..., None]) if vector else dys[0]
        da, db = real_backward(dx)
        return [da, Complex(db.re[..., 0], db.im[..., 0]) if vector else db]

    return (Complex(x.re[..., 0], x.im[..., 0]) if vector else x,), backward
