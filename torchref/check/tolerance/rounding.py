"""How much rounding moves a result: the NumPy code itself, run with every primitive's result disturbed.

Two correct programs for one formula differ by rounding alone, and by how much depends on the data: on cancellations, on
the lengths of sums, on divisors. Rather than guess a tolerance, run the code in float64 and multiply the result of each
primitive by 1 + u xi, xi even in (-1, 1), u the unit roundoff of the precision in question; a matrix product also gets
u xi sqrt(n) (|A| @ |B|) and a sum u xi sqrt(n) sum|a|, n its length, since orders differ. With K such samples

    S_i = max_k |sample_k - exact|_i + the root mean square of that maximum over the tensor + u |exact|_i

(the last term because the result itself is rounded to be stored), and two correct results lie within 8 S of the exact
one (`MARGIN`). The noise runs through plain NumPy code by way of an ndarray subclass; nothing in the code has to
change. Monte-Carlo arithmetic: Parker 1997.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from torchref.nn.module import Array

MARGIN = 8  # of S: correct pairs have been seen to use 2
SAMPLES = 8
UNIT_ROUNDOFF = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
# float64's own rounding is 2^-13 of this: noise that is far above it, and too small to flip a ReLU for no reason.
NOISE = UNIT_ROUNDOFF | {"float64": 2.0**-40}

# No rounding: the result is one of the arguments, its negative, or a whole number.
EXACT = {
    np.negative, np.positive, np.absolute, np.maximum, np.minimum, np.fmax, np.fmin, np.sign, np.copysign,
    np.floor, np.ceil, np.rint, np.trunc, np.ldexp, np.conjugate,
}  # fmt: skip
PRODUCTS = {np.matmul, np.vecdot, np.matvec, np.vecmat}
PRODUCT_FUNCTIONS = {np.dot, np.inner, np.einsum, np.tensordot}


class _Noise:
    """The present source of noise; `u = 0` disturbs nothing."""

    u = 0.0
    rng: Any = np.random.default_rng(0)


@contextmanager
def rounding_noise(u: float, seed: Any) -> Iterator[None]:
    """Within this context arrays of class `Noisy` round at random with unit roundoff `u`.

    `seed` may also be what has a generator's method `uniform(low, high, shape)`.
    """
    kept = _Noise.u, _Noise.rng
    _Noise.u, _Noise.rng = u, np.random.default_rng(seed) if isinstance(seed, int) else seed
    try:
        yield
    finally:
        _Noise.u, _Noise.rng = kept


def _xi(shape: tuple[int, ...]) -> Array:
    """Even draws from (-u, u)."""
    drawn: Array = _Noise.rng.uniform(-_Noise.u, _Noise.u, shape)
    return drawn


def plain(value: Any) -> Any:
    """The same data as an ndarray."""
    if isinstance(value, Noisy):
        return value.view(np.ndarray)
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value


def noisy(value: Any) -> Any:
    """The same data, to be rounded at random from here on (floating-point arrays only)."""
    if isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f":
        return np.asarray(value).view(Noisy)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(map(noisy, value))
    return value


class Noisy(np.ndarray):
    """An array whose every computed result is disturbed by `rounding_noise`."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        arguments = plain(inputs)
        noise = None
        if ufunc in PRODUCTS and method == "__call__":
            sizes = ufunc(*map(np.abs, arguments), **kwargs)
            noise = _xi(np.shape(sizes)) * np.sqrt(arguments[0].shape[-1]) * sizes
        elif ufunc is np.add and method in ("reduce", "accumulate", "reduceat"):
            summed = {key: value for key, value in kwargs.items() if key != "dtype"}
            sizes = getattr(np.add, method)(np.abs(arguments[0]), *arguments[1:], **summed)
            terms = np.size(arguments[0]) / max(np.size(sizes), 1) if method == "reduce" else np.size(arguments[0])
            noise = _xi(np.shape(sizes)) * np.sqrt(terms) * sizes
        elif method == "at":
            _at_places(ufunc, *arguments)
            return None
        result = getattr(ufunc, method)(*arguments, out=plain(out), **kwargs)
        if not isinstance(result, np.ndarray | np.floating) or result.dtype.kind != "f":
            return noisy(result) if out is None else out[0] if len(out) == 1 else out
        if noise is None and ufunc not in EXACT and method == "__call__":
            noise = _xi(np.shape(result)) * result
        if noise is not None:
            noise = finite(noise)  # rounding leaves an infinity (a mask of attention) where it is
        if out is not None:
            if noise is not None:
                plain(out[0])[...] += noise
            return out[0]
        return noisy(result if noise is None else result + noise)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in PRODUCT_FUNCTIONS:
            arguments = plain(args)
            result = func(*arguments, **kwargs)
            sizes = func(*(np.abs(a) if isinstance(a, np.ndarray) else a for a in arguments), **kwargs)
            terms = max((np.size(a) for a in arguments if isinstance(a, np.ndarray)), default=1) / max(
                np.size(sizes), 1
            )
            return noisy(result + _xi(np.shape(sizes)) * np.sqrt(max(terms, 1.0)) * sizes)
        return noisy(super().__array_function__(func, types, args, kwargs))


def _at_places(ufunc: Any, place: Array, index: Any, *operands: Any) -> None:
    """`ufunc.at` on plain arrays, which changes `place`; its noise is added to it, as that of a sum for np.add.at."""
    if ufunc is not np.add:
        ufunc.at(place, index, *operands)
        if ufunc not in EXACT:
            place += _xi(place.shape) * place
        return
    sizes = np.zeros_like(place)
    np.add.at(sizes, index, np.abs(operands[0]))
    np.add.at(place, index, operands[0])
    parts = index if isinstance(index, tuple) else (index,)  # of one index or one for each axis
    count = max((np.size(i) for i in parts if isinstance(i, np.ndarray | list | int)), default=1)
    place += _xi(sizes.shape) * np.sqrt(count) * sizes


def rounding_spread(
    compute: Callable[[Callable[[Any], Any]], dict[Any, Array]],
    dtype: Any,
    samples: int = SAMPLES,
    seed: int = 0,
) -> tuple[dict[Any, Array], dict[Any, Array]]:
    """The exact results (float64) and the spread S of each entry that rounding in `dtype` explains.

    `compute(wrap)` runs the code in float64 with every floating input passed through `wrap`, and returns its results
    by name. Two correct implementations in `dtype` lie within `MARGIN * S` of the exact result, both.
    """
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name  # NumPy knows no bfloat16
    exact = {key: np.asarray(plain(value)) for key, value in compute(lambda value: value).items()}
    largest = {key: np.zeros(value.shape) for key, value in exact.items()}
    for sample in range(samples):
        with rounding_noise(NOISE[name], seed + sample), np.errstate(all="ignore"):
            for key, value in compute(noisy).items():
                with np.errstate(invalid="ignore"):
                    apart = np.abs(np.asarray(plain(value)) - exact[key])
                largest[key] = np.fmax(largest[key], finite(apart))
    stored = UNIT_ROUNDOFF[name]
    scale = stored / NOISE[name]
    return exact, {
        key: scale * (value + np.sqrt(np.mean(value * value))) + stored * np.abs(finite(exact[key]))
        if value.size
        else value
        for key, value in largest.items()
    }


def finite(array: Array) -> Array:
    """The array with zeros where it is not finite."""
    return np.where(np.isfinite(array), array, 0.0)
