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
from torchref.nn import functional as F
from torchref.nn.module import Array, Backward
from torchref.referee.entries.loss import REDUCTIONS
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


def sigmoid_slopes(y: Array) -> Slopes:
    """Of the output y: f' = y (1 - y), and its derivative with respect to y."""
    return y * (1 - y), 1 - 2 * y


def tanh_slopes(y: Array) -> Slopes:
    """Of the output y: f' = 1 - y^2, and its derivative with respect to y."""
    return 1 - y * y, -2 * y


def threshold_slopes(x: Array, threshold: float) -> Slopes:
    return (x > threshold).astype(x.dtype), np.zeros_like(x)


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


bind(
    gelu_backward=pointwise(gelu_slopes),
    hardtanh_backward=pointwise(hardtanh_slopes),
    leaky_relu_backward=pointwise(leaky_relu_slopes),
    sigmoid_backward=pointwise(sigmoid_slopes),
    silu_backward=pointwise(silu_slopes),
    softplus_backward=pointwise(softplus_slopes),
    tanh_backward=pointwise(tanh_slopes),
    threshold_backward=pointwise(threshold_slopes),
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


@entry("_softmax_backward_data")
def softmax_backward(dy: Array, y: Array, dim: int, dtype: Any = None) -> tuple[Array, Backward]:
    """dx = y (dy - s), s = sum(y dy) along dim.

    Backward, by the product rule:  with t = sum(ddx y):
        ddy = y (ddx - t),  dy' (of the output y) = ddx (dy - s) - t dy
    """
    s = (y * dy).sum(dim, keepdims=True)

    def backward(ddx: Array) -> tuple[Array, Array]:
        t = (ddx * y).sum(dim, keepdims=True)
        return y * (ddx - t), ddx * (dy - s) - t * dy

    return y * (dy - s), backward


@entry("_log_softmax_backward_data")
def log_softmax_backward(dy: Array, y: Array, dim: int, dtype: Any = None) -> tuple[Array, Backward]:
    """dx = dy - e^y s, s = sum(dy) along dim.

    Backward:  ddy = ddx - sum(ddx e^y),  dy' (of the output y) = -ddx e^y s.
    """
    p = np.exp(y)
    s = dy.sum(dim, keepdims=True)

    def backward(ddx: Array) -> tuple[Array, Array]:
        return ddx - (ddx * p).sum(dim, keepdims=True), -ddx * p * s

    return dy - p * s, backward


@entry("mse_loss_backward")
def mse_loss_backward(dloss: Array, x: Array, target: Array, reduction: int) -> tuple[Array, Backward]:
    """dx = 2/n (x - target) dloss. Backward:  ddloss = 2/n sum(ddx (x - target)),  dx' = 2/n ddx dloss = -dtarget'."""
    factor = 2 / x.size if REDUCTIONS[reduction] == "mean" else 2.0
    apart = x - target

    def backward(ddx: Array) -> tuple[Array, Array, Array]:
        of_loss = factor * ddx * apart
        of_x = factor * ddx * dloss
        return (of_loss if dloss.ndim else np.asarray(of_loss.sum())), of_x, -of_x

    return factor * apart * dloss, backward


def linear_in_dy(forward: Callable[..., tuple[Array, Backward]]) -> Callable[..., Any]:
    """An operation that is linear in its one array dy, given by its transpose: `forward(dx's shape, ...)`.

    If dx = A^T dy is the backward of y = A x, then the backward of dx is ddy = A ddx: the forward itself.
    """

    def entered(dy: Array, shape: Sequence[int], *args: Any) -> tuple[Array, Backward]:
        _, function_backward = forward(np.zeros_like(dy, shape=tuple(shape), order="C"), *args)

        def backward(ddx: Array) -> Array:
            return forward(ddx, *args)[0]

        return function_backward(dy), backward

    return entered


def sliced(x: Array, dim: int, start: int, end: int, step: int) -> Any:
    return tensor.index(x, *(slice(None),) * (dim % x.ndim), slice(start, min(end, x.shape[dim]), step))


bind(
    select_backward=linear_in_dy(tensor.select),
    slice_backward=linear_in_dy(sliced),
    index_select_backward=linear_in_dy(tensor.index_select),
)


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


@entry("nll_loss_backward", "nll_loss2d_backward")
def nll_loss_backward(
    dloss: Array, x: Array, target: Array, weight: Array | None, reduction: int, ignore_index: int, total: Array
) -> tuple[Array, Backward]:
    """Linear in dloss, and without x itself. Backward:  ddloss = nll(ddx), the loss of ddx for x."""

    def loss(values: Array) -> tuple[Array, Backward]:
        return F.nll_loss(values, target, weight, ignore_index=ignore_index, reduction=REDUCTIONS[reduction])

    def backward(ddx: Array) -> tuple[Array, None]:
        return loss(ddx)[0], None

    return loss(x)[1](dloss), backward


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
