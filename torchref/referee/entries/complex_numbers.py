"""Entries of complex numbers: products, quotients, powers, exponentials, absolute values, angles.

Each is derived by the rules of `pairs`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.module import Array, Backward
from torchref.referee.entries.pairs import FUNCTIONS, Complex, bilinear, by_parts, complex_entry, holomorphic, operand
from torchref.referee.entries.table import find

for name in (
    "_reshape_copy", "_to_copy", "_unsafe_view", "alias_copy", "cat", "clone", "contiguous", "copy", "cumsum",
    "detach_copy", "diag_embed", "expand_copy", "flip", "gather", "index", "index_add", "index_put", "index_select",
    "lift_fresh_copy", "masked_select", "mean", "neg", "permute_copy", "repeat", "reshape", "roll", "scatter",
    "scatter_add", "select_backward", "slice_backward", "stack", "sum", "transpose_copy", "tril", "triu", "view_copy",
    "where", "zero",
):  # fmt: skip
    by_parts(name)
for name in ("add", "sub", "rsub"):
    by_parts(name, operands=(0, 1))
for name in ("masked_fill", "constant_pad_nd"):
    by_parts(name, operands=(2,))
for name in ("mul", "mm", "bmm", "mv", "dot"):
    bilinear(name)


@complex_entry(
    "empty_like", "full_like", "ones_like", "zeros_like", "new_empty", "new_empty_strided", "new_full", "new_ones",
    "new_zeros", "randn_like",
)  # fmt: skip
def given(*args: Any, **options: Any) -> tuple[None, Backward]:
    """y is drawn, or filled with a constant. Backward: dz = 0."""

    def backward(dy: Complex) -> None:
        return None

    return None, backward


@complex_entry("addmm", "baddbmm")
def product_added(x: Complex, a: Complex, b: Complex, *, beta: Any = 1, alpha: Any = 1) -> tuple[Complex, Backward]:
    """y = beta x + alpha a b. Backward: dx = conj(beta) dy, summed over copies; a and b as of conj(alpha) dy."""
    beta, alpha = operand(beta), operand(alpha)
    product, product_backward = FUNCTIONS["mm" if a.re.ndim == 2 else "bmm"](a, b)

    def backward(dy: Complex) -> list[Complex]:
        return [summed(dy * beta.conj(), x), *product_backward(dy * alpha.conj())]

    return x * beta + product * alpha, backward


@complex_entry("vdot")
def vdot(a: Complex, b: Complex) -> tuple[Complex, Backward]:
    """y = conj(a) . b. Backward: da = conj(dy) b,  db = dy a."""
    y, dot_backward = FUNCTIONS["dot"](a.conj(), b)

    def backward(dy: Complex) -> list[Complex]:
        da, db = dot_backward(dy)
        return [da.conj(), db]

    return y, backward


@complex_entry("div")
def div(a: Any, b: Any) -> tuple[Complex, Backward]:
    """y = a / b. Backward: dy/da = 1 / b, dy/db = -y / b, so  da = dy conj(1 / b),  db = -dy conj(y / b)."""
    u, inverse = operand(a), inverted(operand(b))
    y = u * inverse

    def backward(dy: Complex) -> list[Complex]:
        da, db = dy * inverse.conj(), -dy * (y * inverse).conj()
        return [summed(d, value) for d, value in ((da, a), (db, b)) if isinstance(value, Complex)]

    return y, backward


@complex_entry("reciprocal")
def reciprocal(z: Complex) -> tuple[Complex, Backward]:
    """y = 1 / z = conj(z) / |z|^2, f' = -y^2."""
    y = inverted(z)
    return holomorphic(y, -(y * y))


def inverted(z: Complex) -> Complex:
    """1 / z."""
    return z.conj().scaled(1 / (z.re * z.re + z.im * z.im))


def summed(gradient: Complex, like: Complex) -> Complex:
    """The gradient, summed over the copies that broadcasting made of `like`."""
    return Complex(sum_to_shape(gradient.re, like.re.shape), sum_to_shape(gradient.im, like.re.shape))


@complex_entry("pow")
def power(z: Any, exponent: Any) -> tuple[Complex, Backward]:
    """y = z^n for a number n, f' = n z^(n - 1); the principal branch, exp(n log z), where n is no whole number.

    Of tensors y = z^w = exp(w log z):  dz = dy conj(w y / z),  dw = dy conj(y log z).
    """
    if isinstance(exponent, Complex) or not isinstance(z, Complex):
        return power_of_tensors(z, exponent)
    return holomorphic(raised(z, exponent), raised(z, exponent - 1) * operand(exponent))


def power_of_tensors(z: Any, exponent: Any) -> tuple[Complex, Backward]:
    """z^w, of which one may be a number."""
    base, w = operand(z), operand(exponent)
    logarithms = logarithm(base)
    y = exponential(w * logarithms)

    def backward(dy: Complex) -> list[Complex]:
        dz, dw = dy * (w * y * inverted(base)).conj(), dy * (y * logarithms).conj()
        return [summed(d, value) for d, value in ((dz, z), (dw, exponent)) if isinstance(value, Complex)]

    return y, backward


def raised(z: Complex, exponent: complex) -> Complex:
    """z^exponent; 1 for the exponent 0."""
    whole = complex(exponent).imag == 0 and float(complex(exponent).real).is_integer()
    if not whole or abs(exponent) > 16:
        return exponential(logarithm(z) * operand(exponent))
    base = z if complex(exponent).real > 0 else inverted(z)
    y = Complex(np.ones_like(z.re), np.zeros_like(z.re))
    for _ in range(int(abs(exponent))):
        y = y * base
    return y


def exponential(z: Complex) -> Complex:
    return Complex(np.cos(z.im), np.sin(z.im)).scaled(np.exp(z.re))


def logarithm(z: Complex) -> Complex:
    return Complex(np.log(z.size()), np.arctan2(z.im, z.re))


@complex_entry("exp")
def exp(z: Complex) -> tuple[Complex, Backward]:
    """y = e^re (cos im + i sin im), f' = y."""
    y = exponential(z)
    return holomorphic(y, y)


@complex_entry("log")
def log(z: Complex) -> tuple[Complex, Backward]:
    """y = log |z| + i angle(z), f' = 1 / z."""
    return holomorphic(logarithm(z), inverted(z))


@complex_entry("sqrt")
def sqrt(z: Complex) -> tuple[Complex, Backward]:
    """y = sqrt |z| e^(i angle(z) / 2), f' = 1 / (2 y)."""
    half = np.arctan2(z.im, z.re) / 2
    y = Complex(np.cos(half), np.sin(half)).scaled(np.sqrt(z.size()))
    return holomorphic(y, inverted(y).scaled(0.5))


@complex_entry("sin")
def sin(z: Complex) -> tuple[Complex, Backward]:
    """y = sin re cosh im + i cos re sinh im, f' = cos z."""
    return holomorphic(*sine_and_cosine(z))


@complex_entry("cos")
def cos(z: Complex) -> tuple[Complex, Backward]:
    """y = cos re cosh im - i sin re sinh im, f' = -sin z."""
    sine, cosine = sine_and_cosine(z)
    return holomorphic(cosine, -sine)


def sine_and_cosine(z: Complex) -> tuple[Complex, Complex]:
    s, c, sh, ch = np.sin(z.re), np.cos(z.re), np.sinh(z.im), np.cosh(z.im)
    return Complex(s * ch, c * sh), Complex(c * ch, -s * sh)


@complex_entry("tanh")
def tanh(z: Complex) -> tuple[Complex, Backward]:
    """y = (t + i s) / (1 + i t s), t = tanh re, s = tan im; f' = 1 - y^2."""
    y = hyperbolic_tangent(z)
    square = y * y
    return holomorphic(y, Complex(1 - square.re, -square.im))


@complex_entry("sigmoid")
def sigmoid(z: Complex) -> tuple[Complex, Backward]:
    """y = (1 + tanh(z / 2)) / 2, f' = y (1 - y)."""
    t = hyperbolic_tangent(z.scaled(0.5))
    y = Complex((1 + t.re) / 2, t.im / 2)
    return holomorphic(y, y * Complex(1 - y.re, -y.im))


def hyperbolic_tangent(z: Complex) -> Complex:
    t, s = np.tanh(z.re), np.tan(z.im)
    return Complex(t, s) * inverted(Complex(np.ones_like(t), t * s))


# --- not holomorphic: from the derivatives by the real and the imaginary part -----------------------------------------


@complex_entry("conj_physical", "_conj_physical")
def conj(z: Complex) -> tuple[Complex, Backward]:
    """y = re - i im. Backward: dz = conj(dy)."""

    def backward(dy: Complex) -> Complex:
        return dy.conj()

    return z.conj(), backward


@complex_entry("abs")
def absolute(z: Complex) -> tuple[Complex, Backward]:
    """y = |z|, real. d|z|/dre = re / |z|, d|z|/dim = im / |z|:  dz = dy z / |z|, 0 at 0."""
    y = z.size()

    def backward(dy: Complex) -> Complex:
        return direction(z).scaled(dy.re)

    return Complex(y, np.zeros_like(y)), backward


def direction(z: Complex) -> Complex:
    """z / |z|; 0 at 0."""
    size = z.size()
    return z.scaled(np.where(size == 0, 0.0, 1 / np.where(size == 0, 1.0, size)))


@complex_entry("linalg_vector_norm")
def vector_norm(z: Complex, *args: Any, **options: Any) -> tuple[Complex, Backward]:
    """The norm of the absolute values. Backward: the real one, then that of `abs`."""
    sizes, absolute_backward = absolute(z)
    found = find("linalg_vector_norm")
    assert found is not None
    y, norm_backward = found(sizes.re, *args, **options)

    def backward(dy: Complex) -> Complex:
        dsizes: Array = norm_backward(dy.re)
        dz: Complex = absolute_backward(Complex(dsizes, np.zeros_like(dsizes)))
        return dz

    return Complex(y, np.zeros_like(y)), backward


@complex_entry("angle")
def angle(z: Complex) -> tuple[Complex, Backward]:
    """y = atan2(im, re), real. dy/dre = -im / |z|^2, dy/dim = re / |z|^2:  dz = dy i z / |z|^2, 0 at 0."""
    y = np.arctan2(z.im, z.re)

    def backward(dy: Complex) -> Complex:
        square = z.re * z.re + z.im * z.im
        return Complex(-z.im, z.re).scaled(np.where(square == 0, 0.0, dy.re / np.where(square == 0, 1.0, square)))

    return Complex(y, np.zeros_like(y)), backward


@complex_entry("sgn")
def sgn(z: Complex) -> tuple[Complex, Backward]:
    """y = z / |z|, 0 at 0. Only what is across z turns it:  dz = (dy - y Re(conj(y) dy)) / |z|, 0 at 0."""
    y, size = direction(z), z.size()

    def backward(dy: Complex) -> Complex:
        across = dy + -y.scaled(y.re * dy.re + y.im * dy.im)
        return across.scaled(np.where(size == 0, 0.0, 1 / np.where(size == 0, 1.0, size)))

    return y, backward


@complex_entry("complex")
def joined(re: Complex, im: Complex) -> tuple[Complex, Backward]:
    """y = re + i im, of real tensors. Backward: dre = Re dy,  dim = Im dy, summed over copies."""
    y_re, y_im = np.broadcast_arrays(re.re, im.re, subok=True)

    def backward(dy: Complex) -> list[Complex]:
        return [summed(dy, re), summed(Complex(dy.im, dy.re), im)]

    return Complex(y_re, y_im), backward


@complex_entry("polar")
def polar(size: Complex, turn: Complex) -> tuple[Complex, Backward]:
    """y = r (cos t + i sin t), of real r and t. Backward:
    dr = Re dy cos t + Im dy sin t,  dt = r (Im dy cos t - Re dy sin t)."""
    c, s = np.cos(turn.re), np.sin(turn.re)

    def backward(dy: Complex) -> list[Complex]:
        turned = dy * Complex(c, -s)
        return [summed(turned, size), summed(Complex(turned.im, turned.re).scaled(size.re), turn)]

    return Complex(size.re * c, size.re * s), backward
