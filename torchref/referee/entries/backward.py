"""Entries of torch's own backward operations, which a double backward (a gradient penalty) runs forward.

Each is dx = f(dy, x), linear in dy. So its backward with respect to dy is f again, of the upstream gradient (a product
with a symmetric, or at least known, Jacobian); with respect to x the second derivative comes in. The upstream gradient
is called ddx here, that of dx.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import special

from torchref import tensor
from torchref.nn.module import Array, Backward
from torchref.referee.entries.products import convolution
from torchref.referee.entries.table import bind, entry

Slopes = tuple[Array, Array]


def pointwise(slopes: Callable[..., Slopes]) -> Callable[..., Any]:
    """dx = dy f'(x), entry by entry. `slopes(x, ...)` gives f' and f''.

    Backward:  ddy = ddx f'(x),  dx' = ddx dy f''(x).
    """

    def entered(dy: Array, x: Array, *args: Any, **options: Any) -> tuple[Array, Backward]:
        first, second = slopes(x, *args, **options)

        def backward(ddx: Array) -> tuple[Array, Array]:
            return ddx * first, ddx * dy * second

        return dy * first, backward

    return entered


def leaky_relu_slopes(x: Array, slope: float, is_result: bool) -> Slopes:
    return np.where(x > 0, 1.0, slope), np.zeros_like(x)


def hardtanh_slopes(x: Array, low: float, high: float) -> Slopes:
    return ((x > low) & (x < high)).astype(x.dtype), np.zeros_like(x)


def silu_slopes(x: Array) -> Slopes:
    """y = x s, s the sigmoid: y' = s + x s (1 - s);  y'' = s (1 - s) (2 + x (1 - 2 s))."""
    s = special.expit(x)
    return s * (1 + x * (1 - s)), s * (1 - s) * (2 + x * (1 - 2 * s))


def softplus_slopes(x: Array, beta: float, threshold: float) -> Slopes:
    """y' = s(beta x), 1 beyond the threshold;  y'' = beta s (1 - s)."""
    s = special.expit(beta * x)
    linear = beta * x > threshold
    return np.where(linear, 1.0, s), np.where(linear, 0.0, beta * s * (1 - s))


def gelu_slopes(x: Array, *, approximate: str = "none") -> Slopes:
    """y = x Phi(x): y' = Phi + x phi, y'' = phi (2 - x^2), for phi' = -x phi.

    With tanh, y = x (1 + t)/2, t = tanh(u), u = c (x + a x^3): t' = (1 - t^2) u', t'' = (1 - t^2) (u'' - 2 t u'^2), so
    y' = (1 + t)/2 + x t'/2 and y'' = t' + x t''/2.
    """
    if approximate == "tanh":
        c, a = np.sqrt(2 / np.pi), 0.044715
        t = np.tanh(c * (x + a * x**3))
        du, ddu = c * (1 + 3 * a * x * x), 6 * c * a * x
        dt = (1 - t * t) * du
        ddt = (1 - t * t) * (ddu - 2 * t * du * du)
        return (1 + t) / 2 + x * dt / 2, dt + x * ddt / 2
    density = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    return special.ndtr(x) + x * density, density * (2 - x * x)


def log_sigmoid_slopes(x: Array, buffer: Array) -> Slopes:
    """y' = s(-x);  y'' = -s (1 - s). The buffer is what torch's own backward reads."""
    s = special.expit(-x)
    return s, -s * (1 - s)


def mish_slopes(x: Array) -> Slopes:
    """y = x t, t = tanh(softplus(x)), s = sigmoid(x): t' = (1 - t^2) s, t'' = (1 - t^2) (s (1 - s) - 2 t s^2), so
    y' = t + x t' and y'' = 2 t' + x t''."""
    s, t = special.expit(x), np.tanh(np.logaddexp(x, 0))
    dt = (1 - t * t) * s
    return t + x * dt, 2 * dt + x * (1 - t * t) * (s * (1 - s) - 2 * t * s * s)


def hardswish_slopes(x: Array) -> Slopes:
    """y = x (x + 3) / 6 between -3 and 3: y' = x / 3 + 1/2, y'' = 1/3 there; 0 below, x above."""
    inside = (x > -3) & (x < 3)
    return np.where(inside, x / 3 + 0.5, (x >= 3).astype(x.dtype)), np.where(inside, 1 / 3, 0.0)


def shrink_slopes(x: Array, bound: float) -> Slopes:
    """Of hardshrink and softshrink: 1 outside the bound, 0 within."""
    return (np.abs(x) > bound).astype(x.dtype), np.zeros_like(x)


bind(
    gelu_backward=pointwise(gelu_slopes),
    hardshrink_backward=pointwise(shrink_slopes),
    hardswish_backward=pointwise(hardswish_slopes),
    hardtanh_backward=pointwise(hardtanh_slopes),
    leaky_relu_backward=pointwise(leaky_relu_slopes),
    log_sigmoid_backward=pointwise(log_sigmoid_slopes),
    mish_backward=pointwise(mish_slopes),
    sigmoid_backward=tensor.sigmoid_backward,
    silu_backward=pointwise(silu_slopes),
    softplus_backward=pointwise(softplus_slopes),
    softshrink_backward=pointwise(shrink_slopes),
    tanh_backward=tensor.tanh_backward,
    threshold_backward=tensor.threshold_backward,
)


@entry("elu_backward")
def elu_backward(
    dy: Array, alpha: float, scale: float, input_scale: float, is_result: bool, x: Array
) -> tuple[Array, Backward]:
    """Where x <= 0, y = scale alpha (e^(k x) - 1), so y' = scale alpha k e^(k x); of the output y, k (y + scale alpha).

    Backward:  ddy = ddx y',  dx' = ddx dy y'', where y'' is the derivative of y' with respect to what is given.
    """
    negative = x <= 0
    if is_result:
        first = input_scale * (x + scale * alpha)
        second = np.full_like(x, input_scale)
    else:
        first = scale * alpha * input_scale * np.exp(input_scale * np.minimum(x, 0))
        second = input_scale * first
    first, second = np.where(negative, first, scale), np.where(negative, second, 0.0)

    def backward(ddx: Array) -> tuple[Array, Array]:
        return ddx * first, ddx * dy * second

    return dy * first, backward


@entry("_prelu_kernel_backward")
def prelu_backward(dy: Array, x: Array, weight: Array) -> tuple[tuple[Array, Array], Backward]:
    """dx = dy where x > 0, else weight dy;  dweight = x dy where x <= 0, else 0, not summed yet.

    Backward. v and u are their gradients:  ddy = v where x > 0, else weight v + x u,  and where x <= 0
        dx' = u dy,  dweight' = v dy, summed to its shape
    """
    negative = x <= 0

    def backward(doutputs: tuple[Array | None, ...]) -> tuple[Array, Array, Array]:
        v, u = (np.zeros_like(x) if d is None else d for d in doutputs)
        axes = tuple(i for i, n in enumerate(weight.shape) if n == 1)
        ddy = np.where(negative, weight * v + x * u, v)
        return ddy, np.where(negative, u * dy, 0), np.where(negative, v * dy, 0).sum(axes, keepdims=True)

    return (np.where(negative, weight * dy, dy), np.where(negative, x * dy, 0)), backward


@entry("glu_backward")
def glu_backward(dy: Array, x: Array, dim: int) -> tuple[Array, Backward]:
    """y = a s(b), a and b the halves of x along `dim`:  da = dy s,  db = dy a s', s' = s (1 - s).

    Backward. v and u are the gradients of da and db, s'' = s' (1 - 2 s):
        ddy = v s + u a s',   da' = u dy s',   db' = v dy s' + u dy a s''
    """
    a, b = np.split(x, 2, dim)
    s = special.expit(b)
    ds = s * (1 - s)

    def backward(ddx: Array) -> tuple[Array, Array]:
        v, u = np.split(ddx, 2, dim)
        of_x = np.concatenate([u * dy * ds, v * dy * ds + u * dy * a * ds * (1 - 2 * s)], dim)
        return v * s + u * a * ds, of_x

    return np.concatenate([dy * s, dy * a * ds], dim), backward


@entry("_softmax_backward_data")
def softmax_backward(dy: Array, y: Array, dim: int, dtype: Any = None) -> tuple[Array, Backward]:
    return tensor.softmax_backward_data(dy, y, dim)


@entry("_log_softmax_backward_data")
def log_softmax_backward(dy: Array, y: Array, dim: int, dtype: Any = None) -> tuple[Array, Backward]:
    return tensor.log_softmax_backward_data(dy, y, dim)


@entry("embedding_dense_backward")
def embedding_dense_backward(
    dy: Array, x: Array, rows: int, padding_idx: int, scale_grad_by_freq: bool
) -> tuple[Array, Backward]:
    """dweight_r = sum_n [x_n = r] dy_n, 0 for the padding. Backward:  ddy_n = ddweight at x_n, 0 for the padding."""
    if scale_grad_by_freq:
        raise NotImplementedError("scale_grad_by_freq is not differentiable twice")
    kept = (x != padding_idx)[..., None]
    dweight = np.zeros_like(dy, shape=(rows, dy.shape[-1]), order="C")
    np.add.at(dweight, x, np.where(kept, dy, 0.0))

    def backward(ddweight: Array) -> Array:
        return np.where(kept, ddweight[x], 0.0)

    return dweight, backward


@entry("convolution_backward")
def convolution_backward(
    dy: Array,
    x: Array,
    weight: Array,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> tuple[tuple[Array, ...], Backward]:
    """dx, dweight and dbias of y = conv(x, weight) + bias, those that the mask asks for.

    L' = <ddx, dx> + <ddw, dw> + <ddb, db>, and <ddx, dx> = <conv(ddx, weight), dy>, <ddw, dw> = <conv(x, ddw), dy>,
    <ddb, db> = <ddb + 0 y, dy>, conv being linear in each. So
        ddy = conv(ddx, weight) + conv(x, ddw) + ddb
        dx' = dconv(x, ddw) / dx applied to dy,   dweight' = dconv(ddx, weight) / dweight applied to dy
    """
    options = (stride, padding, dilation, transposed, output_padding, groups)

    def product(a: Array, b: Array) -> tuple[Array, Backward]:
        return convolution(a, b, None, *options)

    dx, dweight = product(x, weight)[1](dy)[:2]
    axes = (0, *range(2, dy.ndim))
    results = (dx, dweight, dy.sum(axes))

    def backward(doutputs: Any) -> list[Array]:
        given = iter(doutputs if isinstance(doutputs, tuple) else (doutputs,))
        ddx, ddw, ddb = (next(given) if asked else None for asked in output_mask)
        ddy, of_x, of_weight = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(weight)
        if ddx is not None:
            y, product_backward = product(ddx, weight)
            ddy, of_weight = ddy + y, product_backward(dy)[1]
        if ddw is not None:
            y, product_backward = product(x, ddw)
            ddy, of_x = ddy + y, product_backward(dy)[0]
        if ddb is not None:
            ddy = ddy + ddb.reshape(1, -1, *(1,) * (dy.ndim - 2))
        return [ddy, of_x, of_weight]

    return tuple(r for r, asked in zip(results, output_mask, strict=True) if asked), backward
