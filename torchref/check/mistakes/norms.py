# ruff: noqa: E501
"""Batch, layer, group, instance and RMS norm, and local response normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake, Unreduced
from torchref.nn.module import Array

M = Mistake


def core(
    x: Array, weight: Any, bias: Any, axes: tuple[int, ...], eps: float, wrong: frozenset[str], fixed: Any = None
) -> Any:
    """y = weight (x - mean) / sqrt(var + eps) + bias; statistics over `axes`, or the given ones (evaluation)."""
    n = int(np.prod([x.shape[a] for a in axes]))
    mean = x.mean(axes, keepdims=True) if fixed is None else fixed[0]
    centred = x - mean
    var = (centred * centred).mean(axes, keepdims=True) if fixed is None else fixed[1]
    std = np.sqrt(var + eps)
    if "forward bessel" in wrong:
        std = np.sqrt(var * n / (n - 1) + eps)
    if "forward eps outside the root" in wrong:
        std = np.sqrt(var) + eps
    if "forward bessel and eps outside" in wrong:
        std = np.sqrt(var * n / (n - 1)) + eps
    if "forward eps forgotten" in wrong:
        std = np.sqrt(var)
    if "forward eps squared" in wrong:
        std = np.sqrt(var + eps**2)
    x_hat = centred / std
    y = x_hat * weight + bias

    def backward(dy: Array) -> dict[str, Any]:
        dx_hat = dy if "gamma forgotten" in wrong else dy * weight
        s = std
        if "bessel" in wrong:
            s = np.sqrt(var * n / (n - 1) + eps)
        if "bessel without eps" in wrong:
            s = np.sqrt(var * n / (n - 1))
        if "eps outside the root" in wrong:
            s = np.sqrt(var) + eps
        if "eps forgotten" in wrong:
            s = np.sqrt(var)
        if "root forgotten" in wrong:
            s = var + eps
        if "gamma after the means" in wrong:
            dx_hat = dy
        m1 = dx_hat.mean(axes, keepdims=True)
        m2 = (dx_hat * x_hat).mean(axes, keepdims=True)
        if fixed is not None and "evaluation ignored" not in wrong:
            m1 = m2 = 0
        if "mean path" in wrong:
            m1 = 0 * m1
        if "variance path" in wrong:
            m2 = 0 * m2
        if "statistics" in wrong:
            m1, m2 = 0 * m1, 0 * m2
        if "sign of the mean's path" in wrong:
            m1 = -m1
        if "sign of the variance's path" in wrong:
            m2 = -m2
        if "2 of the square lost" in wrong:
            m2 = m2 / 2
        if "1/2 of the root lost" in wrong:
            m2 = 2 * m2
        if "sums for means" in wrong:
            m1, m2 = m1 * n, m2 * n
        if "1 / n of the mean lost" in wrong:
            m1 = m1 * n
        if "1 / n of the variance lost" in wrong:
            m2 = m2 * n
        if "eps forgotten in the variance's path" in wrong:
            m2 = m2 * (std * std / var) ** 1.5
        if "eps forgotten in the variance's square" in wrong:
            m2 = m2 * (std * std / var)
        if "bessel in the variance's path" in wrong:
            m2 = m2 * n / (n - 1)
        if "x for x_hat" in wrong:
            m2 = (dx_hat * x).mean(axes, keepdims=True)
        if "variance's power" in wrong:
            m2 = m2 * s
        if "variance's power, square" in wrong:
            m2 = m2 * s * s
        dx = (dx_hat - m1 - x_hat * m2) / s
        if "1 / std on the direct path only" in wrong:
            dx = dx_hat / s - m1 - x_hat * m2
        if {"gamma after the means", "gamma twice"} & wrong:
            dx = dx * weight
        if "1 / std lost" in wrong:
            dx = dx * s
        if "only the mean path's mean" in wrong:
            dx = -m1 / s
        terms = dy * x_hat
        if "x for x_hat in dgamma" in wrong:
            terms = dy * x
        if "centred x for x_hat in dgamma" in wrong:
            terms = dy * centred
        if "y for x_hat in dgamma" in wrong:
            terms = dy * y
        if "x_hat lost in dgamma" in wrong:
            terms = dy
        if "gamma in dgamma" in wrong:
            terms = dy * x_hat * weight
        dbias = dy * weight if "gamma in dbeta" in wrong else dy
        return {"input": dx, "weight~": terms, "bias~": dbias}

    return y, backward, mean, var, n, std


CORE = (
    M("statistics", "statistics-as-constants", "input", "Mean and variance depend on x, too; both are treated as constants.",
      "dx = (dx_hat - dx_hat.mean - x_hat * (dx_hat * x_hat).mean) / std"),
    M("mean path", "statistics-as-constants", "input", "The path through the mean is missing: the mean depends on x, too."),
    M("variance path", "variance-path-missing", "input", "The path through the variance is missing.",
      "subtract x_hat * (dx_hat * x_hat).mean(...) as well"),
    M("2 of the square lost", "variance-path-missing", "input", "Only half of the path through the variance is there."),
    M("1/2 of the root lost", "variance-path-missing", "input", "The path through the variance counts twice: the 1/2 of the root is lost."),
    M("gamma forgotten", "scale-forgotten", "input", "The factor gamma is forgotten in dx.", "dx_hat = dy * gamma, before the means"),
    M("gamma after the means", "scale-forgotten", "input", "gamma must be applied before the means are taken, not after."),
    M("gamma twice", "scale-forgotten", "input", "The factor gamma is applied twice in dx."),
    M("1 / std lost", "scale-forgotten", "input", "The division by the standard deviation is missing in dx."),
    M("1 / std on the direct path only", "scale-forgotten", "input", "The paths through mean and variance must be divided by the standard deviation, too."),
    M("bessel", "eps-or-bessel-misplaced", "input", "The backward uses the variance with Bessel's correction (n - 1)."),
    M("bessel without eps", "eps-or-bessel-misplaced", "input", "The backward uses the variance with Bessel's correction (n - 1), and without eps."),
    M("bessel in the variance's path", "eps-or-bessel-misplaced", "input", "The path through the variance divides by n - 1, not by n."),
    M("eps forgotten in the variance's path", "eps-or-bessel-misplaced", "input", "eps is forgotten in the path through the variance: (var + eps)**-1.5."),
    M("eps forgotten in the variance's square", "eps-or-bessel-misplaced", "input", "eps is forgotten in the path through the variance."),
    M("eps outside the root", "eps-or-bessel-misplaced", "input", "eps stands outside the root in the backward."),
    M("eps forgotten", "eps-or-bessel-misplaced", "input", "eps is forgotten in the backward."),
    M("root forgotten", "local-derivative-missing", "input", "The backward divides by the variance, not by its root."),
    M("variance's power", "local-derivative-missing", "input", "The path through the variance has the wrong power of the standard deviation."),
    M("variance's power, square", "local-derivative-missing", "input", "The path through the variance has the wrong power of the standard deviation."),
    M("sign of the mean's path", "wrong-sign", "input", "The path through the mean must be subtracted."),
    M("sign of the variance's path", "wrong-sign", "input", "The path through the variance must be subtracted."),
    M("sums for means", "mean-instead-of-sum", "input", "The means of dx_hat and dx_hat * x_hat are sums here: their 1 / n is lost."),
    M("1 / n of the mean lost", "mean-instead-of-sum", "input", "The mean's path lacks its 1 / n."),
    M("1 / n of the variance lost", "mean-instead-of-sum", "input", "The variance's path lacks its 1 / n."),
    M("x for x_hat", "derivative-at-wrong-tensor", "input", "The variance's path multiplies with x where x_hat belongs."),
    M("x for x_hat in dgamma", "derivative-at-wrong-tensor", "weight", "dgamma multiplies dy with x where x_hat belongs.", "dgamma = (dy * x_hat).sum(...)"),
    M("centred x for x_hat in dgamma", "derivative-at-wrong-tensor", "weight", "dgamma multiplies dy with x - mean where x_hat belongs."),
    M("y for x_hat in dgamma", "derivative-at-wrong-tensor", "weight", "dgamma multiplies dy with the output where x_hat belongs."),
    M("x_hat lost in dgamma", "local-derivative-missing", "weight", "dgamma lacks the factor x_hat."),
    M("gamma in dgamma", "scale-forgotten", "weight", "dgamma must not contain gamma."),
    M("gamma in dbeta", "scale-forgotten", "bias", "dbeta must not contain gamma."),
    M("forward bessel", "eps-or-bessel-misplaced", "output", "The forward normalises with Bessel's correction (n - 1); the biased variance belongs there."),
    M("forward eps outside the root", "eps-or-bessel-misplaced", "output", "eps is added outside the root: sqrt(var) + eps instead of sqrt(var + eps)."),
    M("forward bessel and eps outside", "eps-or-bessel-misplaced", "output", "Bessel's correction, and eps outside the root."),
    M("forward eps forgotten", "eps-or-bessel-misplaced", "output", "eps is forgotten."),
    M("forward eps squared", "eps-or-bessel-misplaced", "output", "eps stands squared under the root."),
)  # fmt: skip

WRONG_AXES = {"axis": "", "axis of the mean's path": "mean", "axis of the variance's path": "variance"}
WRONG_AXIS = (
    M("axis", "summed-over-wrong-axis", "input", "The means of the backward run over the wrong axis."),
    M("axis of the mean's path", "summed-over-wrong-axis", "input", "The mean of dx_hat runs over the wrong axis."),
    M(
        "axis of the variance's path",
        "summed-over-wrong-axis",
        "input",
        "The mean of dx_hat * x_hat runs over the wrong axis.",
    ),
    M("forward axis", "summed-over-wrong-axis", "output", "The statistics are taken over the wrong axis."),
)


def named(gradients: dict[str, Any], v: Any, axes: tuple[int, ...], shape: tuple[int, ...]) -> Gradients:
    """dweight and dbias: the terms summed over `axes`."""
    result: Gradients = {"input": gradients["input"]}
    for name in ("weight", "bias"):
        if getattr(v, name) is not None:
            terms = gradients[name + "~"]
            result[name] = terms.sum(axes).reshape(shape)
            result[name + "~"] = Unreduced(terms, axes)
    return result


def layer_norm(v: Any, wrong: frozenset[str]) -> Any:
    x = v.input
    k = len(v.normalized_shape)
    axes = tuple(range(x.ndim - k, x.ndim))
    rest = tuple(range(x.ndim - k))
    weight, bias = (1 if v.weight is None else v.weight), (0 if v.bias is None else v.bias)
    y, inner, *_ = core(x, weight, bias, rest if "forward axis" in wrong else axes, v.eps, wrong)
    for flag in wrong & WRONG_AXES.keys():
        inner = wrong_axis(x, weight, bias, axes, rest, v.eps, WRONG_AXES[flag])

    def backward(dy: Array) -> Gradients:
        return named(inner(dy), v, rest, v.normalized_shape)

    return (y,), backward


def wrong_axis(
    x: Array, weight: Any, bias: Any, axes: tuple[int, ...], other: tuple[int, ...], eps: float, way: str = ""
) -> Any:
    """The right statistics, but the backward's means over `other` axes: both, or that of the path `way` alone."""
    mean = x.mean(axes, keepdims=True)
    std = np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + eps)
    x_hat = (x - mean) / std

    def backward(dy: Array) -> dict[str, Any]:
        d = dy * weight
        first, second = (axes if way == "variance" else other), (axes if way == "mean" else other)
        dx = (d - d.mean(first, keepdims=True) - x_hat * (d * x_hat).mean(second, keepdims=True)) / std
        return {"input": dx, "weight~": dy * x_hat, "bias~": dy}

    return backward


LAYER_NORM = (*CORE, *WRONG_AXIS)


def batch_norm(v: Any, wrong: frozenset[str]) -> Any:
    x = v.input
    axes = (0, *range(2, x.ndim))
    shape = [1, x.shape[1]] + [1] * (x.ndim - 2)
    weight = 1 if v.weight is None else v.weight.reshape(shape)
    bias = 0 if v.bias is None else v.bias.reshape(shape)
    fixed = None if v.training else (v.running_mean.reshape(shape), v.running_var.reshape(shape))
    stat_axes = axes
    if "forward axis" in wrong:
        stat_axes = tuple(range(1, x.ndim))
    if "forward over the batch alone" in wrong:
        stat_axes = (0,)
    y, inner, mean, var, n, _ = core(x, weight, bias, stat_axes, v.eps, wrong, fixed)
    for flag in wrong & WRONG_AXES.keys():
        inner = wrong_axis(x, weight, bias, axes, tuple(range(1, x.ndim)), v.eps, WRONG_AXES[flag])
    if "means over the batch alone" in wrong:
        inner = wrong_axis(x, weight, bias, axes, (0,), v.eps)

    def backward(dy: Array) -> Gradients:
        return named(inner(dy), v, axes, (x.shape[1],))

    if v.running_mean is None:
        return (y,), backward
    if not v.training:
        return (y, v.running_mean, v.running_var), backward
    m = 1 - v.momentum if "momentum the other way round" in wrong else v.momentum
    correction = 1 if "running variance biased" in wrong else n / (n - 1)
    spread = np.sqrt(var * correction) if "running deviation" in wrong else var * correction
    if "running variance with eps" in wrong:
        spread = spread + v.eps
    if mean.size != x.shape[1]:
        return (y, v.running_mean, v.running_var), backward
    running_mean = (1 - m) * v.running_mean + m * mean.reshape(-1)
    running_var = (1 - m) * v.running_var + m * spread.reshape(-1)
    if "running overwritten" in wrong:
        running_mean, running_var = mean.reshape(-1), (var * correction).reshape(-1)
    if "running never updated" in wrong:
        running_mean, running_var = v.running_mean, v.running_var
    return (y, running_mean, running_var), backward


BATCH_NORM = (
    *CORE,
    *WRONG_AXIS,
    M("evaluation ignored", "statistics-as-constants", "input", "In evaluation the running statistics are constants: no path leads through them."),
    M("means over the batch alone", "summed-over-wrong-axis", "input", "The backward's means must run over the batch and all positions."),
    M("forward over the batch alone", "summed-over-wrong-axis", "output", "The statistics must run over the batch and all positions."),
    M("running variance biased", "running-statistics", "running_var", "running_var takes the biased variance; torch stores the unbiased one (n - 1)."),
    M("momentum the other way round", "running-statistics", "running_mean", "momentum weighs the old statistics here; in torch it weighs the new ones."),
    M("running deviation", "running-statistics", "running_var", "running_var takes the standard deviation."),
    M("running variance with eps", "running-statistics", "running_var", "running_var contains eps."),
    M("running overwritten", "running-statistics", "running_mean", "The running statistics are overwritten, not averaged."),
    M("running never updated", "running-statistics", "running_mean", "The running statistics are never updated."),
)  # fmt: skip


def group_norm(v: Any, wrong: frozenset[str]) -> Any:
    x = v.input
    n, c = x.shape[:2]
    g = v.num_groups
    grouped = x.reshape(n, g, c // g, -1)
    broadcast = [1, g, c // g, 1]
    weight = 1 if v.weight is None else v.weight.reshape(broadcast)
    bias = 0 if v.bias is None else v.bias.reshape(broadcast)
    y, inner, *_ = core(grouped, weight, bias, (3,) if "forward axis" in wrong else (2, 3), v.eps, wrong)
    for flag in wrong & WRONG_AXES.keys():
        inner = wrong_axis(grouped, weight, bias, (2, 3), (3,), v.eps, WRONG_AXES[flag])

    def backward(dy: Array) -> Gradients:
        gradients = inner(dy.reshape(grouped.shape))
        gradients = {key: value.reshape(x.shape) for key, value in gradients.items()}
        return named(gradients, v, (0, *range(2, x.ndim)), (c,))

    return (y.reshape(x.shape),), backward


def instance_norm(v: Any, wrong: frozenset[str]) -> Any:
    (y,), backward = group_norm(type(v)(**{**vars(v), "num_groups": v.input.shape[1]}), wrong)
    return (y,), backward


def rms_norm(v: Any, wrong: frozenset[str]) -> Any:
    x = v.input
    k = len(v.normalized_shape)
    axes, rest = tuple(range(x.ndim - k, x.ndim)), tuple(range(x.ndim - k))
    eps = np.finfo(x.dtype).eps if v.eps is None else v.eps
    weight = 1 if v.weight is None else v.weight
    square = (x * x).mean(axes, keepdims=True)
    n = int(np.prod(v.normalized_shape))
    rms = np.sqrt(square + eps)
    for flag, value in (
        ("forward eps outside the root", np.sqrt(square) + eps),
        ("forward eps forgotten", np.sqrt(square)),
        ("forward sum for mean", np.sqrt(square * n + eps)),
        ("forward bessel", np.sqrt(square * n / (n - 1) + eps)),
    ):
        if flag in wrong:
            rms = value
    if "forward centred" in wrong:
        x = x - x.mean(axes, keepdims=True)
        rms = np.sqrt((x * x).mean(axes, keepdims=True) + eps)
    x_hat = x / rms
    y = x_hat * weight

    def backward(dy: Array) -> Gradients:
        s = (
            np.sqrt(square) + eps
            if "eps outside the root" in wrong
            else np.sqrt(square)
            if "eps forgotten" in wrong
            else rms
        )
        d = dy if {"gamma forgotten", "gamma after the means"} & wrong else dy * weight
        m2 = (d * x_hat).mean(axes, keepdims=True)
        if "rms constant" in wrong:
            m2 = 0 * m2
        if "sum for mean" in wrong:
            m2 = n * m2
        if "sign of the rms's path" in wrong:
            m2 = -m2
        if "twice the rms's path" in wrong:
            m2 = 2 * m2
        if "half of the rms's path" in wrong:
            m2 = m2 / 2
        if "eps forgotten in the rms's path" in wrong:
            m2 = m2 * (rms * rms / square) ** 1.5
        if "eps forgotten in the rms's square" in wrong:
            m2 = m2 * (rms * rms / square)
        if "over another axis" in wrong:
            m2 = (d * x_hat).mean(rest, keepdims=True)
        if "x for x_hat" in wrong:
            m2 = (d * x).mean(axes, keepdims=True)
        if "mean path, too" in wrong:
            d = d - d.mean(axes, keepdims=True)
        if "power of the rms" in wrong:
            m2 = m2 * s
        if "power of the rms, square" in wrong:
            m2 = m2 * s * s
        if "power of the rms, inverse" in wrong:
            m2 = m2 / s
        dx = (d - x_hat * m2) / s
        if {"gamma after the means", "gamma twice"} & wrong:
            dx = dx * weight
        if "1 / rms lost" in wrong:
            dx = dx * s
        terms = dy * x_hat
        if "x for x_hat in dgamma" in wrong:
            terms = dy * x
        if "y for x_hat in dgamma" in wrong:
            terms = dy * y
        if "x_hat lost in dgamma" in wrong:
            terms = dy
        result: Gradients = {"input": dx}
        if v.weight is not None:
            result |= {"weight": terms.sum(rest).reshape(v.weight.shape), "weight~": Unreduced(terms, rest)}
        return result

    return (y,), backward


RMS_NORM = (
    M("rms constant", "statistics-as-constants", "input", "The root mean square depends on x, too; it is treated as a constant.",
      "dx = (dx_hat - x_hat * (dx_hat * x_hat).mean(...)) / rms"),
    M("gamma forgotten", "scale-forgotten", "input", "The factor gamma is forgotten in dx."),
    M("gamma after the means", "scale-forgotten", "input", "gamma must be applied before the mean is taken."),
    M("gamma twice", "scale-forgotten", "input", "The factor gamma is applied twice in dx."),
    M("eps forgotten in the rms's path", "eps-or-bessel-misplaced", "input", "eps is forgotten in the path through the rms: (mean square + eps)**-1.5."),
    M("eps forgotten in the rms's square", "eps-or-bessel-misplaced", "input", "eps is forgotten in the path through the rms."),
    M("1 / rms lost", "scale-forgotten", "input", "The division by the root mean square is missing in dx."),
    M("eps outside the root", "eps-or-bessel-misplaced", "input", "eps stands outside the root in the backward."),
    M("eps forgotten", "eps-or-bessel-misplaced", "input", "eps is forgotten in the backward."),
    M("sum for mean", "mean-instead-of-sum", "input", "The path through the rms is a sum where the mean belongs."),
    M("sign of the rms's path", "wrong-sign", "input", "The path through the rms must be subtracted."),
    M("twice the rms's path", "variance-path-missing", "input", "The path through the mean square counts twice."),
    M("half of the rms's path", "variance-path-missing", "input", "Only half of the path through the mean square is there."),
    M("over another axis", "summed-over-wrong-axis", "input", "The mean of the backward runs over the wrong axis."),
    M("x for x_hat", "derivative-at-wrong-tensor", "input", "The rms's path multiplies with x where x_hat belongs."),
    M("power of the rms, square", "local-derivative-missing", "input", "The path through the rms has the wrong power of it."),
    M("power of the rms, inverse", "local-derivative-missing", "input", "The path through the rms has the wrong power of it."),
    M("x for x_hat in dgamma", "derivative-at-wrong-tensor", "weight", "dgamma multiplies dy with x where x_hat belongs."),
    M("y for x_hat in dgamma", "derivative-at-wrong-tensor", "weight", "dgamma multiplies dy with the output where x_hat belongs."),
    M("x_hat lost in dgamma", "local-derivative-missing", "weight", "dgamma lacks the factor x_hat."),
    M("forward eps outside the root", "eps-or-bessel-misplaced", "output", "eps is added outside the root."),
    M("forward eps forgotten", "eps-or-bessel-misplaced", "output", "eps is forgotten."),
    M("forward sum for mean", "mean-instead-of-sum", "output", "The squares are summed where their mean belongs."),
    M("forward bessel", "eps-or-bessel-misplaced", "output", "The mean square divides by n - 1."),
    M("forward centred", "forward-differs", "output", "rms_norm does not subtract the mean."),
)  # fmt: skip


def local_response_norm(v: Any, wrong: frozenset[str]) -> Any:
    x, size = v.input, v.size
    c = x.shape[1]
    low, high = size // 2, (size - 1) // 2  # torch pads size // 2 in front, (size - 1) // 2 behind

    def window(a: Array, before: int, after: int) -> Array:
        return np.stack([a[:, max(i - before, 0) : i + after + 1].sum(1) for i in range(c)], axis=1)

    divisor = v.k + v.alpha / size * window(x * x, low, high)
    if "forward alpha not divided" in wrong:
        divisor = v.k + v.alpha * window(x * x, low, high)
    y = x / divisor**v.beta

    def backward(dy: Array) -> Gradients:
        through = dy * x * divisor ** (-v.beta - 1)
        cross = 2 * v.alpha * v.beta / size * x * window(through, high, low)
        if "window constant" in wrong:
            cross = 0 * cross
        if "2 lost" in wrong:
            cross = cross / 2
        if "own channel only" in wrong:
            cross = 2 * v.alpha * v.beta / size * x * through
        if "beta lost" in wrong:
            cross = cross / v.beta
        if "1 / size lost" in wrong:
            cross = cross * size
        if "sign of the window's path" in wrong:
            cross = -cross
        return {"input": dy / divisor**v.beta - cross}

    return (y,), backward


LOCAL_RESPONSE = (
    M("window constant", "statistics-as-constants", "input", "The sum over the neighbours depends on x, too."),
    M("own channel only", "overwritten-not-accumulated", "input", "Each channel stands in its neighbours' windows, too."),
    M("2 lost", "local-derivative-missing", "input", "The 2 of the square's derivative is lost."),
    M("beta lost", "scale-forgotten", "input", "The exponent beta is lost from the derivative."),
    M("1 / size lost", "scale-forgotten", "input", "alpha is divided by the window's size."),
    M("sign of the window's path", "wrong-sign", "input", "The path through the window must be subtracted."),
    M("forward alpha not divided", "forward-differs", "output", "torch divides alpha by the window's size."),
)  # fmt: skip
