"""Operations on complex numbers, which the tape holds as pairs of real ones: how their entries are called.

torch's gradient of a real loss L by z = x + iy is dz = dL/dx + i dL/dy (twice the derivative by the conjugate of z, the
direction of steepest ascent): the pair of the two real derivatives. So no calculus of its own is needed: write the real
and the imaginary part of the result, take their derivatives, and collect. Three rules follow.

- A map that treats both parts alike (a copy, a sum): its real backward, on each part.
- y = c z, c = a + ib: its parts are a re - b im and b re + a im; the transpose of that matrix is the multiplication by
  a - ib, so dz = dy conj(c). For a linear map y = A z likewise: dz = A^H dy.
- y = f(z), holomorphic: dy/dz is the multiplication by f'(z), so dz = dy conj(f'(z)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import Entry, find
from torchref.referee.recording import Node
from torchref.referee.storage import Ref

__all__ = ["Complex", "bilinear", "by_parts", "complex_entry", "holomorphic", "of_complex_numbers"]


@dataclass(frozen=True)
class Complex:
    """An array of complex numbers: its real and its imaginary part, of one shape."""

    re: Array
    im: Array

    def __add__(self, other: Complex) -> Complex:
        return Complex(self.re + other.re, self.im + other.im)

    def __mul__(self, other: Complex) -> Complex:
        return Complex(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)

    def __neg__(self) -> Complex:
        return Complex(-self.re, -self.im)

    def conj(self) -> Complex:
        return Complex(self.re, -self.im)

    def scaled(self, factor: Any) -> Complex:
        """factor z, for a real factor."""
        return Complex(self.re * factor, self.im * factor)

    def size(self) -> Array:
        """|z|."""
        return np.hypot(self.re, self.im)


FUNCTIONS: dict[str, Entry] = {}


def complex_entry(*names: str) -> Callable[[Entry], Entry]:
    """Enter what the operations `names` compute of complex numbers.

    The function takes `Complex` for each floating-point tensor (the imaginary part of a real one is 0), returns one (a
    tuple of several; what it leaves away behind is taken as given), and `backward(dy)` takes one, or a tuple, and
    returns one, or None, for each array among the arguments, in their order.
    """

    def enter(function: Entry) -> Entry:
        for name in names:
            FUNCTIONS[name] = function
        return function

    return enter


def of_complex_numbers(node: Node) -> Entry | None:
    """The entry of an operation that reads or makes complex numbers, for arrays whose last axis holds the pairs."""
    function = FUNCTIONS.get(node.name) or FUNCTIONS.get(node.name.removesuffix("_"))
    if function is None:
        return None

    def entered(*args: Any, **options: Any) -> tuple[Any, Backward]:
        refs = iter(node.inputs)
        output, function_backward = function(*unpaired(args, refs), **unpaired(options, refs))
        several = isinstance(output, tuple)
        given = output if several else (output,)
        arrays = tuple(paired(y, ref) for y, ref in zip(given, node.outputs, strict=False))

        def backward(dy: Any) -> list[Array | None]:
            parts = dy if isinstance(dy, tuple) else (dy,)
            dys = [None if d is None else numbers(d, ref) for d, ref in zip(parts, node.outputs, strict=True)]
            gradients = function_backward(tuple(dys) if several else dys[0])
            gradients = gradients if isinstance(gradients, tuple | list) else (gradients,)
            return [paired(g, ref) for g, ref in zip(flattened(gradients), node.inputs, strict=False)]

        return arrays if several else arrays[0], backward

    return entered


def unpaired(value: Any, refs: Iterator[Ref]) -> Any:
    """`value`, nested tuples, lists and dicts, with complex numbers for the arrays of which `refs` are the windows."""
    if isinstance(value, np.ndarray):
        return numbers(value, next(refs))
    if isinstance(value, dict):
        return {key: unpaired(part, refs) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [unpaired(part, refs) for part in value]
    return value


def numbers(array: Array, ref: Ref) -> Any:
    """The complex numbers in an array of pairs, or of real numbers; integers as they are."""
    if ref.complex:
        return Complex(array[..., 0], array[..., 1])
    return Complex(array, np.zeros_like(array)) if ref.storage.floating else array


def paired(value: Complex | None, ref: Ref) -> Array | None:
    """The array of pairs; of the real parts where the tensor is real."""
    if value is None or not ref.storage.floating:
        return None
    return np.stack([value.re, value.im], axis=-1) if ref.complex else np.asanyarray(value.re)


def flattened(gradients: Any) -> list[Any]:
    """The gradients of nested lists and tuples in one list."""
    if isinstance(gradients, tuple | list):
        return [part for value in gradients for part in flattened(value)]
    return [gradients]


def part(value: Any, which: str, numbers_too: bool = False) -> Any:
    """The real or the imaginary part, in lists, too; of plain numbers only where these are numbers to compute with."""
    if isinstance(value, Complex):
        return getattr(value, which)
    if isinstance(value, tuple | list):
        return type(value)([part(inner, which) for inner in value])
    if numbers_too and isinstance(value, int | float | complex):
        return complex(value).real if which == "re" else complex(value).imag
    return value


def by_parts(name: str, operands: tuple[int, ...] = ()) -> None:
    """Enter a linear operation that treats both parts alike: y = A x + i A y. Backward: the real one, on each part.

    `operands` are the positions at which plain numbers are added to, or put beside, the others.
    """

    def function(*args: Any, **options: Any) -> tuple[Complex, Backward]:
        found = find(name)
        assert found is not None
        halves = [
            found(*(part(v, which, i in operands) for i, v in enumerate(args)), **part_of(options, which))
            for which in ("re", "im")
        ]
        (re, re_backward), (im, im_backward) = halves

        def backward(dy: Complex) -> list[Complex | None]:
            pairs = zip(flattened(re_backward(dy.re)), flattened(im_backward(dy.im)), strict=True)
            return [None if dre is None else Complex(dre, dim) for dre, dim in pairs]

        return Complex(re, im), backward

    FUNCTIONS[name] = function


def part_of(options: dict[str, Any], which: str) -> dict[str, Any]:
    return {key: part(value, which) for key, value in options.items()}


def operand(value: Any) -> Complex:
    """An operand: complex numbers, or one plain number."""
    return value if isinstance(value, Complex) else Complex(np.asarray(value.real * 1.0), np.asarray(value.imag * 1.0))


def bilinear(name: str) -> None:
    """Enter y = a b, for a product that is linear in each: its real one makes it of the parts.

        re = a.re b.re - a.im b.im,  im = a.re b.im + a.im b.re

    Backward: each of the four real products has its own, and their gradients add up; for the product of numbers that
    is da = dy conj(b), db = dy conj(a), for that of matrices da = dy b^H, db = a^H dy.
    """

    def function(a: Any, b: Any) -> tuple[Complex, Backward]:
        found = find(name)
        assert found is not None
        u, v = operand(a), operand(b)
        rr, rr_backward = found(u.re, v.re)
        ii, ii_backward = found(u.im, v.im)
        ri, ri_backward = found(u.re, v.im)
        ir, ir_backward = found(u.im, v.re)

        def backward(dy: Complex) -> list[Complex]:
            (a1, b1), (a2, b2) = rr_backward(dy.re), ii_backward(-dy.re)
            (a3, b3), (a4, b4) = ri_backward(dy.im), ir_backward(dy.im)
            da, db = Complex(a1 + a3, a2 + a4), Complex(b1 + b4, b2 + b3)
            return [d for d, value in ((da, a), (db, b)) if isinstance(value, Complex)]

        return Complex(rr - ii, ri + ir), backward

    FUNCTIONS[name] = function


def holomorphic(y: Complex, slope: Complex) -> tuple[Complex, Backward]:
    """y = f(z) entry by entry, `slope` f'(z). Backward: dz = dy conj(f'(z))."""

    def backward(dy: Complex) -> Complex:
        return dy * slope.conj()

    return y, backward
