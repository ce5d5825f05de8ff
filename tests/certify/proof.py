"""Proofs: the library's own code run on symbols, and its gradient shown to be its output's derivative.

An array of SymPy expressions passes for an array of floats (`Symbolic`), so that the very code that computes with
numbers writes down its formula. Where the code compares (a ReLU, a maximum, a clamp), it goes the way that the symbols'
sample values go: each proof is of the branch that holds there, and the samples reach every branch. With
L = sum(dy * y), every entry of `backward(dy)` must be dL/dx, as expressions: `simplify(difference) == 0`.

What is proven is that backward belongs to forward, for all real values on the branch, without rounding. That the
forward is torch's function is shown by numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import sympy

from torchref.nn.module import Array

IRRATIONAL = {
    math.sqrt(2): sympy.sqrt(2),
    math.sqrt(2 * math.pi): sympy.sqrt(2 * sympy.pi),
    math.sqrt(1 / 2): sympy.sqrt(sympy.Rational(1, 2)),
    1 / math.sqrt(2 * math.pi): 1 / sympy.sqrt(2 * sympy.pi),
    math.sqrt(2 / math.pi): sympy.sqrt(2 / sympy.pi),
    math.log(2): sympy.log(2),
    math.log(10): sympy.log(10),
    2 / math.sqrt(math.pi): 2 / sympy.sqrt(sympy.pi),
    2 * math.pi: 2 * sympy.pi,
    math.log(2 * math.pi): sympy.log(2 * sympy.pi),
    0.5 * math.log(2 * math.pi): sympy.log(2 * sympy.pi) / 2,
}
SAMPLES: dict[sympy.Symbol, float] = {}  # a value for each symbol, by which comparisons are decided


def exact(value: Any) -> Any:
    """A number as SymPy's: decimals as the fractions that they are written as, known constants as themselves."""
    if isinstance(value, sympy.Basic):
        return value
    number = float(value)
    for known, constant in IRRATIONAL.items():
        if number and abs(abs(number) - known) <= 4e-16 * known:
            return constant if number > 0 else -constant
    if not math.isfinite(number):
        return sympy.oo if number > 0 else -sympy.oo
    fraction = sympy.Rational(repr(number)).limit_denominator(10**4)
    return fraction if float(fraction) == number else sympy.Rational(repr(number))


def sample(value: Any) -> float:
    """What an expression is at the samples."""
    if isinstance(value, sympy.Basic):
        return float(value.evalf(subs={s: SAMPLES[s] for s in value.free_symbols}))
    return float(value)


def _absolute(a: Any) -> Any:
    return a if sample(a) >= 0 else -a


MEANING: dict[str, Callable[..., Any]] = {  # of a ufunc, on expressions
    "exp": sympy.exp,
    "expm1": lambda a: sympy.exp(a) - 1,
    "log": sympy.log,
    "log1p": lambda a: sympy.log(1 + a),
    "sqrt": sympy.sqrt,
    "square": lambda a: a * a,
    "tanh": sympy.tanh,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "arcsinh": sympy.asinh,
    "arccosh": sympy.acosh,
    "arctanh": sympy.atanh,
    "exp2": lambda a: 2**a,
    "log2": lambda a: sympy.log(a) / sympy.log(2),
    "log10": lambda a: sympy.log(a) / sympy.log(10),
    "hypot": lambda a, b: sympy.sqrt(a * a + b * b),
    "arctan2": lambda a, b: sympy.atan(a / b),  # but for a constant
    "power": lambda a, b: a**b,
    "erf": sympy.erf,
    "reciprocal": lambda a: 1 / a,
    "absolute": _absolute,
    "fabs": _absolute,
    "floor": lambda a: sympy.Integer(math.floor(sample(a))),  # constant between its jumps
    "rint": lambda a: sympy.Integer(round(sample(a))),
    "sign": lambda a: sympy.Integer(int(np.sign(sample(a)))),
    "maximum": lambda a, b: a if sample(a) >= sample(b) else b,
    "minimum": lambda a, b: a if sample(a) <= sample(b) else b,
    "logaddexp": lambda a, b: b if a == -sympy.oo else a if b == -sympy.oo else sympy.log(sympy.exp(a) + sympy.exp(b)),
    "clip": lambda a, low, high: low if sample(a) < sample(low) else high if sample(a) > sample(high) else a,
    "positive": lambda a: a,
    "conjugate": lambda a: a,
}
COMPARISONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "isnan", "isfinite", "isinf"}


AS_STRIDED = np.lib.stride_tricks.as_strided


class Symbolic(np.ndarray):
    """An array of expressions that calls itself an array of floats."""

    dtype = property(lambda self: np.dtype(np.float64))

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """Itself: expressions have no precision. As integers (places in an array) they are what the samples say."""
        if np.dtype(dtype).kind == "f":
            return self
        if np.dtype(dtype).kind in "iu":
            return _numbers(self).astype(dtype)
        return super().astype(dtype, *args, **kwargs)

    def argmax(self, *args: Any, **kwargs: Any) -> Any:
        """Where the entries are largest at the samples."""
        return _numbers(self).argmax(*args, **kwargs)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        name = ufunc.__name__.split(".")[-1]
        kwargs.pop("dtype", None)
        if name in COMPARISONS:
            return getattr(ufunc, method)(*(_numbers(a) for a in inputs), **kwargs)
        arguments = [_plain(a) for a in inputs]
        if method == "at":  # adds to its first argument in place, at the indices that are its second
            arguments[:2] = [inputs[0].view(np.ndarray), inputs[1]]
        if method == "reduceat":  # sums that begin at its second argument
            arguments[1] = inputs[1]
        if method == "__call__" and name in MEANING:
            result = np.frompyfunc(MEANING[name], len(arguments), 1)(*arguments)
        elif method == "reduce" and name in ("maximum", "minimum"):
            result = _extreme(arguments[0], name, **kwargs)
        elif method == "reduce" and name == "logaddexp":
            result = np.frompyfunc(MEANING[name], 2, 1).reduce(arguments[0], **kwargs)
        elif method == "__call__" and name == "vecdot":
            result = (arguments[0] * arguments[1]).sum(axis=-1)
        else:
            result = getattr(ufunc, method)(*arguments, **kwargs)
        if out is not None:
            out[0].view(np.ndarray)[...] = result
            return out[0]
        return symbolic(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.einsum:
            return symbolic(func(*(_plain(a) if isinstance(a, np.ndarray) else a for a in args)))
        if func is np.zeros:  # with `like=`: of expressions, whatever dtype is asked for
            return symbolic(np.zeros(args[0], object))
        return symbolic(super().__array_function__(func, types, args, kwargs))


def symbolic(value: Any) -> Any:
    """Object arrays, and what falls out of them, as `Symbolic`; all else as it is."""
    if isinstance(value, sympy.Basic):
        return np.array(value, object).view(Symbolic)
    if isinstance(value, np.ndarray) and np.ndarray.dtype.__get__(value).kind == "O":
        return value.view(Symbolic)
    return value


def _plain(value: Any) -> Any:
    """Ready for arithmetic: object arrays of exact numbers, masks as 0 and 1."""
    if isinstance(value, Symbolic):
        return np.frompyfunc(exact, 1, 1)(value.view(np.ndarray)) if value.size else value.view(np.ndarray)
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, np.ndarray):
        return np.frompyfunc(exact, 1, 1)(value) if value.dtype.kind in "fbiu" and value.size else value
    if isinstance(value, float | int | np.number):
        return exact(value)
    return value


def _numbers(value: Any) -> Any:
    if isinstance(value, Symbolic):
        return np.frompyfunc(sample, 1, 1)(value.view(np.ndarray)).astype(np.float64)
    return value


def _extreme(array: Array, name: str, axis: Any = 0, keepdims: bool = False, initial: Any = None, **_: Any) -> Array:
    """The entries themselves that are largest (or smallest) at the samples."""
    axes = tuple(range(array.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) != 1:  # one axis for all of them, at the end
        kept = [a for a in range(array.ndim) if a not in {b % array.ndim for b in axes}]
        whole = array.transpose(*kept, *axes).reshape(*(array.shape[a] for a in kept), -1)
        best = _extreme(whole, name, -1)
        return np.expand_dims(best, axes) if keepdims else best
    (axis,) = axes
    values = np.frompyfunc(sample, 1, 1)(array).astype(np.float64)
    index = (values.argmax if name == "maximum" else values.argmin)(axis=axis, keepdims=True)
    best = np.take_along_axis(array, index, axis)
    return best if keepdims else np.squeeze(best, axis)


def symbols(name: str, shape: tuple[int, ...], values: Array) -> Array:
    """An array of real symbols name_0, name_1, ..., with sample values."""
    entries = []
    for k, value in enumerate(np.ravel(values)):
        symbol = sympy.Symbol(f"{name}_{k}", real=True)
        SAMPLES[symbol] = float(value)
        entries.append(symbol)
    array = np.empty(len(entries), object)
    array[:] = entries
    return array.reshape(shape).view(Symbolic)


def _strided(x: Any, *args: Any, **kwargs: Any) -> Any:
    """NumPy's as_strided, which gives a view the dtype that an array claims: of expressions, their own."""
    return symbolic(AS_STRIDED(x.view(np.ndarray), *args, **kwargs))


def is_zero(expression: Any) -> bool:
    """Whether an expression is zero for all values of its symbols."""
    if sympy.expand(expression) == 0:
        return True
    # In exponentials, over one denominator: enough for what has tanh or quotients of exponentials.
    numerator = sympy.fraction(sympy.together(expression.rewrite(sympy.exp)))[0]
    if sympy.expand(sympy.powsimp(sympy.expand(numerator))) == 0:
        return True
    return bool(sympy.simplify(expression) == 0)


def prove(function: Callable[..., Any], *arrays: Any, constants: tuple[int, ...] = (), **options: Any) -> int:
    """Prove that a function's backward belongs to its forward. AssertionError names the entry for which it does not.

    `arrays` are the function's array arguments: floating ones become symbols whose samples they are, but for those at
    the positions `constants`, which have no gradient. Returns how many entries of gradients were proven.
    """
    SAMPLES.clear()
    arguments: list[Any] = list(arrays)
    for i, a in enumerate(arrays):
        if isinstance(a, np.ndarray) and a.dtype.kind == "f":
            arguments[i] = symbolic(np.frompyfunc(exact, 1, 1)(a)) if i in constants else symbols(f"x{i}", a.shape, a)
    with patch.object(np.lib.stride_tricks, "as_strided", _strided):
        return _prove(function, arguments, constants, options)


def _prove(function: Callable[..., Any], arguments: list[Any], constants: tuple[int, ...], options: Any) -> int:
    """`prove`, of arguments that are symbols."""
    output, backward = function(*arguments, **options)
    outputs = [y for y in (output if isinstance(output, tuple) else (output,)) if isinstance(y, Symbolic)]
    rng = np.random.default_rng(0)
    upstream = [symbols(f"dy{i}", y.shape, rng.standard_normal(y.shape)) for i, y in enumerate(outputs)]
    gradients = backward(tuple(upstream) if isinstance(output, tuple) else upstream[0])
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    loss = sum(_sum(_plain(y) * _plain(dy)) for y, dy in zip(outputs, upstream, strict=True))
    proven = 0
    for i, (argument, gradient) in enumerate(zip(arguments, gradients, strict=True)):
        if not isinstance(argument, Symbolic) or i in constants:
            continue
        if gradient is None:
            raise AssertionError(f"argument {i} has no gradient")
        assert gradient.shape == argument.shape, f"argument {i}: shape {gradient.shape}, not {argument.shape}"
        for place, symbol in _entries(argument):
            if not is_zero(sympy.diff(loss, symbol) - exact(gradient.view(np.ndarray)[place])):
                raise AssertionError(f"argument {i}{list(place)}: {gradient[place]} is not dL/d{symbol}")
            proven += 1
    return proven


def _sum(array: Any) -> Any:
    return sum(np.ravel(array).tolist(), sympy.Integer(0))


def _entries(array: Array) -> Iterator[tuple[tuple[int, ...], Any]]:
    plain = array.view(np.ndarray)
    return ((place, plain[place]) for place in np.ndindex(plain.shape))
