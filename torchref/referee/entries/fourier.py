"""Entries of the discrete Fourier transforms: y_k = s sum_j x_j e^(-+2 pi i jk / n), along several axes.

The transform is a matrix F with F_kj = e^(-2 pi i jk / n), times a scale s. It is symmetric, so its conjugate
transpose, which is its backward (`pairs`), is the transform the other way, with the same scale: dx = s conj(F) dy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from torchref.check.tolerance.rounding import Noisy, noisy, plain
from torchref.nn.module import Array, Backward
from torchref.referee.entries.pairs import Complex, complex_entry


@complex_entry("_fft_c2c")
def complex_to_complex(x: Complex, dim: Sequence[int], normalization: int, forward: bool) -> tuple[Complex, Backward]:
    """y = s F x, or s conj(F) x where it is not `forward`. Backward: the other way."""
    s = scale(normalization, [x.re.shape[axis] for axis in dim])

    def backward(dy: Complex) -> Complex:
        return transformed(dy, dim, not forward).scaled(s)

    return transformed(x, dim, forward).scaled(s), backward


@complex_entry("_fft_r2c")
def real_to_complex(x: Complex, dim: Sequence[int], normalization: int, onesided: bool) -> tuple[Complex, Backward]:
    """y = s F x of real x; `onesided`: of the last axis only the frequencies 0 ... n // 2.

    The others are their conjugates.

    Backward. dx = Re(s conj(F) dy): frequencies that were left away have no gradient.
    """
    axis = dim[-1]
    n = x.re.shape[axis]
    s = scale(normalization, [x.re.shape[a] for a in dim])
    y = transformed(x, dim, True).scaled(s)
    kept = n // 2 + 1 if onesided else n

    def backward(dy: Complex) -> Complex:
        whole = Complex(lengthened(dy.re, axis, n), lengthened(dy.im, axis, n))
        return transformed(whole, dim, False).scaled(s)

    return Complex(first(y.re, axis, kept), first(y.im, axis, kept)), backward


@complex_entry("_fft_c2r")
def complex_to_real(x: Complex, dim: Sequence[int], normalization: int, last_dim_size: int) -> tuple[Complex, Backward]:
    """y = s conj(F) x, real.

    Of the last axis, of length n, x has the frequencies 0 ... n // 2; the others are their conjugates.
    So along that axis y_j = s Re sum_k w_k x_k e^(2 pi i jk / n), where w_k is 2, but 1 for the frequencies that are
    their own conjugates, 0 and (n even) n / 2. Along the other axes it is the plain transform.

    Backward, the transpose:  dx_k = s w_k (F dy)_k.
    """
    axis, n = dim[-1], last_dim_size
    kept = n // 2 + 1
    s = scale(normalization, [*(x.re.shape[a] for a in dim[:-1]), n])
    k = np.arange(kept).reshape([-1 if a == axis % x.re.ndim else 1 for a in range(x.re.ndim)])
    weights = np.where((k == 0) | (2 * k == n), 1.0, 2.0).astype(x.re.dtype)
    read = Complex(first(x.re, axis, kept), first(x.im, axis, kept)).scaled(weights)
    whole = Complex(lengthened(read.re, axis, n), lengthened(read.im, axis, n))
    y = transformed(whole, dim, False).scaled(s)

    def backward(dy: Complex) -> Complex:
        frequencies = transformed(Complex(dy.re, np.zeros_like(dy.re)), dim, True)
        dread = Complex(first(frequencies.re, axis, kept), first(frequencies.im, axis, kept)).scaled(weights * s)
        length = x.re.shape[axis]
        return Complex(lengthened(dread.re, axis, length), lengthened(dread.im, axis, length))

    return Complex(y.re, np.zeros_like(y.re)), backward


def scale(normalization: int, lengths: Sequence[int]) -> float:
    """s, by torch's number: 1, 1 / sqrt(n), or 1 / n."""
    n = float(np.prod(lengths))
    return (1.0, n**-0.5, 1 / n)[normalization]


def transformed(x: Complex, dim: Sequence[int], forward: bool) -> Complex:
    """F x, or conj(F) x, without a scale.

    Each entry rounds in proportion to all that it is a sum of: where `x` rounds at random, it does so once more by the
    size of the whole.
    """
    numbers = plain(x.re) + np.asarray(1j, dtype=np.result_type(x.re.dtype, np.complex64)) * plain(x.im)
    transform = np.fft.fftn if forward else np.fft.ifftn
    y = transform(numbers, axes=tuple(dim), norm="backward" if forward else "forward")
    if not isinstance(x.re, Noisy):
        return Complex(y.real, y.imag)
    size = np.sqrt((y.real**2 + y.imag**2).mean(axis=tuple(dim), keepdims=True))
    return Complex(noisy(y.real) + size - size, noisy(y.imag) + size - size)


def first(array: Array, axis: int, count: int) -> Array:
    """The first entries along an axis."""
    return np.moveaxis(np.moveaxis(array, axis, 0)[:count], 0, axis)


def lengthened(array: Array, axis: int, count: int) -> Array:
    """The array with zeros behind it along an axis, up to the length `count`."""
    missing = count - array.shape[axis]
    if missing == 0:
        return array
    zeros = np.zeros_like(array, shape=(*array.shape[:axis], missing, *array.shape[axis:][1:]), order="C")
    return np.concatenate([array, zeros], axis=axis)
