"""The derivative of a NumPy function without its formula: by the complex step, or by differences.

Complex step: for an analytic f, f(x + ih) = f(x) + ih f'(x) - h^2 f''(x) / 2 - ..., so Im f(x + ih) / h is f'(x) up to
h^2. Nothing is subtracted, h may be 1e-30, and the result is as exact as f itself (Squire and Trapp 1998). Code that
takes an absolute value, a variance or a conjugate of x is not analytic.

Richardson: the central difference D(h) = (f(x + h) - f(x - h)) / 2h has the error a h^2 + b h^4 + ... . Of D(h), D(h/2)
and D(h/4) two values without the h^2 term follow, and of these one without the h^4 term. The difference of the two is
the measured noise: rounding, what the series leaves over, or a kink between the points.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.nn.module import Array

IMAGINARY = 1e-30
STEPS = (2.0**-9, 2.0**-14, 2.0**-18)  # of size 1: a kink nearby asks for a smaller one
STEADY = 1e-9  # noise of a derivative, in units of the largest, that asks for no smaller step
AGREE = 1e-6  # how well the complex step must agree with differences where it is believed

Values = dict[str, Any]
Function = Callable[[Values], Array]  # the arguments by name -> every output, in one vector


class NoWitness(Exception):
    """The function cannot be differentiated; the message is for the user."""


@dataclass
class Jacobian:
    """Of one argument: d output[j] / d argument[i] as slopes[i, j], and how far off each may be."""

    slopes: Array  # (entries of the argument, entries of the output)
    noise: Array
    how: str  # "complex step" or "Richardson differences"


def jacobian(
    function: Function, values: Values, name: str, also_complex: Sequence[str] = (), seed: int = 0
) -> Jacobian:
    """The derivative of `function` by its argument `name`: from the complex step where that is right."""
    x = np.asarray(values[name], dtype=float)
    base = function(values)
    if x.size == 0:
        return Jacobian(np.zeros((0, base.size)), np.zeros((0, base.size)), "complex step")
    direction = np.random.default_rng(seed).uniform(0.5, 1.0, x.shape)
    if _complex_step_right(function, values, name, base, direction, also_complex):
        slopes = np.stack([_complex_step(function, values, name, v, also_complex) for v in _units(x)])
        scale = np.abs(slopes).max(initial=0.0)
        return Jacobian(slopes, np.full(slopes.shape, 64 * 2.0**-53 * scale), "complex step")
    pairs = [_richardson(function, values, name, v, base) for v in _units(x)]
    return Jacobian(np.stack([s for s, _ in pairs]), np.stack([n for _, n in pairs]), "Richardson differences")


def _units(x: Array) -> Iterator[Array]:
    """The directions of the entries, one after the other."""
    for i in range(x.size):
        v = np.zeros(x.size)
        v[i] = 1.0
        yield v.reshape(x.shape)


def _complex_step(
    function: Function, values: Values, name: str, direction: Array, also_complex: Sequence[str]
) -> Array:
    """The derivative along `direction`. Errors: whatever the function raises on complex numbers.

    The arguments `also_complex` are complex, too: code stores what it computes of one into arrays made like another.
    """
    there = {**values, **{n: np.asarray(values[n], dtype=complex) for n in also_complex}}
    there[name] = np.asarray(values[name], dtype=float) + IMAGINARY * 1j * direction
    with _complex_arrays():
        return np.imag(function(there)) / IMAGINARY


@contextmanager
def _complex_arrays() -> Iterator[None]:
    """Within this context an array of floats that code makes to be filled, np.zeros((N, H)), holds complex numbers."""

    empty = np.empty

    def widened(make: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any, **kwargs: Any) -> Any:
            array = make(*args, **kwargs)
            own = make is empty and np.float64 in args  # np.random's: it writes floats into the memory that it gets
            return array.astype(complex) if array.dtype == float and not own else array

        return made

    makers = {n: getattr(np, n) for n in ("zeros", "empty", "ones", "full")}
    vars(np).update({n: widened(make) for n, make in makers.items()})
    try:
        yield
    finally:
        vars(np).update(makers)


def _complex_step_right(
    function: Function, values: Values, name: str, base: Array, direction: Array, also_complex: Sequence[str]
) -> bool:
    """Whether the function takes complex numbers, drops no imaginary part, and agrees with differences."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            slope = _complex_step(function, values, name, direction, also_complex)
    except Exception:  # noqa: BLE001 -- whatever the user's code raises on complex numbers
        return False
    measured, noise = _richardson(function, values, name, direction, base)
    if slope.shape != measured.shape or not np.isfinite(slope).all():
        return False
    limit = AGREE * max(np.abs(measured).max(initial=0.0), 1e-12) + 8 * noise
    return bool((np.abs(slope - measured) <= limit).all())


def _richardson(function: Function, values: Values, name: str, direction: Array, base: Array) -> tuple[Array, Array]:
    """The derivative along `direction`, and its noise: at the step at which the noise is least."""
    best: tuple[Array, Array] | None = None
    for h in STEPS:
        slope, noise = _at_step(function, values, name, direction, h)
        noise = noise + 8 * 2.0**-53 * np.abs(base).max(initial=0.0) / h
        if best is not None:
            better = ~(noise >= best[1])  # a nan is worse than anything
            slope, noise = np.where(better, slope, best[0]), np.where(better, noise, best[1])
        best = slope, noise
        if (noise <= STEADY * max(np.abs(slope).max(initial=0.0), 1e-3)).all():
            break
    assert best is not None
    return best


def _at_step(function: Function, values: Values, name: str, direction: Array, h: float) -> tuple[Array, Array]:
    """The derivative along v, and its noise, from central differences D at the steps h, h/2 and h/4.

    D(h) = f' + a h^2 + b h^4 + ...: R(h) = (4 D(h/2) - D(h)) / 3 is free of h^2, (16 R(h/2) - R(h)) / 15 of h^4, too.
    The noise is |R(h/2) - R(h)|. (Richardson 1911)
    """
    x = np.asarray(values[name], dtype=float)

    def central(step: float) -> Array:
        ahead, behind = (function({**values, name: x + s * direction}) for s in (step, -step))
        result: Array = (ahead - behind) / (2 * step)
        return result

    one, half, quarter = central(h), central(h / 2), central(h / 4)
    first, second = (4 * half - one) / 3, (4 * quarter - half) / 3
    return (16 * second - first) / 15, np.abs(second - first)
