"""Special functions: erf and its kin, the gamma function's logarithm, sigmoid, logit, xlogy. Integers give float32."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from torchref.nn import error_function
from torchref.nn.errors import check_numbers
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import real
from torchref.tensor.calling import broadcasting, elementwise, real_operands

__all__ = ["entr", "erf", "erfc", "erfinv", "i0", "lgamma", "logit", "ndtr", "xlogy"]


TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


def scipy_special() -> Any:
    """scipy.special, loaded when a function first needs it: all else here is NumPy's.

    Errors: ModuleNotFoundError where SciPy is not installed, as in a browser.
    """
    try:
        return importlib.import_module("scipy.special")
    except ModuleNotFoundError:
        message = "erfc, erfinv, lgamma, entr, i0 and ndtr need SciPy, which is not installed: pip install scipy"
        raise ModuleNotFoundError(message, name="scipy") from None


@elementwise
def erf(x: Array) -> tuple[Array, Backward]:
    """y = 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    Backward. The derivative of an integral is what is integrated:  dx = dy 2 / sqrt(pi) exp(-x^2).

    Equals `torch.erf`.
    """
    a = real("erf", x)

    def backward(dy: Array) -> Array:
        return dy * (TWO_OVER_ROOT_PI * np.exp(-a * a))

    return error_function.erf(a), backward


@elementwise
def erfc(x: Array) -> tuple[Array, Backward]:
    """y = 1 - erf(x), exact where erf is nearly 1. Backward: dx = -dy 2 / sqrt(pi) exp(-x^2). Equals `torch.erfc`."""
    a = real("erfc", x)

    def backward(dy: Array) -> Array:
        return -dy * (TWO_OVER_ROOT_PI * np.exp(-a * a))

    return scipy_special().erfc(a), backward


@elementwise
def erfinv(x: Array) -> tuple[Array, Backward]:
    """y with erf(y) = x.

    Backward, of erf(y) = x: y' 2 / sqrt(pi) exp(-y^2) = 1:  dx = dy sqrt(pi) / 2 exp(y^2).

    Equals `torch.erfinv`.
    """
    y = scipy_special().erfinv(real("erfinv", x))

    def backward(dy: Array) -> Array:
        return dy * (math.sqrt(math.pi) / 2 * np.exp(y * y))

    return y, backward


@elementwise
def lgamma(x: Array) -> tuple[Array, Backward]:
    """y = log |Gamma(x)|, Gamma(n) = (n - 1)! between the integers, too.

    Backward. Its derivative is the digamma function:  dx = dy digamma(x).

    Equals `torch.lgamma`.
    """
    a = real("lgamma", x)

    def backward(dy: Array) -> Array:
        return dy * scipy_special().digamma(a)

    return np.where(np.isneginf(a), -a, scipy_special().gammaln(a)), backward


@elementwise
def logit(x: Array, eps: float | None = None) -> tuple[Array, Backward]:
    """y = log(x / (1 - x)), sigmoid's inverse; with eps, x is held between eps and 1 - eps first.

    Backward. y' = 1 / x + 1 / (1 - x) = 1 / (x (1 - x)):
        dx = dy / (x (1 - x));  outside: 0 with eps, nan without

    Equals `torch.logit`.
    """
    a = real("logit", x)
    if eps is not None:
        check_numbers("logit", eps=eps)
    low, high = (0.0, 1.0) if eps is None else (eps, 1 - eps)
    held = a if eps is None else np.where(a < low, np.asarray(low, a.dtype), np.where(a > high, high, a))

    def backward(dy: Array) -> Array:
        slope = np.where(a == 0, np.inf, 1 / (a * (1 - a)))  # at -0.0, too
        return np.where((a < low) | (a > high), np.nan if eps is None else 0, dy * slope)

    return np.log(held / (1 - held)).astype(a.dtype, copy=False), backward


@broadcasting
def xlogy(x: Any, other: Any) -> tuple[Array, Backward]:
    """y = x log(other), and 0 where x = 0, whatever other is (but for nan).

    Backward:  dx = dy log(other), and 0 where x = 0 and other <= 0;  dother = dy x / other.

    Equals `torch.xlogy`.
    """
    a, b = real_operands("xlogy", input=x, other=other)
    y = np.where(np.isnan(b), np.asarray(np.nan, a.dtype), np.where(a == 0, np.zeros_like(a), a * np.log(b)))

    def backward(dy: Array) -> tuple[Array, Array]:
        return dy * np.where((a == 0) & (b <= 0), 0, np.log(b)), dy * (a / b)

    return y, backward


@elementwise
def entr(x: Array) -> tuple[Array, Backward]:
    """y = -x log x for x > 0, 0 at 0, -inf below: an entropy's term.

    Backward. y' = -log x - 1:  dx = -dy (log x + 1).

    Equals `torch.special.entr`.
    """
    a = real("entr", x)

    def backward(dy: Array) -> Array:
        return dy * (-np.log(a) - 1)

    return scipy_special().entr(a) if a.dtype.kind != "c" else -a * np.log(a), backward


@elementwise
def i0(x: Array) -> tuple[Array, Backward]:
    """y = the modified Bessel function I_0(x). Backward: its derivative is I_1: dx = dy I_1(x). Equals `torch.i0`."""
    a = real("i0", x)

    def backward(dy: Array) -> Array:
        return dy * scipy_special().i1(a)

    return scipy_special().i0(a), backward


@elementwise
def ndtr(x: Array) -> tuple[Array, Backward]:
    """y = the distribution function of the standard normal, (1 + erf(x / sqrt(2))) / 2.

    Backward. Its derivative is the density:  dx = dy exp(-x^2 / 2) / sqrt(2 pi).

    Equals `torch.special.ndtr`.
    """
    a = real("ndtr", x)

    def backward(dy: Array) -> Array:
        return dy * (np.exp(-0.5 * (a * a)) * (1 / math.sqrt(2 * math.pi)))

    return scipy_special().ndtr(a), backward
